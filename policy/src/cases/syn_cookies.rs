//! A service under attack: SYNs that begin nothing, cookies that come back, and connections whose numbers are shifted. From
//! four SYNs in a second on it is under attack, until for some seconds fewer than two came.

use abi::cookie::{Ends, Offer, REPLAY_KEY, cookie};
use abi::{Address, Reason};

use super::frames::{Tcp, fragment, syn};
use super::policies::usual_but;
use super::{Case, EPOCH_S, Expected, drop, forward};
use crate::source::Source;

const CLIENT: &str = "192.0.2.4:5000";
const SITE: &str = "203.0.113.10:443";
/// The client's first number.
const START: u32 = 1_000;
/// The server's.
const SERVER: u32 = 9_000;

pub(super) fn cases() -> Vec<Case> {
    vec![begins_and_ends(), what_is_no_attack(), cookies(), connection(), resets(), later(), off(), v6()]
}

fn guarded() -> Source {
    let rates = "[flood]\nsyn_cookies = { enter = 4, leave = 2 }\n[isolation]\n";
    usual_but("[isolation]\n", rates)
}

fn story(name: &'static str) -> Case {
    Case::without_policy(name).install(guarded())
}

fn site(reason: Reason) -> Expected {
    forward(reason).rule("city-site").of("sendai")
}

fn answered() -> Expected {
    drop(Reason::SynCookie).rule("city-site").of("sendai")
}

fn refused(reason: Reason) -> Expected {
    drop(reason).of("sendai")
}

/// SYNs of others, as many as begin an attack.
fn attack(mut case: Case, second: u64) -> Case {
    for port in 0..4 {
        let from: &'static str = format!("192.0.2.5:{}", 2_000 + port).leak();
        let expected = if port < 3 { site(Reason::Rule) } else { answered() };
        case = case.packet("wan0", second, &syn(from, SITE), expected);
    }
    case
}

/// The cookie that the client got in that second of the story.
fn given(second: u64) -> u32 {
    let ends = Ends {
        source: &Address::from_v4_word(u32::from_ne_bytes([192, 0, 2, 4])),
        destination: &Address::from_v4_word(u32::from_ne_bytes([203, 0, 113, 10])),
        source_port: 5_000,
        destination_port: 443,
    };
    cookie(REPLAY_KEY, ends, START, (EPOCH_S + second) as u32, Offer::new(1_460, 7, true))
}

fn from_client(flags: &'static str, sequence: u32, acknowledgement: u32) -> Vec<u8> {
    Tcp { from: CLIENT, to: SITE, flags, sequence, acknowledgement, payload_len: 0 }.frame()
}

fn from_site(flags: &'static str, sequence: u32, acknowledgement: u32) -> Vec<u8> {
    Tcp { from: SITE, to: CLIENT, flags, sequence, acknowledgement, payload_len: 0 }.frame()
}

fn begins_and_ends() -> Case {
    let mut case = attack(story("an attack begins, lasts and ends"), 0);
    let one = |case: Case, second, expected| case.packet("wan0", second, &syn("192.0.2.6:4000", SITE), expected);
    // Whoever was in before goes on, his SYN again as well.
    case = case.packet("wan0", 0, &syn("192.0.2.5:2000", SITE), site(Reason::Established));
    case = one(case, 5, answered());
    case = one(case, 6, site(Reason::Rule));
    // Two in a second keep it going; one does not.
    case = attack(case, 40);
    case = one(one(case, 44, answered()), 44, answered());
    case = one(case, 48, answered());
    case = one(case, 49, answered());
    one(case, 50, site(Reason::Rule))
}

fn what_is_no_attack() -> Case {
    let mut case = story("what the rules refuse is nobody's attack, nor is what others are asked for");
    for _ in 0..6 {
        let closed = syn("192.0.2.4:5000", "203.0.113.10:80");
        case = case.packet("wan0", 0, &closed, drop(Reason::DefaultDeny).of("sendai"));
    }
    for port in 0..6 {
        let to: &'static str = format!("10.8.5.5:{}", 8_000 + port).leak();
        case = case.packet("wan0", 0, &syn("192.0.2.4:5000", to), forward(Reason::DefaultAllow).of("tome"));
    }
    case.packet("wan0", 0, &syn(CLIENT, SITE), site(Reason::Rule))
}

fn cookies() -> Case {
    let cookie = given(0);
    let ack = |cookie: u32| from_client("A", START + 1, cookie.wrapping_add(1));
    let case = story("cookies that come back").packet("wan0", 0, &ack(cookie), refused(Reason::BadState));
    attack(case, 0)
        .packet("wan0", 0, &syn(CLIENT, SITE), answered())
        .packet("wan0", 0, &syn(CLIENT, SITE), answered())
        .packet("wan0", 0, &ack(cookie ^ 1), refused(Reason::BadCookie))
        .packet("wan0", 0, &from_client("A", START + 2, cookie + 1), refused(Reason::BadCookie))
        .packet("wan0", 0, &from_client("R", START + 1, cookie + 1), refused(Reason::BadState))
        .packet("wan0", 0, &from_client("SA", START, cookie + 1), refused(Reason::BadState))
        .packet("lan0.101", 0, &from_site("A", 1, 1), refused(Reason::BadState))
        .packet("wan0", 0, &fragment(&ack(cookie), 7, 0, 16), drop(Reason::BadFragment))
        .packet("wan0", 1, &ack(cookie), site(Reason::Rule))
}

fn connection() -> Case {
    let cookie = given(0);
    let to_site = cookie + 1;
    attack(story("a connection that began with a cookie"), 0)
        .packet("wan0", 0, &from_client("A", START + 1, to_site), site(Reason::Rule))
        .packet("wan0", 0, &from_client("PA", START + 1, to_site), site(Reason::Established))
        .packet("wan0", 0, &from_client("A", START, to_site), site(Reason::Established))
        .packet("wan0", 0, &from_client("A", START + 1, to_site + 1), refused(Reason::BadState))
        .packet("wan0", 0, &syn(CLIENT, SITE), refused(Reason::BadState))
        .packet("lan0.101", 0, &from_site("A", 77, 88), refused(Reason::BadState))
        .packet("lan0.101", 0, &from_site("SA", SERVER, START + 2), refused(Reason::BadState))
        .packet("lan0.101", 0, &from_site("SA", SERVER, START + 1), site(Reason::Established))
        .packet("lan0.101", 1, &from_site("SA", SERVER, START + 1), site(Reason::Established))
        .packet("wan0", 1, &from_client("PA", START + 1, to_site), site(Reason::Established))
        .packet("lan0.101", 1, &from_site("PA", SERVER + 1, START + 1), site(Reason::Established))
        // A stranger's reset in the server's name, and the client's own.
        .packet("lan0.101", 1, &from_site("R", cookie + 1, START + 1), refused(Reason::BadState))
        .packet("wan0", 1, &from_client("R", START, 0), refused(Reason::BadState))
        .packet("wan0", 1, &from_client("R", START + 1, 0), site(Reason::Established))
        .packet("wan0", 1, &from_client("A", START + 1, to_site), refused(Reason::BadState))
        .packet("wan0", 1, &syn(CLIENT, SITE), answered())
}

fn resets() -> Case {
    let to_site = given(0) + 1;
    attack(story("a service that is closed after all, and one that resets its client"), 0)
        .packet("wan0", 0, &from_client("A", START + 1, to_site), site(Reason::Rule))
        .packet("lan0.101", 0, &from_site("RA", 0, START + 1), site(Reason::Established))
        .packet("wan0", 0, &from_client("A", START + 1, to_site), refused(Reason::BadState))
        .packet("wan0", 0, &syn(CLIENT, SITE), answered())
        .packet("wan0", 0, &from_client("A", START + 1, to_site), site(Reason::Rule))
        .packet("lan0.101", 0, &from_site("SA", SERVER, START + 1), site(Reason::Established))
        .packet("wan0", 0, &from_client("A", START + 1, to_site), site(Reason::Established))
        .packet("lan0.101", 0, &from_site("R", SERVER + 1, 0), site(Reason::Established))
}

/// Cookies outlive the attack, but not by much: the story begins 32 seconds into a period.
fn later() -> Case {
    let ack = |second: u64| from_client("A", START + 1, given(second) + 1);
    let case = attack(story("cookies after the attack, and old ones"), 0);
    case.packet("wan0", 95, &ack(96), refused(Reason::BadCookie))
        .packet("wan0", 96, &ack(0), refused(Reason::BadCookie))
        .packet("wan0", 96, &ack(32), site(Reason::Rule))
        .packet("wan0", 133, &from_client("A", START + 1, 5), refused(Reason::BadCookie))
        .packet("wan0", 134, &from_client("A", START + 1, given(134) + 1), refused(Reason::BadState))
}

fn off() -> Case {
    let mut case = Case::without_policy("a municipality without SYN cookies")
        .install(usual_but("[egress]\ndefault = \"deny\"\n[[egress.rule]]\nname = \"no-gambling\"", SENDAI_OFF));
    for port in 0..3_000 {
        let from: &'static str = format!("192.0.2.5:{}", 2_000 + port).leak();
        case = case.packet("wan0", 0, &syn(from, SITE), site(Reason::Rule));
    }
    case.packet("wan0", 0, &from_client("A", START + 1, given(0) + 1), refused(Reason::BadState))
}

const SENDAI_OFF: &str =
    "[flood]\nsyn_cookies = false\n[egress]\ndefault = \"deny\"\n[[egress.rule]]\nname = \"no-gambling\"";

fn v6() -> Case {
    let (client, server) = ("[2001:db8:f::4]:5000", "[2001:db8:8::5]:443");
    let ends = Ends {
        source: &address("2001:db8:f::4"),
        destination: &address("2001:db8:8::5"),
        source_port: 5_000,
        destination_port: 443,
    };
    let cookie = cookie(REPLAY_KEY, ends, START, EPOCH_S as u32, Offer::new(1_440, 7, true));
    let passed = |reason| forward(reason).of("tome");
    let mut case = story("the same over IPv6");
    for port in 0..5 {
        let from: &'static str = format!("[2001:db8:f::5]:{}", 2_000 + port).leak();
        let expected = if port < 3 { passed(Reason::DefaultAllow) } else { drop(Reason::SynCookie).of("tome") };
        case = case.packet("wan0", 0, &syn(from, server), expected);
    }
    let ack = |flags, sequence, acknowledgement| {
        Tcp { from: client, to: server, flags, sequence, acknowledgement, payload_len: 0 }.frame()
    };
    let back = Tcp { from: server, to: client, flags: "SA", sequence: 9, acknowledgement: START + 1, payload_len: 0 };
    case.packet("wan0", 0, &ack("A", START + 1, cookie), drop(Reason::BadCookie).of("tome"))
        .packet("wan0", 0, &ack("A", START + 1, cookie + 1), passed(Reason::DefaultAllow))
        .packet("lan0.103", 0, &back.frame(), passed(Reason::Established))
        .packet("wan0", 0, &ack("PA", START + 1, cookie + 1), passed(Reason::Established))
}

fn address(text: &str) -> Address {
    let v6: std::net::Ipv6Addr = text.parse().expect("an address of the tables");
    Address::from_octets(v6.octets())
}
