//! What an inspector is told: its municipality's rules, what to trust, and what to mint with.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use certify::{CURRENT, KeyType};
use inspect::wire::{AuthorityText, BypassName, Order, Setting, WIRE_VERSION};
use policy::tls::View;

use super::Config;
use crate::daemon::Current;

/// What a setting is made of besides the policy, as it is on disk now.
pub struct Materials {
    platform_roots: String,
    authority: Option<AuthorityText>,
    /// What an operator should know about them.
    pub warning: Option<String>,
}

impl Materials {
    /// Reads them. What cannot be read is missing, and told.
    pub fn read(config: &Config, id: &str) -> Self {
        let roots = fs::read_to_string(&config.roots);
        let platform_roots = roots.as_deref().unwrap_or_default().to_owned();
        let untrusted = roots.err().map(|error| {
            format!(
                "no upstream certificate is trusted but by [tls] roots: `{}` cannot be read: {error}; install \
                 ca-certificates or name another file by --roots",
                config.roots.display()
            )
        });
        let (authority, unopened) = match authority(&config.authorities, id) {
            Ok(Some(authority)) => (Some(authority), None),
            Ok(None) => (None, Some(format!("there is no certificate authority; run `bangasa ca issue {id}`"))),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let unopened = unopened.map(|because| format!("nothing can be opened: {because}"));
        Self { platform_roots, authority, warning: untrusted.or(unopened) }
    }

    /// Of all that a setting depends on. A generation's policy never changes, and is not looked at: it may hold a million
    /// names.
    pub fn digest(&self, generation: u64) -> blake3::Hash {
        let authority = self.authority.as_ref();
        let texts = authority.map(|text| [&text.chain, &text.key, &text.rsa_chain, &text.rsa_key]);
        let mut hasher = blake3::Hasher::new();
        hasher.update(&generation.to_le_bytes());
        for text in [&self.platform_roots].into_iter().chain(texts.into_iter().flatten()) {
            hasher.update(&text.len().to_le_bytes()).update(text.as_bytes());
        }
        hasher.finalize()
    }

    /// The order as a line.
    pub fn order(self, current: &Current, id: &str) -> anyhow::Result<Vec<u8>> {
        let view = View::of(current.policy(), id).context("it is not in the policy")?;
        let Self { platform_roots, authority, .. } = self;
        let generation = current.generation;
        let setting = Setting { version: WIRE_VERSION, generation, view, platform_roots, authority };
        line(&Order::Setting(Box::new(setting)))
    }
}

/// What the municipality mints with; none: nothing was issued for it.
fn authority(directory: &Path, id: &str) -> anyhow::Result<Option<AuthorityText>> {
    let folder = directory.join(id);
    // Looked up once, so that all four files are of one authority while another is put in its place.
    let current = match fs::read_link(folder.join(CURRENT)) {
        Ok(current) => folder.join(current),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).context(format!("`{}` cannot be read", folder.display())),
    };
    let read = |name: &str| {
        let file = current.join(name);
        fs::read_to_string(&file).with_context(|| format!("`{}` cannot be read", file.display()))
    };
    let (ecdsa, rsa) = (KeyType::Ecdsa.files(), KeyType::Rsa.files());
    Ok(Some(AuthorityText {
        chain: read(ecdsa.0)?,
        key: read(ecdsa.1)?,
        rsa_chain: read(rsa.0)?,
        rsa_key: read(rsa.1)?,
    }))
}

/// The question whether it still turns.
pub fn ping() -> Vec<u8> {
    line(&Order::Ping).unwrap_or_default()
}

/// The order to pass these names on unopened, and no others.
pub fn bypassed(names: &[BypassName]) -> anyhow::Result<Vec<u8>> {
    line(&Order::Bypass { names: names.to_vec() })
}

/// The order to end what is open, and accept nothing more.
pub fn retire() -> Vec<u8> {
    line(&Order::Retire).unwrap_or_default()
}

/// The order to end.
pub fn end() -> Vec<u8> {
    line(&Order::End).unwrap_or_default()
}

fn line(order: &Order) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    Ok(line)
}
