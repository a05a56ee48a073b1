//! The hairpin: a veth pair of the host's, into whose one end the programs send what a municipality has for a public
//! address of ours, and at whose other end they take it for the Internet's.

use std::fs;
use std::io::ErrorKind;

use abi::ports::HAIRPIN_MAC;

use super::Desired;
use super::ip;
use crate::error::Error;
use crate::links::{self, mac_text};

/// Where frames enter it.
pub const NEAR: &str = "bgs-hairpin";
/// Where they arrive.
pub const FAR: &str = "bgs-return";

/// Makes the pair, down. It carries frames of every trunk.
pub fn add(desired: &Desired) -> Result<(), Error> {
    let Some(mtu) = desired.towns.iter().map(|town| town.mtu).max() else { return Ok(()) };
    let mac = mac_text(HAIRPIN_MAC);
    let mut orders = Vec::new();
    if !links::list()?.contains_key(FAR) {
        orders.push(format!("link add {NEAR} type veth peer name {FAR} address {mac}"));
        orders.extend([NEAR, FAR].map(|end| format!("link set {end} arp off addrgenmode none")));
    }
    orders.extend([NEAR, FAR].map(|end| format!("link set {end} mtu {mtu}")));
    ip::batch(None, orders)?;
    silence()
}

/// Keeps the kernel from saying anything of its own into it, such as which groups it listens to: the programs would take
/// that for a municipality's.
fn silence() -> Result<(), Error> {
    let setting = format!("/proc/sys/net/ipv6/conf/{NEAR}/disable_ipv6");
    match fs::write(&setting, "1") {
        // A machine without IPv6 says nothing.
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::file(setting, error)),
        _ => Ok(()),
    }
}

/// Opens it, once it carries the programs.
pub fn open() -> Result<(), Error> {
    ip::batch(None, [NEAR, FAR].map(|end| format!("link set {end} up")))
}

/// Takes it away.
pub fn remove() -> Result<(), Error> {
    match links::list()?.contains_key(NEAR) {
        true => ip::batch(None, [format!("link del {NEAR}")]),
        false => Ok(()),
    }
}
