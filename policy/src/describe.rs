//! Numbers that the program reports → names.

use std::net::IpAddr;

use abi::event::{Event, parsed};
use abi::{Address, Direction, Limit, Reason, Verdict};

use crate::compile::RuleDoc;
use crate::judgement::Judgement;
use crate::numbering::Numbering;

/// What puts the numbers of a policy into words. Small beside its tables, which nobody needs once the kernel has them.
#[derive(Clone, Debug, Default)]
pub struct Glossary {
    /// The numbering the policy was compiled with, extended by what was new in it.
    pub numbering: Numbering,
    /// Every rule once; events carry the index plus 1.
    pub rules: Vec<RuleDoc>,
    names: Names,
}

/// Names by number.
#[derive(Clone, Debug, Default)]
struct Names {
    municipalities: Vec<Option<String>>,
    sets: Vec<Option<String>>,
    ports: Vec<Option<String>>,
    attachments: Vec<Option<String>>,
}

impl Names {
    fn new(numbering: &Numbering) -> Self {
        Self {
            municipalities: by_number(&numbering.municipalities),
            sets: by_number(&numbering.sets),
            ports: by_number(&numbering.ports),
            attachments: by_number(&numbering.attachments),
        }
    }
}

fn by_number<'a, N: Copy + Into<usize> + 'a>(
    numbers: impl IntoIterator<Item = (&'a String, &'a N)>,
) -> Vec<Option<String>> {
    let mut names = Vec::new();
    for (name, &number) in numbers {
        let number = number.into();
        if names.len() <= number {
            names.resize(number + 1, None);
        }
        names[number] = Some(name.clone());
    }
    names
}

impl Glossary {
    pub(crate) fn new(numbering: Numbering, rules: Vec<RuleDoc>) -> Self {
        Self { names: Names::new(&numbering), numbering, rules }
    }

    /// An event of this policy's generation, in names.
    pub fn describe(&self, event: &Event) -> Judgement {
        let reached = |bit: u8| event.parsed & bit != 0;
        let address = |address: Address| reached(parsed::ADDRESSES).then(|| ip(address, reached(parsed::V6)));
        let port = |port: u16| reached(parsed::PORTS).then_some(port);
        Judgement {
            vlans: event.vlans.into_iter().take(event.vlan_count.into()).collect(),
            source: address(event.source),
            destination: address(event.destination),
            protocol: reached(parsed::PROTOCOL).then_some(event.protocol),
            source_port: port(event.source_port),
            destination_port: port(event.destination_port),
            fragment: reached(parsed::FRAGMENT),
            direction: Direction::ALL[usize::from(event.direction & 1)],
            // Numbers that this build does not know can only come from a program that is not ours.
            verdict: Verdict::from_number(event.verdict).unwrap_or(Verdict::Drop),
            reason: Reason::from_number(event.reason).unwrap_or(Reason::Internal),
            set: self.set_name(event.set).map(str::to_owned),
            rule: self.rule(event.rule).map(|rule| rule.name.clone()),
            limit: Limit::from_number(event.limit),
            municipality: self.municipality_name(event.municipality).map(str::to_owned),
            generation: event.generation,
        }
    }

    /// The rule that an event or flow names ([`Event::rule`]: index plus 1); none for 0.
    pub fn rule(&self, number: u32) -> Option<&RuleDoc> {
        self.rules.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The id of the municipality with this number, also of one that has left the policy.
    pub fn municipality_name(&self, number: u16) -> Option<&str> {
        name(&self.names.municipalities, number.into())
    }

    /// The name of the set with this number.
    pub fn set_name(&self, number: u16) -> Option<&str> {
        name(&self.names.sets, number.into())
    }

    /// The name of the port with this number; `inspector` for all inspectors, `hairpin` for the hairpin.
    pub fn port_name(&self, number: u8) -> Option<&str> {
        if number == abi::ports::HAIRPIN {
            return Some(crate::model::HAIRPIN);
        }
        if number == abi::ports::INSPECTOR {
            return Some("inspector");
        }
        name(&self.names.ports, number.into())
    }

    /// The attachment with this number: `sendai@lan0.101`.
    pub fn attachment_name(&self, number: u16) -> Option<&str> {
        name(&self.names.attachments, number.into())
    }
}

fn name(names: &[Option<String>], number: usize) -> Option<&str> {
    names.get(number)?.as_deref()
}

fn ip(address: Address, is_v6: bool) -> IpAddr {
    let ip = IpAddr::from(address.octets());
    if is_v6 { ip } else { ip.to_canonical() }
}
