//! The machine's network interfaces, as `ip` sees them. sysfs is not asked: it shows the interfaces of the namespace
//! in which it was mounted, which need not be ours.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::command;
use crate::error::Error;

/// One interface.
#[derive(Clone, Debug, Deserialize)]
pub struct Link {
    /// Name.
    pub ifname: String,
    /// Index.
    pub ifindex: u32,
    /// MTU in bytes.
    pub mtu: u32,
    /// MAC address as text.
    #[serde(default)]
    pub address: String,
    /// Whoever made it can leave a word here.
    #[serde(default)]
    pub ifalias: String,
    /// What XDP program it carries.
    pub xdp: Option<Xdp>,
}

/// The XDP program of an interface.
#[derive(Clone, Debug, Deserialize)]
pub struct Xdp {
    /// `XDP_ATTACHED_*`: 1 native, 2 generic, 3 offloaded.
    pub mode: u32,
}

impl Link {
    /// The MAC address; zeros for an interface without.
    pub fn mac(&self) -> [u8; 6] {
        let mut mac = [0; 6];
        for (byte, digits) in mac.iter_mut().zip(self.address.split(':')) {
            *byte = u8::from_str_radix(digits, 16).unwrap_or(0);
        }
        mac
    }

    /// How the program is attached, in the words of `status`.
    pub fn xdp_mode(&self) -> &'static str {
        match &self.xdp {
            None => "none",
            Some(Xdp { mode: 2 }) => "generic",
            Some(Xdp { mode: 3 }) => "offloaded",
            Some(_) => "native",
        }
    }
}

/// The interfaces of our own network namespace, by name.
pub fn list() -> Result<BTreeMap<String, Link>, Error> {
    parse(&command::run("ip", &["-j", "-d", "link", "show"])?)
}

/// The interfaces of a named network namespace, by name.
pub fn list_in(namespace: &str) -> Result<BTreeMap<String, Link>, Error> {
    parse(&command::run("ip", &["-n", namespace, "-j", "-d", "link", "show"])?)
}

fn parse(json: &str) -> Result<BTreeMap<String, Link>, Error> {
    let links: Vec<Link> = serde_json::from_str(json)
        .map_err(|error| Error::Command { command: "ip -j -d link show".into(), message: error.to_string() })?;
    Ok(links.into_iter().map(|link| (link.ifname.clone(), link)).collect())
}

/// A MAC address as text.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}
