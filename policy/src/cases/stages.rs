//! Stages "spoofing", "isolation" and "block sets".

use abi::{Reason, Verdict};

use super::frames::{fragment, ping, syn, udp, udp_of};
use super::{Case, drop, expect, forward, nat};

pub(super) fn cases() -> Vec<Case> {
    [spoofing(), isolation(), block()].concat()
}

fn spoofing() -> Vec<Case> {
    let spoofed = |who| drop(Reason::SpoofedSource).of(who);
    let gateway = || expect(Verdict::Local, Reason::GatewayAddress).of("sendai");
    let long_ping = udp_of("10.4.20.7:1", "10.4.0.1:1", 64);
    vec![
        Case::new("source of somebody else")
            .packet("lan0.101", 0, &syn("10.5.0.7:51000", "192.0.2.4:443"), spoofed("sendai"))
            .packet("lan0.101", 0, &syn("192.0.2.7:51000", "192.0.2.4:443"), spoofed("sendai"))
            .packet("lan0.101", 0, &syn("[2001:db8:8::7]:51000", "[2001:db8:99::4]:443"), spoofed("sendai"))
            // The pool is the gateway's to use, not a sender's.
            .packet("lan0.101", 0, &syn("203.0.113.17:51000", "192.0.2.4:443"), spoofed("sendai"))
            .packet(
                "lan0.101",
                0,
                &syn("203.0.113.10:443", "192.0.2.4:443"),
                forward(Reason::Rule).rule("web").of("sendai"),
            ),
        Case::new("our source from the uplink")
            .packet("wan0", 0, &syn("10.5.0.7:51000", "203.0.113.10:443"), spoofed("sendai"))
            .packet("wan0", 0, &syn("10.4.20.7:51000", "203.0.113.10:443"), spoofed("sendai"))
            .packet("wan0", 0, &syn("203.0.113.34:51000", "203.0.113.10:443"), spoofed("sendai"))
            .packet("wan0", 0, &syn("[2001:db8:8::7]:1", "[2001:db8:4::80]:443"), spoofed("sendai")),
        Case::new("echo to the gateway itself")
            .packet("lan0.101", 0, &ping("10.4.20.7", "10.4.0.1", 5), gateway())
            .packet("lan0.101", 0, &ping("2001:db8:4::7", "2001:db8:4::1", 5), gateway())
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "10.4.0.1:22"), drop(Reason::DefaultDeny).of("sendai"))
            .packet("lan0.101", 0, &fragment(&long_ping, 7, 16, 24), drop(Reason::FragmentUnmatched).of("sendai"))
            .packet("wan0", 0, &ping("192.0.2.4", "10.4.0.1", 5), drop(Reason::UnknownDestination)),
    ]
}

fn isolation() -> Vec<Case> {
    let isolated = |who| drop(Reason::Isolated).of(who);
    let allowed = |who| forward(Reason::DefaultAllow).of(who);
    let public = nat::tome(5_000);
    vec![
        Case::new("a municipality cut off")
            .packet("lan1", 0, &udp("10.9.0.7:5000", "192.0.2.4:53"), isolated("shiroishi"))
            .packet("wan0", 0, &udp("192.0.2.4:53", "10.9.0.7:5000"), isolated("shiroishi"))
            .packet("lan1", 0, &udp("10.9.0.7:5000", "192.0.2.53:53"), allowed("shiroishi"))
            .packet("wan0", 0, &udp("192.0.2.53:53", "10.9.0.7:5000"), forward(Reason::Established).of("shiroishi")),
        Case::new("a section cut off")
            .packet("lan0.103", 0, &udp("10.8.1.7:5000", "192.0.2.4:53"), isolated("tome"))
            .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:53"), allowed("tome").translated(public))
            .packet("wan0", 0, &udp("192.0.2.4:53", "10.8.1.7:5000"), isolated("tome")),
        // The address that arrives is the public one; who stands behind it is known only by the flow.
        Case::new("a section cut off while its translated flow lives")
            .install(super::policies::usual_but(r#"isolated = ["ward"]"#, ""))
            .packet("lan0.103", 0, &udp("10.8.1.7:5000", "192.0.2.4:53"), allowed("tome").translated(nat::tome(5_000)))
            .install(super::policies::usual())
            .packet("wan0", 1, &udp("192.0.2.4:53", &format!("{}:{}", public.0, public.1)), isolated("tome")),
        Case::new("isolation before block sets").packet(
            "lan1",
            0,
            &udp("10.9.0.7:5000", "198.51.100.130:53"),
            isolated("shiroishi"),
        ),
    ]
}

fn block() -> Vec<Case> {
    let blocked = |set| drop(Reason::Blocked).set(set).of("sendai");
    vec![
        Case::new("block sets, both ways and both families")
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "198.51.100.128:443"), blocked("threats"))
            .packet(
                "lan0.101",
                0,
                &syn("10.4.20.7:51000", "198.51.100.127:443"),
                forward(Reason::Rule).rule("web").of("sendai").translated(nat::sendai("10.4.20.7", 51_000)),
            )
            .packet("wan0", 0, &syn("198.51.100.255:51000", "203.0.113.10:443"), blocked("threats"))
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "192.0.2.66:443"), blocked("scanners"))
            .packet("lan0.101", 0, &syn("[2001:db8:4::7]:5", "[2001:db8:bad:1::1]:443"), blocked("threats"))
            .packet("wan0", 0, &syn("[2001:db8:bad::1]:5", "[2001:db8:4::80]:443"), blocked("threats")),
        // In two sets: the first of `[block] sets` is named.
        Case::new("the first block set is named").packet(
            "lan0.101",
            0,
            &syn("10.4.20.7:51000", "198.51.100.200:443"),
            blocked("threats"),
        ),
        Case::new("an established flow is blocked as well")
            .install(super::policies::usual_but(r#"sets = ["threats", "scanners"]"#, "sets = []"))
            .packet(
                "lan0.101",
                0,
                &syn("10.4.20.7:51000", "198.51.100.200:443"),
                forward(Reason::Rule).rule("web").of("sendai").translated(nat::sendai("10.4.20.7", 51_000)),
            )
            .install(super::policies::usual())
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "198.51.100.200:443"), blocked("threats")),
    ]
}
