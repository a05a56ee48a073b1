//! Flows of other protocols, and how long flows live.

use abi::{Reason, Verdict};

use super::frames::{Tcp, ping, pong, protocol, syn, udp};
use super::{Case, Expected, drop, expect, forward, nat};

pub(super) fn cases() -> Vec<Case> {
    [echo(), ages(), others()].concat()
}

fn echo() -> Vec<Case> {
    let public = nat::sendai("10.4.20.7", 77);
    let outside = public.0.to_string();
    let tools = |reason| forward(reason).rule("tools").of("sendai").translated(public);
    let refused = || drop(Reason::BadState).of("sendai");
    vec![
        Case::new("echo and its reply")
            .packet("lan0.101", 0, &ping("10.4.20.7", "192.0.2.4", 77), tools(Reason::Rule))
            .packet("wan0", 0, &pong("192.0.2.4", &outside, public.1), tools(Reason::Established))
            .packet("lan0.101", 1, &ping("10.4.20.7", "192.0.2.4", 77), tools(Reason::Established))
            .packet("wan0", 1, &pong("192.0.2.4", &outside, public.1 + 1), refused())
            .packet("wan0", 1, &pong("192.0.2.5", &outside, public.1), refused()),
        Case::new("echo from the wrong side")
            .packet("lan0.101", 0, &ping("10.4.20.7", "192.0.2.4", 77), tools(Reason::Rule))
            .packet("lan0.101", 0, &pong("10.4.20.7", "192.0.2.4", 77), refused())
            .packet("wan0", 0, &ping("192.0.2.4", &outside, public.1), refused()),
        Case::new("echo reply of nothing").packet("lan0.101", 0, &pong("10.4.20.7", "192.0.2.4", 77), refused()),
    ]
}

fn ages() -> Vec<Case> {
    let public = nat::sendai("10.4.20.7", 51_000);
    let outside: &'static str = format!("{}:{}", public.0, public.1).leak();
    let dns = |reason| forward(reason).rule("dns").of("sendai").translated(public);
    let web = |reason| forward(reason).rule("web").of("sendai").translated(public);
    let quic = |reason| expect(Verdict::Inspect, reason).rule("quic").of("sendai");
    let (client, resolver, server) = ("10.4.20.7:51000", "192.0.2.4:53", "192.0.2.4:443");
    let gone = || drop(Reason::DefaultDeny).of("sendai");
    let ack =
        Tcp { from: client, to: server, flags: "A", sequence: 1_001, acknowledgement: 9_001, payload_len: 0 }.frame();
    let syn_ack =
        Tcp { from: server, to: outside, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 };
    let rst = Tcp { from: client, to: server, flags: "R", sequence: 1_001, acknowledgement: 0, payload_len: 0 }.frame();
    let dead = || drop(Reason::BadState).of("sendai");
    vec![
        Case::new("unanswered UDP lives half a minute")
            .packet("lan0.101", 0, &udp(client, resolver), dns(Reason::Rule))
            .packet("wan0", 30, &udp(resolver, outside), dns(Reason::Established)),
        Case::new("unanswered UDP lives no longer")
            .packet("lan0.101", 0, &udp(client, resolver), dns(Reason::Rule))
            .packet("wan0", 31, &udp(resolver, outside), gone()),
        Case::new("answered UDP lives five minutes after its last packet")
            .packet("lan0.101", 0, &udp(client, resolver), dns(Reason::Rule))
            .packet("wan0", 20, &udp(resolver, outside), dns(Reason::Established))
            .packet("lan0.101", 320, &udp(client, resolver), dns(Reason::Established))
            .packet("wan0", 621, &udp(resolver, outside), gone()),
        Case::new("inspected UDP lives five minutes, though answers come from the inspector and do not pass")
            .packet("lan0.101", 0, &udp(client, "192.0.2.4:8443"), quic(Reason::Rule))
            .packet("lan0.101", 300, &udp(client, "192.0.2.4:8443"), quic(Reason::Established))
            .packet("lan0.101", 601, &udp(client, "192.0.2.4:8443"), quic(Reason::Rule)),
        Case::new("what comes from the Internet for inspected UDP is nobody's")
            .packet("lan0.101", 0, &udp(client, "192.0.2.4:8443"), quic(Reason::Rule))
            .packet("wan0", 0, &udp("192.0.2.4:8443", outside), gone()),
        Case::new("a half-open connection lives half a minute")
            .packet("lan0.101", 0, &syn(client, server), web(Reason::Rule))
            .packet("wan0", 31, &syn_ack.frame(), dead()),
        Case::new("an open connection lives two hours and four minutes")
            .packet("lan0.101", 0, &syn(client, server), web(Reason::Rule))
            .packet("wan0", 0, &syn_ack.frame(), web(Reason::Established))
            .packet("lan0.101", 0, &ack, web(Reason::Established))
            .packet("lan0.101", 7_440, &ack, web(Reason::Established))
            .packet("lan0.101", 14_881, &ack, dead()),
        // Reset after an hour of silence: the short life of a reset connection counts from then.
        Case::new("a reset connection lives ten seconds")
            .packet("lan0.101", 0, &syn(client, server), web(Reason::Rule))
            .packet("wan0", 0, &syn_ack.frame(), web(Reason::Established))
            .packet("lan0.101", 0, &ack, web(Reason::Established))
            .packet("lan0.101", 3_600, &rst, web(Reason::Established))
            .packet("lan0.101", 3_610, &rst, web(Reason::Established))
            .packet("lan0.101", 3_621, &rst, dead()),
    ]
}

fn others() -> Vec<Case> {
    let allowed = |reason| -> Expected { forward(reason).of("osaki") };
    vec![
        Case::new("protocols without ports have flows, too")
            .packet("lan0.200", 0, &protocol("10.5.0.7", "192.0.2.4", 50, &[0; 8]), allowed(Reason::DefaultAllow))
            .packet("wan0", 0, &protocol("192.0.2.4", "10.5.0.7", 50, &[0; 8]), allowed(Reason::Established))
            .packet("wan0", 600, &protocol("192.0.2.4", "10.5.0.7", 50, &[0; 8]), allowed(Reason::Established)),
        Case::new("UDP from outside")
            .packet("wan0", 0, &udp("192.0.2.4:5000", "10.5.0.7:123"), allowed(Reason::DefaultAllow))
            .packet("lan0.200", 0, &udp("10.5.0.7:123", "192.0.2.4:5000"), allowed(Reason::Established))
            .packet("lan0.200", 0, &udp("10.5.0.7:124", "192.0.2.4:5000"), allowed(Reason::DefaultAllow)),
    ]
}
