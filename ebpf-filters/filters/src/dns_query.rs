//! What a query asks for: one question, whose name is walked label by label and then hashed from its end, so that the hash
//! of each of its last labels together, which may be a zone's name, is one of those on the way.

use core::arch::asm;

use abi::Reason;
use abi::dns::{HEADER, LONGEST_NAME, LONGEST_QUERY, OPCODES, OPT, TYPE_AND_CLASS, UNSEEDED, ZONE_LABELS, fold};
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Stage, drop, from_code, go_on, need, to_code};
use crate::frame::Frame;
use crate::maps::{DNS_QUERY, HASH_SEED};
use crate::packet::{Packet, note, subprogram};

/// Octets of a message that there is room for: a power of two.
const ROOM: usize = 512;
const _: () = assert!(LONGEST_QUERY + 4 <= ROOM);
/// Longest label (RFC 1035, 2.3.4); what is more is a pointer, which a question has no use for.
const LONGEST_LABEL: u32 = 63;
/// Labels that the longest name may have.
const MOST_LABELS: u32 = LONGEST_NAME as u32 / 2;
/// No label begins there.
const NOWHERE: u32 = u32::MAX;

/// A query, read.
#[repr(C)]
pub struct Query {
    /// The message's first octets.
    pub octets: [u8; ROOM],
    /// By number of labels: the hash of the last so many; 0: there are not as many.
    pub suffixes: [u64; 2 * ZONE_LABELS],
    /// The hash of the name, from the seed.
    pub name: u64,
    /// Where the last labels begin, the latest in the place of the earliest.
    starts: [u32; ZONE_LABELS],
    /// How many there are,
    labels: u32,
    /// how many of them are hashed,
    hashed: u32,
    /// and where the next one to be begins.
    next: u32,
    /// Octets of header and question.
    pub question_end: u32,
    /// Not 0: an OPT record follows.
    pub has_opt: u32,
    reserved: u32,
}

impl Query {
    /// An octet of the message.
    #[inline(always)]
    pub fn octet(&self, at: u32) -> u8 {
        // SAFETY: masked to the array's length.
        unsafe { *self.octets.as_ptr().add(within::<{ ROOM as u64 - 1 }>(at)) }
    }

    /// Changes an octet of the message.
    #[inline(always)]
    pub fn put(&mut self, at: u32, octet: u8) {
        // SAFETY: masked to the array's length.
        unsafe { *self.octets.as_mut_ptr().add(within::<{ ROOM as u64 - 1 }>(at)) = octet }
    }

    #[inline(always)]
    fn be16(&self, at: u32) -> u16 {
        u16::from_be_bytes([self.octet(at), self.octet(at + 1)])
    }

    /// The hash of the last so many labels.
    #[inline(always)]
    pub fn suffix(&self, labels: u32) -> u64 {
        // SAFETY: masked to the array's length.
        unsafe { *self.suffixes.as_ptr().add(within::<{ 2 * ZONE_LABELS as u64 - 1 }>(labels)) }
    }

    #[inline(always)]
    fn start(&mut self, label: u32) -> &mut u32 {
        // SAFETY: masked to the array's length.
        unsafe { &mut *self.starts.as_mut_ptr().add(within::<{ ZONE_LABELS as u64 - 1 }>(label)) }
    }
}

/// An index, by a mask that the compiler cannot take for needless: the verifier does not know all that the compiler does.
#[inline(always)]
pub fn within<const MASK: u64>(index: u32) -> usize {
    let mut index = index as u64;
    // SAFETY: a mask.
    unsafe { asm!("{index} &= {mask}", index = inout(reg) index, mask = const MASK, options(pure, nomem, nostack)) };
    index as usize
}

/// This CPU's query: what the last [`read`] found.
#[inline(always)]
pub fn latest() -> Option<&'static mut Query> {
    // SAFETY: the value is this CPU's own, and no program of ours runs within another.
    DNS_QUERY.get_ptr_mut(0).map(|query| unsafe { &mut *query })
}

/// Reads the packet's query.
#[inline(always)]
pub fn read(frame: Frame, packet: &mut Packet) -> Stage<&'static Query> {
    from_code(read_query(frame.context(), packet))?;
    Stage::Continue(need(latest())?)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read_query(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| {
        let Some(query) = latest() else { return to_code(drop(Reason::Internal)) };
        to_code(fetch(Frame::new(context), packet, query))
    })
}

#[inline(always)]
fn fetch(frame: Frame, packet: &Packet, query: &mut Query) -> Stage {
    if packet.is(note::FIRST_FRAGMENT) {
        return drop(Reason::BadQuery);
    }
    let header = need(frame.bytes::<8>(packet.l4))?;
    let stated = (header.be16::<4>() as u32).wrapping_sub(8);
    let length = if stated < LONGEST_QUERY as u32 { stated } else { LONGEST_QUERY as u32 };
    if length < (HEADER + 1 + TYPE_AND_CLASS) as u32 || !frame.copy_out(packet.l4 + 8, &mut query.octets, length) {
        return drop(Reason::BadQuery);
    }
    let opcode = query.octet(2) >> 3 & 15;
    let is_answer = query.octet(2) >> 7 != 0;
    if is_answer || !(opcode == OPCODES[0] || opcode == OPCODES[1]) || query.be16(4) != 1 {
        return drop(Reason::BadQuery);
    }
    let name_length = walk_name();
    if name_length == NOWHERE || hash_name(name_length) == 0 {
        return drop(Reason::BadQuery);
    }
    query.question_end = HEADER as u32 + name_length + 1 + TYPE_AND_CLASS as u32;
    if query.question_end > length {
        return drop(Reason::BadQuery);
    }
    let no_records_between = query.be16(6) | query.be16(8) == 0;
    let end = query.question_end;
    query.has_opt = (no_records_between
        && query.be16(10) != 0
        && end + OPT as u32 <= length
        && query.octet(end) == 0
        && query.be16(end + 1) == 41) as u32;
    go_on()
}

/// Walks the name: its length without the root's octet, or [`NOWHERE`] if it has no end. What is not of the message is
/// read as well: the caller compares the length. On its own, as the next one, because the ways through it would multiply.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_name() -> u32 {
    let Some(query) = latest() else { return NOWHERE };
    let mut at = 0;
    for labels in 0..=MOST_LABELS {
        let length = query.octet(HEADER as u32 + at) as u32;
        if length == 0 {
            query.labels = labels;
            return at;
        }
        if length > LONGEST_LABEL {
            return NOWHERE;
        }
        *query.start(labels) = at;
        at += 1 + length;
        if at >= LONGEST_NAME as u32 {
            return NOWHERE;
        }
    }
    NOWHERE
}

/// Hashes the name, of this length. Where it is on its way is kept in the map: what the verifier does not know of it
/// cannot multiply the ways either.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn hash_name(length: u32) -> u32 {
    let Some(query) = latest() else { return 0 };
    query.suffixes = [0; 2 * ZONE_LABELS];
    query.hashed = 0;
    let (mut seeded, mut plain) = (HASH_SEED.load() as u64, UNSEEDED);
    expect_label(query);
    for passed in 0..LONGEST_NAME as u32 {
        if passed >= length {
            break;
        }
        let at = length - 1 - passed;
        let octet = query.octet(HEADER as u32 + at);
        seeded = fold(seeded, octet);
        plain = fold(plain, octet);
        if at == query.next {
            query.hashed += 1;
            // SAFETY: masked to the array's length.
            unsafe { *query.suffixes.as_mut_ptr().add(within::<{ 2 * ZONE_LABELS as u64 - 1 }>(query.hashed)) = plain };
            expect_label(query);
        }
    }
    query.name = seeded;
    1
}

/// Notes where the last label begins that is not hashed yet, as far as zones have labels.
#[inline(always)]
fn expect_label(query: &mut Query) {
    let is_there = query.hashed < query.labels && query.hashed < ZONE_LABELS as u32;
    query.next = if is_there { *query.start(query.labels - 1 - query.hashed) } else { NOWHERE };
}

const _: () = assert!(ZONE_LABELS.is_power_of_two() && ROOM.is_power_of_two());
