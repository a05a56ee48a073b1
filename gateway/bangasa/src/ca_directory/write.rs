//! Files and links that appear whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, symlink};
use std::path::Path;

use anyhow::Context;

/// A folder for its owner alone, if it is not there yet.
pub fn create_folder(path: &Path) -> anyhow::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).with_context(|| format!("cannot make `{}`", path.display()))
}

/// A file for its owner alone that must not be there yet. Nobody sees half of it, and of two writers one is refused.
pub fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let unfinished = path.with_added_extension(format!("unfinished-{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // Unlike a rename, a link does not replace what is there.
        fs::hard_link(&unfinished, path)
    };
    let written = write();
    let _ = fs::remove_file(&unfinished);
    written.with_context(|| format!("cannot write `{}`", path.display()))?;
    sync_parent(path)
}

/// A symbolic link in a folder, which may replace the one that is there.
pub fn link(folder: &Path, name: &str, target: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    let unfinished = folder.join(format!(".{name}.unfinished-{}", std::process::id()));
    let _ = fs::remove_file(&unfinished);
    symlink(target, &unfinished)
        .and_then(|()| fs::rename(&unfinished, &path))
        .with_context(|| format!("cannot make `{}` point to `{target}`", path.display()))?;
    sync_parent(&path)
}

/// What a folder holds outlives a loss of power only once the folder itself is written.
fn sync_parent(path: &Path) -> anyhow::Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    File::open(parent)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync `{}`", parent.display()))
}
