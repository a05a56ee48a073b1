//! Stage: the rules, for packets that begin a flow: the baseline, then the municipality's, first match, else the default.
//!
//! A rule is one bit in a row for the source's class, one for the destination's and one for the service's; the lowest bit
//! set in all three is the first match. Summaries of the rows say which words can have one, so the cost does not grow
//! with the number of rules, prefixes or ports, but with the words in which all three have bits and none in common.

use abi::flow::Flow;
use abi::limits::ROW_SUMMARIES;
use abi::tables::{ROW_CHUNK, Rulebook, action, service_index};
use abi::{Direction, Reason, Verdict};

use crate::decision::{Decision, Stage, need};
use crate::maps::{CHUNKS, CHUNKS_PER_HALF, ROWS, ROWS_PER_HALF, RULES, RULES_PER_HALF};
use crate::packet::{Packet, subprogram};
use crate::tables;

/// What the rules say.
#[derive(Clone, Copy)]
#[must_use]
pub struct Ruling {
    /// The verdict, and whether a rule or the default gave it.
    pub decision: Decision,
    /// The rule as events carry it; 0: the default.
    pub rule: u32,
}

/// What is asked of the rules.
#[repr(C)]
struct Question {
    half: u32,
    municipality: u32,
    direction: u32,
    source_class: u32,
    destination_class: u32,
    service: u32,
}

/// Judges the packet as the first of a flow.
#[inline(always)]
pub fn rules(packet: &Packet) -> Ruling {
    ask(&mut Question {
        half: packet.half,
        municipality: packet.event.municipality as u32,
        direction: packet.event.direction as u32,
        source_class: packet.source_class,
        destination_class: packet.destination_class,
        service: service_index(packet.event.protocol, packet.event.destination_port),
    })
}

/// Judges a flow again, as if its first packet came now. Ingress flows were never translated.
#[inline(always)]
pub fn again(packet: &Packet, flow: &Flow) -> Ruling {
    let inside = tables::class_of(packet.half, &flow.inside);
    let outside = tables::class_of(packet.half, &flow.outside);
    let egress = flow.origin == Direction::Egress as u8;
    let (source_class, destination_class) = if egress { (inside, outside) } else { (outside, inside) };
    let port = if egress { flow.outside_port } else { flow.inside_port };
    ask(&mut Question {
        half: packet.half,
        municipality: flow.municipality as u32,
        direction: flow.origin as u32,
        source_class,
        destination_class,
        service: service_index(flow.protocol, port),
    })
}

#[inline(always)]
fn ask(question: &mut Question) -> Ruling {
    let answer = match_rules(question);
    Ruling { decision: Decision::from_code(answer as u32), rule: (answer >> 32) as u32 }
}

/// The rule above the decision's code.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn match_rules(question: *mut Question) -> u64 {
    let internal = Decision::new(Verdict::Drop, Reason::Internal);
    subprogram(question, internal.code() as u64, |question| match first_match(question) {
        Stage::Continue(ruling) => (ruling.rule as u64) << 32 | ruling.decision.code() as u64,
        Stage::Break(decision) => decision.code() as u64,
    })
}

#[inline(always)]
fn first_match(question: &Question) -> Stage<Ruling> {
    let half = question.half;
    let municipality = tables::municipality(half, question.municipality as u16)?;
    let ingress = question.direction == Direction::Ingress as u32;
    let book = if ingress { &municipality.rulebooks[1] } else { &municipality.rulebooks[0] };
    let mut search = search(question, municipality.views, book, ingress)?;
    let mut found = NOTHING;
    for at in 0..ROW_SUMMARIES {
        if at >= book.summaries || found != NOTHING {
            break;
        }
        found = match_summary(&mut search, at);
    }
    if found == NOTHING {
        let allow = book.default_action == action::ALLOW as u32;
        let (verdict, reason) =
            if allow { (Verdict::Forward, Reason::DefaultAllow) } else { (Verdict::Drop, Reason::DefaultDeny) };
        return Stage::Continue(Ruling { decision: Decision::new(verdict, reason), rule: 0 });
    }
    let own = found.wrapping_sub(book.baseline);
    let index =
        if found < book.baseline { book.baseline_rules.wrapping_add(found) } else { book.own_rules.wrapping_add(own) };
    let index = half.wrapping_mul(RULES_PER_HALF.load()).wrapping_add(index);
    let entry = need(RULES.get(index))?;
    let reason = if entry.baseline != 0 { Reason::BaselineRule } else { Reason::Rule };
    let verdict = match entry.action {
        action::ALLOW => Verdict::Forward,
        action::INSPECT => Verdict::Inspect,
        _ => Verdict::Drop,
    };
    Stage::Continue(Ruling { decision: Decision::new(verdict, reason), rule: entry.rule })
}

/// No rule: no row has this bit.
const NOTHING: u32 = u32::MAX;

/// What is looked for in the rows.
#[repr(C)]
struct Search {
    /// Where the source's, the destination's and the service's records begin in `ROWS`, the half included.
    records: [u32; 3],
    summaries: u32,
    /// Where the half begins in `CHUNKS`.
    chunks: u32,
}

#[inline(always)]
fn search(question: &Question, views: u32, book: &Rulebook, ingress: bool) -> Stage<Search> {
    let half = question.half;
    let source = tables::view(half, views, question.source_class)?.source_row;
    let destination = tables::view(half, views, question.destination_class)?.destination_row;
    let service = tables::service_row(half, book.service_views, question.service);
    let (source, destination) = if ingress { (source[1], destination[1]) } else { (source[0], destination[0]) };
    let rows = half.wrapping_mul(ROWS_PER_HALF.load());
    Stage::Continue(Search {
        records: [rows.wrapping_add(source), rows.wrapping_add(destination), rows.wrapping_add(service)],
        summaries: book.summaries,
        chunks: half.wrapping_mul(CHUNKS_PER_HALF.load()),
    })
}

/// The first rule among those of a summary word, or [`NOTHING`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn match_summary(search: *mut Search, at: u32) -> u32 {
    subprogram(search, NOTHING, |search| {
        let mut words =
            row_word(search.records[0], at) & row_word(search.records[1], at) & row_word(search.records[2], at);
        for _ in 0..64 {
            if words == 0 {
                break;
            }
            let word = at.wrapping_mul(64).wrapping_add(lowest_bit(words));
            words &= words.wrapping_sub(1);
            let bits = chunk_word(search, 0, word) & chunk_word(search, 1, word) & chunk_word(search, 2, word);
            if bits != 0 {
                return word.wrapping_mul(64).wrapping_add(lowest_bit(bits));
            }
        }
        NOTHING
    })
}

/// A word of a record; empty beyond the table's end.
#[inline(always)]
fn row_word(record: u32, at: u32) -> u64 {
    ROWS.get(record.wrapping_add(at)).copied().unwrap_or(0)
}

/// A word of a row, by way of the record's number of its chunk; empty beyond the table's end.
#[inline(always)]
fn chunk_word(search: &Search, row: usize, word: u32) -> u64 {
    let number = word / ROW_CHUNK;
    let pair = row_word(search.records[row], search.summaries.wrapping_add(number / 2));
    let chunk = (pair >> (number % 2 * 32)) as u32;
    let index = chunk.wrapping_mul(ROW_CHUNK).wrapping_add(word % ROW_CHUNK);
    CHUNKS.get(search.chunks.wrapping_add(index)).copied().unwrap_or(0)
}

/// Number of the lowest bit set, by halving: BPF has no instruction for it, and the compiler's own way is a table.
#[inline(always)]
const fn lowest_bit(bits: u64) -> u32 {
    let lowest = bits & bits.wrapping_neg();
    ((lowest & 0xffff_ffff_0000_0000 != 0) as u32) << 5
        | ((lowest & 0xffff_0000_ffff_0000 != 0) as u32) << 4
        | ((lowest & 0xff00_ff00_ff00_ff00 != 0) as u32) << 3
        | ((lowest & 0xf0f0_f0f0_f0f0_f0f0 != 0) as u32) << 2
        | ((lowest & 0xcccc_cccc_cccc_cccc != 0) as u32) << 1
        | (lowest & 0xaaaa_aaaa_aaaa_aaaa != 0) as u32
}
