#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 16);
/// Noon of some day.
const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;

fn holding(first_port: u16, client: u8, since_ms: u64) -> Holding {
    let client = Ipv4Addr::new(10, 4, 20, client);
    Holding { since_ms, address: PUBLIC, first_port, ports: 512, municipality: "sendai".into(), client, part: 0 }
}

fn line(kind: Kind, at_ms: u64, holding: &Holding) -> Line {
    Line { kind, at_ms, holding: holding.clone() }
}

fn assigned(holding: &Holding) -> Line {
    line(Kind::Assigned, holding.since_ms, holding)
}

fn who(records: &Records, port: u16, at_ms: u64) -> Option<(u8, Option<u64>)> {
    let held = records.look_up(PUBLIC, port, at_ms).unwrap()?;
    Some((held.holding.client.octets()[3], held.until_ms))
}

#[test]
fn every_moment_has_its_holder_over_days_and_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Records::open(directory.path(), 30).unwrap();
    let (first, second) = (holding(1_024, 7, NOON), holding(1_024, 8, NOON + 2 * DAY_MS));
    let other = holding(1_536, 9, NOON + 5);
    let mut records = open();
    records.note(NOON, &[assigned(&first), assigned(&other)]).unwrap();
    assert_eq!(who(&records, 1_030, NOON - 1), None);
    assert_eq!(who(&records, 1_030, NOON), Some((7, None)));
    drop(records);

    // A day without a daemon, and one on which everything happens.
    let mut records = open();
    assert_eq!(records.held().len(), 2);
    let end = NOON + 2 * DAY_MS - 1_000;
    records.note(end, &[line(Kind::Released, end, &first)]).unwrap();
    records.note(second.since_ms, &[assigned(&second)]).unwrap();
    records.begin_day(NOON + 3 * DAY_MS).unwrap();
    let check = |records: &Records| {
        assert_eq!(who(records, 1_024, NOON + 10), Some((7, Some(end))));
        assert_eq!(who(records, 1_535, NOON + DAY_MS), Some((7, Some(end))), "the day without a file");
        assert_eq!(who(records, 1_030, end - 1), Some((7, Some(end))));
        assert_eq!(who(records, 1_030, end), None, "between two holders");
        assert_eq!(who(records, 1_030, second.since_ms), Some((8, None)));
        assert_eq!(who(records, 1_030, NOON + 3 * DAY_MS), Some((8, None)));
        assert_eq!(who(records, 1_536, NOON + 3 * DAY_MS), Some((9, None)));
        assert_eq!(who(records, 2_048, NOON + 3 * DAY_MS), None);
        assert_eq!(who(records, 1_030, NOON + 4 * DAY_MS), None, "a day that nothing is known of");
    };
    check(&records);
    drop(records);
    check(&open());
}

#[test]
fn a_torn_line_is_left_out_and_the_next_one_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = Records::open(directory.path(), 30).unwrap();
    let (first, second) = (holding(1_024, 7, NOON), holding(1_536, 8, NOON + 1));
    records.note(NOON, &[assigned(&first)]).unwrap();
    let path = records.path(NOON / DAY_MS);
    drop(records);
    let mut text = fs::read_to_string(&path).unwrap();
    text.push_str(&assigned(&holding(2_048, 9, NOON)).to_string()[..40]);
    fs::write(&path, text).unwrap();
    let mut records = Records::open(directory.path(), 30).unwrap();
    assert_eq!(records.held().len(), 1);
    records.note(NOON + 1, &[assigned(&second)]).unwrap();
    assert_eq!(Records::open(directory.path(), 30).unwrap().held().len(), 2);
    assert_eq!(who(&records, 2_048, NOON + 2), None);
}

#[test]
fn old_days_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let mut records = Records::open(directory.path(), 2).unwrap();
    records.note(NOON, &[assigned(&holding(1_024, 7, NOON))]).unwrap();
    for day in 1..=4 {
        records.begin_day(NOON + day * DAY_MS).unwrap();
    }
    assert_eq!(records.days().unwrap(), [20_002, 20_003, 20_004]);
    assert_eq!(who(&records, 1_024, NOON + 4 * DAY_MS), Some((7, None)));
}
