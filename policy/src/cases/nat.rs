//! Translation: which public address and port a flow gets, equal inside addresses, ports and pools used up.

use std::net::Ipv4Addr;

use abi::Reason;
use abi::nat::{FIRST_PORT, pool_choice};

use super::frames::{Tcp, ping, protocol, syn, udp};
use super::policies::usual_but;
use super::{Case, Expected, drop, forward};

/// What Sendai's client becomes on the uplink, if nobody else has a block of its address.
pub(super) fn sendai(inside: &str, port: u16) -> (Ipv4Addr, u16) {
    (choice(inside, Ipv4Addr::new(203, 0, 113, 16), 4), in_block(0, port))
}

/// The same for a protocol without ports.
pub(super) fn sendai_portless(inside: &str) -> (Ipv4Addr, u16) {
    (choice(inside, Ipv4Addr::new(203, 0, 113, 16), 4), 0)
}

/// What Ishinomaki's client becomes.
pub(super) fn ishinomaki(inside: &str, port: u16) -> (Ipv4Addr, u16) {
    (choice(inside, Ipv4Addr::new(203, 0, 113, 32), 4), in_block(0, port))
}

/// What the first of Tome's clients becomes; there is one public address.
pub(super) fn tome(port: u16) -> (Ipv4Addr, u16) {
    (TOME_PUBLIC, in_block(0, port))
}

fn choice(inside: &str, pool: Ipv4Addr, pool_size: u32) -> Ipv4Addr {
    let inside: Ipv4Addr = inside.parse().expect("an address of the tables");
    Ipv4Addr::from_bits(pool.to_bits() + pool_choice(inside.to_bits(), 0, pool_size))
}

/// First choice for a port in the `n`th block of an address.
fn in_block(n: u16, port: u16) -> u16 {
    FIRST_PORT + n * 512 + port % 512
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        equal_addresses(),
        independent(),
        second_choice(),
        own_blocks(),
        kept_and_freed(),
        ended(),
        taken_from_outside(),
        hidden(),
        moved_pool(),
        full_client(),
        full_pool(),
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

/// RFC 4787, REQ-1: one public address and port for every destination, and every protocol its own.
fn independent() -> Case {
    let public = (TOME_PUBLIC, in_block(0, 5_000));
    let new = || tome_flow(public, Reason::DefaultAllow);
    Case::new("an inside port is one public port for every destination")
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:53"), new())
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.5:53"), new())
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:54"), new())
        .packet("lan0.103", 0, &syn("10.8.2.7:5000", "192.0.2.4:53"), new())
        // An identifier of echo is a port among UDP's.
        .packet(
            "lan0.103",
            0,
            &ping("10.8.2.7", "192.0.2.4", 5_000),
            tome_flow((public.0, public.1 + 1), Reason::DefaultAllow),
        )
        .packet(
            "wan0",
            1,
            &udp("192.0.2.5:53", &format!("{}:{}", public.0, public.1)),
            tome_flow(public, Reason::Established),
        )
}

/// Two inside ports never share a public one.
fn second_choice() -> Case {
    let public = |step| (TOME_PUBLIC, in_block(0, 5_000) + step);
    let flow = |step| tome_flow(public(step), Reason::DefaultAllow);
    Case::new("a public port that is taken")
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:53"), flow(0))
        .packet("lan0.103", 0, &udp("10.8.2.7:5512", "192.0.2.5:53"), flow(1))
        .packet("lan0.103", 0, &udp("10.8.2.7:6024", "192.0.2.4:53"), flow(2))
        .packet("lan0.103", 0, &udp("10.8.2.7:5512", "192.0.2.4:53"), flow(1))
}

fn own_blocks() -> Case {
    let (server, public) = ("192.0.2.4:53", |n| (TOME_PUBLIC, in_block(n, 5_000)));
    let back = |n| udp(server, &format!("{}:{}", public(n).0, public(n).1));
    Case::new("every client has blocks of its own")
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", server), tome_flow(public(0), Reason::DefaultAllow))
        .packet("lan0.103", 0, &udp("10.8.2.8:5000", server), tome_flow(public(1), Reason::DefaultAllow))
        .packet("lan0.103", 0, &syn("10.8.2.8:5000", server), tome_flow(public(1), Reason::DefaultAllow))
        .packet("lan0.103", 0, &udp("10.8.2.9:5000", server), tome_flow(public(2), Reason::DefaultAllow))
        // An inspector has one for each part of its ports.
        .packet("inspector:tome", 0, &udp("10.8.0.1:5000", server), tome_flow(public(3), Reason::Inspector))
        .packet("inspector:tome", 0, &udp("10.8.0.1:5512", server), tome_flow(public(4), Reason::Inspector))
        .packet("wan0", 1, &back(1), tome_flow(public(1), Reason::Established))
        .packet("wan0", 1, &back(4), tome_flow(public(4), Reason::Established))
}

/// A mapping outlives its flow's timeout by no more than the time within which it is asked for once; then another inside
/// port gets it.
fn kept_and_freed() -> Case {
    let public = |step| (TOME_PUBLIC, in_block(0, 5_000) + step);
    let new = |step| tome_flow(public(step), Reason::DefaultAllow);
    let server = "192.0.2.4:53";
    Case::new("a mapping lives as long as the longest of its flows")
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", server), new(0))
        .packet(
            "wan0",
            20,
            &udp(server, &format!("{}:{}", public(0).0, public(0).1)),
            tome_flow(public(0), Reason::Established),
        )
        .packet("lan0.103", 20, &udp("10.8.2.7:5000", "192.0.2.5:53"), new(0))
        // The second flow is over, the first is not.
        .packet("lan0.103", 319, &udp("10.8.2.7:5512", server), new(1))
        .packet("lan0.103", 320, &udp("10.8.2.7:5000", server), tome_flow(public(0), Reason::Established))
        .packet("lan0.103", 653, &udp("10.8.2.7:5512", "192.0.2.5:53"), new(1))
        .packet("lan0.103", 654, &udp("10.8.2.7:6024", server), new(0))
}

/// A reset lets a port go soon, where nothing else uses it.
fn ended() -> Case {
    let public = |step| (TOME_PUBLIC, in_block(0, 5_000) + step);
    let new = |step| tome_flow(public(step), Reason::DefaultAllow);
    let server = "192.0.2.4:443";
    let reset =
        |from| Tcp { from, to: server, flags: "R", sequence: 1_001, acknowledgement: 0, payload_len: 0 }.frame();
    Case::new("a mapping ends with its only flow")
        .packet("lan0.103", 0, &syn("10.8.2.7:5000", server), new(0))
        .packet("lan0.103", 0, &reset("10.8.2.7:5000"), tome_flow(public(0), Reason::Established))
        .packet("lan0.103", 43, &syn("10.8.2.7:5512", server), new(1))
        .packet("lan0.103", 44, &syn("10.8.2.7:6024", server), new(0))
        // Reopened at once, it is the same mapping.
        .packet("lan0.103", 44, &reset("10.8.2.7:6024"), tome_flow(public(0), Reason::Established))
        .packet("lan0.103", 44, &syn("10.8.2.7:6024", server), new(0))
}

/// A flow that began outside keeps its public port: answers to it must not reach somebody else.
fn taken_from_outside() -> Case {
    let incoming = udp("192.0.2.4:53", &format!("{TOME_PUBLIC}:{}", in_block(0, 5_000)));
    Case::new("a public port that a flow from outside uses")
        .packet("wan0", 0, &incoming, forward(Reason::DefaultAllow).of("tome"))
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:53"), drop(Reason::NatExhausted).of("tome"))
        .packet(
            "lan0.103",
            0,
            &udp("10.8.2.7:5000", "192.0.2.5:53"),
            tome_flow((TOME_PUBLIC, in_block(0, 5_000)), Reason::DefaultAllow),
        )
        .packet("wan0", 0, &incoming, forward(Reason::Established).of("tome"))
}

/// A published server shares its address with the pool: seen from outside, a translated flow comes before one of the
/// server's with the same ports, and a connection that begins anew there ends both.
fn hidden() -> Case {
    let published = usual_but(
        TOME_INGRESS,
        &format!("{TOME_INGRESS}[[ingress.rule]]\nname = \"site\"\nto = [\"203.0.113.64\"]\naction = \"allow\"\n"),
    );
    let (inside, public, outside) = ("10.8.2.7:80", "203.0.113.64:1104", "192.0.2.4:5000");
    let translated = |reason| tome_flow(tome(80), reason);
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

/// Blocks of an address that another policy has not in the pool give nothing any more.
fn moved_pool() -> Case {
    let moved = usual_but("pool = [\"203.0.113.64\"]", "pool = [\"203.0.113.65\"]\nblock = 64");
    let old = tome_flow(tome(5_000), Reason::Established);
    let new = (Ipv4Addr::new(203, 0, 113, 65), FIRST_PORT + 5_000 % 64);
    let server = "192.0.2.4:53";
    Case::new("a pool of other addresses, in blocks of another size")
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", server), tome_flow(tome(5_000), Reason::DefaultAllow))
        .install(moved)
        .packet("lan0.103", 1, &udp("10.8.2.7:5000", "192.0.2.5:53"), tome_flow(new, Reason::DefaultAllow))
        .packet("lan0.103", 1, &udp("10.8.2.7:5000", server), old)
        .packet("wan0", 1, &udp(server, &format!("{TOME_PUBLIC}:5000")), drop(Reason::UnknownDestination))
}

/// A client uses its ports up to the last, and then gets no other block: but another client does.
fn full_client() -> Case {
    let server = "192.0.2.4:53";
    let small = usual_but("pool = [\"203.0.113.64\"]", "pool = [\"203.0.113.64\"]\nblock = 64\nblocks_per_client = 2");
    let mut case = Case::new("a client's ports used up").install(small);
    for port in 5_000..5_128_u16 {
        let block = if port < 5_064 { FIRST_PORT } else { FIRST_PORT + 64 };
        let public = (TOME_PUBLIC, block + port % 64);
        case = case.packet(
            "lan0.103",
            0,
            &udp(&format!("10.8.2.7:{port}"), server),
            tome_flow(public, Reason::DefaultAllow),
        );
    }
    case.packet("lan0.103", 0, &udp("10.8.2.7:5128", server), drop(Reason::NatExhausted).of("tome"))
        .packet(
            "lan0.103",
            0,
            &syn("10.8.2.7:5128", server),
            tome_flow((TOME_PUBLIC, FIRST_PORT + 5_128 % 64), Reason::DefaultAllow),
        )
        .packet(
            "lan0.103",
            0,
            &udp("10.8.2.8:5000", server),
            tome_flow((TOME_PUBLIC, FIRST_PORT + 128 + 5_000 % 64), Reason::DefaultAllow),
        )
}

/// Fifteen blocks of 4,096 ports are above the reserved ones.
fn full_pool() -> Case {
    let server = "192.0.2.4:53";
    let large = usual_but("pool = [\"203.0.113.64\"]", "pool = [\"203.0.113.64\"]\nblock = 4096");
    let mut case = Case::new("no block left").install(large);
    for client in 1..=15 {
        let public = (TOME_PUBLIC, 4_096 * client + 5_000 % 4_096);
        case = case.packet(
            "lan0.103",
            0,
            &udp(&format!("10.8.2.{client}:5000"), server),
            tome_flow(public, Reason::DefaultAllow),
        );
    }
    case.packet("lan0.103", 0, &udp("10.8.2.16:5000", server), drop(Reason::NatExhausted).of("tome"))
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
