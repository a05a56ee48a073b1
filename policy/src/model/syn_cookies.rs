//! Stage "SYN cookies": a service that gets too many SYNs a second is under attack, and until it is calm again none of them
//! begins a flow. Who acknowledges the cookie that answers a SYN begins it later, with the numbers of that SYN.
//!
//! What a cookie is, and which services share a count, is in [`abi::cookie`] and [`abi::flood`], which every engine shares.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;

use abi::cookie::{Ends, REPLAY_KEY, start_of};
use abi::flood::{Rates, cell_of, is_attacked, is_remembered};
use abi::limits::REPLAY_HASH_SEED;
use abi::{Address, Direction, Reason, Verdict};

use super::crossing::{Crossing, Exit};
use super::packet::{Packet, Ports, Segment, Transport};
use super::prefecture::Municipality;
use super::rules::Decision;
use super::trace::Stage;

/// What services were asked, by cell. Policies come and go; this stays.
#[derive(Debug, Default)]
pub(crate) struct Services(HashMap<u32, Asked>);

/// A cell's services.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    second: u32,
    /// SYNs in that second.
    count: u32,
    /// Last second that was too busy.
    busy_s: u32,
}

/// A cookie that came back: the SYN's number, and the cookie itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redeemed {
    pub(crate) start: u32,
    pub(crate) cookie: u32,
}

impl Asked {
    /// One more SYN: whether it finds the service under attack. Of a busy second of an attack no more is to be known.
    fn syn(&mut self, now_s: u32, rates: Rates) -> bool {
        let attacked = is_attacked(self.busy_s, now_s);
        if attacked && self.busy_s == now_s {
            return true;
        }
        if self.second != now_s {
            (self.second, self.count) = (now_s, 0);
        }
        self.count += 1;
        let passed = self.count >= if attacked { rates.leave } else { rates.enter };
        if passed {
            self.busy_s = now_s;
        }
        attacked || passed
    }
}

/// Counts a SYN that the rules have let through, and answers it where its service is under attack.
pub(crate) fn syn_cookies(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    redeemed: Option<Redeemed>,
    decision: &Decision,
) -> ControlFlow<Exit> {
    if redeemed.is_some() && decision.verdict == Verdict::Inspect {
        // The inspector cannot step into the middle of a connection.
        let exit = Exit { rule: decision.rule.clone(), ..Exit::drop(Reason::BadState) };
        return x.stop(Stage::SynCookies, exit, || "a cookie for what is to be inspected".into());
    }
    let Transport::Tcp(ports, Segment { syn: true, .. }) = packet.transport else { return ControlFlow::Continue(()) };
    let rates = municipality.syn_cookies.rates();
    if x.direction != Direction::Ingress || rates.enter == 0 || decision.verdict != Verdict::Forward {
        return ControlFlow::Continue(());
    }
    let service = SocketAddr::new(packet.destination, ports.destination);
    let asked = x.services.0.entry(cell(service)).or_default();
    let attacked = asked.syn(x.now_s, rates);
    let looked_at = format!("SYNs to {service} in this second, {} so far", asked.count);
    if attacked {
        let exit = Exit { rule: decision.rule.clone(), ..Exit::drop(Reason::SynCookie) };
        return x.stop(Stage::SynCookies, exit, || looked_at);
    }
    let told = municipality.syn_cookies;
    x.pass(Stage::SynCookies, || (looked_at, format!("not under attack, which it would be {told}")));
    ControlFlow::Continue(())
}

/// What a segment without flow brings, if it may bring a cookie at all: the cookie that came back, or why it is dropped.
pub(crate) fn redeem(
    x: &Crossing,
    municipality: &Municipality,
    packet: &Packet,
    ports: Ports,
    segment: &Segment,
) -> Option<Result<Redeemed, Reason>> {
    let acknowledges = segment.ack && !segment.syn && !segment.rst && packet.fragment.is_none();
    if !acknowledges || x.direction != Direction::Ingress || municipality.syn_cookies.rates().enter == 0 {
        return None;
    }
    let asked = x.services.0.get(&cell(SocketAddr::new(packet.destination, ports.destination)))?;
    if !is_remembered(asked.busy_s, x.now_s) {
        return None;
    }
    let (source, destination) = (address(packet.source), address(packet.destination));
    let ends = Ends {
        source: &source,
        destination: &destination,
        source_port: ports.source,
        destination_port: ports.destination,
    };
    let cookie = segment.acknowledgement.wrapping_sub(1);
    let start = start_of(REPLAY_KEY, ends, cookie, segment.sequence, x.now_s);
    Some(start.map(|start| Redeemed { start, cookie }).ok_or(Reason::BadCookie))
}

fn cell(service: SocketAddr) -> u32 {
    cell_of(&address(service.ip()), service.port(), REPLAY_HASH_SEED)
}

fn address(address: IpAddr) -> Address {
    match address {
        IpAddr::V4(v4) => Address::from_v4_word(u32::from_ne_bytes(v4.octets())),
        IpAddr::V6(v6) => Address::from_octets(v6.octets()),
    }
}
