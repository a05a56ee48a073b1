//! Stage: whose packet it is. On a trunk the port and VLAN say so, on the uplink the destination, and of an inspector's
//! own its port alone.

use abi::Reason;
use abi::tables::{QINQ, municipality as flag};

use crate::decision::{Stage, drop, go_on, local, need};
use crate::maps::ATTACHMENTS;
use crate::packet::{Packet, note, protocol};
use crate::tables;

/// Finds the municipality; from the uplink both ends' classes on the way. Each class is looked up once. ARP and neighbour
/// discovery end here: they are the segment's own business.
#[inline(always)]
pub fn municipality(packet: &mut Packet) -> Stage {
    if packet.is_egress() && !packet.is(note::INSPECTOR) {
        of_attachment(packet)?;
    } else if packet.event.vlans[0] | packet.event.vlans[1] != 0 {
        drop(Reason::UnknownAttachment)?;
    }
    if packet.is(note::INSPECTOR) && !is_an_inspectors(packet) {
        return drop(Reason::Unsupported);
    }
    if !packet.is(note::V4 | note::V6) {
        return local(Reason::Arp);
    }
    if packet.is(note::NEIGHBOUR_DISCOVERY) {
        return local(Reason::NeighbourDiscovery);
    }
    if !packet.is_egress() {
        look_destination_up(packet)?;
        packet.event.municipality = packet.destination_about.owner;
        if packet.event.municipality == 0 {
            return drop(Reason::UnknownDestination);
        }
        look_source_up(packet)?;
    }
    go_on()
}

/// An inspector speaks TCP and UDP, and its kernel answers with errors; it has no neighbours.
#[inline(always)]
const fn is_an_inspectors(packet: &Packet) -> bool {
    packet.is(note::ICMP_ERROR) || matches!(packet.event.protocol, protocol::TCP | protocol::UDP)
}

/// Fetches what the stages up to the flow's ask of the classes and of the municipality. A packet whose flow is vouched
/// for needs none of it.
#[inline(always)]
pub fn views(packet: &mut Packet) -> Stage {
    if packet.is_egress() {
        look_destination_up(packet)?;
        look_source_up(packet)?;
    }
    let municipality = tables::municipality(packet.half, packet.event.municipality)?;
    if municipality.flags & flag::PRESENT == 0 {
        return drop(Reason::Internal);
    }
    packet.views = if packet.is_egress() { municipality.views[0] } else { municipality.views[1] };
    packet.municipality_flags = municipality.flags;
    if municipality.flags & flag::METERED != 0 {
        packet.notes |= note::METERED;
    }
    go_on()
}

#[inline(always)]
fn look_destination_up(packet: &mut Packet) -> Stage {
    packet.destination_class = tables::class_of(packet.half, &packet.event.destination);
    packet.destination_about = *tables::class(packet.half, packet.destination_class)?;
    go_on()
}

#[inline(always)]
fn look_source_up(packet: &mut Packet) -> Stage {
    packet.source_class = tables::class_of(packet.half, &packet.event.source);
    packet.source_about = *tables::class(packet.half, packet.source_class)?;
    go_on()
}

/// By port and tags.
#[inline(always)]
fn of_attachment(packet: &mut Packet) -> Stage {
    packet.attachment = attachment_at(packet.half, packet.event.port, packet.event.vlans, packet.tags());
    if packet.attachment == 0 {
        return drop(Reason::UnknownAttachment);
    }
    packet.event.municipality = owner(packet.half, packet.attachment)?;
    go_on()
}

/// Whether a municipality is attached at this port and these tags.
#[inline(always)]
pub fn is_attached(half: u32, municipality: u16, port: u8, vlans: [u16; 2], tags: u8) -> Stage<bool> {
    let attachment = attachment_at(half, port, vlans, tags);
    Stage::Continue(attachment != 0 && owner(half, attachment)? == municipality)
}

/// The attachment at a port and tags, whose number must be exactly the attachment's; 0 if there is none.
#[inline(always)]
fn attachment_at(half: u32, port: u8, [outer, inner]: [u16; 2], tags: u8) -> u32 {
    let entry = tables::vlan(half, port, outer);
    if entry & QINQ != 0 {
        tables::inner_vlan(half, entry & !QINQ, inner)
    } else if tags > 1 {
        0
    } else {
        entry
    }
}

#[inline(always)]
fn owner(half: u32, attachment: u32) -> Stage<u16> {
    let index = half.wrapping_mul(abi::limits::ATTACHMENTS).wrapping_add(attachment);
    Stage::Continue(need(ATTACHMENTS.get(index))?.municipality)
}
