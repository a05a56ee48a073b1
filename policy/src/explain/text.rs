//! An explanation for people.

use std::fmt;

use super::{DecidingRule, Explanation, Stage};
use crate::model::{Mismatch, Skipped};

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} entering {}", self.packet, self.port)?;
        for step in &self.steps {
            writeln!(f, "  {:<WIDTH$}{}", step.stage.name(), step.looked_at)?;
            writeln!(f, "  {:<WIDTH$}→ {}", "", step.said)?;
            skipped(f, &step.skipped)?;
        }
        write!(f, "{}, {}", self.verdict, self.reason)?;
        if let Some(set) = &self.set {
            write!(f, ", set `{set}`")?;
        }
        if let Some(rule) = &self.rule {
            let owner = if rule.baseline { "baseline rule" } else { "rule" };
            write!(f, ", {owner} `{}` ({}:{})", rule.name, rule.location.file, rule.location.line)?;
        }
        if let Some(municipality) = &self.municipality {
            write!(f, ", municipality {municipality}")?;
        }
        if let Some(tls) = &self.tls {
            then(f, tls.action.name(), "TLS", tls.rule.as_ref())?;
        }
        if let Some(http) = &self.http {
            then(f, http.action.name(), "HTTP", http.rule.as_ref())?;
        }
        self.overlays.iter().try_for_each(|overlay| write!(f, "\nby command: {overlay}"))
    }
}

/// What a later stage comes to, on a line of its own.
fn then(f: &mut fmt::Formatter<'_>, action: &str, kind: &str, rule: Option<&DecidingRule>) -> fmt::Result {
    write!(f, "\nthen {action}, ")?;
    let Some(rule) = rule else { return write!(f, "the default of {kind} rules") };
    let owner = if rule.baseline { "the prefecture's " } else { "" };
    write!(f, "{owner}{kind} rule `{}` ({}:{})", rule.name, rule.location.file, rule.location.line)
}

/// Rules that did not match, one line for each cause.
fn skipped(f: &mut fmt::Formatter<'_>, skipped: &[Skipped]) -> fmt::Result {
    for why in Mismatch::ALL {
        let mut rules = skipped.iter().filter(|rule| rule.why == why);
        let named: Vec<String> =
            rules.by_ref().take(MOST_NAMED).map(|rule| format!("`{}` ({})", rule.rule, rule.location)).collect();
        if named.is_empty() {
            continue;
        }
        let more = match rules.count() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        writeln!(f, "  {:<WIDTH$}not {}{more}: {}", "", named.join(", "), why.text())?;
    }
    Ok(())
}

/// The longest stage's name and two spaces.
const WIDTH: usize = Stage::Municipality.name().len() + 2;
/// Rules named for one cause; the rest are counted.
const MOST_NAMED: usize = 6;
