//! The hairpin: a veth pair of the host's, into whose one end the programs send what a municipality has for a public
//! address of ours, and at whose other end they take it for the Internet's.

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
    ip::batch(None, orders)
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
