//! xdp-filter, of xdp-tools: drops single addresses in XDP. All of a machine share one place for its maps, so one that is
//! in use already is left alone.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Result, ensure};
use lab::{Namespace, process};

/// Where it pins.
const PINS: &str = "/sys/fs/bpf/xdp-filter";

/// Loaded, for as long as this lives.
pub struct XdpFilter;

impl XdpFilter {
    /// Loads it on an interface of a namespace and gives it addresses to drop as sources. It is told one address at a time.
    pub fn load(gateway: &Namespace, interface: &str, sources: &[Ipv4Addr]) -> Result<Self> {
        let pins = Path::new(PINS);
        dataplane::gateway::mount_bpffs(pins)?;
        ensure!(!pins.exists(), "this machine uses xdp-filter, or a killed run has left {PINS}: remove it");
        let loaded = Self;
        // `ip netns exec` would hide the file system that it pins its maps in.
        let net = format!("--net=/run/netns/{}", gateway.name());
        let run = |words: &[&str]| {
            let mut command = process::command("nsenter", [&net as &str, "xdp-filter"]);
            process::run(command.args(words)).map(drop)
        };
        run(&["load", "-m", "native", interface])?;
        for source in sources {
            run(&["ip", "-m", "src", &source.to_string()])?;
        }
        Ok(loaded)
    }
}

impl Drop for XdpFilter {
    fn drop(&mut self) {
        remove(Path::new(PINS));
    }
}

/// A file system of pins has no files to remove a tree by, but unlinking works.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            remove(&entry.path());
        } else {
            let _ = fs::remove_file(entry.path());
        }
    }
    let _ = fs::remove_dir(folder);
}
