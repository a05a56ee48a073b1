//! xdp-filter, of xdp-tools: drops single addresses in XDP.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;
use lab::{Namespace, process};

/// Where it pins.
const PINS: &str = "/sys/fs/bpf/xdp-filter";

/// Loads it on an interface of a namespace and gives it addresses to drop as sources. It is told one address at a time.
pub fn load(gateway: &Namespace, interface: &str, sources: &[Ipv4Addr]) -> Result<()> {
    dataplane::gateway::mount_bpffs(Path::new(PINS))?;
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
    Ok(())
}
