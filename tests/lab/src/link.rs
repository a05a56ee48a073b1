//! Veth pairs between namespaces, set up so that native XDP works on either end.

use std::net::IpAddr;

use anyhow::{Context, Result};
use pnet::util::MacAddr;

use crate::namespace::Namespace;
use crate::process;

/// One end of a cable.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// What it is called there.
    pub device: &'a str,
}

/// What the kernel's own offloads must not do on a veth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offloads {
    /// Frames leave as they would on a wire: finished checksums, no giants, tags inside the frame. Needed wherever the
    /// other end runs XDP, which sees exactly the bytes.
    Wire,
    /// Likewise, and the end can be the target of an XDP redirect from its peer: that needs NAPI, which GRO switches on.
    WireAndRedirects,
}

/// Connects two namespaces.
pub fn connect(a: End<'_>, b: End<'_>, mtu: u32) -> Result<()> {
    let mtu = mtu.to_string();
    #[rustfmt::skip]
    let arguments = [
        "link", "add", a.device, "netns", a.namespace.name(), "mtu", &mtu,
        "type", "veth",
        "peer", "name", b.device, "netns", b.namespace.name(), "mtu", &mtu,
    ];
    process::run(&mut process::command("ip", arguments))?;
    for end in [a, b] {
        end.namespace.ip(&format!("link set {} up", end.device))?;
    }
    Ok(())
}

/// Sets the offloads of one end.
pub fn set_offloads(end: End<'_>, offloads: Offloads) -> Result<()> {
    let gro = match offloads {
        Offloads::Wire => "off",
        Offloads::WireAndRedirects => "on",
    };
    let device = end.device;
    end.namespace.run(&format!(
        "ethtool -K {device} tx off tso off gso off gro {gro} txvlan off rxvlan off tx-vlan-stag-hw-insert off"
    ))?;
    Ok(())
}

/// A device's own MAC address.
pub fn mac(end: End<'_>) -> Result<MacAddr> {
    let text = show(end)?["address"].as_str().map(str::to_owned);
    text.and_then(|text| text.parse().ok()).with_context(|| format!("`{}` has no MAC address", end.device))
}

/// A device's index.
pub fn index(end: End<'_>) -> Result<u32> {
    let index = show(end)?["ifindex"].as_u64().and_then(|index| index.try_into().ok());
    index.with_context(|| format!("`{}` has no index", end.device))
}

/// `-4` or `-6`, for commands that ask.
pub fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "-4" } else { "-6" }
}

fn show(end: End<'_>) -> Result<serde_json::Value> {
    let arguments = ["-n", end.namespace.name(), "-j", "link", "show", "dev", end.device];
    let output = process::run(&mut process::command("ip", arguments))?;
    let mut links: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    Ok(links[0].take())
}
