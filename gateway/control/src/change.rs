//! Differences between two policies, in words.

use policy::Plan;
use policy::plan::{Change as Planned, Fate, RuleChange};
use serde::{Deserialize, Serialize};

/// One difference between two policies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The municipality it concerns; none: the prefecture.
    pub municipality: Option<String>,
    /// The difference in words.
    pub text: String,
}

/// A plan, one change a difference, the prefecture's own first.
pub fn in_words(plan: &Plan) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut tell = |municipality: Option<&str>, text: String| {
        changes.push(Change { municipality: municipality.map(str::to_owned), text });
    };
    plan.prefecture.iter().for_each(|change| tell(None, words(change)));
    for municipality in &plan.municipalities {
        let id = Some(municipality.id.as_str());
        match municipality.fate {
            Fate::Added => tell(id, format!("new municipality {}", municipality.name)),
            Fate::Removed => tell(id, format!("municipality {} removed", municipality.name)),
            Fate::Changed => {}
        }
        municipality.changes.iter().for_each(|change| tell(id, words(change)));
    }
    changes
}

/// A change, and below it what changes inside a rule.
fn words(change: &Planned) -> String {
    let mut text = change.to_string();
    if let Planned::Rule { change: RuleChange::Changed { changes }, .. } = change {
        text.extend(changes.iter().map(|change| format!("\n  {change}")));
    }
    text
}
