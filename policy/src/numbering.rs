//! Numbers that outlive a policy: counters and flows in the kernel are kept by number, so a municipality keeps its
//! number for as long as the gateway lives, and a number is never given to another.

use std::collections::BTreeMap;

use abi::limits;

use crate::checked::Policy;
use crate::compile::CapacityError;
use crate::source::Location;

/// Name → number. Extended by [`Numbering::extend`], kept by the daemon across generations and restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Numbering {
    /// Municipality id → number, from 1.
    pub municipalities: BTreeMap<String, u16>,
    /// Set name → number, from 1.
    pub sets: BTreeMap<String, u16>,
    /// Port name → number, from 0.
    pub ports: BTreeMap<String, u8>,
    /// Attachment name (`lan0`, `lan0.101`, `lan0.200.101`) with its municipality (`sendai@lan0.101`) → number, from 1.
    pub attachments: BTreeMap<String, u16>,
}

impl Numbering {
    /// These numbers, and one for everything in the policy that has none yet.
    ///
    /// Names that have left the policy keep their numbers. A new name gets the number after the highest ever given;
    /// municipalities and sets are taken in the order of their names, ports and attachments as they stand.
    ///
    /// # Errors
    /// The numbers of one kind are used up, by this policy and those before it.
    pub fn extend(&self, policy: &Policy) -> Result<Self, CapacityError> {
        let mut numbering = self.clone();
        let municipalities = policy.municipalities.iter();
        let attachments = municipalities.clone().flat_map(|municipality| {
            let id = &municipality.id;
            municipality.attachments.iter().map(move |it| (attachment_key(id, &it.name()), Some(&it.location)))
        });
        let ports = policy.uplinks.iter().chain(&policy.accesses).map(|name| (name.clone(), None));
        give(
            &mut numbering.municipalities,
            &MUNICIPALITIES,
            municipalities.map(|it| (it.id.clone(), Some(&it.location))),
        )?;
        give(&mut numbering.sets, &SETS, policy.sets.iter().map(|(name, set)| (name.clone(), Some(&set.location))))?;
        give(&mut numbering.ports, &PORTS, ports)?;
        give(&mut numbering.attachments, &ATTACHMENTS, attachments)?;
        Ok(numbering)
    }

    /// The number of a municipality's attachment (by [`crate::checked::Attachment::name`]).
    pub fn attachment(&self, municipality: &str, name: &str) -> Option<u16> {
        self.attachments.get(&attachment_key(municipality, name)).copied()
    }
}

fn attachment_key(municipality: &str, name: &str) -> String {
    format!("{municipality}@{name}")
}

/// One kind of numbers: `first..end`.
struct Kind {
    what: &'static str,
    first: u32,
    end: u32,
}

const MUNICIPALITIES: Kind =
    Kind { what: "municipalities, those of earlier policies included", first: 1, end: limits::MUNICIPALITIES };
const SETS: Kind = Kind { what: "sets, those of earlier policies included", first: 1, end: limits::SETS };
const PORTS: Kind = Kind { what: "ports, those of earlier policies included", first: 0, end: limits::PORTS };
const ATTACHMENTS: Kind =
    Kind { what: "attachments, those of earlier policies included", first: 1, end: limits::ATTACHMENTS };

fn give<'a, N: Copy + Into<u32> + TryFrom<u32>>(
    numbers: &mut BTreeMap<String, N>,
    kind: &Kind,
    names: impl Iterator<Item = (String, Option<&'a Location>)>,
) -> Result<(), CapacityError> {
    let mut next = numbers.values().map(|&number| number.into() + 1).max().unwrap_or(kind.first);
    let mut misfit = None;
    for (name, location) in names {
        if numbers.contains_key(&name) {
            continue;
        }
        match N::try_from(next) {
            Ok(number) if next < kind.end => drop(numbers.insert(name, number)),
            _ => misfit = misfit.or(location),
        }
        next += 1;
    }
    if next <= kind.end {
        return Ok(());
    }
    Err(CapacityError {
        what: kind.what,
        needed: u64::from(next - kind.first),
        limit: u64::from(kind.end - kind.first),
        location: misfit.cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::fixture::{municipality, prefecture};

    #[test]
    fn numbers_stay_and_are_never_given_again() {
        let first = prefecture(vec![municipality("sendai", 101), municipality("natori", 102)]);
        let numbers = Numbering::default().extend(&first).expect("fits");
        assert_eq!(numbers.municipalities["natori"], 1);
        assert_eq!(numbers.municipalities["sendai"], 2);
        assert_eq!((numbers.ports["wan0"], numbers.ports["lan0"]), (0, 1));
        assert_eq!(numbers.attachment("sendai", "lan0.101"), Some(2));

        let second = prefecture(vec![municipality("iwanuma", 102), municipality("sendai", 101)]);
        let numbers = numbers.extend(&second).expect("fits");
        assert_eq!(numbers.municipalities["natori"], 1, "kept though gone");
        assert_eq!(numbers.municipalities["sendai"], 2);
        assert_eq!(numbers.municipalities["iwanuma"], 3);
        assert_eq!(numbers.attachment("iwanuma", "lan0.102"), Some(3));
        assert_eq!(numbers.extend(&first).expect("fits"), numbers);
    }

    #[test]
    fn too_many_are_refused_with_the_first_that_does_not_fit() {
        let policy = prefecture((0..520).map(|n| municipality(&format!("m{n:03}"), n)).collect());
        let error = Numbering::default().extend(&policy).expect_err("520 do not fit");
        assert_eq!((error.needed, error.limit), (520, 511));
        assert_eq!(error.location, Some(policy.municipalities[511].location.clone()));
    }
}
