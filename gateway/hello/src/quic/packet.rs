//! Long headers, and the frames of an Initial packet (RFC 9000 §17.2 and §19).

use super::keys;
use crate::bytes::{Bytes, Short};

/// RFC 9369, which numbers the packet types anew.
pub(super) const V2: u32 = 0x6b33_43cf;

const MAX_ID_BYTES: usize = 20;
const LONG: u8 = 0x80;

/// An Initial packet, protected.
pub(super) struct Initial<'a> {
    pub(super) version: u32,
    pub(super) destination_id: &'a [u8],
    pub(super) source_id: &'a [u8],
    /// The packet without what follows it in the datagram.
    pub(super) packet: &'a [u8],
    /// Where its number begins.
    pub(super) number_at: usize,
}

/// How a datagram begins, as far as everybody can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begins {
    /// Packets with long headers, an Initial among them: it may begin a connection.
    Initial,
    /// Packets with long headers and no Initial among them.
    Long,
    /// Like a packet with a long header, but of a version whose packets cannot be told apart.
    UnknownVersion,
    /// Like a packet of a connection that is under way, or no QUIC at all: that only its ends can tell.
    Short,
}

/// How it begins.
pub fn begins(datagram: &[u8]) -> Begins {
    match long(datagram) {
        Ok(Some(_)) if looks_initial(datagram) => Begins::Initial,
        Ok(Some(_)) => Begins::Long,
        _ if datagram.first().is_some_and(|first| first & LONG != 0) => Begins::UnknownVersion,
        _ => Begins::Short,
    }
}

/// Whether a datagram begins like a packet that may be worth opening.
pub fn looks_initial(datagram: &[u8]) -> bool {
    initials(datagram).next().is_some()
}

/// The Initial packets of a datagram.
pub(super) fn initials(datagram: &[u8]) -> impl Iterator<Item = Initial<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        loop {
            let (initial, after) = long(rest).ok().flatten()?;
            rest = after;
            if initial.is_some() {
                return initial;
            }
        }
    })
}

/// A packet with a long header and a length: the Initial that it is, if it is one, and what follows it.
#[expect(clippy::type_complexity, reason = "used once, above")]
fn long(bytes: &[u8]) -> Result<Option<(Option<Initial<'_>>, &[u8])>, Short> {
    let mut header = Bytes::new(bytes);
    let first = header.u8()?;
    let version = u32::from(header.u16()?) << 16 | u32::from(header.u16()?);
    if first & LONG == 0 || !keys::is_known(version) {
        return Ok(None);
    }
    let destination_id = header.vec8()?.rest();
    let source_id = header.vec8()?.rest();
    if destination_id.len().max(source_id.len()) > MAX_ID_BYTES {
        return Ok(None);
    }
    let kind = first >> 4 & 3;
    let (initial, retry) = if version == V2 { (1, 0) } else { (0, 3) };
    if kind == retry {
        return Ok(None);
    }
    if kind == initial {
        let token = variable(&mut header)?;
        header.take(usize::try_from(token).map_err(|_| Short)?)?;
    }
    let length = usize::try_from(variable(&mut header)?).map_err(|_| Short)?;
    let number_at = bytes.len() - header.rest().len();
    header.take(length)?;
    let (packet, after) = bytes.split_at(number_at + length);
    let found = (kind == initial).then_some(Initial { version, destination_id, source_id, packet, number_at });
    Ok(Some((found, after)))
}

/// The CRYPTO frames among the frames that an Initial packet may hold; what is not understood ends the reading.
pub(super) fn crypto_frames(frames: &[u8], tell: &mut dyn FnMut(u64, &[u8])) {
    let mut rest = Bytes::new(frames);
    while let Ok(true) = frame(&mut rest, tell) {}
}

fn frame(rest: &mut Bytes<'_>, tell: &mut dyn FnMut(u64, &[u8])) -> Result<bool, Short> {
    match rest.u8()? {
        // PADDING, PING.
        0 | 1 => {}
        // ACK, without and with counts of ECN.
        kind @ (2 | 3) => {
            variable(rest)?;
            variable(rest)?;
            let ranges = variable(rest)?;
            variable(rest)?;
            let counts = if kind == 3 { 3 } else { 0 };
            for _ in 0..ranges.saturating_mul(2).saturating_add(counts) {
                variable(rest)?;
            }
        }
        // CRYPTO.
        6 => {
            let offset = variable(rest)?;
            let length = variable(rest)?;
            tell(offset, rest.take(usize::try_from(length).map_err(|_| Short)?)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The header of a server's Initial without a token, up to the number, which takes one byte; what follows its length takes
/// `length` bytes, the number included.
pub(super) fn servers_header(client: &Initial<'_>, length: usize) -> Vec<u8> {
    let kind = if client.version == V2 { 1 } else { 0 };
    let mut header = vec![LONG | 0x40 | kind << 4];
    header.extend(client.version.to_be_bytes());
    // To whom the client calls itself, from whom it calls us: nobody chooses another name for a connection that is over.
    for id in [client.source_id, client.destination_id] {
        header.push(id.len() as u8);
        header.extend(id);
    }
    header.push(0);
    header.extend((0x4000 | length as u16).to_be_bytes());
    header
}

/// An integer of variable length, RFC 9000 §16.
fn variable(bytes: &mut Bytes<'_>) -> Result<u64, Short> {
    let first = bytes.u8()?;
    let more = bytes.take((1 << (first >> 6)) - 1)?;
    Ok(more.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}
