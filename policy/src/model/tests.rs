//! The model against the verdict tables, and what the tables do not show.

use std::collections::BTreeSet;

use super::*;
use crate::cases::{self, Step as CaseStep};

#[test]
fn every_case() {
    let mut failures = Vec::new();
    for case in cases::all() {
        let mut model = Model::empty();
        let mut generation = 0;
        for (number, step) in case.steps.iter().enumerate() {
            match step {
                CaseStep::Install(source) => {
                    let checked = crate::check(source);
                    let policy = checked.policy.unwrap_or_else(|| panic!("{}: {:#?}", case.name, checked.diagnostics));
                    generation += 1;
                    model.install(policy, generation);
                }
                CaseStep::Inspector(municipality, state) => model.set_inspector(municipality, *state),
                CaseStep::Packet(packet) => {
                    let judgement = model.judge(&packet.port, packet.time_ns, &packet.frame);
                    assert_eq!(judgement.generation, generation);
                    if let Some(difference) = packet.expected.difference(&judgement, model.last_effects()) {
                        failures.push(format!("{}, step {}: {difference}", case.name, number + 1));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn cases_have_names_of_their_own_and_show_every_reason_of_the_model() {
    let cases = cases::all();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len());
    let shown: BTreeSet<Reason> = cases
        .iter()
        .flat_map(|case| &case.steps)
        .filter_map(|step| match step {
            CaseStep::Packet(packet) => Some(packet.expected.reason),
            CaseStep::Install(_) | CaseStep::Inspector(..) => None,
        })
        .collect();
    // Table sizes and the forwarding step are not the model's; an internal error is nobody's.
    let elsewhere = [Reason::FlowTableFull, Reason::NoRoute, Reason::HopLimit, Reason::TooBig, Reason::Internal];
    for &reason in Reason::ALL {
        assert_eq!(shown.contains(&reason), !elsewhere.contains(&reason), "{}", reason.name());
    }
}
