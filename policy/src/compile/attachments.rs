//! Attachments → `ATTACHMENTS`, `VLANS`, `INNER_VLANS`, and each municipality's way inwards.

use std::collections::BTreeMap;

use abi::limits::{ATTACHMENTS, PORTS, QINQ_BLOCKS, VLANS};
use abi::tables::{Attachment, QINQ};

use super::CapacityError;
use crate::checked::Policy;
use crate::numbering::Numbering;

pub(crate) struct Attached {
    pub attachments: Vec<Attachment>,
    pub vlans: Vec<u32>,
    pub inner_vlans: Vec<u32>,
    /// By municipality's position: the attachment number for packets that no flow has shown a way; 0: none.
    pub inward: Vec<u32>,
}

pub(crate) fn lay_out(policy: &Policy, numbering: &Numbering) -> Result<Attached, CapacityError> {
    let mut attached = Attached {
        attachments: vec![Attachment::default(); ATTACHMENTS as usize],
        vlans: vec![0; (PORTS * VLANS) as usize],
        inner_vlans: Vec::new(),
        inward: Vec::new(),
    };
    let mut blocks = Blocks::default();
    for municipality in &policy.municipalities {
        let mut ways = Vec::new();
        for attachment in &municipality.attachments {
            let port = numbering.ports.get(&attachment.port);
            let number = numbering.attachment(&municipality.id, &attachment.name());
            let (Some(&port), Some(number)) = (port, number) else {
                // A checked policy attaches at its access ports only, and those are numbered.
                continue;
            };
            let tag = |depth: usize| attachment.vlans.get(depth).copied().unwrap_or(0);
            attached.attachments[usize::from(number)] = Attachment {
                vlans: [tag(0), tag(1)],
                municipality: numbering.municipalities[&municipality.id],
                port,
                vlan_count: attachment.vlans.len() as u8,
            };
            if attachment.vlans.len() == 2 {
                blocks.number((port, tag(0)), || attachment.location.clone());
            }
            ways.push((attachment.addresses.is_empty() && attachment.routers.is_empty(), u32::from(number)));
        }
        // One that has a next hop or neighbours before one that has neither, then in the order of their numbers.
        attached.inward.push(ways.into_iter().min().map_or(0, |(_, number)| number));
    }
    blocks.check()?;
    blocks.renumber();
    attached.inner_vlans = vec![0; blocks.numbers.len() * VLANS as usize];
    for (&(port, outer), &block) in &blocks.numbers {
        attached.vlans[index(port.into(), outer)] = QINQ | block;
    }
    for (number, attachment) in (0..).zip(&attached.attachments).skip(1) {
        let [outer, inner] = attachment.vlans;
        match blocks.numbers.get(&(attachment.port, outer)) {
            _ if attachment.municipality == 0 => {}
            Some(&block) => attached.inner_vlans[index(block, inner)] = number,
            None => attached.vlans[index(attachment.port.into(), outer)] = number,
        }
    }
    Ok(attached)
}

fn index(row: u32, vlan: u16) -> usize {
    (row * VLANS) as usize + usize::from(vlan)
}

/// Outer VLANs with inner ones, by port.
#[derive(Default)]
struct Blocks {
    numbers: BTreeMap<(u8, u16), u32>,
    misfit: Option<crate::source::Location>,
}

impl Blocks {
    fn number(&mut self, outer: (u8, u16), location: impl FnOnce() -> crate::source::Location) {
        let next = self.numbers.len() as u32;
        let number = *self.numbers.entry(outer).or_insert(next);
        if number >= QINQ_BLOCKS && self.misfit.is_none() {
            self.misfit = Some(location());
        }
    }

    /// In the order of ports and VLANs, so that the order of attachments in their files means nothing.
    fn renumber(&mut self) {
        for (number, block) in (0..).zip(self.numbers.values_mut()) {
            *block = number;
        }
    }

    fn check(&self) -> Result<(), CapacityError> {
        super::capacity::fits("outer VLANs that carry inner ones", self.numbers.len(), QINQ_BLOCKS)
            .map_err(|error| CapacityError { location: self.misfit.clone(), ..error })
    }
}
