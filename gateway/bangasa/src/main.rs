//! The command line: see `bangasa help`.

fn main() -> std::process::ExitCode {
    bangasa::cli::main()
}
