//! An inspector that is not there: what a rule that inspects says then.

use abi::{Reason, Verdict};

use super::frames::{Tcp, syn};
use super::policies::{usual, usual_but};
use super::{Case, Expected, drop, expect, forward, nat};
use crate::model::InspectorState::{Down, Serving};
use crate::source::Source;

const MAIL: &str = r#"ports = ["tcp/993"]
action = "inspect""#;
const CLIENT: &str = "10.4.20.7:51000";
const OTHER: &str = "10.4.20.8:51000";
const SERVER: &str = "192.0.2.4:993";

/// The usual policy, whose rule `mail` splices while the inspector is down.
fn splices() -> Source {
    usual_but(MAIL, &format!("{MAIL}\nwhen_down = \"splice\""))
}

fn inspected(reason: Reason) -> Expected {
    expect(Verdict::Inspect, reason).rule("mail").of("sendai")
}

fn forwarded(reason: Reason) -> Expected {
    forward(reason).rule("mail").of("sendai").translated(nat::sendai("10.4.20.7", 51_000))
}

pub(super) fn cases() -> Vec<Case> {
    [new_flows(), later(), baseline()].concat()
}

fn new_flows() -> Vec<Case> {
    let v6 = syn("[2001:db8:4::7]:51000", "[2001:db8:99::4]:993");
    vec![
        Case::new("a rule that splices while its inspector is down")
            .install(splices())
            .packet("lan0.101", 0, &syn(OTHER, SERVER), inspected(Reason::Rule))
            .inspector("sendai", Down)
            .packet("lan0.101", 0, &syn(OTHER, SERVER), inspected(Reason::Established))
            .packet("lan0.101", 0, &syn(CLIENT, SERVER), forwarded(Reason::InspectorDown))
            .packet("lan0.101", 0, &v6, forward(Reason::InspectorDown).rule("mail").of("sendai")),
        Case::new("a rule that stays closed while its inspector is down").inspector("sendai", Down).packet(
            "lan0.101",
            0,
            &syn(CLIENT, SERVER),
            inspected(Reason::Rule),
        ),
        Case::new("another municipality's inspector is down").install(splices()).inspector("osaki", Down).packet(
            "lan0.101",
            0,
            &syn(CLIENT, SERVER),
            inspected(Reason::Rule),
        ),
        Case::new("rules that inspect nothing do not ask for an inspector").inspector("sendai", Down).packet(
            "lan0.101",
            0,
            &syn(CLIENT, "192.0.2.4:443"),
            forward(Reason::Rule).rule("web").of("sendai").translated(nat::sendai("10.4.20.7", 51_000)),
        ),
    ]
}

fn later() -> Vec<Case> {
    let (address, port) = nat::sendai("10.4.20.7", 51_000);
    let outside: &'static str = format!("{address}:{port}").leak();
    let answer =
        Tcp { from: SERVER, to: outside, flags: "SA", sequence: 9_000, acknowledgement: 1_001, payload_len: 0 };
    let ack =
        Tcp { from: CLIENT, to: SERVER, flags: "A", sequence: 1_001, acknowledgement: 9_001, payload_len: 0 }.frame();
    let open = |name| {
        Case::new(name)
            .install(splices())
            .inspector("sendai", Down)
            .packet("lan0.101", 0, &syn(CLIENT, SERVER), forwarded(Reason::InspectorDown))
            .packet("wan0", 0, &answer.frame(), forwarded(Reason::Established))
            .packet("lan0.101", 0, &ack, forwarded(Reason::Established))
    };
    vec![
        open("what was forwarded goes on when the inspector is back, and what is new is inspected")
            .inspector("sendai", Serving)
            .packet("lan0.101", 1, &ack, forwarded(Reason::Established))
            .packet("lan0.101", 1, &syn(OTHER, SERVER), inspected(Reason::Rule)),
        open("the next policy lets it go on while the inspector is down").install(splices()).packet(
            "lan0.101",
            1,
            &ack,
            forwarded(Reason::Established),
        ),
        open("the next policy ends it when the inspector is back")
            .inspector("sendai", Serving)
            .install(splices())
            .packet("lan0.101", 1, &ack, drop(Reason::BadState).of("sendai")),
        open("a policy whose rule stays closed ends it").install(usual()).packet(
            "lan0.101",
            1,
            &ack,
            drop(Reason::BadState).of("sendai"),
        ),
        Case::new("what is inspected is not forwarded by the next policy, inspector or not")
            .install(splices())
            .packet("lan0.101", 0, &syn(CLIENT, SERVER), inspected(Reason::Rule))
            .inspector("sendai", Down)
            .install(splices())
            .packet("lan0.101", 1, &syn(CLIENT, SERVER), inspected(Reason::Established)),
    ]
}

fn baseline() -> Vec<Case> {
    let smb = "name = \"no-smb\"\ndirection = \"both\"\nports = [\"tcp/445\"]\naction = \"deny\"";
    let inspects = smb.replace("both", "egress").replace("deny\"", "inspect\"\nwhen_down = \"splice\"");
    let packet = syn(CLIENT, "192.0.2.4:445");
    let down = forwarded(Reason::InspectorDown).rule("no-smb");
    let up = inspected(Reason::BaselineRule).rule("no-smb");
    vec![
        Case::new("a rule of the baseline splices likewise")
            .install(usual_but(smb, &inspects))
            .inspector("sendai", Down)
            .packet("lan0.101", 0, &packet, down)
            .inspector("sendai", Serving)
            .packet("lan0.101", 0, &syn(OTHER, "192.0.2.4:445"), up),
    ]
}
