//! The programs at the hairpin: its far end is a port of a role of its own, its near end an exit.

use std::collections::BTreeMap;
use std::io;

use abi::ports::{HAIRPIN, ROLE_HAIRPIN};

use super::{Gateway, attach, entry_of, ports};
use crate::error::Error;
use crate::links::Link;
use crate::namespaces::Desired;
use crate::namespaces::hairpin::{self, FAR, NEAR};

impl Gateway {
    /// Puts the programs where the hairpin comes out, the guard first as on every port, then lets frames in.
    pub(super) fn attach_hairpin(&mut self, desired: &Desired, links: &BTreeMap<String, Link>) -> Result<(), Error> {
        let Some(uplink_mtu) = desired.towns.iter().map(|town| town.uplink_mtu).min() else { return Ok(()) };
        let gone = |end: &str| Error::attach("gateway", end, io::Error::from(io::ErrorKind::NotFound));
        let (near, far) = (links.get(NEAR).ok_or_else(|| gone(NEAR))?, links.get(FAR).ok_or_else(|| gone(FAR))?);
        if self.hairpin != Some(far.ifindex) || far.xdp.is_none() {
            attach::classifier(&mut self.object, &self.config.pins, "guard", FAR)?;
            self.maps.ports.set(&entry_of(far, HAIRPIN, ROLE_HAIRPIN))?;
            attach::xdp(&mut self.object, &self.config.pins, FAR)?;
            self.warnings.extend(ports::open(FAR, ROLE_HAIRPIN)?);
            self.hairpin = Some(far.ifindex);
        }
        // What is too big for the Internet is too big for whoever stands in for it.
        let mut exit = entry_of(near, HAIRPIN, ROLE_HAIRPIN);
        exit.mtu = uplink_mtu.try_into().unwrap_or(u16::MAX);
        self.maps.ports.set(&exit)?;
        self.maps.exits.set(HAIRPIN.into(), near.ifindex, None, 0).map_err(|error| Error::map("EXITS", error))?;
        hairpin::open()
    }
}
