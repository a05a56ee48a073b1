//! Stage "dns": queries of the Internet's to a municipality's published DNS servers, asked once of each, after the rules
//! (or its flow) have let it through and before budgets. One that is not admitted is answered by the gateway, truncated.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use abi::dns::{Zone, advance, bit, bits_of, bits_set, hash_of, is_attacked, names_of, window, with_one_more};
use abi::limits::REPLAY_HASH_SEED;
use abi::{Direction, Limit, Reason, dns};

use super::crossing::{Crossing, Exit};
use super::limits;
use super::packet::{Packet, Transport};
use super::prefecture::{Municipality, Rule};
use super::trace::Stage;
use crate::checked::Dns;

/// What was asked for, by municipality and place of the zone. Policies come and go; this stays for as long as the place is
/// the same zone's.
#[derive(Debug, Default)]
pub(crate) struct Asked(HashMap<(Arc<str>, usize), (Option<String>, Zone)>);

/// Judges a query to a guarded server; lets everything else pass.
pub(crate) fn guard(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    rule: Option<&Arc<Rule>>,
) -> ControlFlow<Exit> {
    let Transport::Udp(ports) = packet.transport else { return ControlFlow::Continue(()) };
    let Some(dns) = &municipality.dns else { return ControlFlow::Continue(()) };
    if x.direction != Direction::Ingress || ports.destination != dns::PORT || !dns.servers.contains(&packet.destination)
    {
        return ControlFlow::Continue(());
    }
    let exit = |reason, limit| Exit { rule: rule.cloned(), limit, ..Exit::drop(reason) };
    let name = packet.fragment.is_none().then(|| question(&packet.data)).flatten();
    let Some(name) = name else {
        let what = || format!("udp to {}, a guarded DNS server", packet.destination);
        return x.stop(Stage::Dns, exit(Reason::BadQuery, None), what);
    };
    let looked_at = || format!("query for `{}` to {}", text(&name), packet.destination);
    if !limits::pay_as_source(x, municipality, packet, Limit::DnsQueries, dns.queries_per_source) {
        return x.stop(Stage::Dns, exit(Reason::DnsGuard, Some(Limit::DnsQueries)), looked_at);
    }
    let place = place_of(dns, &name);
    let head = ask(x, municipality, dns, place, &name);
    if is_attacked(head) {
        return x.stop(Stage::Dns, exit(Reason::DnsGuard, Some(Limit::DnsNames)), looked_at);
    }
    x.pass(Stage::Dns, || {
        let zone = place.checked_sub(1).map_or("no zone that is named".to_owned(), |at| format!("`{}`", dns.zones[at]));
        let names = names_of(bits_set(head));
        (looked_at(), format!("in {zone}: about {names} of {} different names within {} s", dns.enter, dns::WINDOW_S))
    });
    ControlFlow::Continue(())
}

/// Takes the name into the zone's sketch: its head.
fn ask(x: &mut Crossing, municipality: &Municipality, dns: &Dns, place: usize, name: &[&[u8]]) -> u64 {
    let (enter, leave) = (bits_of(dns.enter), bits_of(dns.leave));
    let owner = place.checked_sub(1).map(|at| dns.zones[at].clone());
    let (whose, zone) = x.asked.0.entry((municipality.id.clone(), place)).or_default();
    if *whose != owner {
        (*whose, zone.head) = (owner, 0);
    }
    let here = advance(zone.head, window(x.now_s), leave);
    if here != zone.head {
        *zone = Zone { head: here, ..Zone::default() };
    }
    let octets: Vec<u8> = name.iter().flat_map(|label| [&[label.len() as u8], *label].concat()).collect();
    let bit = bit(hash_of(u64::from(REPLAY_HASH_SEED), &octets)) as usize;
    if zone.bits[bit / 64] & 1 << (bit % 64) == 0 {
        zone.bits[bit / 64] |= 1 << (bit % 64);
        zone.head = with_one_more(zone.head, enter);
    }
    zone.head
}

/// The longest of the zones that a name is in, from 1; 0: it is in none.
fn place_of(dns: &Dns, name: &[&[u8]]) -> usize {
    let is_in = |zone: &String| {
        let labels: Vec<&str> = zone.split('.').collect();
        let below = name.len().checked_sub(labels.len());
        below.is_some_and(|at| name[at..].iter().zip(&labels).all(|(a, b)| a.eq_ignore_ascii_case(b.as_bytes())))
    };
    dns.zones.iter().position(is_in).map_or(0, |at| at + 1)
}

/// The labels of the only question of a query; none: it is not one.
fn question(message: &[u8]) -> Option<Vec<&[u8]>> {
    let (header, mut rest) = message.split_first_chunk::<{ dns::HEADER }>()?;
    let opcode = header[2] >> 3 & 15;
    if header[2] & 0x80 != 0 || !dns::OPCODES.contains(&opcode) || header[4..6] != [0, 1] {
        return None;
    }
    let mut labels = Vec::new();
    let mut octets = 1;
    loop {
        let (&length, behind) = rest.split_first()?;
        if length == 0 {
            return (behind.len() >= dns::TYPE_AND_CLASS).then_some(labels);
        }
        let label = behind.get(..usize::from(length)).filter(|label| label.len() < 64)?;
        labels.push(label);
        octets += 1 + label.len();
        if octets > dns::LONGEST_NAME {
            return None;
        }
        rest = &behind[label.len()..];
    }
}

fn text(name: &[&[u8]]) -> String {
    if name.is_empty() {
        return ".".to_owned();
    }
    name.iter().map(|label| label.escape_ascii().to_string()).collect::<Vec<_>>().join(".")
}
