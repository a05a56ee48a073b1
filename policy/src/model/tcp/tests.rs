//! Every row of the connection's table: segments that lead to a state, the segment in question, what comes of it.

use super::*;

const O: Side = Side::Originator;
const R: Side = Side::Responder;
/// First sequence numbers of the two sides.
const ISN_O: u32 = 1_000;
const ISN_R: u32 = 9_000;

fn segment(flags: &str, sequence: u32, acknowledgement: u32, payload_len: u32) -> Segment {
    let has = |flag| flags.contains(flag);
    Segment { syn: has('S'), ack: has('A'), fin: has('F'), rst: has('R'), sequence, acknowledgement, payload_len }
}

/// A connection in each state, as packets lead there.
fn connection(state: State) -> Connection {
    let syn = segment("S", ISN_O, 0, 0);
    let syn_ack = (R, segment("SA", ISN_R, ISN_O + 1, 0));
    let ack = (O, segment("A", ISN_O + 1, ISN_R + 1, 0));
    let fin_o = (O, segment("FA", ISN_O + 1, ISN_R + 1, 0));
    let fin_r = (R, segment("FA", ISN_R + 1, ISN_O + 1, 0));
    let rst = (O, segment("R", ISN_O + 1, 0, 0));
    let steps: &[(Side, Segment)] = match state {
        State::SynSent => &[],
        State::SynBoth => &[(R, segment("S", ISN_R, 0, 0))],
        State::SynReceived => &[syn_ack],
        State::Established => &[syn_ack, ack],
        State::FinOriginator => &[syn_ack, ack, fin_o],
        State::FinResponder => &[syn_ack, ack, fin_r],
        State::Closing => &[syn_ack, ack, fin_o, fin_r],
        State::Closed => &[syn_ack, ack, rst],
    };
    let mut connection = Connection::opened_by(&syn);
    for (side, segment) in steps {
        assert_eq!(connection.receive(*side, segment), Fits, "on the way to {state:?}");
    }
    assert_eq!(connection.state, state);
    connection
}

fn is_refused(opinion: Opinion) -> bool {
    matches!(opinion, Refused(_))
}

/// State, sender, flags, sequence, acknowledgement, and the next state unless the segment is refused.
type Row = (State, Side, &'static str, u32, u32, Option<State>);

#[test]
fn rows() {
    use State::*;
    let go = |state, side, flags, sequence, ack| {
        let mut c = connection(state);
        let opinion = c.receive(side, &segment(flags, sequence, ack, 0));
        (opinion, c.state)
    };
    let rows: &[Row] = &[
        // RST: the answer of a closed port.
        (SynSent, R, "RA", 0, ISN_O + 1, Some(Closed)),
        (SynSent, R, "RA", 0, ISN_O, None),
        (SynSent, R, "RA", 0, ISN_O + 2, None),
        (SynSent, R, "R", 0, ISN_O + 1, None),
        // RST within what its sender may be sending.
        (SynSent, O, "R", ISN_O, 0, Some(Closed)),
        (SynSent, O, "R", ISN_O - 1, 0, None),
        (SynBoth, R, "R", ISN_R, 0, Some(Closed)),
        (SynBoth, O, "R", ISN_O + 1, 0, Some(Closed)),
        (SynBoth, R, "R", ISN_R - 1, 0, None),
        (SynReceived, R, "R", ISN_R, 0, Some(Closed)),
        (Established, O, "R", ISN_O + 1, 0, Some(Closed)),
        (Established, O, "R", ISN_O + 1 + RST_SLACK, 0, Some(Closed)),
        (Established, O, "R", ISN_O + 2 + RST_SLACK, 0, None),
        (Established, O, "R", ISN_O, 0, None),
        (Established, R, "R", ISN_R + 1, 0, Some(Closed)),
        (Established, R, "R", ISN_R, 0, None),
        (FinOriginator, R, "R", ISN_R + 1, 0, Some(Closed)),
        (FinResponder, O, "R", ISN_O + 1, 0, Some(Closed)),
        (Closing, R, "R", ISN_R + 2, 0, Some(Closed)),
        (Closing, R, "R", 5, 0, None),
        (Closed, R, "R", 5, 0, Some(Closed)),
        // SYN.
        (SynSent, O, "S", 5_000, 0, Some(SynSent)),
        (SynSent, R, "S", ISN_R, 0, Some(SynBoth)),
        (SynBoth, O, "S", 5, 0, Some(SynBoth)),
        (SynReceived, O, "S", 5, 0, Some(SynReceived)),
        (Established, R, "S", 5, 0, Some(Established)),
        (FinOriginator, O, "S", 5, 0, Some(FinOriginator)),
        (FinResponder, O, "S", 5, 0, Some(FinResponder)),
        // SYN-ACK.
        (SynSent, R, "SA", ISN_R, ISN_O + 1, Some(SynReceived)),
        (SynSent, R, "SA", ISN_R, ISN_O, None),
        (SynSent, R, "SA", ISN_R, ISN_O + 2, None),
        (SynSent, O, "SA", ISN_O, 1, None),
        (SynReceived, O, "SA", ISN_O, 1, None),
        // The last ACK got lost, so the SYN-ACK comes again.
        (SynReceived, R, "SA", ISN_R, ISN_O + 1, Some(SynReceived)),
        (SynReceived, R, "SA", ISN_R, ISN_O, None),
        (SynBoth, O, "SA", ISN_O, ISN_R + 1, Some(SynReceived)),
        (SynBoth, R, "SA", ISN_R, ISN_O + 1, Some(SynReceived)),
        (Established, R, "SA", 5, 5, Some(Established)),
        (FinOriginator, R, "SA", 5, 5, Some(FinOriginator)),
        (Closing, R, "SA", 5, 5, Some(Closing)),
        (Closed, R, "SA", 5, 5, None),
        // Everything else.
        (SynSent, R, "A", 7, 7, Some(SynSent)),
        (SynSent, R, "FA", 7, 7, None),
        (SynSent, O, "A", ISN_O + 1, 7, None),
        (SynBoth, O, "A", 7, 7, None),
        (SynBoth, R, "FA", 7, 7, None),
        (SynReceived, O, "A", ISN_O + 1, ISN_R + 1, Some(Established)),
        (SynReceived, O, "FA", ISN_O + 1, ISN_R + 1, Some(FinOriginator)),
        (SynReceived, R, "A", ISN_R + 1, ISN_O + 1, Some(SynReceived)),
        (SynReceived, R, "FA", ISN_R + 1, ISN_O + 1, Some(SynReceived)),
        (Established, O, "A", 5, 5, Some(Established)),
        (Established, O, "", 5, 5, None),
        (Established, O, "FA", ISN_O + 1, ISN_R + 1, Some(FinOriginator)),
        (Established, R, "FA", ISN_R + 1, ISN_O + 1, Some(FinResponder)),
        (FinOriginator, O, "FA", ISN_O + 1, ISN_R + 1, Some(FinOriginator)),
        (FinOriginator, R, "FA", ISN_R + 1, ISN_O + 2, Some(Closing)),
        (FinResponder, R, "FA", ISN_R + 1, ISN_O + 1, Some(FinResponder)),
        (FinResponder, O, "FA", ISN_O + 1, ISN_R + 2, Some(Closing)),
        (Closing, O, "A", 5, 5, Some(Closing)),
        (Closed, O, "A", 5, 5, None),
        (Closed, O, "FA", 5, 5, None),
    ];
    for &(state, side, flags, sequence, ack, expected) in rows {
        let (opinion, next) = go(state, side, flags, sequence, ack);
        let row = format!("{state:?} {side:?} {flags} {sequence} {ack}: {opinion:?}, {next:?}");
        match expected {
            Some(expected) => assert_eq!((opinion, next), (Fits, expected), "{row}"),
            None => assert!(is_refused(opinion) && next == state, "{row}"),
        }
    }
}

#[test]
fn a_finished_connection_may_begin_anew_from_either_side() {
    for state in [State::Closing, State::Closed] {
        for side in [O, R] {
            assert_eq!(connection(state).receive(side, &segment("S", 5, 0, 0)), Reopens);
        }
        assert_eq!(connection(state).receive_inspected(&segment("S", 5, 0, 0)), Reopens);
    }
}

#[test]
fn a_retransmitted_syn_may_choose_new_numbers() {
    let mut c = connection(State::SynSent);
    assert_eq!(c.receive(O, &segment("S", 77, 0, 0)), Fits);
    assert_eq!((c.end[0], c.acked[0]), (78, 77));
    assert_eq!(c.receive(R, &segment("SA", ISN_R, 78, 0)), Fits);
}

#[test]
fn numbers_follow_data_and_acknowledgements_and_never_go_back() {
    let mut c = connection(State::Established);
    assert_eq!(c.receive(O, &segment("A", ISN_O + 1, ISN_R + 1, 100)), Fits);
    assert_eq!(c.end[0], ISN_O + 101);
    assert_eq!(c.receive(O, &segment("A", ISN_O + 1, ISN_R, 10)), Fits);
    assert_eq!((c.end[0], c.acked[1]), (ISN_O + 101, ISN_R + 1));
    assert_eq!(c.receive(R, &segment("A", ISN_R + 1, ISN_O + 51, 0)), Fits);
    assert_eq!(c.acked[0], ISN_O + 51);
    // An acknowledgement of what was never sent, and data further ahead than any window, move nothing.
    assert_eq!(c.receive(R, &segment("A", ISN_R + 1, ISN_O + 102, 0)), Fits);
    assert_eq!(c.acked[0], ISN_O + 51);
    assert_eq!(c.receive(O, &segment("A", c.end[0] + MOST_AHEAD, 0, 1)), Fits);
    assert_eq!(c.end[0], ISN_O + 101);
    assert_eq!(c.receive(O, &segment("A", c.end[0] + MOST_AHEAD - 1, 0, 1)), Fits);
    assert_eq!(c.end[0], ISN_O + 101 + MOST_AHEAD);
}

#[test]
fn numbers_wrap() {
    let mut c = Connection::opened_by(&segment("S", u32::MAX, 0, 0));
    assert_eq!(c.end[0], 0);
    assert_eq!(c.receive(R, &segment("SA", u32::MAX - 1, 0, 0)), Fits);
    assert_eq!(c.receive(O, &segment("A", 0, u32::MAX, 10)), Fits);
    assert_eq!((c.state, c.end, c.acked), (State::Established, [10, u32::MAX], [0, u32::MAX]));
    assert_eq!(c.receive(O, &segment("R", 10, 0, 0)), Fits);
    assert_eq!(c.state, State::Closed);
}

#[test]
fn syn_and_fin_take_a_number_each() {
    let mut c = Connection::opened_by(&segment("S", ISN_O, 0, 30));
    assert_eq!(c.end[0], ISN_O + 31);
    assert_eq!(c.receive(R, &segment("SA", ISN_R, ISN_O + 31, 0)), Fits);
    assert_eq!(c.receive(O, &segment("FA", ISN_O + 31, ISN_R + 1, 5)), Fits);
    assert_eq!(c.end[0], ISN_O + 37);
}

#[test]
fn an_inspected_connection_is_never_refused() {
    let mut c = Connection::inspected(&segment("S", ISN_O, 0, 0));
    for (flags, state) in [
        ("S", State::Established),
        ("A", State::Established),
        ("FA", State::FinOriginator),
        ("A", State::FinOriginator),
        ("R", State::Closed),
        ("A", State::Closed),
    ] {
        assert_eq!(c.receive_inspected(&segment(flags, 5, 5, 0)), Fits);
        assert_eq!(c.state, state, "{flags}");
    }
}
