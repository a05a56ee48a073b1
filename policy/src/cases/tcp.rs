//! TCP connections through the gateway. Segments come from Sendai's client (`>`) or from the server (`<`), which sees
//! the client's public address.

use abi::{Reason, Verdict};

use super::frames::{Tcp, syn};
use super::{Case, Expected, drop, expect, forward, nat};

const CLIENT: &str = "10.4.20.7:51000";
const SERVER: &str = "192.0.2.4:443";

/// One segment: direction, flags, sequence, acknowledgement, whether it passes.
type Row = (char, &'static str, u32, u32, bool);

/// Handshake of client sequence 1,000 and server sequence 9,000.
const OPEN: [Row; 3] = [('>', "S", 1_000, 0, true), ('<', "SA", 9_000, 1_001, true), ('>', "A", 1_001, 9_001, true)];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = rows();
    cases.extend(beginnings());
    cases.extend(inspected());
    cases
}

fn rows() -> Vec<Case> {
    let from_open = |name, rest: &[Row]| story(name, &[&OPEN[..], rest].concat());
    let from_syn = |name, rest: &[Row]| story(name, &[&OPEN[..1], rest].concat());
    let from_syn_ack = |name, rest: &[Row]| story(name, &[&OPEN[..2], rest].concat());
    vec![
        from_open(
            "handshake, data, both closings",
            &[
                ('>', "PA", 1_001, 9_001, true),
                ('<', "PA", 9_001, 1_001, true),
                ('>', "FA", 1_001, 9_001, true),
                ('<', "A", 9_001, 1_002, true),
                ('<', "FA", 9_001, 1_002, true),
                ('>', "A", 1_002, 9_002, true),
            ],
        ),
        from_open(
            "the responder closes first",
            &[('<', "FA", 9_001, 1_001, true), ('>', "FA", 1_001, 9_002, true), ('<', "A", 9_002, 1_002, true)],
        ),
        from_syn(
            "SYN again, with other numbers",
            &[('>', "S", 5_000, 0, true), ('<', "SA", 9_000, 1_001, false), ('<', "SA", 9_000, 5_001, true)],
        ),
        from_syn(
            "SYN-ACK that acknowledges something else",
            &[('<', "SA", 9_000, 1_000, false), ('<', "SA", 9_000, 1_002, false), ('<', "SA", 9_000, 1_001, true)],
        ),
        from_syn_ack(
            "SYN-ACK again",
            &[
                ('<', "SA", 9_000, 1_001, true),
                ('<', "SA", 9_000, 1_000, false),
                ('>', "A", 1_001, 9_001, true),
                ('<', "SA", 9_000, 1_001, true),
            ],
        ),
        from_syn("SYN-ACK from the originator", &[('>', "SA", 1_000, 1, false)]),
        from_syn_ack("SYN-ACK from the originator, later", &[('>', "SA", 1_000, 1, false)]),
        from_syn("data before the handshake", &[('>', "A", 1_001, 9_001, false), ('>', "FA", 1_001, 9_001, false)]),
        from_syn(
            "challenge ACK",
            &[('<', "A", 77, 88, true), ('<', "FA", 77, 88, false), ('<', "SA", 9_000, 1_001, true)],
        ),
        from_syn(
            "a closed port answers",
            &[
                ('<', "R", 0, 1_001, false),
                ('<', "RA", 0, 1_000, false),
                ('<', "RA", 0, 1_001, true),
                ('>', "A", 1_001, 9_001, false),
                ('<', "RA", 0, 7, true),
            ],
        ),
        from_syn("the originator gives up", &[('>', "R", 999, 0, false), ('>', "R", 1_001, 0, true)]),
        from_syn(
            "both open at once",
            &[
                ('<', "S", 9_000, 0, true),
                ('>', "A", 1_001, 9_001, false),
                ('>', "S", 1_000, 0, true),
                ('>', "SA", 1_000, 9_001, true),
                ('<', "A", 9_001, 1_001, true),
                ('>', "A", 1_001, 9_001, true),
            ],
        ),
        from_syn(
            "both open at once, then reset",
            &[('<', "S", 9_000, 0, true), ('<', "R", 8_999, 0, false), ('<', "R", 9_001, 0, true)],
        ),
        from_syn_ack(
            "the responder speaks before the last ACK",
            &[
                ('<', "A", 9_001, 1_001, true),
                ('<', "FA", 9_001, 1_001, true),
                ('>', "S", 1_000, 0, true),
                ('>', "A", 1_001, 9_001, true),
            ],
        ),
        from_open(
            "reset by the client",
            &[
                ('>', "R", 1_000, 0, false),
                ('>', "R", 1_001 + 65_535 + 1, 0, false),
                ('>', "R", 1_001 + 65_535, 0, true),
                ('>', "A", 1_001, 9_001, false),
                ('<', "A", 9_001, 1_001, false),
                ('<', "SA", 9_001, 1_001, false),
                ('<', "R", 5, 0, true),
            ],
        ),
        from_open("reset by the server", &[('<', "R", 9_000, 0, false), ('<', "R", 9_001, 0, true)]),
        from_open(
            "a blind reset while closing",
            &[
                ('>', "FA", 1_001, 9_001, true),
                ('<', "FA", 9_001, 1_002, true),
                ('<', "R", 5, 0, false),
                ('>', "A", 1_002, 9_002, true),
            ],
        ),
        from_open(
            "old SYN and SYN-ACK",
            &[
                ('>', "S", 1_000, 0, true),
                ('<', "SA", 9_000, 1_001, true),
                ('<', "S", 5, 0, true),
                ('>', "A", 1_001, 9_001, true),
            ],
        ),
    ]
}

/// The first row begins the flow, the others belong to it.
fn story(name: &'static str, rows: &[Row]) -> Case {
    let mut case = Case::new(name);
    for (index, &(direction, flags, sequence, acknowledgement, passes)) in rows.iter().enumerate() {
        let expected = match (index, passes) {
            (0, _) => web(Reason::Rule),
            (_, true) => web(Reason::Established),
            (_, false) => refused(),
        };
        case = segment(case, direction, flags, sequence, acknowledgement, expected);
    }
    case
}

fn segment(case: Case, direction: char, flags: &'static str, sequence: u32, acknowledgement: u32, e: Expected) -> Case {
    let (address, port) = nat::sendai("10.4.20.7", 51_000);
    let public: &'static str = format!("{address}:{port}").leak();
    let (entry, from, to) = match direction {
        '>' => ("lan0.101", CLIENT, SERVER),
        _ => ("wan0", SERVER, public),
    };
    let frame = Tcp { from, to, flags, sequence, acknowledgement, payload_len: 0 }.frame();
    case.packet(entry, 0, &frame, e)
}

fn web(reason: Reason) -> Expected {
    forward(reason).rule("web").of("sendai").translated(nat::sendai("10.4.20.7", 51_000))
}

fn refused() -> Expected {
    drop(Reason::BadState).of("sendai")
}

fn beginnings() -> Vec<Case> {
    let stray =
        |flags| Tcp { from: CLIENT, to: SERVER, flags, sequence: 1, acknowledgement: 1, payload_len: 0 }.frame();
    let mut strays = Case::new("only a SYN begins a connection");
    for flags in ["SA", "A", "FA", "R", "RA"] {
        strays = strays.packet("lan0.101", 0, &stray(flags), drop(Reason::BadState).of("sendai"));
    }
    let closed = story("", &[&OPEN[..], &[('>', "R", 1_001, 0, true)]].concat());
    let closing = story("", &[&OPEN[..], &[('>', "FA", 1_001, 9_001, true), ('<', "FA", 9_001, 1_002, true)]].concat());
    let reused = |name, mut case: Case| {
        case.name = name;
        case = segment(case, '>', "S", 70_000, 0, web(Reason::Rule));
        segment(case, '<', "SA", 80_000, 70_001, web(Reason::Established))
    };
    let from_outside = |mut case: Case| {
        case.name = "a finished connection does not let a stranger in";
        // As if no flow existed: an ingress packet to a pool address, which no rule allows.
        segment(case, '<', "S", 70_000, 0, drop(Reason::DefaultDeny).of("sendai"))
    };
    vec![
        strays,
        reused("the same ports after a reset", closed.clone()),
        reused("the same ports after both closings", closing),
        from_outside(closed),
        Case::new("the server's side begins")
            .packet(
                "wan0",
                0,
                &syn("192.0.2.4:5000", "203.0.113.10:443"),
                forward(Reason::Rule).rule("city-site").of("sendai"),
            )
            .packet(
                "lan0.101",
                0,
                &answer("203.0.113.10:443", "192.0.2.4:5000", "SA", 9_000, 1_001),
                forward(Reason::Established).rule("city-site").of("sendai"),
            )
            .packet(
                "wan0",
                0,
                &answer("192.0.2.4:5000", "203.0.113.10:443", "A", 1_001, 9_001),
                forward(Reason::Established).rule("city-site").of("sendai"),
            ),
    ]
}

fn answer(from: &'static str, to: &'static str, flags: &'static str, sequence: u32, acknowledgement: u32) -> Vec<u8> {
    Tcp { from, to, flags, sequence, acknowledgement, payload_len: 0 }.frame()
}

/// Of an inspected connection only the client's side passes here, and nothing of it is refused.
fn inspected() -> Vec<Case> {
    let mail = |reason| expect(Verdict::Inspect, reason).rule("mail").of("sendai");
    let mut case =
        Case::new("an inspected connection").packet("lan0.101", 0, &syn(CLIENT, "192.0.2.4:993"), mail(Reason::Rule));
    for flags in ["S", "A", "PA", "FA", "A", "R", "A"] {
        case = case.packet("lan0.101", 0, &answer(CLIENT, "192.0.2.4:993", flags, 5, 5), mail(Reason::Established));
    }
    vec![case]
}
