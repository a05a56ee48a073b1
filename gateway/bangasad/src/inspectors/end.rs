//! Ends inspectors without a conversation: for `bangasad detach`, when no daemon runs that could tell them.

use std::fs;

use dataplane::error::Error;
use dataplane::namespaces;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What the kernel calls the program: fifteen letters are all that it keeps.
const NAME: &str = "bangasa-inspect";

/// Ends every inspector in our namespaces, with the connections that it carries. Other processes there are somebody's own.
pub fn end_all(netns_prefix: &str) -> Result<(), Error> {
    for namespace in namespaces::existing(netns_prefix)? {
        for pid in namespaces::inhabitants(&namespace)? {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim_end() == NAME {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
        }
    }
    Ok(())
}
