//! What an inspector is told: its municipality's rules, what to trust, and what to mint with.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use certify::{CURRENT, KeyType};
use inspect::wire::{AuthorityText, Order, Setting, WIRE_VERSION};
use policy::tls::View;

use super::Config;
use crate::daemon::Current;

/// The order as a line, and what an operator should know about it.
pub fn order(config: &Config, current: &Current, id: &str) -> anyhow::Result<(Vec<u8>, Option<String>)> {
    let view = View::of(current.policy(), id).context("it is not in the policy")?;
    let roots = fs::read_to_string(&config.roots);
    let platform_roots = roots.as_deref().unwrap_or_default().to_owned();
    let warning = roots.err().map(|error| {
        format!(
            "no upstream certificate is trusted but by [tls] roots: `{}` cannot be read: {error}; install ca-certificates \
             or name another file by --roots",
            config.roots.display()
        )
    });
    let (authority, problem) = match authority(&config.authorities, id) {
        Ok(Some(authority)) => (Some(authority), None),
        Ok(None) => (
            None,
            Some(format!("nothing can be opened: there is no certificate authority; run `bangasa ca issue {id}`")),
        ),
        Err(error) => (None, Some(format!("nothing can be opened: {error:#}"))),
    };
    let warning = warning.or(problem);
    let setting = Setting { version: WIRE_VERSION, generation: current.generation, view, platform_roots, authority };
    Ok((line(&Order::Setting(Box::new(setting)))?, warning))
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

/// The order to end.
pub fn end() -> Vec<u8> {
    line(&Order::End).unwrap_or_default()
}

fn line(order: &Order) -> anyhow::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(order)?;
    line.push(b'\n');
    Ok(line)
}
