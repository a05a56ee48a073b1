//! Flows whose earlier packets have passed every stage: a later packet is still dropped by the stage that today's policy
//! drops it at, and passing in one direction says nothing of the other.

use abi::{Reason, Verdict};

use super::frames::{fragment, ping, udp};
use super::policies::{usual, usual_but};
use super::{Case, Expected, drop, expect, forward, nat};

const CLIENT: &str = "10.8.5.5:51000";
const SERVER: &str = "192.0.2.4:7000";

pub(super) fn cases() -> Vec<Case> {
    [isolated(), elsewhere(), other_direction()].concat()
}

/// Two packets each way: the flow is one that has passed everything.
fn lively(name: &'static str, client: &str, server: &str) -> (Case, Vec<u8>, Vec<u8>, Expected) {
    let (_, port) = client.split_once(':').expect("an address and a port");
    let public = nat::tome(port.parse().expect("a port"));
    let passed = |reason| forward(reason).of("tome").translated(public);
    let (out, back) = (udp(client, server), udp(server, &format!("{}:{}", public.0, public.1)));
    let case = Case::new(name)
        .packet("lan0.103", 0, &out, passed(Reason::DefaultAllow))
        .packet("wan0", 0, &back, passed(Reason::Established))
        .packet("lan0.103", 0, &out, passed(Reason::Established))
        .packet("wan0", 0, &back, passed(Reason::Established));
    (case, out, back, passed(Reason::Established))
}

fn isolated() -> Vec<Case> {
    let (terminal, out, back, passed) = lively("its terminal is isolated while the flow lives", CLIENT, SERVER);
    let cut_off = || drop(Reason::Isolated).of("tome");
    let terminal = terminal
        .install(usual_but(r#"ward = ["10.8.1.0/24"]"#, r#"ward = ["10.8.1.0/24", "10.8.5.5/32"]"#))
        .packet("lan0.103", 1, &out, cut_off())
        .packet("wan0", 1, &back, cut_off())
        .install(usual())
        .packet("wan0", 2, &back, passed.clone())
        .packet("lan0.103", 2, &out, passed);
    let (town, out, back, _) = lively("its municipality is isolated while the flow lives", CLIENT, SERVER);
    let town = town
        .install(usual_but(r#"isolated = ["ward"]"#, "isolated = true"))
        .packet("wan0", 1, &back, cut_off())
        .packet("lan0.103", 1, &out, cut_off());
    let (essential, out, back, _) = lively("what was essential no longer is", "10.8.1.5:51000", "192.0.2.53:7000");
    let essential = essential
        .install(usual_but(r#"essential = ["192.0.2.53"]"#, r#"essential = ["192.0.2.54"]"#))
        .packet("wan0", 1, &back, cut_off())
        .packet("lan0.103", 1, &out, cut_off());
    vec![terminal, town, essential]
}

fn elsewhere() -> Vec<Case> {
    let (blocked, out, back, passed) = lively("its server is blocked while the flow lives", CLIENT, SERVER);
    let stopped = || drop(Reason::Blocked).set("scanners").of("tome");
    let blocked = blocked
        .install(usual_but(r#""192.0.2.66/32""#, r#""192.0.2.66/32", "192.0.2.4/32""#))
        .packet("wan0", 1, &back, stopped())
        .packet("lan0.103", 1, &out, stopped())
        .install(usual())
        .packet("lan0.103", 2, &out, passed);
    let (client, out, back, _) = lively("its client is blocked while the flow lives", CLIENT, SERVER);
    let client = client
        .install(usual_but(r#""192.0.2.66/32""#, r#""192.0.2.66/32", "10.8.5.5/32""#))
        .packet("lan0.103", 1, &out, stopped())
        // From the uplink only the public address shows.
        .packet("wan0", 1, &back, forward(Reason::Established).of("tome").translated(nat::tome(51_000)))
        .packet("lan0.103", 1, &out, stopped());
    let (smaller, out, _, _) = lively("its prefix is taken away while the flow lives", CLIENT, SERVER);
    let smaller = smaller
        .install(usual_but(r#"prefixes = ["10.8.0.0/16", "#, r#"prefixes = ["10.8.0.0/22", "#))
        .packet("lan0.103", 1, &out, drop(Reason::SpoofedSource).of("tome"));
    let (ours, _, back, _) = lively("its server's address becomes a municipality's", CLIENT, SERVER);
    let ours = ours
        .install(usual_but(r#"prefixes = ["10.5.0.0/16"]"#, r#"prefixes = ["10.5.0.0/16", "192.0.2.0/29"]"#))
        .packet("wan0", 1, &back, drop(Reason::SpoofedSource).of("tome"));
    vec![blocked, client, smaller, ours]
}

fn other_direction() -> Vec<Case> {
    let public = nat::tome(51_000);
    let passed = |reason| forward(reason).of("tome").translated(public);
    let to_osaki = udp(CLIENT, "10.5.0.9:7000");
    let from_pool = udp("203.0.113.64:7000", SERVER);
    let to_pool = udp(SERVER, "203.0.113.64:7000");
    let echo = ping("10.4.20.7", "10.4.0.1", 7);
    let first = fragment(&echo, 9, 0, 8);
    let piece = |reason| {
        let public = nat::sendai("10.4.20.7", 7);
        forward(reason).rule("tools").of("sendai").translated(public)
    };
    vec![
        Case::new("what answers from a municipality's address comes from the wrong side")
            .packet("lan0.103", 0, &to_osaki, passed(Reason::DefaultAllow))
            .packet("lan0.103", 0, &to_osaki, passed(Reason::Established))
            .packet(
                "wan0",
                0,
                &udp("10.5.0.9:7000", &format!("{}:{}", public.0, public.1)),
                drop(Reason::SpoofedSource).of("tome"),
            ),
        Case::new("a pool's address is no client's")
            .packet("wan0", 0, &to_pool, forward(Reason::DefaultAllow).of("tome"))
            .packet("wan0", 0, &to_pool, forward(Reason::Established).of("tome"))
            .packet("lan0.103", 0, &from_pool, drop(Reason::SpoofedSource).of("tome"))
            .packet("wan0", 0, &to_pool, forward(Reason::Established).of("tome")),
        Case::new("an echo request to the gateway is the gateway's, whatever came in pieces before")
            .packet("lan0.101", 0, &first, piece(Reason::Rule))
            .packet("lan0.101", 0, &first, piece(Reason::Established))
            .packet("lan0.101", 0, &echo, expect(Verdict::Local, Reason::GatewayAddress).of("sendai")),
    ]
}
