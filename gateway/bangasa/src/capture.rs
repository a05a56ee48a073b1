//! Reads captures packet by packet: pcap (both byte orders, micro- and nanoseconds) and pcapng.
//!
//! A file is hostile input of any size: one record is held at a time, and no length in a file is believed beyond
//! [`MAX_PACKET_BYTES`] or [`MAX_BLOCK_BYTES`]. Records are framed here and taken apart by pcap-parser, which is only
//! ever given a whole record; whatever it then finds missing is damage, not a reason to read on.

mod input;
mod legacy;
mod link;
mod ng;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;

pub use link::{ETHERNET, LinkType};

use input::Input;

/// Longest packet that is believed; the largest snapshot length that capture tools write.
pub const MAX_PACKET_BYTES: usize = 262_144;

/// Longest pcapng block that is kept in memory. Blocks that hold no packet and no interface are skipped unread.
pub const MAX_BLOCK_BYTES: usize = 1 << 20;

/// Opens a capture; `-` is standard input.
///
/// # Errors
/// The file cannot be opened.
pub fn open(path: &Path) -> anyhow::Result<Box<dyn Read>> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
    Ok(Box::new(file))
}

/// One packet of a capture.
#[derive(Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Place in the file, from 1.
    pub number: u64,
    /// Capture time in ns since 1970; never below 0 nor past the last second that 32 bits hold.
    pub time_ns: u64,
    /// What the frame begins with.
    pub link: LinkType,
    /// The captured bytes, from the header of that link on.
    pub frame: &'a [u8],
}

/// Why no more packets come.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Neither format's magic number.
    #[error("this is neither a pcap nor a pcapng file{hint}")]
    NotACapture {
        /// What it looks like instead.
        hint: &'static str,
    },
    /// A version of the format that nobody writes.
    #[error("{format} version {major}.{minor} is not supported")]
    Version {
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// A packet without an Ethernet header.
    #[error("packet {packet} has link type {link}; only Ethernet (1) can enter a port")]
    LinkType {
        /// The packet.
        packet: u64,
        /// Its link type.
        link: LinkType,
    },
    /// Truncated, or corrupt.
    #[error("the capture is damaged after packet {after}: {what}")]
    Damaged {
        /// The last packet that was read whole; 0: none.
        after: u64,
        /// What is wrong.
        what: String,
    },
    /// The system could not read.
    #[error("cannot read the capture after packet {after}")]
    Read {
        /// The last packet that was read whole; 0: none.
        after: u64,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// An open capture.
pub struct Capture<R> {
    input: Input<R>,
    format: Format,
    packets: u64,
}

enum Format {
    Legacy(legacy::Legacy),
    Ng(ng::Ng),
}

/// What a format's reader found: where in the record the frame lies.
struct Found {
    time_ns: u64,
    link: LinkType,
    frame: std::ops::Range<usize>,
}

/// What goes wrong inside a record; [`Capture::next_packet`] adds where.
enum Trouble {
    Damaged(String),
    Version(&'static str, u16, u16),
    Read(std::io::Error),
}

impl<R: Read> Capture<R> {
    /// Recognises the format by its first four bytes. Reads go through a buffer of its own.
    pub fn new(reader: R) -> Result<Self, CaptureError> {
        let mut input = Input::new(reader);
        let opened = input.load(4).and_then(|magic| match magic {
            input::Load::Whole => {
                let magic = input.word(0).to_le_bytes();
                Ok(if magic == ng::MAGIC {
                    Some(Format::Ng(ng::Ng::default()))
                } else {
                    legacy::Legacy::open(magic, &mut input)?.map(Format::Legacy)
                })
            }
            input::Load::Nothing | input::Load::Part(_) => Ok(None),
        });
        match opened.map_err(|trouble| trouble.after(0))? {
            Some(format) => Ok(Self { input, format, packets: 0 }),
            None => Err(CaptureError::NotACapture { hint: hint(input.record()) }),
        }
    }

    /// The next packet, which must be of Ethernet; `None` at a clean end. After an error nothing more comes.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        match self.next_of_any_link()? {
            Some(packet) if packet.link != ETHERNET => {
                Err(CaptureError::LinkType { packet: packet.number, link: packet.link })
            }
            packet => Ok(packet),
        }
    }

    /// The next packet, whatever it begins with; `None` at a clean end. After an error nothing more comes.
    pub fn next_of_any_link(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let found = match &mut self.format {
            Format::Legacy(legacy) => legacy.next(&mut self.input),
            Format::Ng(ng) => ng.next(&mut self.input),
        };
        let Some(found) = found.map_err(|trouble| trouble.after(self.packets))? else {
            return Ok(None);
        };
        self.packets += 1;
        Ok(Some(Packet {
            number: self.packets,
            time_ns: found.time_ns,
            link: found.link,
            frame: &self.input.record()[found.frame],
        }))
    }
}

impl Trouble {
    fn after(self, after: u64) -> CaptureError {
        match self {
            Self::Damaged(what) => CaptureError::Damaged { after, what },
            Self::Version(format, major, minor) => CaptureError::Version { format, major, minor },
            Self::Read(source) => CaptureError::Read { after, source },
        }
    }
}

fn damaged<T>(what: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Damaged(what.into()))
}

/// Keeps a time within what the engines' 32-bit seconds can hold.
fn clamp_ns(time_ns: i128) -> u64 {
    const LAST_NS: i128 = u32::MAX as i128 * 1_000_000_000;
    u64::try_from(time_ns.clamp(0, LAST_NS)).unwrap_or(0)
}

fn hint(start: &[u8]) -> &'static str {
    match start {
        [] => ": it is empty",
        [0x1f, 0x8b, ..] => ": it is compressed; run `gunzip` on it first",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ": it is compressed; run `unzstd` on it first",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
