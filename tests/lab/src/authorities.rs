//! What inspection in a lab needs besides the daemon: certificate authorities of the municipalities, and the roots that
//! the lab's Internet is trusted by. Made with `bangasa ca`, as an operator does.

use std::fs;

use anyhow::{Context, Result};

use crate::daemon::Files;
use crate::internet::Internet;
use crate::process;

/// Writes the roots, and issues an authority for each of these municipalities.
pub fn issue(files: &Files, internet: &Internet, municipalities: &[&str]) -> Result<()> {
    fs::copy(internet.pki().root(), &files.roots).context("cannot copy the lab's root certificate")?;
    let ca = |arguments: &[&str]| {
        let mut command = process::command("env", [crate::daemon::find_binary("bangasa")?]);
        command.arg("ca").arg("--dir").arg(&files.authorities).args(arguments);
        process::run(&mut command)
    };
    ca(&["init", "--name", "朝霧県"])?;
    municipalities.iter().try_for_each(|id| ca(&["issue", id]).map(|_| ()))
}
