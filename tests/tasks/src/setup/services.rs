//! Installing a server must not start it: the lab runs its own, in its own namespaces.

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::run::{Failure, Outcome, step};

/// Asked by invoke-rc.d and deb-systemd-invoke before a maintainer script may start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// First lines of our policy, by which a left-over of a killed run is told from an administrator's own.
const MARK: &str = "#!/bin/sh\n# Bangasa's set-up: no service starts while process ";

/// Packages of [`super::packages`] that would start at boot, with their service.
const SERVICES: [(&str, &str); 3] = [("haproxy", "haproxy"), ("nginx", "nginx"), ("squid-openssl", "squid")];

/// Forbids starting services until dropped.
pub struct NoServiceStarts {
    ours: bool,
}

/// Puts the policy in place, unless the machine has one of its own, which then decides.
///
/// Our policy asks whether this process is still alive, so one left behind by a kill forbids nothing.
pub fn keep_from_starting() -> Result<NoServiceStarts, Failure> {
    let path = Path::new(POLICY);
    match fs::read_to_string(path) {
        Ok(text) if !text.starts_with(MARK) => return Ok(NoServiceStarts { ours: false }),
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(Failure(format!("cannot read {POLICY}: {error}")));
        }
        _ => {}
    }
    fs::write(path, policy(std::process::id()))
        .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)))
        .map_err(|error| Failure(format!("cannot write {POLICY}: {error}")))?;
    Ok(NoServiceStarts { ours: true })
}

/// Exit code 101 says "action forbidden by policy" (invoke-rc.d(8)).
fn policy(process: u32) -> String {
    format!("{MARK}{process} installs\n[ -d /proc/{process} ] && exit 101\nexit 0\n")
}

impl Drop for NoServiceStarts {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(POLICY)
        {
            eprintln!("── setup: {POLICY} could not be removed ({error}); remove it by hand");
        }
    }
}

/// Disables, for the next boot, the services of packages just installed. A server that was there before is left alone.
pub fn keep_from_booting(installed: &[&str]) -> Outcome {
    for (package, service) in SERVICES {
        if installed.contains(&package) {
            step(
                &format!("setup: keeping {service} from starting at boot"),
                Command::new("update-rc.d").args([service, "disable"]),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_code(process: u32) -> Option<i32> {
        let status = Command::new("sh").arg("-c").arg(policy(process)).status();
        status.ok().and_then(|status| status.code())
    }

    #[test]
    fn forbids_while_the_process_lives_and_not_after() {
        assert_eq!(exit_code(std::process::id()), Some(101));
        assert_eq!(exit_code(u32::MAX), Some(0));
    }

    #[test]
    fn knows_its_own() {
        assert!(policy(1).starts_with(MARK));
    }
}
