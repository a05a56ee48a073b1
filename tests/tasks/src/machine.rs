//! What this machine and this user are.

use crate::place;
use crate::run::{Failure, Outcome, output};

/// Fails unless the user is root: namespaces, XDP and bpffs ask for it.
pub fn demand_root(to: &str) -> Outcome {
    if is_root() {
        return Ok(());
    }
    Err(Failure(format!(
        "{to} makes network namespaces and loads programs into the kernel, which only root may; \
         run `sudo -E env \"PATH=$PATH\" make …`"
    )))
}

/// Whether the effective user is root.
pub fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_user(&status) == Some(0)
}

/// The second number of the line `Uid:` (proc(5)).
fn effective_user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Fails unless cargo has the component that a step needs.
pub fn demand_component(subcommand: &str, component: &str) -> Outcome {
    if output(place::cargo(subcommand).arg("--version"))?.is_empty() {
        return Err(Failure(format!("`cargo {subcommand}` is not there; run `rustup component add {component}`")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_user_is_the_second_number() {
        assert_eq!(effective_user("Name:\tmake\nUid:\t1000\t0\t0\t0\nGid:\t7\t7\t7\t7\n"), Some(0));
        assert_eq!(effective_user("Uid:\t0\t1000\t0\t0\n"), Some(1000));
        assert_eq!(effective_user("Name:\tmake\n"), None);
    }
}
