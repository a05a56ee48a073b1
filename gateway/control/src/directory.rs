//! Reads a policy directory. Bounded, and never out of the directory, whatever links it contains.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use policy::Source;

/// Largest single file: a set of the million prefixes that all sets together may have fits three times.
pub const FILE_BYTES: u64 = 64 << 20;
/// Largest directory.
pub const TOTAL_BYTES: u64 = 256 << 20;
/// Most files.
pub const FILES: usize = 4_096;
/// Directories below the first.
const DEPTH: usize = 4;
/// Extensions that are read anywhere.
const EXTENSIONS: [&str; 4] = ["toml", "csv", "netset", "txt"];
/// Folders in which every file is read: feeds come with names of their own.
const LISTS: [&str; 2] = ["sets", "names"];
/// The folder of certificates, and their extension. Not anywhere: what is read is sent and kept, and keys are `.pem` too.
const ROOTS: (&str, &str) = ("roots", "pem");
/// The folder of revocation lists, and theirs.
const CRLS: (&str, [&str; 3]) = ("crls", ["pem", "crl", "der"]);

/// Why a directory cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The kernel said no.
    #[error("cannot read `{}`: {error}", .path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A link that leads out.
    #[error("`{}` leads out of the policy directory; copy the file into it", .0.display())]
    LeadsOut(PathBuf),
    /// Not a name that can be shown and compared everywhere.
    #[error("`{}` is not a UTF-8 name; rename the file", .0.display())]
    NotUtf8(PathBuf),
    /// A file too large.
    #[error("`{}` is larger than {} MiB; split it", .0.display(), FILE_BYTES >> 20)]
    FileTooLarge(PathBuf),
    /// Too much altogether.
    #[error("`{}` is larger than {} MiB or has more than {FILES} files", .0.display(), TOTAL_BYTES >> 20)]
    TooLarge(PathBuf),
}

/// Reads the files of a policy: `.toml`, `.csv`, `.netset` and `.txt` anywhere, everything in `sets/` and `names/`, and
/// `.pem` in `roots/`, and `.pem`, `.crl` and `.der` in `crls/`. Hidden files and directories are left out. Whether what is there is a policy, and what it lacks, is for [`policy::check`].
pub fn read_directory(directory: impl AsRef<Path>) -> Result<Source, DirectoryError> {
    let directory = directory.as_ref();
    let root = directory.canonicalize().map_err(|error| unreadable(directory, error))?;
    let mut reader = Reader { shown: directory, root, total: 0, files: BTreeMap::new() };
    reader.read(directory, "", 0)?;
    Ok(Source { files: reader.files })
}

struct Reader<'a> {
    shown: &'a Path,
    root: PathBuf,
    total: u64,
    files: BTreeMap<String, Vec<u8>>,
}

impl Reader<'_> {
    fn read(&mut self, directory: &Path, prefix: &str, depth: usize) -> Result<(), DirectoryError> {
        for entry in fs::read_dir(directory).map_err(|error| unreadable(directory, error))? {
            let path = entry.map_err(|error| unreadable(directory, error))?.path();
            let name = path.file_name().unwrap_or_default();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let Some(name) = name.to_str() else {
                return Err(DirectoryError::NotUtf8(path));
            };
            let relative = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let target = path.canonicalize().map_err(|error| unreadable(&path, error))?;
            let kind = fs::metadata(&target).map_err(|error| unreadable(&path, error))?;
            let wanted = kind.is_file() && is_policy_file(&path, prefix);
            let descend = kind.is_dir() && depth < DEPTH;
            if (wanted || descend) && !target.starts_with(&self.root) {
                return Err(DirectoryError::LeadsOut(path));
            }
            if descend {
                self.read(&path, &relative, depth + 1)?;
            } else if wanted {
                let contents = self.read_file(&path)?;
                self.files.insert(relative, contents);
            }
        }
        Ok(())
    }

    fn read_file(&mut self, path: &Path) -> Result<Vec<u8>, DirectoryError> {
        let mut contents = Vec::new();
        let file = File::open(path).map_err(|error| unreadable(path, error))?;
        file.take(FILE_BYTES + 1).read_to_end(&mut contents).map_err(|error| unreadable(path, error))?;
        if contents.len() as u64 > FILE_BYTES {
            return Err(DirectoryError::FileTooLarge(path.to_path_buf()));
        }
        self.total += contents.len() as u64;
        if self.total > TOTAL_BYTES || self.files.len() >= FILES {
            return Err(DirectoryError::TooLarge(self.shown.to_path_buf()));
        }
        Ok(contents)
    }
}

fn is_policy_file(path: &Path, prefix: &str) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    LISTS.contains(&prefix)
        || EXTENSIONS.contains(&extension)
        || (prefix, extension) == ROOTS
        || prefix == CRLS.0 && CRLS.1.contains(&extension)
}

fn unreadable(path: &Path, error: io::Error) -> DirectoryError {
    DirectoryError::Unreadable { path: path.to_path_buf(), error }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn policy_directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("sets")).unwrap();
        fs::write(directory.path().join("prefecture.toml"), "schema = 1").unwrap();
        fs::write(directory.path().join("sets/threats"), "192.0.2.0/24").unwrap();
        for folder in ["names", "roots", "crls"] {
            fs::create_dir(directory.path().join(folder)).unwrap();
        }
        fs::write(directory.path().join("names/banks"), ".bank.example").unwrap();
        fs::write(directory.path().join("roots/partner.pem"), "a certificate").unwrap();
        fs::write(directory.path().join("roots/partner.key"), "a key").unwrap();
        fs::write(directory.path().join("crls/partner.crl"), "a list").unwrap();
        fs::write(directory.path().join("crls/partner.key"), "a key").unwrap();
        fs::write(directory.path().join("key.pem"), "a key").unwrap();
        fs::write(directory.path().join("README.md"), "not policy").unwrap();
        directory
    }

    #[test]
    fn reads_policy_files_and_nothing_else() {
        let directory = policy_directory();
        let source = read_directory(directory.path()).unwrap();
        assert_eq!(
            source.files.keys().collect::<Vec<_>>(),
            ["crls/partner.crl", "names/banks", "prefecture.toml", "roots/partner.pem", "sets/threats"]
        );
    }

    #[test]
    fn links_out_are_refused() {
        let directory = policy_directory();
        std::os::unix::fs::symlink("/etc/hostname", directory.path().join("sets/hosts")).unwrap();
        assert!(matches!(read_directory(directory.path()), Err(DirectoryError::LeadsOut(_))));
    }

    #[test]
    fn what_is_missing_in_a_directory_is_for_check_to_say_but_a_directory_must_be_there() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(read_directory(directory.path()).unwrap(), Source::default());
        let missing = directory.path().join("polciy");
        let error = read_directory(&missing).unwrap_err().to_string();
        assert!(error.contains("cannot read") && error.contains("polciy"), "{error}");
        let file = directory.path().join("prefecture.toml");
        fs::write(&file, "").unwrap();
        let error = read_directory(&file).unwrap_err().to_string();
        assert!(error.contains("Not a directory"), "{error}");
    }
}
