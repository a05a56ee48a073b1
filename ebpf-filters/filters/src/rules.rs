//! Stage: the rules, for packets that begin a flow: the baseline, then the municipality's, first match, else the default.
//!
//! A rule is one bit in a row for the source's class, one for the destination's and one for the service's; the lowest bit
//! set in all three is the first match. The cost grows with the words of a row, not with prefixes or ports.

use abi::flow::Flow;
use abi::limits::{self, RULEBOOK_WORDS};
use abi::tables::{Rulebook, action, service_index};
use abi::{Direction, Reason, Verdict};

use crate::decision::{Decision, Stage, need};
use crate::maps::{ROWS, RULES};
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
    let rows = rows(question, municipality.views, book, ingress)?;
    let mut found = None;
    for at in 0..RULEBOOK_WORDS {
        if at >= book.words {
            break;
        }
        let bits = row_word(half, rows[0], at)? & row_word(half, rows[1], at)? & row_word(half, rows[2], at)?;
        if bits != 0 {
            found = Some(at * 64 + lowest_bit(bits));
            break;
        }
    }
    let Some(bit) = found else {
        let allow = book.default_action == action::ALLOW as u32;
        let (verdict, reason) =
            if allow { (Verdict::Forward, Reason::DefaultAllow) } else { (Verdict::Drop, Reason::DefaultDeny) };
        return Stage::Continue(Ruling { decision: Decision::new(verdict, reason), rule: 0 });
    };
    let index = half.wrapping_mul(limits::RULES).wrapping_add(book.rules).wrapping_add(bit);
    let entry = need(RULES.get(index))?;
    let reason = if entry.baseline != 0 { Reason::BaselineRule } else { Reason::Rule };
    let verdict = match entry.action {
        action::ALLOW => Verdict::Forward,
        action::INSPECT => Verdict::Inspect,
        _ => Verdict::Drop,
    };
    Stage::Continue(Ruling { decision: Decision::new(verdict, reason), rule: entry.rule })
}

/// Where the source's, the destination's and the service's rows begin in the half's `ROWS`.
#[inline(always)]
fn rows(question: &Question, views: u32, book: &Rulebook, ingress: bool) -> Stage<[u32; 3]> {
    let source = tables::view(question.half, views, question.source_class)?.source_row;
    let destination = tables::view(question.half, views, question.destination_class)?.destination_row;
    let service = tables::service_row(question.half, book.service_views, question.service);
    let (source, destination) = if ingress { (source[1], destination[1]) } else { (source[0], destination[0]) };
    let begin = |rows: u32, row: u32| rows.wrapping_add(row.wrapping_mul(book.words));
    Stage::Continue([
        begin(book.source_rows, source as u32),
        begin(book.destination_rows, destination as u32),
        begin(book.service_rows, service),
    ])
}

#[inline(always)]
fn row_word(half: u32, row: u32, at: u32) -> Stage<u64> {
    let index = half.wrapping_mul(limits::ROW_WORDS).wrapping_add(row).wrapping_add(at);
    need(ROWS.get(index)).map_continue(|word| *word)
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
