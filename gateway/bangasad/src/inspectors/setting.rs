//! What an inspector is told: its municipality's rules, what to trust, and what to mint with.

use std::fs;

use anyhow::Context;
use inspect::wire::{Order, Setting, WIRE_VERSION};
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
    let setting =
        Setting { version: WIRE_VERSION, generation: current.generation, view, platform_roots, authority: None };
    Ok((line(&Order::Setting(Box::new(setting)))?, warning))
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
