//! A check that builds on an earlier one finds what a check of the whole finds, whatever has changed since.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::sync::Arc;

use policy::{Basis, Checked, Numbering, Source, check, compile};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const PREFECTURE: &str = r#"schema = 1
[prefecture]
id = "asagiri"
name = "朝霧県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
[sets]
scanners = { file = "sets/scanners.netset" }
botnets = { file = "sets/botnets.netset" }
partners = { file = "sets/partners.netset" }
offices = { prefixes = ["198.51.100.0/28"] }
[block]
sets = ["scanners", "botnets", "partners"]
[[baseline]]
name = "partners-only-by-day"
to = ["@partners"]
action = "deny"
[names]
banks = { file = "names/banks.txt" }
[tls]
[[tls.rule]]
name = "banks"
sni = ["@banks"]
action = "block"
"#;

const FEEDS: [&str; 3] = ["sets/scanners.netset", "sets/botnets.netset", "sets/partners.netset"];

const NAMES: &str = "names/banks.txt";

fn line(rng: &mut StdRng) -> String {
    let (a, b, c) = (rng.random_range(0..4), rng.random_range(0..16), rng.random_range(0..4) * 64);
    match rng.random_range(0..5) {
        0 => format!("198.51.{a}.{c}/26\n"),
        1 => format!("198.51.100.{b}\n"),
        2 => format!("2001:db8:{b:x}::/48\n"),
        3 => format!("2001:db8:{b:x}:{a:x}::/64 # again\n"),
        _ => format!("203.0.113.{}/28\n", b * 16),
    }
}

fn feed(rng: &mut StdRng) -> String {
    (0..rng.random_range(1..12)).map(|_| line(rng)).collect()
}

fn municipality(rng: &mut StdRng, number: usize) -> String {
    let mut text = format!(
        "id = \"m{number}\"\nname = \"第{number}市\"\n\
         attach = [{{ port = \"lan0\", vlan = {}, address = [\"10.{number}.0.1/16\"] }}]\n\
         prefixes = [\"10.{number}.0.0/16\", \"2001:db8:{number:x}::/48\"]\n[egress]\ndefault = \"deny\"\n",
        101 + number
    );
    for rule in 0..rng.random_range(0..6) {
        let to = ["\"@partners\"", "\"@offices\"", "\"198.51.100.0/24\"", "\"198.51.100.7\", \"2001:db8:3::/48\""];
        let (to, port) = (to[rng.random_range(0..to.len())], rng.random_range(1..5));
        let _ = write!(
            text,
            "[[egress.rule]]\nname = \"r{rule}\"\nto = [{to}]\nports = [\"tcp/{port}\"]\naction = \"allow\"\n"
        );
    }
    text
}

fn source(rng: &mut StdRng) -> Source {
    let mut source = Source::default();
    source.files.insert("prefecture.toml".to_owned(), PREFECTURE.into());
    for path in FEEDS {
        source.files.insert(path.to_owned(), feed(rng).into());
    }
    for number in 0..3 {
        source.files.insert(format!("municipalities/m{number}.toml"), municipality(rng, number).into());
    }
    source.files.insert(NAMES.to_owned(), "www.bank.example\n".into());
    source
}

/// Most often a line of a feed; now and then what a check builds on is gone.
fn edit(rng: &mut StdRng, source: &mut Source) {
    let path = FEEDS[rng.random_range(0..FEEDS.len())];
    let mut text = String::from_utf8(source.files[path].clone()).unwrap();
    match rng.random_range(0..22) {
        20 => drop(source.files.insert(NAMES.to_owned(), format!(".b{}.example\n", rng.random_range(0..9)).into())),
        21 => {
            let bad = rng.random::<bool>();
            source.files.insert(NAMES.to_owned(), if bad { "*.bank.example\n".into() } else { "# closed\n".into() });
        }
        0 => text = "not an address\n".to_owned(),
        1 => text.clear(),
        2 => text.push_str("# nothing but a remark\n"),
        3 => text = "198.51.100.0/28\n".to_owned(),
        4 => text = String::from_utf8(source.files[FEEDS[rng.random_range(0..FEEDS.len())]].clone()).unwrap(),
        5 | 6 => {
            let number = rng.random_range(0..3);
            source.files.insert(format!("municipalities/m{number}.toml"), municipality(rng, number).into());
        }
        7 => {
            let other = PREFECTURE.replace("\"@partners\"", "\"@botnets\"");
            let is_other = source.files["prefecture.toml"] == other.as_bytes();
            source.files.insert("prefecture.toml".to_owned(), if is_other { PREFECTURE.into() } else { other.into() });
        }
        8 => drop(source.files.insert("sets/nobody.netset".to_owned(), line(rng).into())),
        9 => drop(source.files.remove("sets/nobody.netset")),
        10..14 => text = feed(rng),
        14 | 15 => text = text.lines().skip(1).map(|line| format!("{line}\n")).collect(),
        _ => text.push_str(&line(rng)),
    }
    source.files.insert(path.to_owned(), text.into());
}

/// Whether the later policy came about without a check of the whole.
fn built_upon(earlier: &Checked, later: &Checked) -> bool {
    let towns = |checked: &Checked| checked.policy.as_ref().map(|policy| policy.municipalities.clone());
    towns(earlier).zip(towns(later)).is_some_and(|(earlier, later)| earlier.is_same(&later))
}

#[test]
fn a_check_that_builds_on_another_finds_the_same() {
    let mut rng = StdRng::seed_from_u64(7);
    let (mut quick, mut whole, mut refused, mut shared) = (0, 0, 0, 0);
    for round in 0..8 {
        let mut source = source(&mut rng);
        let mut earlier = check(&source);
        let mut ground = earlier.policy.as_ref().map(|policy| compile(policy, &Numbering::default()).unwrap().ground);
        let Some(mut basis) = Basis::new(source.clone(), earlier.clone()) else { continue };
        for step in 0..25 {
            let mut edited = source.clone();
            edit(&mut rng, &mut edited);
            let (found, expected) = (basis.check(&edited), check(&edited));
            assert_eq!(found.diagnostics, expected.diagnostics, "round {round}, step {step}");
            assert_eq!(found.policy, expected.policy, "round {round}, step {step}");
            if let (Some(found), Some(expected)) = (&found.policy, &expected.policy) {
                let before = ground.as_ref().unwrap();
                let again = before.compile(found, &Numbering::default()).unwrap();
                let whole = compile(expected, &Numbering::default()).unwrap();
                assert!(
                    again.tables == whole.tables,
                    "round {round}, step {step}: {:?} {:?}",
                    again.tables,
                    whole.tables
                );
                assert_eq!((again.digest, &again.rules), (whole.digest, &whole.rules), "round {round}, step {step}");
                shared += usize::from(Arc::ptr_eq(&again.ground, before));
                ground = Some(again.ground);
            }
            *match (built_upon(&earlier, &found), &found.policy) {
                (true, _) => &mut quick,
                (false, Some(_)) => &mut whole,
                (false, None) => &mut refused,
            } += 1;
            // What was refused leaves the earlier basis as it was.
            if let Some(next) = Basis::new(edited.clone(), found.clone()) {
                (basis, source, earlier) = (next, edited, found);
            }
        }
    }
    assert!(quick > 40 && whole > 20 && refused > 4 && shared > 10, "of all: {quick}, {whole}, {refused}, {shared}");
}

/// Nothing of a list of names is taken over from an earlier check, and nothing of it is in the tables.
#[test]
fn a_list_of_names_that_changed_is_read_again() {
    let source = source(&mut StdRng::seed_from_u64(3));
    let earlier = check(&source);
    let mut edited = source.clone();
    edited.files.insert(NAMES.to_owned(), "WWW.Other.Example\n.bank.example\n".into());
    let basis = Basis::new(source, earlier.clone()).unwrap();
    let found = basis.check(&edited);
    assert_eq!(found, check(&edited));
    let (old, new) = (earlier.policy.unwrap(), found.policy.unwrap());
    assert_eq!(new.names["banks"].names.iter().collect::<Vec<_>>(), [".bank.example", "www.other.example"]);
    assert!(new.tls.rules[0].sni.as_ref().unwrap().lists().eq([&new.names["banks"].names]));
    let told =
        "prefecture\n  names of list `banks`: .bank.example, www.other.example added, www.bank.example removed\n";
    assert_eq!(policy::plan(Some(&old), &new).to_string(), told);
    edited.files.insert(NAMES.to_owned(), "*.example\n".into());
    assert_eq!(basis.check(&edited), check(&edited));
}
