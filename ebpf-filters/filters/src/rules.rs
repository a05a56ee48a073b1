//! Stage: the rules, for packets that begin a flow: the baseline, then the municipality's, first match, else the default.
//!
//! A rule is one bit in a row for the source's class, one for the destination's and one for the service's; the lowest bit
//! set in all three is the first match. Summaries of the rows say which words can have one, so the cost does not grow
//! with the number of rules, prefixes or ports, but with the words in which all three have bits and none in common.
//!
//! Where a rulebook tells few sources and destinations apart, each pair of them has its candidates in a list, and the
//! rows are for the pairs that have too many.

use abi::flow::Flow;
use abi::limits::ROW_SUMMARIES;
use abi::tables::{JOINED, ONE_RULE, Row, Rulebook, View, action, service_index};
use abi::{Address, Direction, Reason, Verdict, pairs};

use crate::decision::{Decision, Stage};
use crate::maps::{INSPECTORS, ROWS, ROWS_PER_HALF};
use crate::packet::{Packet, note, subprogram};
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
    half: u8,
    direction: u8,
    municipality: u16,
    source_class: u32,
    destination_class: u32,
    service: u32,
}

/// What stands in place of the rules for an inspector's own connections: they judged the one that it serves.
pub const OF_INSPECTOR: Ruling = Ruling { decision: Decision::new(Verdict::Forward, Reason::Inspector), rule: 0 };

/// Judges the packet as the first of a flow.
#[inline(always)]
pub fn rules(packet: &Packet) -> Ruling {
    if packet.is(note::INSPECTOR) {
        return OF_INSPECTOR;
    }
    ask(&mut Question {
        half: packet.half as u8,
        direction: packet.event.direction,
        municipality: packet.event.municipality,
        source_class: packet.source_class,
        destination_class: packet.destination_class,
        service: service_index(packet.event.protocol, packet.event.destination_port),
    })
}

/// Judges a flow again, as if its first packet came now: from the Internet that was for the public address, if there is
/// one.
#[inline(always)]
pub fn again(packet: &Packet, flow: &Flow) -> Ruling {
    let egress = flow.origin == Direction::Egress as u8;
    let (inside, inside_port) = if egress || flow.public_address == 0 {
        (flow.inside, flow.inside_port)
    } else {
        (Address::from_v4_word(flow.public_address), flow.public_port)
    };
    let inside = tables::class_of(packet.half, &inside);
    let outside = tables::class_of(packet.half, &flow.outside);
    let (source_class, destination_class) = if egress { (inside, outside) } else { (outside, inside) };
    let port = if egress { flow.outside_port } else { inside_port };
    ask(&mut Question {
        half: packet.half as u8,
        direction: flow.origin,
        municipality: flow.municipality,
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
    let half = question.half as u32;
    let municipality = tables::municipality(half, question.municipality)?;
    let ingress = question.direction == Direction::Ingress as u8;
    let book = if ingress { &municipality.rulebooks[1] } else { &municipality.rulebooks[0] };
    let views = if ingress { municipality.views[1] } else { municipality.views[0] };
    let source = tables::view(half, views, question.source_class)?;
    let destination = tables::view(half, views, question.destination_class)?;
    let mut found = ROWS_TELL;
    if book.pairs != 0 {
        let pair = (source.source_number as u32).wrapping_mul(book.destinations as u32);
        let pair = pair.wrapping_add(book.pairs).wrapping_add(destination.destination_number as u32);
        found = match_pair(half, pair, question.service);
    }
    if found == ROWS_TELL {
        found = NOTHING;
        let mut search = search(question, source, destination, book)?;
        for at in 0..ROW_SUMMARIES {
            if at >= book.summaries as u32 || found != NOTHING {
                break;
            }
            found = match_summary(&mut search, at);
        }
    }
    if found == NOTHING {
        let allow = book.default_action as u32 == action::ALLOW;
        let (verdict, reason) =
            if allow { (Verdict::Forward, Reason::DefaultAllow) } else { (Verdict::Drop, Reason::DefaultDeny) };
        return Stage::Continue(Ruling { decision: Decision::new(verdict, reason), rule: 0 });
    }
    let (rule, reason) = if found < book.baseline {
        (found.wrapping_add(1), Reason::BaselineRule)
    } else {
        (found.wrapping_sub(book.baseline).wrapping_add(book.own_rules), Reason::Rule)
    };
    let verdict = match tables::action(half, rule) {
        action::ALLOW => Verdict::Forward,
        action::INSPECT => Verdict::Inspect,
        action::INSPECT_OR_FORWARD if inspector_serves(question.municipality) => Verdict::Inspect,
        action::INSPECT_OR_FORWARD => {
            let decision = Decision::new(Verdict::Forward, Reason::InspectorDown);
            return Stage::Continue(Ruling { decision, rule });
        }
        _ => Verdict::Drop,
    };
    Stage::Continue(Ruling { decision: Decision::new(verdict, reason), rule })
}

/// What the daemon last knew. Only rules that forward otherwise ask.
#[inline(always)]
fn inspector_serves(municipality: u16) -> bool {
    // SAFETY: the entry lives as long as the program. Volatile, because user space stores to it at any time.
    INSPECTORS.get_ptr(municipality as u32).is_some_and(|word| unsafe { word.read_volatile() } != 0)
}

/// No rule: no row has this bit.
const NOTHING: u32 = u32::MAX;
/// The pair has too many rules for a list.
const ROWS_TELL: u32 = u32::MAX - 1;

/// The first rule among a pair's candidates, [`NOTHING`] or [`ROWS_TELL`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn match_pair(half: u32, pair: u32, service: u32) -> u32 {
    let entry = tables::pair(half, pair);
    let (mut candidate, mut left) = match pairs::kind_of(entry) {
        pairs::kind::NONE => return NOTHING,
        pairs::kind::ONE => (entry, 1),
        pairs::kind::LIST => (tables::pair(half, pairs::begins(entry)), pairs::count(entry)),
        _ => return ROWS_TELL,
    };
    let mut at = pairs::begins(entry);
    for _ in 0..pairs::CANDIDATES {
        if pairs::admits(candidate, service) {
            return pairs::rule(candidate);
        }
        left = left.wrapping_sub(1);
        if left == 0 {
            break;
        }
        at = at.wrapping_add(1);
        candidate = tables::pair(half, at);
    }
    NOTHING
}

/// What is looked for in the rows of source, destination and service, in this order.
#[repr(C)]
struct Search {
    /// Where the half begins in `ROWS`.
    half: u32,
    /// The summary word in hand.
    at: u32,
    /// Where the summary words begin that service and destinations in general have in common; 0: nowhere.
    joined: u32,
    rows: [Row; 3],
    /// Where the words of the summary word in hand begin in each record.
    words: [Row; 3],
}

#[inline(always)]
fn search(question: &Question, source: &View, destination: &View, book: &Rulebook) -> Stage<Search> {
    let (source, destination) = (source.source, destination.destination);
    let Row { base, own } = tables::service_row(question.half as u32, book.service_views, question.service)?;
    let service = Row { base: base & !JOINED, own };
    let half = (question.half as u32).wrapping_mul(ROWS_PER_HALF.load());
    let mut joined = 0;
    if base & JOINED != 0 {
        let begins = service.base.wrapping_sub(book.summaries as u32);
        // Its words are about one record: another may have more.
        if word_of(half, begins.wrapping_sub(1)) == destination.base as u64 {
            joined = begins;
        }
    }
    Stage::Continue(Search {
        half,
        at: 0,
        joined,
        rows: [source, destination, service],
        words: [first_words(source, book), first_words(destination, book), first_words(service, book)],
    })
}

#[inline(always)]
fn first_words(row: Row, book: &Rulebook) -> Row {
    let summaries = book.summaries as u32;
    Row { base: row.base.wrapping_add(summaries), own: row.own.wrapping_add(summaries) }
}

/// The first rule among those of a summary word, or [`NOTHING`]. Summary words are asked for in order.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn match_summary(search: *mut Search, at: u32) -> u32 {
    subprogram(search, NOTHING, |search| {
        search.at = at;
        let mut words = summary(search, 0) & summary(search, 2);
        words &= match search.joined {
            0 => summary(search, 1),
            joined => own_summary(search, 1) | record_word(search, joined.wrapping_add(at)),
        };
        let (mut word, mut bits) = (0, 0);
        for _ in 0..64 {
            if words == 0 {
                break;
            }
            word = words & words.wrapping_neg();
            words ^= word;
            bits = match_word(search, word);
            if bits != 0 {
                break;
            }
        }
        if bits != 0 {
            let word = at.wrapping_mul(64).wrapping_add(bits_below(word));
            return word.wrapping_mul(64).wrapping_add(bits_below(bits & bits.wrapping_neg()));
        }
        pass_summary(search, 0);
        pass_summary(search, 1);
        pass_summary(search, 2);
        NOTHING
    })
}

/// The rules of a word, which is given by its bit in the summary, that all rows have.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn match_word(search: *mut Search, word: u64) -> u64 {
    subprogram(search, 0, |search| {
        // Most rules have a destination or a service of their own, few a source.
        let bits = row_word(search, 1, word) & row_word(search, 2, word);
        if bits == 0 { 0 } else { bits & row_word(search, 0, word) }
    })
}

/// A word of a row.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn row_word(search: *mut Search, row: u32, word: u64) -> u64 {
    subprogram(search, 0, |search| {
        let row = (row as usize).min(2);
        let Row { base, own } = search.rows[row];
        let words = search.words[row];
        let before = word.wrapping_sub(1);
        let (base, shared) = (record_word(search, base.wrapping_add(search.at)), words.base);
        let shared =
            if base & word == 0 { 0 } else { record_word(search, shared.wrapping_add((base & before).count_ones())) };
        let summary = own_summary(search, row);
        if summary & word == 0 {
            shared
        } else if own & ONE_RULE != 0 {
            shared | 1 << (own & 63)
        } else {
            shared | record_word(search, words.own.wrapping_add((summary & before).count_ones()))
        }
    })
}

/// The summary word in hand of a row.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn summary(search: *mut Search, row: u32) -> u64 {
    subprogram(search, 0, |search| {
        let row = (row as usize).min(2);
        record_word(search, search.rows[row].base.wrapping_add(search.at)) | own_summary(search, row)
    })
}

/// On to the words of the next summary word.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn pass_summary(search: *mut Search, row: u32) -> u32 {
    subprogram(search, 0, |search| {
        let row = (row as usize).min(2);
        let base = record_word(search, search.rows[row].base.wrapping_add(search.at)).count_ones();
        let own = own_summary(search, row).count_ones();
        let words = search.words[row];
        search.words[row] = Row { base: words.base.wrapping_add(base), own: words.own.wrapping_add(own) };
        base
    })
}

/// The summary word in hand of a class's own rules.
#[inline(always)]
fn own_summary(search: &Search, row: usize) -> u64 {
    let own = search.rows[row].own;
    if own & ONE_RULE == 0 {
        return record_word(search, own.wrapping_add(search.at));
    }
    let word = (own & !ONE_RULE) / 64;
    if word / 64 == search.at { 1 << (word % 64) } else { 0 }
}

/// A word of `ROWS`; empty beyond its end.
#[inline(always)]
fn record_word(search: &Search, index: u32) -> u64 {
    word_of(search.half, index)
}

/// Likewise, given where the half begins.
#[inline(always)]
fn word_of(half: u32, index: u32) -> u64 {
    ROWS.get(half.wrapping_add(index)).copied().unwrap_or(0)
}

/// How many bits are below the only one set: BPF has no instruction for it, and the compiler's own way is a table.
#[inline(always)]
const fn bits_below(bit: u64) -> u32 {
    bit.wrapping_sub(1).count_ones()
}
