//! Published ports that stand for an inside server's: begun from outside, answered by the flow, errors and fragments both
//! ways, judged by the rules of the public address.

use std::net::Ipv4Addr;

use abi::Reason;

use super::frames::{IP, L4_V4, Tcp, fragment, icmp, ping, syn, time_exceeded, udp, udp_of};
use super::policies::usual_but;
use super::{Case, Expected, drop, forward, nat};
use crate::source::Source;

const ROUTER: &str = "192.0.2.99";

/// Sendai's site behind its published address, at another port inside.
fn sendai() -> Source {
    usual_but(
        "pool = [\"203.0.113.16/30\"]\n",
        "pool = [\"203.0.113.16/30\"]\n[[nat.inbound]]\nname = \"site\"\npublic = \"203.0.113.10\"\nports = [\"tcp/443\"]\n\
         to = \"10.4.20.7:8443\"\n",
    )
}

/// Tome's only public address, which is its clients' as well: a name server and a ward's, which is cut off.
fn tome() -> Source {
    usual_but(
        "pool = [\"203.0.113.64\"]\n",
        "pool = [\"203.0.113.64\"]\n[[nat.inbound]]\nname = \"names\"\npublic = \"203.0.113.64\"\n\
         ports = [\"udp/53\", \"tcp/53\", \"udp/600-610\"]\nto = \"10.8.2.53\"\n\
         [[nat.inbound]]\nname = \"ward\"\npublic = \"203.0.113.64\"\nports = [\"udp/611\"]\nto = \"10.8.1.5\"\n",
    )
}

fn site(reason: Reason) -> Expected {
    forward(reason).rule("city-site").of("sendai").translated((Ipv4Addr::new(203, 0, 113, 10), 443))
}

fn names(port: u16, reason: Reason) -> Expected {
    forward(reason).of("tome").translated((Ipv4Addr::new(203, 0, 113, 64), port))
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![connection(), not_mapped(), judged_again(), runs(), isolated(), one_flow(), pool()];
    cases.extend(errors());
    cases.extend(fragments());
    cases
}

fn connection() -> Case {
    let (client, public, server) = ("192.0.2.4:5000", "203.0.113.10:443", "10.4.20.7:8443");
    let accepted =
        Tcp { from: server, to: client, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 }.frame();
    let done =
        Tcp { from: client, to: public, flags: "A", sequence: 1_001, acknowledgement: 9_001, payload_len: 0 }.frame();
    Case::new("a connection to a published port ends at the server behind it")
        .install(sendai())
        .packet("wan0", 0, &syn(client, public), site(Reason::Rule))
        .packet("lan0.101", 0, &accepted, site(Reason::Established))
        .packet("wan0", 0, &done, site(Reason::Established))
        .packet("wan0", 1, &done, site(Reason::Established))
        // Nobody else's answer.
        .packet(
            "lan0.101",
            1,
            &Tcp { from: "10.4.20.8:8443", to: client, flags: "SA", sequence: 1, acknowledgement: 1, payload_len: 0 }
                .frame(),
            drop(Reason::BadState).of("sendai"),
        )
}

fn not_mapped() -> Case {
    let denied = || drop(Reason::DefaultDeny).of("sendai");
    Case::new("what is not mapped is for the very address")
        .install(sendai())
        .packet("wan0", 0, &udp("192.0.2.4:5000", "203.0.113.10:443"), denied())
        .packet("wan0", 0, &syn("192.0.2.4:5000", "203.0.113.10:442"), denied())
        .packet("wan0", 0, &ping("192.0.2.4", "203.0.113.10", 7), forward(Reason::Rule).rule("ping-us").of("sendai"))
        // Rules know the public address: the server's own is not allowed.
        .packet("wan0", 0, &syn("192.0.2.4:5000", "203.0.113.10:8443"), denied())
}

/// The rules of today decide, by the public address and port.
fn judged_again() -> Case {
    let (client, public) = ("192.0.2.4:5000", "203.0.113.10:443");
    let closed = usual_but(
        "name = \"city-site\"\nto = [\"203.0.113.10\"]\nports = [\"tcp/443\"]\naction = \"allow\"",
        "name = \"city-site\"\nto = [\"203.0.113.10\"]\nports = [\"tcp/444\"]\naction = \"allow\"",
    );
    Case::new("a flow to a published port is judged again as it came")
        .install(sendai())
        .packet("wan0", 0, &syn(client, public), site(Reason::Rule))
        // Without the mapping what is under way goes on, as long as the rule is there.
        .install(super::policies::usual())
        .packet("wan0", 1, &syn(client, public), site(Reason::Established))
        .install(closed)
        .packet("wan0", 1, &syn(client, public), drop(Reason::DefaultDeny).of("sendai"))
}

fn runs() -> Case {
    let new = |port| names(port, Reason::DefaultAllow);
    let untouched = || forward(Reason::DefaultAllow).of("tome");
    let to = |port: u16| udp("192.0.2.4:5000", &format!("203.0.113.64:{port}"));
    Case::new("runs of published ports, first and last")
        .install(tome())
        .packet("wan0", 0, &to(53), new(53))
        .packet("wan0", 0, &to(600), new(600))
        .packet("wan0", 0, &to(610), new(610))
        .packet("wan0", 0, &to(599), untouched())
        .packet("wan0", 0, &to(612), untouched())
        .packet("wan0", 0, &to(52), untouched())
        .packet("wan0", 0, &syn("192.0.2.4:5000", "203.0.113.64:53"), new(53))
        .packet("wan0", 0, &syn("192.0.2.4:5000", "203.0.113.64:600"), untouched())
        .packet("lan0.103", 1, &udp("10.8.2.53:610", "192.0.2.4:5000"), names(610, Reason::Established))
}

fn isolated() -> Case {
    Case::new("the published port of a server that is cut off")
        .install(tome())
        .packet("wan0", 0, &udp("192.0.2.4:5000", "203.0.113.64:611"), drop(Reason::Isolated).of("tome"))
        .packet("wan0", 0, &udp("192.0.2.53:5000", "203.0.113.64:611"), names(611, Reason::DefaultAllow))
        .packet("wan0", 1, &udp("192.0.2.53:5000", "203.0.113.64:611"), names(611, Reason::Established))
}

/// Server and outside have one flow, whichever way it began.
fn one_flow() -> Case {
    let (outside, server) = ("192.0.2.4:5000", "10.8.2.53:53");
    let own = nat::tome(53);
    Case::new("a server that has called from its published port")
        .install(tome())
        .packet("lan0.103", 0, &udp(server, outside), forward(Reason::DefaultAllow).of("tome").translated(own))
        .packet("wan0", 0, &udp(outside, "203.0.113.64:53"), drop(Reason::BadState).of("tome"))
        .packet("wan0", 0, &udp("192.0.2.4:5001", "203.0.113.64:53"), names(53, Reason::DefaultAllow))
        .packet("wan0", 31, &udp(outside, "203.0.113.64:53"), names(53, Reason::DefaultAllow))
        .packet("lan0.103", 31, &udp(server, outside), names(53, Reason::Established))
}

/// Clients of the same address have ports of their own.
fn pool() -> Case {
    let own = nat::tome(5_000);
    let client = |reason| forward(reason).of("tome").translated(own);
    Case::new("published ports beside those of clients")
        .install(tome())
        .packet("wan0", 0, &udp("192.0.2.4:53", "203.0.113.64:53"), names(53, Reason::DefaultAllow))
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", "192.0.2.4:53"), client(Reason::DefaultAllow))
        .packet("wan0", 0, &udp("192.0.2.4:53", &format!("203.0.113.64:{}", own.1)), client(Reason::Established))
        .packet("lan0.103", 0, &udp("10.8.2.53:53", "192.0.2.4:53"), names(53, Reason::Established))
}

fn errors() -> Vec<Case> {
    let (client, public, server) = ("192.0.2.4:5000", "203.0.113.64:53", "10.8.2.53:53");
    let asked = || udp(client, public);
    let inside = udp(client, server);
    let answer = udp(public, client);
    let related = || names(53, Reason::Related);
    let refused = || drop(Reason::BadState).of("tome");
    vec![
        Case::new("errors about a published port, from both sides")
            .install(tome())
            .packet("wan0", 0, &asked(), names(53, Reason::DefaultAllow))
            .packet("lan0.103", 0, &icmp("10.8.2.53", "192.0.2.4", 3, &inside[IP..L4_V4 + 8]), related())
            .packet("wan0", 0, &time_exceeded(ROUTER, "203.0.113.64", &answer), related())
            // Neither side has seen what the other sees.
            .packet("lan0.103", 0, &icmp("10.8.2.53", "192.0.2.4", 3, &asked()[IP..L4_V4 + 8]), refused())
            .packet("wan0", 0, &time_exceeded(ROUTER, "203.0.113.64", &udp(server, client)), refused()),
    ]
}

fn fragments() -> Vec<Case> {
    let asked = udp_of("192.0.2.4:5000", "203.0.113.64:53", 64);
    let answer = udp_of("10.8.2.53:53", "192.0.2.4:5000", 64);
    vec![
        Case::new("fragments to a published port")
            .install(tome())
            .packet("wan0", 0, &fragment(&asked, 7, 0, 32), names(53, Reason::DefaultAllow))
            .packet("wan0", 0, &fragment(&asked, 7, 32, 72), names(53, Reason::Fragment))
            .packet("lan0.103", 0, &fragment(&answer, 9, 0, 32), names(53, Reason::Established))
            .packet("lan0.103", 0, &fragment(&answer, 9, 32, 72), names(53, Reason::Fragment)),
    ]
}
