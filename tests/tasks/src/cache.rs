//! The build cache is shared by all clones, and cargo tells what is stale by time alone: after a younger clone has built
//! there, an older one's sources look built, and its tests would run the other's code. So a clone that takes the cache
//! over makes its own sources new.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use crate::place;
use crate::run::{Failure, Outcome};

/// Folders whose files are compiled, or read while compiling.
const FOLDERS: [&str; 5] = ["bench", "ebpf-filters", "gateway", "policy", "tests"];
/// In the cache: which clone used it last.
const STAMP: &str = "built-for";

/// Makes sure that nothing another clone has built is taken for ours.
pub fn take_over() -> Outcome {
    let target = place::target_dir();
    let ours = place::root().to_string_lossy().into_owned();
    if fs::read_to_string(target.join(STAMP)).is_ok_and(|last| last == ours) {
        return Ok(());
    }
    let now = SystemTime::now();
    let renewed = FOLDERS
        .iter()
        .try_for_each(|folder| renew(&place::root().join(folder), now))
        .and_then(|()| fs::create_dir_all(&target))
        .and_then(|()| fs::write(target.join(STAMP), ours));
    renewed.map_err(|error| Failure(format!("cannot take over the build cache `{}`: {error}", target.display())))
}

/// Sets the time of every file below a folder, build directories left out.
fn renew(folder: &Path, now: SystemTime) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && entry.file_name() != "target" {
            renew(&entry.path(), now)?;
        } else if kind.is_file() {
            File::options().append(true).open(entry.path())?.set_modified(now)?;
        }
    }
    Ok(())
}
