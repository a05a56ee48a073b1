//! Ethernet header and tags: taken off, put on and replaced.

use crate::decision::{Stage, drop, go_on, need};
use crate::frame::{Bytes, Frame};
use crate::packet::Packet;
use abi::Reason;

const TAG_8021Q: u16 = 0x8100;
const TAG_8021AD: u16 = 0x88a8;

/// What stands before the IP header.
pub struct Envelope {
    /// To whom.
    pub destination: [u8; 6],
    /// From whom.
    pub source: [u8; 6],
    /// VLAN ids from the outside in.
    pub vlans: [u16; 2],
    /// Number of `vlans`.
    pub count: u8,
}

impl Envelope {
    /// As it came, without tags.
    #[inline(always)]
    pub fn untagged(frame: Frame) -> Stage<Self> {
        let header = need(frame.bytes::<14>(0))?;
        let (destination, source) = (header.mac::<0>(), header.mac::<6>());
        Stage::Continue(Self { destination, source, vlans: [0; 2], count: 0 })
    }

    /// Puts it in place of what stands there; the packet's offsets are void afterwards.
    #[inline(always)]
    pub fn put(&self, frame: Frame, packet: &Packet) -> Stage {
        let tags = if self.count > 2 { 2 } else { self.count as i32 };
        if !frame.move_start(packet.l3 as i32 - (14 + 4 * tags)) {
            return drop(Reason::Internal);
        }
        let ethertype = packet.ethertype.to_be();
        let [outer, inner] = self.vlans;
        match tags {
            0 => {
                let header = need(frame.bytes::<14>(0))?;
                self.put_addresses(header.part::<0, 12>());
                header.put_u16::<12>(ethertype);
            }
            1 => {
                let header = need(frame.bytes::<18>(0))?;
                self.put_addresses(header.part::<0, 12>());
                header.put_u16::<12>(TAG_8021Q.to_be());
                header.put_u16::<14>(outer.to_be());
                header.put_u16::<16>(ethertype);
            }
            _ => {
                let header = need(frame.bytes::<22>(0))?;
                self.put_addresses(header.part::<0, 12>());
                header.put_u16::<12>(TAG_8021AD.to_be());
                header.put_u16::<14>(outer.to_be());
                header.put_u16::<16>(TAG_8021Q.to_be());
                header.put_u16::<18>(inner.to_be());
                header.put_u16::<20>(ethertype);
            }
        }
        go_on()
    }

    #[inline(always)]
    fn put_addresses(&self, addresses: Bytes<12>) {
        let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (self.destination, self.source);
        addresses.put_u64::<0>(u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
        addresses.put_u32::<8>(u32::from_ne_bytes([i, j, k, l]));
    }
}
