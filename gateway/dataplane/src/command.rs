//! Runs the machine's own programs (`ip`, `nft`, `ethtool`, `sysctl`) and turns their failures into sentences.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::error::Error;

/// Runs a program to its end and returns what it printed.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, Error> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    finish(program, arguments, output)
}

/// Runs a program that reads its orders from standard input.
pub fn feed(program: &str, arguments: &[&str], input: &str) -> Result<String, Error> {
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let output = spawned.and_then(|mut child| {
        if let Some(mut stdin) = child.stdin.take() {
            // A program that stops reading says why on its standard error.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    });
    finish(program, arguments, output)
}

fn finish(program: &str, arguments: &[&str], output: std::io::Result<Output>) -> Result<String, Error> {
    let output =
        output.map_err(|source| Error::NoCommand { program: program.into(), package: package(program), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    let message = if message.is_empty() { output.status.to_string() } else { message };
    Err(Error::Command { command: format!("{program} {}", arguments.join(" ")), message })
}

fn package(program: &str) -> &'static str {
    match program {
        "ip" => "iproute2",
        "nft" => "nftables",
        "ethtool" => "ethtool",
        "sysctl" => "procps",
        _ => "mount",
    }
}
