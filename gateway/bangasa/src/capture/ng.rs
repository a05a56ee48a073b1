//! pcapng: sections of blocks. Sections may differ in byte order, interfaces in link type and clock.

use std::io::Read;

use pcap_parser::pcapng::{Block, parse_block_be, parse_block_le};
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{InterfaceDescriptionBlock, OptionCode};

use super::input::{Input, Load};
use super::{Found, LinkType, MAX_BLOCK_BYTES, MAX_PACKET_BYTES, Trouble, clamp_ns, damaged};

/// First bytes of a file: the type of a section header, the same in both byte orders.
pub(super) const MAGIC: [u8; 4] = SECTION_HEADER.to_le_bytes();

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Type and length before the body.
const HEADER_BYTES: usize = 8;
/// Header, and the length again after the body.
const FRAMING_BYTES: usize = 12;
/// Interfaces of one section, beyond which a file is not believed.
const MAX_INTERFACES: usize = 65_536;

/// Where in the file we are.
#[derive(Default)]
pub(super) struct Ng {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// Of the last packet: simple packets carry no time of their own.
    time_ns: u64,
    /// The magic number of the first block has been loaded already.
    begun: bool,
}

/// What an interface description said.
struct Interface {
    link: LinkType,
    snap_bytes: u32,
    clock: Clock,
}

/// How an interface counts time.
struct Clock {
    resolution: u8,
    offset_s: i64,
}

impl Ng {
    /// The next packet of the file, past whatever other blocks there are.
    pub(super) fn next<R: Read>(&mut self, input: &mut Input<R>) -> Result<Option<Found>, Trouble> {
        loop {
            if !self.block_header(input)? {
                return Ok(None);
            }
            let kind = self.order(input.word(0));
            let length = self.order(input.word(4)) as usize;
            let minimum = if kind == SECTION_HEADER { 28 } else { FRAMING_BYTES };
            if length < minimum || !length.is_multiple_of(4) {
                return damaged(format!("a block claims an impossible length, {length} bytes"));
            }
            match kind {
                SECTION_HEADER | INTERFACE | OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET => {
                    if length > MAX_BLOCK_BYTES {
                        return damaged(format!(
                            "a block of {length} bytes, more than is believed ({MAX_BLOCK_BYTES})"
                        ));
                    }
                    let rest = length - input.record().len();
                    if !matches!(input.load(rest)?, Load::Whole) {
                        let there = input.record().len();
                        return damaged(format!("the file ends inside a block: {there} of {length} bytes are there"));
                    }
                    self.trailer(input.word(length - 4), length)?;
                    if let Some(found) = self.block(kind, input.record())? {
                        return Ok(Some(found));
                    }
                }
                _ => self.skip(input, length)?,
            }
        }
    }

    /// Loads type and length (of a section header the byte order as well); `false` at the end of the file.
    fn block_header<R: Read>(&mut self, input: &mut Input<R>) -> Result<bool, Trouble> {
        let mut rest = HEADER_BYTES;
        if self.begun {
            input.begin();
        } else {
            self.begun = true;
            rest -= input.record().len();
        }
        match input.load(rest)? {
            Load::Whole => {}
            Load::Nothing if input.record().is_empty() => return Ok(false),
            Load::Nothing | Load::Part(_) => return damaged("the file ends inside a block's header"),
        }
        if input.word(0) == SECTION_HEADER {
            if !matches!(input.load(4)?, Load::Whole) {
                return damaged("the file ends inside a section's header");
            }
            self.big_endian = match input.word(8) {
                0x1a2b_3c4d => false,
                0x4d3c_2b1a => true,
                _ => return damaged("a section does not tell its byte order"),
            };
        }
        Ok(true)
    }

    fn skip<R: Read>(&self, input: &mut Input<R>, length: usize) -> Result<(), Trouble> {
        let body = (length - FRAMING_BYTES) as u64;
        let there = input.skip(body)?;
        let at = input.record().len();
        if there < body || !matches!(input.load(4)?, Load::Whole) {
            return damaged(format!("the file ends inside a block of {length} bytes"));
        }
        self.trailer(input.word(at), length)
    }

    fn trailer(&self, again: u32, length: usize) -> Result<(), Trouble> {
        let again = self.order(again) as usize;
        if again == length {
            return Ok(());
        }
        damaged(format!("a block claims {length} bytes at its beginning and {again} at its end"))
    }

    /// One whole block.
    fn block(&mut self, kind: u32, bytes: &[u8]) -> Result<Option<Found>, Trouble> {
        if kind == OLD_PACKET {
            return self.old_packet(bytes).map(Some);
        }
        let parse = if self.big_endian { parse_block_be } else { parse_block_le };
        let Ok((_, block)) = parse(bytes) else {
            return damaged("a block's fields do not fit its length");
        };
        match block {
            Block::SectionHeader(section) => {
                if section.major_version != 1 {
                    return Err(Trouble::Version("pcapng", section.major_version, section.minor_version));
                }
                self.interfaces.clear();
                Ok(None)
            }
            Block::InterfaceDescription(description) => {
                if self.interfaces.len() == MAX_INTERFACES {
                    return damaged(format!("a section with more than {MAX_INTERFACES} interfaces"));
                }
                self.interfaces.push(Interface::new(&description, self.big_endian));
                Ok(None)
            }
            Block::EnhancedPacket(packet) => {
                let ticks = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                self.found(packet.if_id, Some(ticks), HEADER_BYTES + 20, packet.packet_data().len()).map(Some)
            }
            Block::SimplePacket(packet) => {
                let snap_bytes = self.interface(0)?.snap_bytes;
                let captured = if snap_bytes == 0 { packet.origlen } else { packet.origlen.min(snap_bytes) } as usize;
                if captured > packet.data.len() {
                    return damaged("a packet is longer than its block");
                }
                self.found(0, None, HEADER_BYTES + 4, captured).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The packet block of the first drafts, which pcap-parser leaves alone.
    fn old_packet(&mut self, bytes: &[u8]) -> Result<Found, Trouble> {
        const DATA: usize = HEADER_BYTES + 20;
        let Some(header) = bytes.first_chunk::<DATA>() else {
            return damaged("a block's fields do not fit its length");
        };
        let word = |at: usize| {
            let word = u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
            self.order(word)
        };
        let interface = if self.big_endian {
            u16::from_be_bytes([header[8], header[9]])
        } else {
            u16::from_le_bytes([header[8], header[9]])
        };
        let ticks = u64::from(word(12)) << 32 | u64::from(word(16));
        let captured = word(20) as usize;
        if captured > bytes.len() - DATA - 4 {
            return damaged("a packet is longer than its block");
        }
        self.found(u32::from(interface), Some(ticks), DATA, captured)
    }

    fn found(&mut self, interface: u32, ticks: Option<u64>, at: usize, captured: usize) -> Result<Found, Trouble> {
        if captured > MAX_PACKET_BYTES {
            return damaged(format!("a packet of {captured} bytes, more than a capture can hold ({MAX_PACKET_BYTES})"));
        }
        let interface = self.interface(interface)?;
        let link = interface.link;
        if let Some(ticks) = ticks {
            self.time_ns = interface.clock.time_ns(ticks);
        }
        Ok(Found { time_ns: self.time_ns, link, frame: at..at + captured })
    }

    fn interface(&self, number: u32) -> Result<&Interface, Trouble> {
        match self.interfaces.get(number as usize) {
            Some(interface) => Ok(interface),
            None => damaged(format!("a packet of interface {number}, which the section does not describe")),
        }
    }

    fn order(&self, word: u32) -> u32 {
        if self.big_endian { word.swap_bytes() } else { word }
    }
}

impl Interface {
    fn new(description: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Self {
        // pcap-parser reads the offset as little-endian always, and knows no binary resolution.
        let mut clock = Clock { resolution: 6, offset_s: 0 };
        for option in &description.options {
            match (option.code, &*option.value) {
                (OptionCode::IfTsresol, [resolution, ..]) => clock.resolution = *resolution,
                (OptionCode::IfTsoffset, value) => {
                    if let Some(&value) = value.first_chunk() {
                        clock.offset_s = if big_endian { i64::from_be_bytes(value) } else { i64::from_le_bytes(value) };
                    }
                }
                _ => {}
            }
        }
        Self { link: LinkType(description.linktype.0 as u16), snap_bytes: description.snaplen, clock }
    }
}

impl Clock {
    fn time_ns(&self, ticks: u64) -> u64 {
        let ticks = u128::from(ticks);
        let exponent = u32::from(self.resolution & 0x7f);
        let since_offset = if self.resolution & 0x80 != 0 {
            // At most 94 bits before the shift.
            (ticks * 1_000_000_000).checked_shr(exponent).unwrap_or(0)
        } else if exponent <= 9 {
            ticks * 10_u128.pow(9 - exponent)
        } else {
            10_u128.checked_pow(exponent - 9).map_or(0, |divisor| ticks / divisor)
        };
        let since_offset = i128::try_from(since_offset).unwrap_or(i128::MAX);
        clamp_ns(since_offset.saturating_add(i128::from(self.offset_s) * 1_000_000_000))
    }
}
