//! Overlays over small policies.

use super::*;
use crate::compile::fixture::{municipality, nets, prefecture, set};
use crate::overlay::BadTarget;
use crate::{Numbering, compile, plan};

fn origin(until: Option<u64>) -> Origin {
    Origin { who: "佐藤".into(), since: Moment(100), because: "漏えいの疑い".into(), until: until.map(Moment) }
}

/// `sendai` with two sections, and `natori` with the same addresses; one block set.
fn policy() -> Policy {
    let mut sendai = municipality("sendai", 101);
    sendai.sections.insert("taxation".into(), nets(&["10.4.20.0/24"]));
    sendai.sections.insert("welfare".into(), nets(&["10.4.30.0/24"]));
    let mut natori = municipality("natori", 102);
    natori.prefixes.extend(nets(&["2001:db8:9::/48"]));
    let mut policy = prefecture(vec![sendai, natori]);
    policy.essential = nets(&["192.0.2.53/32"]);
    policy.sets.insert("threats".into(), set(&["198.51.100.66/32"]));
    policy.block = vec!["threats".into()];
    policy
}

fn town<'p>(policy: &'p Policy, id: &str) -> &'p Municipality {
    policy.municipalities.iter().find(|town| town.id == id).expect("it is there")
}

fn isolated(texts: &[&str]) -> Overlays {
    let mut overlays = Overlays::default();
    for text in texts {
        let target = Target::parse(text, &policy()).expect(text);
        overlays.isolate(target, origin(None), &policy()).expect("there is room");
    }
    overlays
}

#[test]
fn targets_read_as_they_are_written() {
    let policy = policy();
    for text in ["all", "sendai", "sendai/taxation", "sendai/10.4.7.7", "natori/10.4.7.0/28", "natori/2001:db8:9::/64"]
    {
        assert_eq!(Target::parse(text, &policy).expect(text).to_string(), text);
    }
    let bare = Target::parse("2001:db8:9::7", &policy).expect("natori alone has it");
    assert_eq!(bare.to_string(), "natori/2001:db8:9::7");
    let hurried = Target::parse("sendai/10.4.20.7/24", &policy).expect("the network is meant");
    assert_eq!(hurried.to_string(), "sendai/10.4.20.0/24");
}

#[test]
fn what_is_no_target_is_told_with_what_is() {
    let mistakes = [
        ("sendia", "no municipality `sendia`; did you mean `sendai`?"),
        ("sendai/taxatoin", "no section `taxatoin`, and that is no address; did you mean `taxation`?"),
        ("sendai/192.0.2.1", "not within the addresses of `sendai`, which are 10.4.0.0/16"),
        ("sendai/10.0.0.0/8", "not within the addresses of `sendai`"),
        ("198.51.100.4", "use `bangasa block add`"),
        ("10.4.7.7", "say which: `natori/10.4.7.7`, `sendai/10.4.7.7`"),
    ];
    for (text, part) in mistakes {
        let message = Target::parse(text, &policy()).expect_err(text).to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
    assert!(matches!(Target::parse("10.4.7.7", &policy()), Err(BadTarget::Several { .. })));
}

#[test]
fn isolation_joins_the_policys_own_and_spares_the_twin() {
    let mut below = policy();
    below.municipalities[1].isolation = Cut::Parts(nets(&["10.4.1.0/24"]));
    let laid = isolated(&["sendai/taxation", "sendai/10.4.7.7"]).over(&below);
    assert_eq!(town(&laid, "sendai").isolation, Cut::Parts(nets(&["10.4.1.0/24", "10.4.7.7/32", "10.4.20.0/24"])));
    assert_eq!(town(&laid, "natori").isolation, Cut::None);
    assert_eq!(town(&isolated(&["sendai", "sendai/taxation"]).over(&below), "sendai").isolation, Cut::All);
    let everybody = isolated(&["all"]).over(&below);
    assert!(everybody.municipalities.iter().all(|town| town.isolation == Cut::All));
}

#[test]
fn isolating_again_never_ends_sooner() {
    let mut overlays = Overlays::default();
    let target = || Target::Municipality { municipality: "sendai".into() };
    for (ordered, holds) in [(Some(50), Some(50)), (Some(20), Some(50)), (None, None), (Some(9), None)] {
        overlays.isolate(target(), origin(ordered), &policy()).expect("there is room");
        assert_eq!(overlays.isolations.len(), 1);
        assert_eq!(overlays.isolations[0].origin.until, holds.map(Moment));
    }
}

#[test]
fn release_is_of_what_was_isolated_and_tells_what_is_still() {
    let policy = policy();
    let mut overlays = isolated(&["sendai", "sendai/10.4.7.7", "sendai/taxation", "natori"]);
    let target = |text| Target::parse(text, &policy).expect(text);
    let error = overlays.release(&target("all"), &policy).expect_err("not isolated").to_string();
    assert!(error.contains("isolated are `sendai`"), "{error}");
    assert_eq!(
        overlays.release(&target("sendai"), &policy),
        Ok(vec!["`sendai/10.4.7.7`".into(), "`sendai/taxation`".into()])
    );
    assert_eq!(overlays.release(&target("sendai/10.4.7.7"), &policy), Ok(Vec::new()));
    let mut below = policy.clone();
    below.municipalities[1].isolation = Cut::All;
    let error = overlays.release(&target("sendai"), &below).expect_err("the policy's").to_string();
    assert!(error.contains("the policy isolates it (`municipalities/sendai.toml`)"), "{error}");
}

#[test]
fn another_policy_never_releases_in_silence() {
    let overlays = isolated(&["sendai/taxation", "sendai/welfare", "natori", "all"]);
    let mut next = policy();
    next.municipalities.retain(|town| town.id == "sendai");
    next.municipalities[0].sections.remove("taxation");
    next.municipalities[0].sections.insert("welfare".into(), nets(&["10.4.30.128/25", "10.4.31.0/24"]));
    let (after, told) = overlays.following(Some(&policy()), &next);
    let told: Vec<&str> = told.iter().map(|(_, text)| text.as_str()).collect();
    assert!(told[0].contains("no section `taxation`") && told[0].contains("10.4.20.0/24"), "{told:?}");
    assert!(told[1].contains("`welfare` is isolated") && told[1].contains("10.4.30.0/23"), "{told:?}");
    assert!(told[2].contains("`natori` ends with the municipality"), "{told:?}");
    assert_eq!((told.len(), after.isolations.len()), (3, 3));
    let only_sections = Overlays { isolations: after.isolations[..2].to_vec(), ..Overlays::default() };
    let cut = &only_sections.over(&next).municipalities[0].isolation;
    assert_eq!(*cut, Cut::Parts(nets(&["10.4.20.0/24", "10.4.30.0/23"])));
    assert_eq!(after.following(Some(&next), &next), (after.clone(), Vec::new()), "nothing has changed");
}

#[test]
fn indicators_come_back_one_by_one_and_last_while_anybody_wants_them() {
    let mut overlays = Overlays::default();
    assert_eq!(overlays.block(nets(&["192.0.2.1/32", "192.0.2.0/28", "192.0.2.1/32"]), origin(Some(10))), Ok(2));
    assert_eq!(overlays.block(nets(&["192.0.2.1/32", "2001:db8::/64"]), origin(None)), Ok(1));
    let refused = overlays.unblock(&nets(&["192.0.2.0/28", "192.0.2.9/32"])).expect_err("one is unknown");
    assert!(refused.to_string().contains("`192.0.2.9/32`"), "{refused}");
    assert_eq!(overlays.indicator_count(), 4, "all or nothing");
    assert_eq!(overlays.next_end(), Some(Moment(10)));
    assert!(overlays.clone().expire(Moment(9)).is_empty());
    assert_eq!(overlays.expire(Moment(10)).indicators.len(), 1);
    assert_eq!(overlays.over(&policy()).sets[INDICATORS].prefixes[..], nets(&["192.0.2.1/32", "2001:db8::/64"])[..]);
    assert_eq!(overlays.unblock(&nets(&["192.0.2.1/32", "2001:db8::/64"])), Ok(()));
    assert!(overlays.indicators.is_empty());
    let many = (0..=MOST_INDICATORS as u32).map(|at| IpNet::from(std::net::IpAddr::V4(at.into()))).collect();
    assert!(matches!(overlays.block(many, origin(None)), Err(Refused::TooMany { .. })));
}

#[test]
fn what_hurts_more_than_it_helps_is_objected_to() {
    let asked = nets(&[
        "10.4.0.1/32",
        "203.0.113.2/32",
        "10.4.7.7/32",
        "192.0.2.0/24",
        "64.0.0.0/7",
        "2400::/12",
        "198.51.100.0/24",
    ]);
    let own = ["203.0.113.2".parse().expect("an address")];
    let objections = objections(&asked, &policy(), &own);
    let parts = ["gateway itself", "gateway itself", "`natori` has", "essential", "more than a /8", "more than a /16"];
    assert_eq!(objections.len(), parts.len(), "{objections:?}");
    for ((objection, part), prefix) in objections.iter().zip(parts).zip(&asked) {
        assert!(objection.prefix == *prefix && objection.because.contains(part), "{objection:?}");
    }
}

#[test]
fn every_bad_line_of_a_list_is_named() {
    let good = read_list("list", "# 指標\n192.0.2.1\n\n2001:db8::/64 # 漏えい先\n".as_bytes());
    assert_eq!(good, Ok(nets(&["192.0.2.1/32", "2001:db8::/64"])));
    let bad: String = (0..50).map(|line| format!("{line} no prefix\n")).collect();
    let diagnostics = read_list("list", bad.as_bytes()).expect_err("no line is good");
    assert_eq!(diagnostics.iter().map(|it| it.location.line).collect::<Vec<_>>(), (1..=50).collect::<Vec<_>>());
    assert_eq!(read_list("list", b"# nothing\n").expect_err("empty").len(), 1);
    assert!(read_list("list", b"192.0.2.1/24").expect_err("host bits")[0].message.contains("bits set"));
}

#[test]
fn indicators_leave_classes_alone_once_there_is_one() {
    let policy = policy();
    let mut overlays = Overlays::default();
    overlays.block(nets(&["192.0.2.1/32"]), origin(None)).expect("there is room");
    let first = compile(&overlays.over(&policy), &Numbering::default()).expect("it fits");
    overlays.block(nets(&["192.0.2.9/32"]), origin(None)).expect("there is room");
    let laid = overlays.over(&policy);
    let quick = first.ground.compile(&laid, &first.numbering).expect("it fits");
    assert!(std::sync::Arc::ptr_eq(&quick.glossary, &first.glossary), "only prefix tables were made anew");
    assert_eq!(quick.digest, compile(&laid, &first.numbering).expect("it fits").digest);
    assert_ne!(quick.digest, first.digest);
    assert!(!plan(Some(&policy), &laid).is_empty());
}

#[test]
fn explain_tells_who_blocked_and_who_isolated() {
    let mut overlays = isolated(&["sendai/taxation"]);
    overlays.block(nets(&["198.51.100.64/26"]), origin(None)).expect("there is room");
    let explain =
        |packet| crate::explain::explain_installed(&policy(), &overlays, "lan0.101", packet, None).expect(packet);
    let blocked = explain("tcp 10.4.7.7:5000 > 198.51.100.66:443");
    assert_eq!((blocked.reason, blocked.set.as_deref()), ("blocked", Some(INDICATORS)), "named before `threats`");
    let text = blocked.to_string();
    assert!(
        text.ends_with(
            "by command: indicator 198.51.100.64/26: since 1970-01-01T00:01:40Z by 佐藤, because: 漏えいの疑い"
        ),
        "{text}"
    );
    let cut = explain("tcp 10.4.20.7:5000 > 203.0.113.9:443");
    assert_eq!(cut.reason, "isolated");
    assert!(cut.overlays[0].starts_with("isolation of sendai/taxation: "), "{cut:?}");
    assert_ne!(explain("tcp 10.4.20.7:5000 > 192.0.2.53:443").reason, "isolated", "essential");
}
