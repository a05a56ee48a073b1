//! The classic format: a file header, then packets.

use std::io::Read;

use pcap_parser::pcap::{parse_pcap_frame, parse_pcap_frame_be, parse_pcap_header};

use super::input::{Input, Load};
use super::{Found, LinkType, MAX_PACKET_BYTES, Trouble, clamp_ns, damaged};

const FILE_HEADER_BYTES: usize = 24;
const PACKET_HEADER_BYTES: usize = 16;

/// What the file header said.
pub(super) struct Legacy {
    link: LinkType,
    big_endian: bool,
    fraction_ns: u32,
}

impl Legacy {
    /// Reads the rest of the file header; `None` if the magic number, which is loaded, is another format's.
    pub(super) fn open<R: Read>(magic: [u8; 4], input: &mut Input<R>) -> Result<Option<Self>, Trouble> {
        if !matches!(u32::from_le_bytes(magic), 0xa1b2_c3d4 | 0xa1b2_3c4d | 0xd4c3_b2a1 | 0x4d3c_b2a1) {
            return Ok(None);
        }
        if !matches!(input.load(FILE_HEADER_BYTES - magic.len())?, Load::Whole) {
            return damaged("the file ends inside its header");
        }
        let Ok((_, header)) = parse_pcap_header(input.record()) else {
            return damaged("the file header cannot be read");
        };
        if header.version_major != 2 {
            return Err(Trouble::Version("pcap", header.version_major, header.version_minor));
        }
        Ok(Some(Self {
            // The upper bits tell the length of a frame check sequence; as bytes past the IP length it is padding.
            link: LinkType((header.network.0 & 0xffff) as u16),
            big_endian: header.is_bigendian(),
            fraction_ns: if header.is_nanosecond_precision() { 1 } else { 1_000 },
        }))
    }

    /// The next packet of the file.
    pub(super) fn next<R: Read>(&self, input: &mut Input<R>) -> Result<Option<Found>, Trouble> {
        input.begin();
        match input.load(PACKET_HEADER_BYTES)? {
            Load::Whole => {}
            Load::Nothing => return Ok(None),
            Load::Part(_) => return damaged("the file ends inside a packet's header"),
        }
        let captured = input.word(8);
        let captured = if self.big_endian { captured.swap_bytes() } else { captured } as usize;
        if captured > MAX_PACKET_BYTES {
            return damaged(format!("a packet of {captured} bytes, more than a capture can hold ({MAX_PACKET_BYTES})"));
        }
        match input.load(captured)? {
            Load::Whole => {}
            Load::Nothing => {
                return damaged(format!("the file ends inside a packet: 0 of {captured} bytes are there"));
            }
            Load::Part(there) => {
                return damaged(format!("the file ends inside a packet: {there} of {captured} bytes are there"));
            }
        }
        let parse = if self.big_endian { parse_pcap_frame_be } else { parse_pcap_frame };
        let Ok((_, frame)) = parse(input.record()) else {
            return damaged("a packet's header cannot be read");
        };
        let time_ns =
            i128::from(frame.ts_sec) * 1_000_000_000 + i128::from(frame.ts_usec) * i128::from(self.fraction_ns);
        let end = PACKET_HEADER_BYTES + frame.data.len();
        Ok(Some(Found { time_ns: clamp_ns(time_ns), link: self.link, frame: PACKET_HEADER_BYTES..end }))
    }
}
