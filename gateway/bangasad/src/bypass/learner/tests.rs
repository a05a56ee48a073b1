//! What is learned, and what is not.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const NAME: &str = "api.example.jp";
/// Two programs.
const APP: &str = "t13d1516h2_8daaf6152771_b186095e22b6";
const BROWSER: &str = "t13d1517h2_8daaf6152771_b0da82dd1658";
const HOUR: u64 = 3_600;

fn terms(mode: Bypass) -> BypassTerms {
    BypassTerms { mode, ..BypassTerms::default() }
}

const SUGGEST: Bypass = Bypass::Suggest;

fn client(number: u8) -> IpAddr {
    // Both families count alike.
    if number.is_multiple_of(2) {
        [10, 10, 1, number].into()
    } else {
        [0x2001, 0xdb8, 1, 0, 0, 0, 0, u16::from(number)].into()
    }
}

fn refusal(number: u8, ja4: &str) -> Refused<'_> {
    Refused { client: client(number), ja4, sign: Sign::Alert, is_meant: false }
}

/// Clients refuse with the app, at these times.
fn refuse(learner: &mut Learner, mode: Bypass, clients: &[(u8, u64)]) -> Vec<Option<Happened>> {
    let one = |&(number, at): &(u8, u64)| learner.refused(NAME, refusal(number, APP), terms(mode), at);
    clients.iter().map(one).collect()
}

fn state(learner: &Learner, mode: Bypass, now: u64) -> Option<(&'static str, usize, bool)> {
    let rows = learner.rows(terms(mode), now);
    rows.iter().find(|row| row.name == NAME).map(|row| (row.state, row.clients, row.is_heeded))
}

fn by_hand(until: u64) -> Decision {
    Decision { by: Approver::Person, who: "課長".into(), because: "4712".into(), at: 0, until }
}

#[test]
fn clients_are_counted_once_and_enough_of_them_suggest() {
    let mut learner = Learner::default();
    assert_eq!(refuse(&mut learner, SUGGEST, &[(1, 10), (1, 20), (2, 30), (2, 40), (1, 50)]), vec![None; 5]);
    assert_eq!(state(&learner, SUGGEST, 60), Some(("candidate", 2, false)));
    assert_eq!(refuse(&mut learner, SUGGEST, &[(3, 60), (4, 70)]), [Some(Happened::Suggested), None], "told once");
    assert_eq!(state(&learner, SUGGEST, 70), Some(("suggested", 4, false)));
    assert_eq!(learner.heeded(terms(SUGGEST), 70), []);
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let mut learner = Learner::default();
    let day = u64::from(terms(SUGGEST).within_seconds);
    assert_eq!(refuse(&mut learner, SUGGEST, &[(1, 0), (2, HOUR), (3, day + 1)]), vec![None; 3]);
    assert_eq!(state(&learner, SUGGEST, day + 1), Some(("candidate", 2, false)));
    // Found enough, it waits for a person for as long as an approval would hold.
    assert_eq!(refuse(&mut learner, SUGGEST, &[(4, day + 2)]), [Some(Happened::Suggested)]);
    let kept = u64::from(terms(SUGGEST).for_seconds);
    assert_eq!(learner.pass_time(terms(SUGGEST), day + 1 + kept), []);
    assert_eq!(state(&learner, SUGGEST, day + 1 + kept), Some(("suggested", 3, false)));
    learner.pass_time(terms(SUGGEST), day + 2 + kept);
    assert_eq!(state(&learner, SUGGEST, day + 2 + kept), None);
    // One that never was goes with its refusals.
    refuse(&mut learner, SUGGEST, &[(1, 0)]);
    learner.pass_time(terms(SUGGEST), day);
    assert!(state(&learner, SUGGEST, day).is_some());
    learner.pass_time(terms(SUGGEST), day + 1);
    assert_eq!(state(&learner, SUGGEST, day + 1), None);
}

#[test]
fn who_only_goes_away_must_do_so_three_times() {
    let mut learner = Learner::default();
    let quiet = |sign, number| Refused { sign, ..refusal(number, APP) };
    for number in 1..=3 {
        for sign in [Sign::Closed, Sign::Unused] {
            assert_eq!(learner.refused(NAME, quiet(sign, number), terms(SUGGEST), 10), None);
        }
    }
    assert_eq!(state(&learner, SUGGEST, 10), Some(("candidate", 0, false)));
    assert_eq!(learner.refused(NAME, quiet(Sign::Closed, 1), terms(SUGGEST), 20), None);
    assert_eq!(learner.refused(NAME, quiet(Sign::Unused, 2), terms(SUGGEST), 20), None);
    assert_eq!(learner.refused(NAME, quiet(Sign::Closed, 3), terms(SUGGEST), 20), Some(Happened::Suggested));
}

#[test]
fn a_program_that_opens_it_elsewhere_is_no_proof() {
    // Before: those who refuse lack the root.
    let mut learner = Learner::default();
    assert_eq!(learner.opened(NAME, client(9), APP, terms(SUGGEST), 5), None);
    assert_eq!(refuse(&mut learner, SUGGEST, &[(1, 10), (2, 20), (3, 30), (4, 40)]), vec![None; 4]);
    assert_eq!(state(&learner, SUGGEST, 40), Some(("candidate", 0, false)));
    // With another program it says nothing.
    let mut learner = Learner::default();
    assert_eq!(learner.opened(NAME, client(9), BROWSER, terms(SUGGEST), 5), None);
    assert_eq!(refuse(&mut learner, SUGGEST, &[(1, 10), (2, 20), (3, 30)])[2], Some(Happened::Suggested));
    // Afterwards: the suggestion is taken back.
    assert_eq!(learner.opened(NAME, client(9), APP, terms(SUGGEST), 40), Some(Happened::Withdrawn));
    assert_eq!(state(&learner, SUGGEST, 40), None);
    assert_eq!(refuse(&mut learner, SUGGEST, &[(1, 50), (2, 50), (3, 50)]), vec![None; 3]);
    // A client's own success is no word about others, and an old one none about anybody.
    let mut learner = Learner::default();
    learner.opened(NAME, client(1), APP, terms(SUGGEST), 5);
    assert_eq!(refuse(&mut learner, SUGGEST, &[(1, 10), (1, 11)]), vec![None; 2]);
    assert_eq!(state(&learner, SUGGEST, 11), Some(("candidate", 1, false)));
    let late = 12 + u64::from(terms(SUGGEST).within_seconds);
    let clients = [(2, late), (3, late), (4, late)];
    assert_eq!(refuse(&mut learner, SUGGEST, &clients)[2], Some(Happened::Suggested));
}

#[test]
fn who_refuses_everything_does_not_count() {
    let mut learner = Learner::default();
    for number in 0..=MOST_NAMES_OF_ONE {
        learner.refused(&format!("n{number}.example"), refusal(1, APP), terms(SUGGEST), 5);
    }
    assert_eq!(refuse(&mut learner, SUGGEST, &[(1, 10), (2, 20), (3, 30)]), vec![None; 3]);
    assert_eq!(state(&learner, SUGGEST, 30), Some(("candidate", 2, false)));
    assert_eq!(refuse(&mut learner, SUGGEST, &[(4, 40)]), [Some(Happened::Suggested)]);
}

#[test]
fn the_machine_approves_where_the_policy_says_so_and_not_what_a_rule_means() {
    let mut learner = Learner::default();
    let happened = refuse(&mut learner, Bypass::Automatic, &[(1, 10), (2, 20), (3, 30)]);
    let until = 30 + u64::from(terms(SUGGEST).for_seconds);
    assert!(matches!(&happened[2], Some(Happened::Approved(decision)) if decision.until == until), "{happened:?}");
    let heeded = BypassName { name: NAME.into(), until_seconds: until, by: Approver::Machine };
    assert_eq!(learner.heeded(terms(Bypass::Automatic), until - 1), [heeded]);
    assert_eq!(learner.heeded(terms(Bypass::Automatic), until), [], "though nobody has noticed yet");
    // A policy that wants people to decide takes it for a proposal, and one that has it off heeds nothing.
    assert_eq!((learner.heeded(terms(SUGGEST), 40), learner.heeded(terms(Bypass::Off), 40)), (vec![], vec![]));
    assert_eq!(state(&learner, SUGGEST, 40), Some(("suggested", 3, false)));
    // So does a rule that somebody has written for the name since, and as long as it is there.
    for is_meant in [true, false] {
        learner.refused(NAME, Refused { is_meant, ..refusal(1, APP) }, terms(Bypass::Automatic), 45);
        let wanted = if is_meant { ("suggested", 3, false) } else { ("approved", 3, true) };
        assert_eq!(state(&learner, Bypass::Automatic, 45), Some(wanted));
        assert_eq!(learner.heeded(terms(Bypass::Automatic), 45).is_empty(), is_meant);
    }
    let expired = learner.pass_time(terms(Bypass::Automatic), until);
    assert!(matches!(&expired[..], [(name, Happened::Expired(_))] if name == NAME), "{expired:?}");
    assert_eq!(state(&learner, Bypass::Automatic, until).unwrap().0, "expired");
    assert_eq!(learner.pass_time(terms(Bypass::Automatic), until), [], "told once");
    // It begins anew: what was refused before does not count.
    assert_eq!(refuse(&mut learner, Bypass::Automatic, &[(4, until)]), [None]);
    assert_eq!(state(&learner, Bypass::Automatic, until), Some(("candidate", 1, false)));

    let mut learner = Learner::default();
    for number in 1..=3 {
        let meant = Refused { is_meant: true, ..refusal(number, APP) };
        let happened = learner.refused(NAME, meant, terms(Bypass::Automatic), 10);
        assert_eq!(happened, (number == 3).then_some(Happened::Suggested));
    }
    assert_eq!(state(&learner, Bypass::Automatic, 10), Some(("suggested", 3, false)));
}

#[test]
fn people_decide_and_what_they_forget_is_not_learned() {
    let mut learner = Learner::default();
    // Of a name that nobody has met.
    learner.decide(NAME, Standing::Approved(by_hand(1_000)), 0).unwrap();
    assert_eq!(learner.heeded(terms(SUGGEST), 999).len(), 1);
    assert_eq!(state(&learner, Bypass::Off, 999), Some(("approved", 0, false)), "kept, and not heeded while it is off");
    learner.decide(NAME, Standing::Forgotten(by_hand(2_000)), 10).unwrap();
    assert_eq!(learner.heeded(terms(SUGGEST), 20), []);
    let all = [(1, 20), (2, 20), (3, 20), (4, 20)];
    assert_eq!(refuse(&mut learner, Bypass::Automatic, &all), vec![None; 4]);
    assert_eq!(state(&learner, Bypass::Automatic, 20), Some(("forgotten", 0, false)));
    assert_eq!(learner.pass_time(terms(SUGGEST), 2_000).len(), 1);
    assert!(matches!(refuse(&mut learner, Bypass::Automatic, &all)[2], Some(Happened::Approved(_))));
}

#[test]
fn everything_is_bounded_and_the_oldest_leave_counted() {
    let mut learner = Learner::default();
    learner.decide(NAME, Standing::Approved(by_hand(1_000)), 0).unwrap();
    let name = |number: usize| format!("n{number}.example");
    for number in 0..MOST_LEARNED + 5 {
        learner.refused(&name(number), refusal(1, APP), terms(SUGGEST), 10 + number as u64);
    }
    assert_eq!((learner.names.len(), learner.displaced), (MOST_LEARNED + 1, 5));
    assert!(learner.candidate(&name(4)).is_none() && learner.candidate(&name(5)).is_some());
    assert!(learner.candidate(NAME).is_some(), "what was decided does not leave");
    for number in 0..MOST_DECIDED - 1 {
        learner.decide(&format!("d{number}.example"), Standing::Approved(by_hand(1_000)), 0).unwrap();
    }
    assert_eq!(learner.decide("one.more.example", Standing::Approved(by_hand(1_000)), 0), Err(Full));
    learner.decide(NAME, Standing::Forgotten(by_hand(1_000)), 0).unwrap();

    let mut learner = Learner::default();
    for number in 0..=super::super::candidate::MOST_REFUSALS as u8 {
        learner.refused(NAME, refusal(number, APP), terms(SUGGEST), 10);
    }
    let candidate = learner.candidate(NAME).unwrap();
    assert_eq!(candidate.refusing().count(), super::super::candidate::MOST_REFUSALS);
    assert!(candidate.refusing().all(|known| known != client(0)), "the first has left");
}
