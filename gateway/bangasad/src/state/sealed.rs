//! Small files with a checksum: what they say is taken for true only as it was written.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::{sync_directory, write_durably};

/// Writes a value beside its place, and renames it into it.
pub fn write(path: &Path, value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)?;
    let sealed = format!("{}\n{text}\n", blake3::hash(text.as_bytes()));
    let parts = path.with_extension("new");
    write_durably(&parts, sealed.as_bytes())?;
    fs::rename(&parts, path).with_context(|| format!("cannot write `{}`", path.display()))?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Reads it; none: it was never written. `loses` says what removing the file would mean.
pub fn read<T: DeserializeOwned>(path: &Path, loses: &str) -> anyhow::Result<Option<T>> {
    let sealed = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
    };
    let text = sealed.split_once('\n').map(|(seal, text)| (seal, text.trim_end()));
    let sound = text.filter(|(seal, text)| blake3::hash(text.as_bytes()).to_hex().as_str() == *seal);
    let value = sound.and_then(|(_, text)| serde_json::from_str(text).ok());
    match value {
        Some(value) => Ok(Some(value)),
        None => bail!(
            "`{}` is damaged; restore it from a backup, or remove it, which {loses}, and start again",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn only_what_was_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value.json");
        let read = || super::read::<Vec<String>>(&path, "loses it");
        assert_eq!(read().unwrap(), None);
        let value = vec!["漏えい".to_owned(), "\n".to_owned()];
        write(&path, &value).unwrap();
        assert_eq!(read().unwrap(), Some(value));
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() - 1 {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, damaged).unwrap();
            assert!(read().is_err(), "byte {at}");
        }
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(read().unwrap_err().to_string().contains("which loses it"));
    }
}
