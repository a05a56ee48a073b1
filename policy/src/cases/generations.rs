//! A change of policy: flows stay, and are judged again when their next packet comes.

use abi::{Reason, Verdict};

use super::frames::{Tcp, fragment, syn, time_exceeded, udp, udp_of};
use super::policies::{usual, usual_but};
use super::{Case, drop, expect, forward, nat};

const CLIENT: &str = "10.4.20.7:51000";
const SERVER: &str = "192.0.2.4:443";
const WEB: &str = r#"name = "web"
ports = ["tcp/80", "tcp/443"]
action = "allow""#;
const DNS: &str = r#"name = "dns"
ports = ["udp/53"]
action = "allow""#;

pub(super) fn cases() -> Vec<Case> {
    [tcp(), udp_and_fragments(), others()].concat()
}

fn tcp() -> Vec<Case> {
    let public = nat::sendai("10.4.20.7", 51_000);
    let outside: &'static str = format!("{}:{}", public.0, public.1).leak();
    let web = |reason| forward(reason).rule("web").of("sendai").translated(public);
    let syn_ack =
        Tcp { from: SERVER, to: outside, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 };
    let ack =
        Tcp { from: CLIENT, to: SERVER, flags: "A", sequence: 1_001, acknowledgement: 9_001, payload_len: 0 }.frame();
    let open = |name| {
        Case::new(name)
            .packet("lan0.101", 0, &syn(CLIENT, SERVER), web(Reason::Rule))
            .packet("wan0", 0, &syn_ack.frame(), web(Reason::Established))
            .packet("lan0.101", 0, &ack, web(Reason::Established))
    };
    let rewritten = |action: &str| WEB.replace("allow", action);
    let renamed = WEB.replace(r#"name = "web""#, r#"name = "the-web""#);
    let from_server = Tcp { flags: "A", sequence: 9_001, ..syn_ack }.frame();
    vec![
        open("still allowed, by a rule of another name")
            .install(usual_but(WEB, &renamed))
            .packet(
                "wan0",
                1,
                &from_server,
                forward(Reason::Established).rule("the-web").of("sendai").translated(public),
            )
            .packet("lan0.101", 1, &ack, forward(Reason::Established).rule("the-web").of("sendai").translated(public)),
        open("now denied by a rule")
            .install(usual_but(WEB, &rewritten("deny")))
            .packet("wan0", 1, &from_server, drop(Reason::Rule).rule("web").of("sendai"))
            // The flow is gone, and stays gone under the old policy.
            .install(usual())
            .packet("lan0.101", 1, &ack, drop(Reason::BadState).of("sendai")),
        open("now denied by default").install(usual_but(WEB, &WEB.replace(r#""tcp/443""#, r#""tcp/8443""#))).packet(
            "lan0.101",
            1,
            &ack,
            drop(Reason::DefaultDeny).of("sendai"),
        ),
        open("now denied by the baseline")
            .install(usual_but(r#"ports = ["tcp/445"]"#, r#"ports = ["tcp/443-445"]"#))
            .packet("lan0.101", 1, &ack, drop(Reason::BaselineRule).rule("no-smb").of("sendai")),
        open("to be inspected from now on")
            .install(usual_but(WEB, &rewritten("inspect")))
            .packet("lan0.101", 1, &ack, drop(Reason::BadState).of("sendai"))
            .packet(
                "lan0.101",
                1,
                &syn(CLIENT, SERVER),
                expect(Verdict::Inspect, Reason::Rule).rule("web").of("sendai"),
            ),
        open("a packet that does not fit is not judged again")
            .install(usual_but(WEB, &rewritten("deny")))
            .packet("wan0", 1, &Tcp { flags: "R", sequence: 5, ..syn_ack }.frame(), drop(Reason::BadState).of("sendai"))
            .packet("lan0.101", 1, &ack, drop(Reason::Rule).rule("web").of("sendai")),
        open("back under the first policy before any packet came")
            .install(usual_but(WEB, &rewritten("deny")))
            .install(usual())
            .packet("lan0.101", 1, &ack, web(Reason::Established)),
    ]
}

fn udp_and_fragments() -> Vec<Case> {
    let public = nat::sendai("10.4.20.7", 51_000);
    let outside = format!("{}:{}", public.0, public.1);
    let dns = |reason| forward(reason).rule("dns").of("sendai").translated(public);
    let whole = udp_of(CLIENT, "192.0.2.4:53", 64);
    let on_uplink = udp(&outside, "192.0.2.4:53");
    let denied = || usual_but(DNS, &DNS.replace("allow", "deny"));
    let refused = || drop(Reason::Rule).rule("dns").of("sendai");
    let error = time_exceeded("192.0.2.99", &public.0.to_string(), &on_uplink);
    vec![
        Case::new("a later fragment is judged again")
            .packet("lan0.101", 0, &fragment(&whole, 7, 0, 32), dns(Reason::Rule))
            .install(denied())
            .packet("lan0.101", 0, &fragment(&whole, 7, 32, 72), refused())
            .packet("lan0.101", 0, &fragment(&whole, 7, 32, 72), drop(Reason::FragmentUnmatched).of("sendai")),
        Case::new("an ICMP error is judged again")
            .packet("lan0.101", 0, &whole, dns(Reason::Rule))
            .install(denied())
            .packet("wan0", 0, &error, refused())
            .packet("wan0", 0, &error, drop(Reason::BadState).of("sendai")),
        Case::new("an ICMP error of a flow still allowed")
            .packet("lan0.101", 0, &whole, dns(Reason::Rule))
            .install(usual())
            .packet("wan0", 0, &error, dns(Reason::Related)),
    ]
}

fn others() -> Vec<Case> {
    let mail = |reason| expect(Verdict::Inspect, reason).rule("mail").of("sendai");
    let segment =
        |flags| Tcp { from: CLIENT, to: "192.0.2.4:993", flags, sequence: 5, acknowledgement: 5, payload_len: 0 };
    let mail_rule = "name = \"mail\"\nports = [\"tcp/993\"]\naction = \"inspect\"";
    let site = |reason| forward(reason).rule("city-site").of("sendai");
    let site_rule = "name = \"city-site\"\nto = [\"203.0.113.10\"]\nports = [\"tcp/443\"]\naction = \"allow\"";
    vec![
        Case::new("an inspected flow stays inspected")
            .packet("lan0.101", 0, &segment("S").frame(), mail(Reason::Rule))
            .install(usual_but(mail_rule, &mail_rule.replace("inspect", "allow")))
            .packet("lan0.101", 0, &segment("A").frame(), mail(Reason::Established))
            .install(usual())
            .packet("lan0.101", 0, &segment("A").frame(), mail(Reason::Established))
            .install(usual_but(mail_rule, &mail_rule.replace("inspect", "deny")))
            .packet("lan0.101", 0, &segment("A").frame(), drop(Reason::Rule).rule("mail").of("sendai")),
        // Judged by who began, whichever side sends the next packet.
        Case::new("a flow from outside is judged again by ingress rules")
            .packet("wan0", 0, &syn("192.0.2.4:5000", "203.0.113.10:443"), site(Reason::Rule))
            .install(usual())
            .packet("wan0", 0, &syn("192.0.2.4:5000", "203.0.113.10:443"), site(Reason::Established))
            .install(usual_but(site_rule, &site_rule.replace("443", "8443")))
            .packet("wan0", 0, &syn("192.0.2.4:5000", "203.0.113.10:443"), drop(Reason::DefaultDeny).of("sendai")),
    ]
}
