//! From one municipality to a public address of another's, or of its own: both sides judge, the far one as if the packet
//! came from the Internet.

use abi::Reason;

use super::frames::{Tcp, ping, syn, time_exceeded, udp};
use super::policies::usual_but;
use super::{Case, Expected, drop, forward, nat};

const HAIRPIN: &str = "hairpin";

pub(super) fn cases() -> Vec<Case> {
    vec![another(), own(), alone(), six(), sources(), judged()]
}

fn tome(reason: Reason) -> Expected {
    forward(reason).of("tome")
}

/// Each side has its own flow, and the answers find both.
fn another() -> Case {
    let ours = nat::sendai("10.4.20.7", 51_000);
    let public: &'static str = format!("{}:{}", ours.0, ours.1).leak();
    let (client, site) = ("10.4.20.7:51000", "203.0.113.64:443");
    let web = |reason| forward(reason).rule("web").of("sendai").translated(ours);
    let accepted =
        Tcp { from: site, to: public, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 }.frame();
    Case::new("from a client to another municipality's public address")
        .packet("lan0.101", 0, &syn(client, site), web(Reason::Rule))
        .packet(HAIRPIN, 0, &syn(public, site), tome(Reason::DefaultAllow))
        .packet(HAIRPIN, 0, &accepted, web(Reason::Established))
        .packet(HAIRPIN, 0, &syn(public, site), tome(Reason::Established))
        .packet(HAIRPIN, 0, &time_exceeded(&site[..12], &public[..12], &syn(public, site)), web(Reason::Related))
}

/// Sendai's own site: two flows of one municipality.
fn own() -> Case {
    let ours = nat::sendai("10.4.20.7", 51_000);
    let public: &'static str = format!("{}:{}", ours.0, ours.1).leak();
    let (client, site) = ("10.4.20.7:51000", "203.0.113.10:443");
    let web = |reason| forward(reason).rule("web").of("sendai").translated(ours);
    let city = |reason| forward(reason).rule("city-site").of("sendai");
    let accepted =
        Tcp { from: site, to: public, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 }.frame();
    Case::new("from a client to its own municipality's public address")
        .packet("lan0.101", 0, &syn(client, site), web(Reason::Rule))
        .packet(HAIRPIN, 0, &syn(public, site), city(Reason::Rule))
        .packet("lan0.101", 0, &accepted, city(Reason::Established))
        .packet(HAIRPIN, 0, &accepted, web(Reason::Established))
}

/// The server is mapped behind the address that its municipality's clients have as well.
fn alone() -> Case {
    let mapped = usual_but(
        "pool = [\"203.0.113.64\"]\n",
        "pool = [\"203.0.113.64\"]\n[[nat.inbound]]\nname = \"names\"\npublic = \"203.0.113.64\"\nports = [\"udp/53\"]\n\
         to = \"10.8.2.53\"\n",
    );
    let ours = nat::tome(5_000);
    let client = |reason| tome(reason).translated(ours);
    let names = |reason| tome(reason).translated((ours.0, 53));
    let (public, site) = (format!("{}:{}", ours.0, ours.1), "203.0.113.64:53");
    Case::new("from a client to a server behind the same public address")
        .install(mapped)
        .packet("lan0.103", 0, &udp("10.8.2.7:5000", site), client(Reason::DefaultAllow))
        .packet(HAIRPIN, 0, &udp(&public, site), names(Reason::DefaultAllow))
        .packet("lan0.103", 0, &udp("10.8.2.53:53", &public), names(Reason::Established))
        .packet(HAIRPIN, 0, &udp(site, &public), client(Reason::Established))
        // Nobody is there, and from the Internet nobody calls so.
        .packet(HAIRPIN, 0, &udp(&public, "203.0.113.64:54"), drop(Reason::Land).of("tome"))
        .packet(HAIRPIN, 0, &ping("203.0.113.64", "203.0.113.64", 9), drop(Reason::Land).of("tome"))
        .packet("wan0", 0, &udp(&public, site), drop(Reason::Land))
}

fn six() -> Case {
    let (client, site) = ("[2001:db8:8::7]:5000", "[2001:db8:4::80]:443");
    Case::new("IPv6 to another municipality, which nobody translates")
        .packet("lan0.103", 0, &syn(client, site), tome(Reason::DefaultAllow))
        .packet(HAIRPIN, 0, &syn(client, site), forward(Reason::Rule).rule("city-site-v6").of("sendai"))
        .packet(HAIRPIN, 0, &syn(client, "[2001:db8:4::81]:443"), drop(Reason::DefaultDeny).of("sendai"))
}

/// By the hairpin only public addresses of ours, by the uplink none.
fn sources() -> Case {
    let spoofed = || drop(Reason::SpoofedSource).of("tome");
    let site = "203.0.113.64:53";
    Case::new("who may come by the hairpin")
        .packet(HAIRPIN, 0, &udp("192.0.2.4:5000", site), spoofed())
        .packet(HAIRPIN, 0, &udp("10.5.0.7:5000", site), spoofed())
        .packet(HAIRPIN, 0, &udp("203.0.113.20:5000", site), spoofed())
        .packet(HAIRPIN, 0, &udp("203.0.113.19:5000", site), tome(Reason::DefaultAllow))
        .packet("wan0", 0, &udp("203.0.113.19:5000", site), spoofed())
        .packet(HAIRPIN, 0, &udp("203.0.113.19:5000", "203.0.113.20:53"), drop(Reason::UnknownDestination))
}

/// The far side's rules, cut-off and baseline hold.
fn judged() -> Case {
    Case::new("the far side judges what comes by the hairpin")
        .packet(HAIRPIN, 0, &syn("203.0.113.64:5000", "203.0.113.10:80"), drop(Reason::DefaultDeny).of("sendai"))
        .packet(
            HAIRPIN,
            0,
            &syn("203.0.113.64:5000", "203.0.113.10:445"),
            drop(Reason::BaselineRule).rule("no-smb").of("sendai"),
        )
        .packet(HAIRPIN, 0, &syn("203.0.113.64:5000", "10.9.0.7:80"), drop(Reason::Isolated).of("shiroishi"))
}
