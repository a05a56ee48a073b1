//! Starting other programs: say what runs, stop at the first failure, say how to see more.

use std::process::{Command, Stdio};
use std::time::Instant;

/// Why a task stopped: one sentence for people, what to do next included.
pub struct Failure(pub String);

/// Of a task or a step.
pub type Outcome = Result<(), Failure>;

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self(message)
    }
}

/// Runs one step with its output passed through, framed by a line before and a line after.
pub fn step(what: &str, command: &mut Command) -> Outcome {
    eprintln!("── {what}");
    let begun = Instant::now();
    let status = command.status().map_err(|error| unstartable(command, &error))?;
    let seconds = begun.elapsed().as_secs_f32();
    if status.success() {
        eprintln!("── {what}: done in {seconds:.0} s");
        return Ok(());
    }
    Err(Failure(format!("{what} failed ({status}); the command was `{}`", words(command))))
}

/// Runs a command in silence and returns what it wrote to stdout, whatever its exit status.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let output =
        command.stdin(Stdio::null()).stderr(Stdio::null()).output().map_err(|error| unstartable(command, &error))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as it would be typed.
fn words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// A program that is not there, or may not be executed.
pub fn unstartable(command: &Command, error: &std::io::Error) -> Failure {
    Failure(format!("cannot start `{}`: {error}", command.get_program().to_string_lossy()))
}
