//! What does not fit: the only way in which a checked policy can fail to compile.

use crate::diagnostic::{Diagnostic, Severity};
use crate::source::{Location, Source};

/// A policy needs more of something than the maps hold. Nothing is cut short: this is reported before anything changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {needed} needed, {limit} fit{}", place(.location.as_ref()))]
pub struct CapacityError {
    /// What there is too much of, in the plural.
    pub what: &'static str,
    /// How many the policy needs; where that is not known before all is done, how many it needs at least.
    pub needed: u64,
    /// How many fit.
    pub limit: u64,
    /// The first thing that does not fit, where it stands in the policy.
    pub location: Option<Location>,
}

fn place(location: Option<&Location>) -> String {
    location.map_or_else(String::new, |location| format!(", and no more from {location} on"))
}

impl CapacityError {
    /// The same as a diagnostic of the policy that did not fit, at the first thing that is too much.
    pub fn diagnostic(&self, source: &Source) -> Diagnostic {
        let top = Location { file: "prefecture.toml".to_owned(), line: 1, column: 1 };
        let span = self.location.as_ref().and_then(|it| span(source, it)).unwrap_or(0..0);
        Diagnostic {
            severity: Severity::Error,
            code: "capacity",
            message: format!("more {} than one gateway can hold", self.what),
            location: self.location.clone().unwrap_or(top),
            span,
            label: format!("room for {}, at least {} needed", self.limit, self.needed),
            help: Some("unite rules that differ only in addresses or ports, or divide the municipalities".to_owned()),
            related: Vec::new(),
        }
    }
}

/// From a place to the end of its line, in bytes of the file.
fn span(source: &Source, location: &Location) -> Option<std::ops::Range<usize>> {
    let text = std::str::from_utf8(source.files.get(&location.file)?).ok()?;
    let line = text.split_inclusive('\n').nth(location.line.checked_sub(1)? as usize)?;
    let begins = line.as_ptr().addr() - text.as_ptr().addr();
    let (column, _) = line.char_indices().nth(location.column.checked_sub(1)? as usize)?;
    Some(begins + column..begins + line.trim_end().len().max(column))
}

/// Refuses more than `limit` of something that has no place in the text.
pub(crate) fn fits(what: &'static str, needed: usize, limit: u32) -> Result<(), CapacityError> {
    let (needed, limit) = (needed as u64, u64::from(limit));
    if needed <= limit { Ok(()) } else { Err(CapacityError { what, needed, limit, location: None }) }
}
