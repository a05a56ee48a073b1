//! How plans read, and that they miss nothing.

mod inspection;

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::Numbering;
use crate::checked::{Action, Budget, Isolation, Proxy, Rule};
use crate::compile::fixture::{attachment, municipality, nets, prefecture, rule, set, tcp};

fn before() -> Policy {
    let mut sendai = municipality("sendai", 101);
    sendai.name = "仙台市".to_owned();
    sendai.sections.insert("taxation".to_owned(), nets(&["10.4.20.0/24"]));
    sendai.limits.0.insert(Budget::whole(abi::Limit::Flows), 200_000);
    sendai.egress.rules = ["dns", "web", "mail", "ntp", "rest"].map(|name| rule(name, Action::Allow)).into();
    let mut policy = prefecture(vec![municipality("natori", 102), sendai]);
    policy.sets.insert("threats".to_owned(), set(&["192.0.2.0/24", "198.51.100.0/24"]));
    policy.block = vec!["threats".to_owned()];
    policy.baseline = vec![rule("lgwan", Action::Deny)];
    policy
}

#[test]
fn the_first_plan_names_everything() {
    let plan = plan(None, &before()).to_string();
    assert_eq!(
        plan,
        "\
prefecture
  id: miyagi (new)
  name: 宮城県 (new)
  uplink ports: wan0 added
  access ports: lan0 added
  sets: threats added
  prefixes of set `threats`: 192.0.2.0/24, 198.51.100.0/24 added
  block sets: none → threats
  baseline rule `lgwan`: added at position 1
natori (natori): new municipality
  attachments: lan0.102 added
  prefixes: 10.4.0.0/16 added
sendai (仙台市): new municipality
  attachments: lan0.101 added
  prefixes: 10.4.0.0/16 added
  sections: taxation added
  limit flows: 200000 (new)
  egress rules: dns, mail, ntp, rest and 1 more added
"
    );
}

#[test]
fn changes_are_told_by_municipality() {
    let mut after = before();
    after.municipalities.remove(0);
    after.municipalities.push(municipality("shiogama", 103));
    after.block.clear();
    let threats = after.sets.get_mut("threats").expect("is there");
    threats.prefixes = (0..6).map(|n| format!("203.0.{n}.0/24").parse().expect("a prefix")).collect();
    let sendai = &mut after.municipalities[0];
    sendai.attachments.push(attachment("lan0", &[200, 7], &[]));
    sendai.attachments[0].addresses = nets(&["10.4.0.2/24"]);
    sendai.prefixes = nets(&["2001:db8:4::/48", "10.4.0.0/16"]);
    sendai.nat_pool = vec![[203, 0, 113, 16].into()];
    sendai.sections.insert("taxation".to_owned(), nets(&["10.4.21.0/24"]));
    sendai.sections.insert("water".to_owned(), nets(&["10.4.22.0/24"]));
    sendai.isolation = Isolation::Parts(nets(&["10.4.20.9/32"]));
    sendai.proxy =
        Some(Proxy { port: 8080, direct_names: vec![".lg.jp".to_owned()], direct_prefixes: nets(&["10.254.0.0/16"]) });
    sendai.limits.0.insert(Budget::whole(abi::Limit::Flows), 100_000);
    sendai.egress.default = Action::Allow;
    let web = Rule {
        from: Some(nets(&["10.4.20.0/24"]).into()),
        services: Some(vec![tcp(80, 80), tcp(443, 443)]),
        ..rule("web", Action::Inspect)
    };
    sendai.egress.rules = vec![
        rule("ssh", Action::Deny),
        rule("rest", Action::Allow),
        rule("dns", Action::Allow),
        web,
        rule("mail", Action::Allow),
    ];
    assert_eq!(
        plan(Some(&before()), &after).to_string(),
        "\
prefecture
  prefixes of set `threats`: 203.0.0.0/24, 203.0.1.0/24, 203.0.2.0/24, 203.0.3.0/24 and 2 more added, 192.0.2.0/24, 198.51.100.0/24 removed
  block sets: threats → none
natori (natori): municipality removed
  attachments: lan0.102 removed
  prefixes: 10.4.0.0/16 removed
sendai (仙台市)
  attachments: lan0.200.7 added
  addresses at lan0.101: 10.4.0.2/24 added, 10.4.0.1/24 removed
  prefixes: 2001:db8:4::/48 added
  nat pool: 203.0.113.16 added
  sections: water added
  section `taxation`: 10.4.21.0/24 added, 10.4.20.0/24 removed
  isolated: nobody → parts
  isolated parts: 10.4.20.9/32 added
  proxy port: 8080 (new)
  proxy bypass: .lg.jp, 10.254.0.0/16 added
  limit flows: 200000 → 100000
  egress default: deny → allow
  egress rule `ntp`: removed
  egress rule `ssh`: added at position 1
  egress rule `rest`: moved from position 5 to 2
  egress rule `web`: changed
    from: any → 10.4.20.0/24
    services: any → tcp/443, tcp/80
    action: allow → inspect
shiogama (shiogama): new municipality
  attachments: lan0.103 added
  prefixes: 10.4.0.0/16 added
"
    );
}

#[test]
fn places_in_files_and_order_without_meaning_are_no_change() {
    let mut before = before();
    let qinq = [attachment("lan0", &[200, 7], &[]), attachment("lan0", &[300, 7], &[])];
    before.municipalities[1].attachments.extend(qinq);
    let mut after = before.clone();
    for municipality in &mut after.municipalities {
        municipality.attachments.reverse();
        municipality.location.line += 1;
        municipality.egress.rules.iter_mut().for_each(|rule| rule.location.line += 7);
    }
    let threats = after.sets.get_mut("threats").expect("is there");
    threats.prefixes = threats.prefixes.iter().rev().copied().collect();
    let plan = plan(Some(&before), &after);
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.to_string(), "nothing changes\n");
    let [old, new] = [&before, &after].map(|it| crate::compile(it, &numbering(&before, &after)).expect("fits").digest);
    assert_eq!(old, new);
}

#[test]
fn lists_that_rules_share_are_compared_one_by_one() {
    let lists = |lists: &[&[&str]]| Some(lists.iter().map(|list| nets(list).into()).collect());
    let own = &["203.0.113.9/32"][..];
    let (all, fewer) = (&["192.0.2.0/24", "198.51.100.0/24"][..], &["198.51.100.0/24"][..]);
    let with = |to: Option<crate::checked::Addresses>| {
        let mut policy = before();
        policy.baseline[0].to = to;
        policy
    };
    let text = |old, new| plan(Some(&with(old)), &with(new)).to_string();
    let says = |what: &str| format!("prefecture\n  baseline rule `lgwan`: changed\n    {what}\n");
    assert_eq!(text(lists(&[own, all]), lists(&[own, all])), "nothing changes\n");
    assert_eq!(text(lists(&[own, all]), lists(&[own, fewer])), says("to: 192.0.2.0/24 removed"));
    assert_eq!(text(lists(&[all]), lists(&[own, all])), says("to: 203.0.113.9/32 added"));
    assert_eq!(text(lists(&[own, all]), lists(&[all, own])), "nothing changes\n");
    let apart: [&[&str]; 2] = [&["192.0.2.0/24"], fewer];
    assert_eq!(text(lists(&[all]), lists(&apart)), says("to: the same prefixes, in other lists"));
    assert_eq!(text(lists(&[own]), None), says("to: 203.0.113.9/32 → any"));
    assert_eq!(text(lists(&[own]), lists(&[])), says("to: 203.0.113.9/32 → none"));
}

/// A plan that is silent while the tables differ would hide a change from whoever reads it.
#[test]
fn whatever_changes_the_tables_is_in_the_plan() {
    use crate::compile::tests::random;
    let mut rng = StdRng::seed_from_u64(crate::compile::tests::seed());
    let mut differed = 0;
    for _ in 0..24 {
        let old = random::policy(&mut rng);
        assert!(plan(Some(&old), &old).is_empty());
        let mut new = old.clone();
        random::change(&mut new, &mut rng);
        let compile = |policy| crate::compile(policy, &numbering(&old, &new)).expect("fits").digest;
        if compile(&old) != compile(&new) {
            differed += 1;
            assert!(!plan(Some(&old), &new).is_empty());
        }
    }
    assert!(differed > 12, "only {differed} changes meant anything");
}

fn numbering(old: &Policy, new: &Policy) -> Numbering {
    Numbering::default().extend(old).and_then(|it| it.extend(new)).expect("fits")
}
