//! The directory of the certificate authorities, and how it changes: every step is one rename or link, so that a reader,
//! or a machine that loses power, finds the state before it or the one after.
//!
//! ```text
//! root.pem, root.key          the prefecture's certificate, which clients trust, and its key, which stays here
//! shiomi/1/, shiomi/2/, …     authorities of a municipality: chain.pem, key.pem, rsa-chain.pem, rsa-key.pem
//! shiomi/current -> 2         the one that the daemon hands to the inspector
//! ```

mod write;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use certify::{BACKDATED, CURRENT, DAY, KeyType, Moment, Municipal, Root, Summary, Texts};

use write::{create_folder, link, write_new};

/// Where it is unless said otherwise.
pub const DEFAULT: &str = "/etc/bangasa/ca";

/// How long a replaced authority is kept: the way back, should a client trip over the new one.
pub const GRACE_DAYS: i64 = 30;

const ROOT_CERTIFICATE: &str = "root.pem";
const ROOT_KEY: &str = "root.key";

/// The directory.
#[derive(Clone, Debug)]
pub struct CaDirectory {
    path: PathBuf,
}

/// One authority of a municipality.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Issue {
    /// The name of its folder; later ones are higher.
    pub number: u32,
    /// Whether the daemon uses it.
    pub is_current: bool,
}

impl CaDirectory {
    /// Of this path; nothing is read yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Writes a root that is not there yet.
    pub fn create_root(&self, root: &Root) -> anyhow::Result<()> {
        let (certificate, key) = (self.path.join(ROOT_CERTIFICATE), self.path.join(ROOT_KEY));
        for file in [&key, &certificate] {
            if file.exists() {
                bail!(
                    "`{}` is there already; clients may trust it, so it is not replaced: give another `--dir`",
                    file.display()
                );
            }
        }
        create_folder(&self.path)?;
        write_new(&key, &root.key_pem())?;
        write_new(&certificate, &root.certificate_pem())
    }

    /// The root, to issue with.
    pub fn root(&self) -> anyhow::Result<Root> {
        let key = self.path.join(ROOT_KEY);
        let text = fs::read_to_string(&key).with_context(|| {
            format!(
                "cannot read `{}`; is there a root? `bangasa ca init` makes one, and needs the same user",
                key.display()
            )
        })?;
        Root::from_pem(&self.root_certificate()?, &text).with_context(|| format!("`{}`", self.path.display()))
    }

    /// The certificate that clients trust, PEM.
    pub fn root_certificate(&self) -> anyhow::Result<String> {
        let file = self.path.join(ROOT_CERTIFICATE);
        fs::read_to_string(&file)
            .with_context(|| format!("cannot read `{}`; is there a root? `bangasa ca init` makes one", file.display()))
    }

    /// Municipalities that have an authority, sorted.
    pub fn municipalities(&self) -> anyhow::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path).with_context(|| format!("cannot read `{}`", self.path.display()))?;
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && entry.path().join(CURRENT).exists()
            {
                ids.push(name);
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// A municipality's authorities, the oldest first. None: it has none.
    pub fn issues(&self, id: &str) -> anyhow::Result<Vec<Issue>> {
        let folder = self.path.join(id);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", folder.display())),
        };
        let current = fs::read_link(folder.join(CURRENT)).ok();
        let mut issues = Vec::new();
        for entry in entries {
            let name = PathBuf::from(entry?.file_name());
            if let Some(number) = name.to_str().and_then(|name| name.parse().ok()) {
                issues.push(Issue { number, is_current: current.as_ref() == Some(&name) });
            }
        }
        issues.sort_by_key(|issue| issue.number);
        Ok(issues)
    }

    /// The authority that a municipality uses.
    pub fn current(&self, id: &str) -> anyhow::Result<Issue> {
        let issues = self.issues(id)?;
        issues.into_iter().find(|issue| issue.is_current).with_context(|| {
            format!("`{id}` has no authority in `{}`; `bangasa ca issue {id}` makes one", self.path.display())
        })
    }

    /// A certificate of an authority, PEM.
    pub fn certificate(&self, id: &str, issue: Issue, key_type: KeyType) -> anyhow::Result<String> {
        let file = self.path.join(id).join(issue.number.to_string()).join(key_type.files().0);
        fs::read_to_string(&file).with_context(|| format!("cannot read `{}`", file.display()))
    }

    /// Writes an authority and makes it the current one.
    pub fn add(&self, id: &str, municipal: &Municipal) -> anyhow::Result<Issue> {
        let folder = self.path.join(id);
        create_folder(&folder)?;
        let number = self.issues(id)?.last().map_or(1, |last| last.number + 1);
        let issue = folder.join(number.to_string());
        let unfinished = folder.join(format!(".{number}.unfinished-{}", std::process::id()));
        create_folder(&unfinished)?;
        for key_type in KeyType::ALL {
            let (certificate_file, key_file) = key_type.files();
            let Texts { chain, key } = municipal.texts(key_type);
            write_new(&unfinished.join(certificate_file), chain)?;
            write_new(&unfinished.join(key_file), key)?;
        }
        // Fails where another command was faster: its folder is not empty.
        fs::rename(&unfinished, &issue).with_context(|| {
            format!("cannot make `{}`; is another `bangasa ca` at work? try again", issue.display())
        })?;
        link(&folder, CURRENT, &number.to_string())?;
        Ok(Issue { number, is_current: true })
    }

    /// Removes authorities that were replaced before the time of grace.
    pub fn remove_old(&self, id: &str, now: Moment) -> anyhow::Result<Vec<u32>> {
        let mut removed = Vec::new();
        let issues = self.issues(id)?;
        for pair in issues.windows(2) {
            let (old, successor) = (pair[0], pair[1]);
            let text = self.certificate(id, successor, KeyType::Ecdsa)?;
            let replaced = Summary::of_pem(&text)?.validity.from.plus(BACKDATED);
            if !old.is_current && replaced.plus(GRACE_DAYS * DAY) < now {
                let folder = self.path.join(id).join(old.number.to_string());
                fs::remove_dir_all(&folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
                removed.push(old.number);
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests;
