//! Connections of an inspector's own: from the gateway's addresses, past the rules, and never mixed up with a client's.

use abi::{Reason, Verdict};

use super::frames::{Tcp, arp, changed, fragment, icmp, ping, protocol, syn, time_exceeded, udp, udp_of};
use super::policies::{usual, usual_but};
use super::{Case, Expected, drop, expect, forward, nat};

/// Where Sendai's inspector sends, by whom, and whom it asks: rules forbid everybody there this port.
const INSPECTOR: &str = "inspector:sendai";
const OURS: &str = "10.4.0.1:40000";
const OURS_V6: &str = "[2001:db8:4::1]:40000";
const SERVER: &str = "192.0.2.4:8443";
const SERVER_V6: &str = "[2001:db8:99::4]:8443";

pub(super) fn cases() -> Vec<Case> {
    [passed(), refused(), isolated(), apart(), generations()].concat()
}

fn sendai(reason: Reason) -> Expected {
    forward(reason).of("sendai").translated(nat::sendai("10.4.0.1", 40_000))
}

fn sendai_v6(reason: Reason) -> Expected {
    forward(reason).of("sendai")
}

/// A segment that answers the first.
fn answer(to: &str) -> Vec<u8> {
    let (from, to): (&str, &'static str) = (SERVER, to.to_owned().leak());
    Tcp { from, to, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 }.frame()
}

fn public() -> String {
    let (address, port) = nat::sendai("10.4.0.1", 40_000);
    format!("{address}:{port}")
}

fn passed() -> Vec<Case> {
    let twins = nat::ishinomaki("10.4.0.1", 40_000);
    let question = udp("10.4.0.1:40000", "192.0.2.4:53");
    let back = udp("192.0.2.4:53", &public());
    let unreachable = icmp("10.4.0.1", "192.0.2.4", 3, &udp("192.0.2.4:53", "10.4.0.1:40000")[super::frames::IP..]);
    let exceeded = time_exceeded("192.0.2.1", "203.0.113.16", &udp(&public(), "192.0.2.4:53"));
    let exceeded = retarget(&exceeded, nat::sendai("10.4.0.1", 40_000).0);
    let long = udp_of("10.4.0.1:40000", "192.0.2.4:53", 64);
    vec![
        Case::new("an inspector's connection is translated, and no rule is asked")
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", SERVER), drop(Reason::DefaultDeny).of("sendai"))
            .packet(INSPECTOR, 0, &syn(OURS, SERVER), sendai(Reason::Inspector))
            .packet("wan0", 0, &answer(&public()), sendai(Reason::Established))
            .packet(INSPECTOR, 0, &syn(OURS, SERVER), sendai(Reason::Established))
            .packet(INSPECTOR, 0, &syn(OURS_V6, SERVER_V6), sendai_v6(Reason::Inspector))
            .packet(INSPECTOR, 0, &syn(OURS_V6, SERVER_V6), sendai_v6(Reason::Established)),
        Case::new("inspectors of two municipalities with equal addresses")
            .packet(INSPECTOR, 0, &syn(OURS, SERVER), sendai(Reason::Inspector))
            .packet(
                "inspector:ishinomaki",
                0,
                &syn(OURS, SERVER),
                forward(Reason::Inspector).of("ishinomaki").translated(twins),
            )
            .packet(
                "wan0",
                0,
                &answer(&format!("{}:{}", twins.0, twins.1)),
                forward(Reason::Established).of("ishinomaki").translated(twins),
            )
            .packet("wan0", 0, &answer(&public()), sendai(Reason::Established)),
        Case::new("errors about an inspector's datagrams, either way")
            .packet(INSPECTOR, 0, &question, sendai(Reason::Inspector))
            .packet("wan0", 0, &back, sendai(Reason::Established))
            .packet(INSPECTOR, 0, &unreachable, sendai(Reason::Related))
            .packet("wan0", 0, &exceeded, sendai(Reason::Related)),
        Case::new("an inspector's datagram in fragments")
            .packet(INSPECTOR, 0, &fragment(&long, 7, 0, 24), sendai(Reason::Inspector))
            .packet(INSPECTOR, 0, &fragment(&long, 7, 24, 72), sendai(Reason::Fragment)),
    ]
}

/// An error to another public address; its checksum is nobody's business here.
fn retarget(error: &[u8], to: std::net::Ipv4Addr) -> Vec<u8> {
    changed(error, super::frames::IP + 16, &to.octets())
}

fn refused() -> Vec<Case> {
    let sendai = |reason| drop(reason).of("sendai");
    let tagged = [&syn(OURS, SERVER)[..12], &[0x81, 0, 0, 101], &syn(OURS, SERVER)[12..]].concat();
    vec![
        Case::new("an inspector speaks for nobody else")
            .packet(INSPECTOR, 0, &syn("10.4.20.7:40000", SERVER), sendai(Reason::SpoofedSource))
            .packet(INSPECTOR, 0, &syn("203.0.113.17:40000", SERVER), sendai(Reason::SpoofedSource))
            .packet(INSPECTOR, 0, &syn("10.5.0.1:40000", SERVER), sendai(Reason::SpoofedSource))
            .packet("inspector:osaki", 0, &syn(OURS, SERVER), drop(Reason::SpoofedSource).of("osaki")),
        Case::new("an inspector speaks TCP and UDP only")
            .packet(INSPECTOR, 0, &ping("10.4.0.1", "192.0.2.4", 5), sendai(Reason::Unsupported))
            .packet(INSPECTOR, 0, &ping("2001:db8:4::1", "2001:db8:99::4", 5), sendai(Reason::Unsupported))
            .packet(INSPECTOR, 0, &protocol("10.4.0.1", "192.0.2.4", 47, &[0; 8]), sendai(Reason::Unsupported))
            .packet(INSPECTOR, 0, &arp(), sendai(Reason::Unsupported))
            .packet(INSPECTOR, 0, &super::frames::neighbour_solicitation(), sendai(Reason::Unsupported))
            .packet(INSPECTOR, 0, &tagged, sendai(Reason::UnknownAttachment))
            .packet(INSPECTOR, 0, &[0; 20], sendai(Reason::Unsupported)),
        Case::new("block sets hold for inspectors")
            .packet(INSPECTOR, 0, &syn(OURS, "198.51.100.200:443"), sendai(Reason::Blocked).set("threats"))
            .packet(INSPECTOR, 0, &syn(OURS_V6, "[2001:db8:bad::1]:443"), sendai(Reason::Blocked).set("threats")),
    ]
}

fn isolated() -> Vec<Case> {
    let cut_off = || drop(Reason::Isolated).of("shiroishi");
    let tome = |reason| forward(reason).of("tome").translated(nat::tome(40_000));
    let whole = "10.9.0.1:40000";
    vec![
        Case::new("the inspector of a municipality cut off reaches what is essential")
            .packet("inspector:shiroishi", 0, &syn(whole, SERVER), cut_off())
            .packet("inspector:shiroishi", 0, &syn(whole, "192.0.2.53:53"), forward(Reason::Inspector).of("shiroishi")),
        // The section is cut off, not the gateway that has an address among it.
        Case::new("a section cut off on whose segment the gateway has its address")
            .install(usual_but("10.8.0.1/24", "10.8.1.1/24"))
            .packet("inspector:tome", 0, &syn("10.8.1.1:40000", SERVER), tome(Reason::Inspector))
            .packet("wan0", 0, &answer("203.0.113.64:1088"), tome(Reason::Established))
            .packet("inspector:tome", 0, &syn("10.8.1.1:40000", SERVER), tome(Reason::Established))
            .packet("lan0.103", 0, &syn("10.8.1.7:40000", SERVER), drop(Reason::Isolated).of("tome")),
        Case::new("a municipality is cut off while its inspector's flow lives")
            .packet("inspector:tome", 0, &udp("10.8.0.1:40000", "192.0.2.4:53"), tome_v4(Reason::Inspector))
            .packet("wan0", 0, &udp("192.0.2.4:53", "203.0.113.64:1088"), tome_v4(Reason::Established))
            .install(usual_but(r#"isolated = ["ward"]"#, "isolated = true"))
            .packet("wan0", 1, &udp("192.0.2.4:53", "203.0.113.64:1088"), drop(Reason::Isolated).of("tome"))
            .packet("inspector:tome", 1, &udp("10.8.0.1:40000", "192.0.2.4:53"), drop(Reason::Isolated).of("tome")),
    ]
}

fn tome_v4(reason: Reason) -> Expected {
    forward(reason).of("tome").translated(nat::tome(40_000))
}

fn apart() -> Vec<Case> {
    let spoofed = || drop(Reason::SpoofedSource).of("sendai");
    let local = || expect(Verdict::Local, Reason::GatewayAddress).of("sendai");
    let back = udp("192.0.2.4:53", &public());
    let question = udp("10.4.0.1:40000", "192.0.2.4:53");
    let foreign = udp("192.0.2.4:5000", "10.5.0.1:7000");
    let passed = |reason| forward(reason).of("osaki");
    vec![
        Case::new("a client that claims the gateway's address begins nothing and rides on nothing")
            .packet("lan0.101", 0, &syn(OURS, "192.0.2.4:443"), spoofed())
            .packet("lan0.101", 0, &syn(OURS_V6, "[2001:db8:99::4]:443"), spoofed())
            .packet("lan0.101", 0, &ping("10.4.0.1", "192.0.2.4", 5), spoofed())
            .packet(INSPECTOR, 0, &question, sendai(Reason::Inspector))
            .packet("wan0", 0, &back, sendai(Reason::Established))
            // Vouched for by now.
            .packet("lan0.101", 0, &question, spoofed())
            .packet("wan0", 0, &back, sendai(Reason::Established))
            .packet("lan0.101", 0, &ping("10.4.20.7", "10.4.0.1", 5), local()),
        Case::new("an inspector does not answer on a flow that the Internet began with the gateway")
            .packet("wan0", 0, &foreign, passed(Reason::DefaultAllow))
            .packet("inspector:osaki", 0, &udp("10.5.0.1:7000", "192.0.2.4:5000"), drop(Reason::BadState).of("osaki"))
            .packet("wan0", 0, &foreign, passed(Reason::Established)),
    ]
}

fn generations() -> Vec<Case> {
    let moved = || usual_but(r#"address = ["10.4.0.1/24", "2001:db8:4::1/64"]"#, r#"address = ["10.4.0.2/24"]"#);
    let question = udp("10.4.0.1:40000", "192.0.2.4:53");
    let back = udp("192.0.2.4:53", &public());
    let started = |name| {
        Case::new(name).packet(INSPECTOR, 0, &question, sendai(Reason::Inspector)).packet(
            "wan0",
            0,
            &back,
            sendai(Reason::Established),
        )
    };
    vec![
        started("an inspector's flow outlives a policy whose rules would not let it through")
            .install(usual_but(
                "name = \"dns\"\nports = [\"udp/53\"]\naction = \"allow\"",
                "name = \"dns\"\nports = [\"udp/53\"]\naction = \"deny\"",
            ))
            .packet("wan0", 1, &back, sendai(Reason::Established))
            .packet(INSPECTOR, 1, &question, sendai(Reason::Established)),
        started("an inspector's flow ends with the gateway's address")
            .install(moved())
            .packet("wan0", 1, &back, drop(Reason::BadState).of("sendai"))
            .packet(INSPECTOR, 1, &question, drop(Reason::SpoofedSource).of("sendai"))
            .install(usual())
            .packet("wan0", 2, &back, drop(Reason::DefaultDeny).of("sendai")),
        started("who is given the gateway's old address does not take over its flows").install(moved()).packet(
            "lan0.101",
            1,
            &question,
            drop(Reason::BadState).of("sendai"),
        ),
        Case::new("whoever had the gateway's new address does not pass flows on to it")
            .install(moved())
            .packet(
                "lan0.101",
                0,
                &question,
                forward(Reason::Rule).rule("dns").of("sendai").translated(nat::sendai("10.4.0.1", 40_000)),
            )
            .install(usual())
            .packet(INSPECTOR, 1, &question, drop(Reason::BadState).of("sendai")),
    ]
}
