//! Every verdict, direction and reason has a number, a name that JSON, metrics and the command line can share, and,
//! for a reason, words for people.

use std::collections::BTreeSet;

use abi::verdict::REASON_SLOTS;
use abi::{Direction, Reason, Verdict};

#[test]
fn names_are_unique_snake_case_words() {
    for names in [
        Reason::ALL.iter().map(|reason| reason.name()).collect::<Vec<_>>(),
        Verdict::ALL.iter().map(|verdict| verdict.name()).collect(),
        Direction::ALL.iter().map(|direction| direction.name()).collect(),
    ] {
        for name in &names {
            assert!(is_snake_case(name), "`{name}` is not snake_case");
        }
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name stands twice in {names:?}");
    }
}

fn is_snake_case(name: &str) -> bool {
    name.split('_').all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

#[test]
fn numbers_lead_back() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_number(*reason as u16), Some(*reason));
        assert!((*reason as usize) < REASON_SLOTS);
    }
    for verdict in Verdict::ALL {
        assert_eq!(Verdict::from_number(verdict as u8), Some(verdict));
    }
    let numbers = 0..=u16::MAX;
    assert_eq!(numbers.filter_map(Reason::from_number).count(), Reason::ALL.len(), "Reason::ALL leaves one out");
}

#[test]
fn every_reason_is_explained() {
    for reason in Reason::ALL {
        let help = reason.help();
        assert!(help.split_whitespace().count() >= 4, "`{}` needs more than `{help}`", reason.name());
        assert!(
            help.starts_with(|first: char| !first.is_uppercase() || help.contains("IPv")),
            "`{help}` is upper case"
        );
        assert!(!help.ends_with('.'), "`{help}` ends with a full stop");
        assert_eq!(help.trim(), help);
    }
}
