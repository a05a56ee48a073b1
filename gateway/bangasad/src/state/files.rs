//! Files that are whole or not there, whatever stops the machine.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Component, Path};

use anyhow::{Context, bail};
use policy::Source;

/// Names come from whoever speaks on the socket; none may lead out of the directory.
pub fn sound(name: &str) -> anyhow::Result<&Path> {
    let path = Path::new(name);
    let is_sound = !name.is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)));
    if is_sound { Ok(path) } else { bail!("`{name}` is no name for a file of a policy") }
}

/// Every file below a directory, by its path there.
pub fn read_files(directory: &Path, prefix: &str, source: &mut Source) -> anyhow::Result<()> {
    let cannot = || format!("cannot read `{}`", directory.display());
    for entry in fs::read_dir(directory).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let relative = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}/{name}") };
        if path.is_dir() {
            read_files(&path, &relative, source)?;
        } else {
            let contents = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            source.files.insert(relative, contents);
        }
    }
    Ok(())
}

/// Writes a file, and waits until the disk has it.
pub fn write_durably(path: &Path, contents: &[u8]) -> anyhow::Result<()> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(contents)?;
        file.sync_all()
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// Waits until the disk has the names in a directory.
pub fn sync_directory(directory: &Path) -> anyhow::Result<()> {
    let sync = || File::open(directory)?.sync_all();
    sync().with_context(|| format!("cannot write `{}`", directory.display()))
}

/// Removes a directory, if there is one.
pub fn remove(directory: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", directory.display()))
        }
        _ => Ok(()),
    }
}

/// Four bytes that nobody can guess.
pub fn random() -> anyhow::Result<u32> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .context("cannot read `/dev/urandom`")?;
    Ok(u32::from_ne_bytes(bytes))
}
