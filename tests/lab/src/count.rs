//! Counting frames where they arrive.
//!
//! A nftables counter at a device's ingress sees every frame that came out of the cable before the IP stack has an
//! opinion about it, and never loses one. It is exact for packets that GRO does not merge: everything but TCP data.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::link::End;
use crate::namespace::Namespace;
use crate::process;

/// A counter at the far end; removed on drop.
#[derive(Debug)]
pub struct Counter {
    namespace: Namespace,
    table: String,
}

impl Counter {
    /// Counts frames that arrive at `end` and match a nftables expression such as `ip saddr 192.0.2.1 tcp dport 80`.
    pub fn start(end: End<'_>, matching: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let table = format!("count{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let device = end.device;
        let rules = format!(
            "table netdev {table} {{\n counter hits {{}}\n chain arrivals {{\n \
             type filter hook ingress device \"{device}\" priority -500; policy accept;\n {matching} counter name hits\n }}\n}}\n"
        );
        process::run_with_input(end.namespace.command("nft").args(["-f", "-"]), &rules)
            .with_context(|| format!("cannot count `{matching}` at `{device}`"))?;
        Ok(Self { namespace: end.namespace.clone(), table })
    }

    /// Frames so far.
    pub fn packets(&self) -> Result<u64> {
        let output = self.namespace.run(&format!("nft -j list counter netdev {} hits", self.table))?;
        let listing: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        let entries = listing["nftables"].as_array().context("nft printed no list")?;
        let packets = entries.iter().find_map(|entry| entry["counter"]["packets"].as_u64());
        packets.context("nft printed no counter")
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // The namespace may be gone already, and the table with it.
        let _ = self.namespace.attempt(&format!("nft delete table netdev {}", self.table));
    }
}
