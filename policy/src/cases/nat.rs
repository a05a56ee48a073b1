//! Translation: which public address a flow gets, equal inside addresses, a pool used up.

use std::net::Ipv4Addr;

use abi::Reason;
use abi::nat::{CANDIDATES, candidate};

use super::frames::{Tcp, protocol, syn, udp};
use super::policies::usual_but;
use super::{Case, Expected, drop, forward};

/// What Sendai's client becomes on the uplink, as first choice.
pub(super) fn sendai(inside: &str, port: u16) -> (Ipv4Addr, u16) {
    choice(inside, port, true, 0, Ipv4Addr::new(203, 0, 113, 16), 4)
}

/// The same for a protocol without ports.
pub(super) fn sendai_portless(inside: &str) -> (Ipv4Addr, u16) {
    choice(inside, 0, false, 0, Ipv4Addr::new(203, 0, 113, 16), 4)
}

/// What Ishinomaki's client becomes.
pub(super) fn ishinomaki(inside: &str, port: u16) -> (Ipv4Addr, u16) {
    choice(inside, port, true, 0, Ipv4Addr::new(203, 0, 113, 32), 4)
}

/// What Tome's client becomes; there is one public address.
pub(super) fn tome(inside: &str, port: u16) -> (Ipv4Addr, u16) {
    choice(inside, port, true, 0, TOME_PUBLIC, 1)
}

fn choice(inside: &str, port: u16, has_ports: bool, n: u32, pool: Ipv4Addr, pool_size: u32) -> (Ipv4Addr, u16) {
    let inside: Ipv4Addr = inside.parse().expect("an address of the tables");
    let (index, port) = candidate(inside.to_bits(), port, has_ports, n, pool_size);
    (Ipv4Addr::from_bits(pool.to_bits() + index), port)
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        equal_addresses(),
        second_choice(),
        taken_from_outside(),
        hidden(),
        same_port_elsewhere(),
        exhausted(),
        exhausted_portless(),
        untranslated(),
    ]
}

fn equal_addresses() -> Case {
    let (client, server) = ("10.4.20.7:51000", "192.0.2.4:443");
    let ours = sendai("10.4.20.7", 51_000);
    let theirs = ishinomaki("10.4.20.7", 51_000);
    let web = |reason| forward(reason).rule("web").of("sendai").translated(ours);
    let allowed = |reason| forward(reason).of("ishinomaki").translated(theirs);
    let answer = |(address, port): (Ipv4Addr, u16)| {
        let to: &'static str = format!("{address}:{port}").leak();
        Tcp { from: server, to, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 }.frame()
    };
    Case::new("equal addresses to the same server at the same time")
        .packet("lan0.101", 0, &syn(client, server), web(Reason::Rule))
        .packet("lan0.200.102", 0, &syn(client, server), allowed(Reason::DefaultAllow))
        .packet("wan0", 0, &answer(theirs), allowed(Reason::Established))
        .packet("wan0", 0, &answer(ours), web(Reason::Established))
        .packet("lan0.101", 0, &syn(client, server), web(Reason::Established))
}

fn tome_flow(translation: (Ipv4Addr, u16), reason: Reason) -> Expected {
    forward(reason).of("tome").translated(translation)
}

/// Two clients use one port to one server: the second gets another.
fn second_choice() -> Case {
    let server = "192.0.2.4:53";
    let second = choice("10.8.2.8", 5_000, true, 1, TOME_PUBLIC, 1);
    Case::new("a public port that is taken")
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", server), tome_flow((TOME_PUBLIC, 5_000), Reason::DefaultAllow))
        .packet("lan0.103", 0, &udp("10.8.2.8:5000", server), tome_flow(second, Reason::DefaultAllow))
        .packet("wan0", 1, &udp(server, &format!("{}:{}", second.0, second.1)), tome_flow(second, Reason::Established))
        .packet("wan0", 1, &udp(server, "203.0.113.64:5000"), tome_flow((TOME_PUBLIC, 5_000), Reason::Established))
        // Once the first client's flow is gone its port is free.
        .packet("lan0.103", 302, &udp("10.8.2.9:5000", server), tome_flow((TOME_PUBLIC, 5_000), Reason::DefaultAllow))
}

/// A flow that began outside keeps its public port: answers to it must not reach somebody else.
fn taken_from_outside() -> Case {
    let second = choice("10.8.2.7", 5_000, true, 1, TOME_PUBLIC, 1);
    let incoming = udp("192.0.2.4:53", "203.0.113.64:5000");
    Case::new("a public port that a flow from outside uses")
        .packet("wan0", 0, &incoming, forward(Reason::DefaultAllow).of("tome"))
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:53"), tome_flow(second, Reason::DefaultAllow))
        .packet("wan0", 0, &incoming, forward(Reason::Established).of("tome"))
}

/// A published server shares its address with the pool: seen from outside, a translated flow comes before one of the
/// server's with the same ports, and a connection that begins anew there ends both.
fn hidden() -> Case {
    let published = usual_but(
        TOME_INGRESS,
        &format!("{TOME_INGRESS}[[ingress.rule]]\nname = \"site\"\nto = [\"203.0.113.64\"]\naction = \"allow\"\n"),
    );
    let (inside, public, outside) = ("10.8.2.7:80", "203.0.113.64:80", "192.0.2.4:5000");
    let translated = |reason| tome_flow((TOME_PUBLIC, 80), reason);
    let refusal =
        Tcp { from: outside, to: public, flags: "RA", sequence: 0, acknowledgement: 1_001, payload_len: 0 }.frame();
    let acceptance =
        Tcp { from: public, to: outside, flags: "SA", sequence: 7_000, acknowledgement: 1_001, payload_len: 0 }.frame();
    let site = |reason| forward(reason).rule("site").of("tome");
    Case::new("a translated flow hides one of the very addresses")
        .install(published)
        .packet("lan0.103", 0, &syn(inside, outside), translated(Reason::DefaultAllow))
        .packet("lan0.103", 0, &syn(public, outside), forward(Reason::DefaultAllow).of("tome"))
        .packet("wan0", 0, &refusal, translated(Reason::Established))
        .packet("wan0", 0, &syn(outside, public), site(Reason::Rule))
        .packet("wan0", 0, &syn(outside, public), site(Reason::Established))
        .packet("lan0.103", 0, &acceptance, site(Reason::Established))
}

fn same_port_elsewhere() -> Case {
    let first = (TOME_PUBLIC, 5_000);
    Case::new("a public port serves several servers")
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:53"), tome_flow(first, Reason::DefaultAllow))
        .packet("lan0.103", 0, &udp("10.8.2.8:5000", "192.0.2.5:53"), tome_flow(first, Reason::DefaultAllow))
        .packet("lan0.103", 0, &udp("10.8.2.9:5000", "192.0.2.4:54"), tome_flow(first, Reason::DefaultAllow))
}

/// Every port that a client would try is another client's.
fn exhausted() -> Case {
    let server = "192.0.2.4:53";
    let mut case = Case::new("no public port left");
    for n in 0..CANDIDATES {
        let (address, port) = choice("10.8.2.7", 5_000, true, n, TOME_PUBLIC, 1);
        let other = format!("10.8.3.{}:{port}", n + 1);
        case = case.packet("lan0.103", 0, &udp(&other, server), tome_flow((address, port), Reason::DefaultAllow));
    }
    case.packet("lan0.103", 0, &udp("10.8.2.7:5000", server), drop(Reason::NatExhausted).of("tome")).packet(
        "lan0.103",
        0,
        &udp("10.8.2.7:5000", "192.0.2.5:53"),
        tome_flow((TOME_PUBLIC, 5_000), Reason::DefaultAllow),
    )
}

fn exhausted_portless() -> Case {
    let from = |inside: &str| protocol(inside, "192.0.2.4", 47, &[0; 8]);
    Case::new("no public address left for a protocol without ports")
        .packet("lan0.103", 0, &from("10.8.2.7"), tome_flow((TOME_PUBLIC, 0), Reason::DefaultAllow))
        .packet("lan0.103", 0, &from("10.8.2.8"), drop(Reason::NatExhausted).of("tome"))
        .packet("lan0.103", 61, &from("10.8.2.8"), tome_flow((TOME_PUBLIC, 0), Reason::DefaultAllow))
}

fn untranslated() -> Case {
    Case::new("published, IPv6 and municipalities without a pool stay untranslated")
        .packet(
            "lan0.101",
            0,
            &syn("203.0.113.10:5000", "192.0.2.4:443"),
            forward(Reason::Rule).rule("web").of("sendai"),
        )
        .packet(
            "lan0.103",
            0,
            &udp("[2001:db8:8::7]:5", "[2001:db8:99::4]:53"),
            forward(Reason::DefaultAllow).of("tome"),
        )
        .packet("lan0.200", 0, &udp("10.5.0.7:5", "192.0.2.4:53"), forward(Reason::DefaultAllow).of("osaki"))
}

const TOME_INGRESS: &str = "ward = [\"10.8.1.0/24\"]\n[egress]\ndefault = \"allow\"\n[ingress]\ndefault = \"allow\"\n";
const TOME_PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 64);
