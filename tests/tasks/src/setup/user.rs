//! The user that inspectors run as, in the lab as on a real gateway.

use std::fs;
use std::process::Command;

use crate::machine;
use crate::run::{Failure, Outcome, step};

const NAME: &str = "bangasa-inspect";

/// Makes the user if there is none.
pub fn ensure() -> Outcome {
    let users = fs::read_to_string("/etc/passwd").map_err(|error| Failure(format!("cannot read users: {error}")))?;
    if is_there(&users) {
        return Ok(());
    }
    if !machine::is_root() {
        return Err(Failure(format!("only root may make the user {NAME}; run `sudo useradd --system {NAME}`")));
    }
    let title = format!("setup: making the user {NAME}, who owns nothing");
    let options = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"];
    step(&title, Command::new("useradd").args(options).args(["--shell", "/usr/sbin/nologin", NAME]))
}

fn is_there(users: &str) -> bool {
    users.lines().any(|line| line.split(':').next() == Some(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_name_is_another_user() {
        assert!(is_there("root:x:0:0::/root:/bin/sh\nbangasa-inspect:x:998:998::/nonexistent:/bin/false\n"));
        assert!(!is_there("bangasa-inspector:x:998:998::/:/bin/false\nx:bangasa-inspect:1:1::/:/bin/sh\n"));
    }
}
