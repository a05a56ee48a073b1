//! One certificate in a line, for people and for programs.

use std::fmt;

use certify::{KeyType, Moment, Summary};
use serde::Serialize;

use crate::ca_directory::{CaDirectory, Issue};

/// A certificate.
#[derive(Debug, Serialize)]
pub struct Line {
    /// `null` for the root.
    municipality: Option<String>,
    /// Which of the municipality's; `null` for the root.
    number: Option<u32>,
    /// Whether it is in use.
    current: bool,
    /// `ecdsa` or `rsa`; the root is RSA.
    key: &'static str,
    subject: String,
    serial: String,
    from: String,
    until: String,
    days_left: i64,
    sha256: String,
    excludes: Vec<String>,
}

impl Line {
    /// Of the root.
    pub fn root(directory: &CaDirectory, now: Moment) -> anyhow::Result<Self> {
        let summary = Summary::of_pem(&directory.root_certificate()?)?;
        Ok(Self::new(None, None, "rsa", summary, now))
    }

    /// Of both certificates of a municipality's authority.
    pub fn issue(directory: &CaDirectory, id: &str, issue: Issue, now: Moment) -> anyhow::Result<Vec<Self>> {
        let one = |key_type: KeyType| {
            let summary = Summary::of_pem(&directory.certificate(id, issue, key_type)?)?;
            Ok(Self::new(Some(id), Some(issue), key_type.label(), summary, now))
        };
        KeyType::ALL.into_iter().map(one).collect()
    }

    fn new(municipality: Option<&str>, issue: Option<Issue>, key: &'static str, summary: Summary, now: Moment) -> Self {
        Self {
            municipality: municipality.map(str::to_owned),
            number: issue.map(|issue| issue.number),
            current: issue.is_none_or(|issue| issue.is_current),
            key,
            subject: summary.subject,
            serial: summary.serial,
            from: summary.validity.from.to_string(),
            until: summary.validity.until.to_string(),
            days_left: (summary.validity.until.0 - now.0).div_euclid(certify::DAY),
            sha256: summary.sha256,
            excludes: summary.exclusions.iter().map(ToString::to_string).collect(),
        }
    }

    /// Days until it ends; negative afterwards.
    pub fn days_left(&self) -> i64 {
        self.days_left
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = self.municipality.as_deref().unwrap_or("root");
        let number = self.number.map(|number| number.to_string()).unwrap_or_default();
        let state = if self.current { "in use" } else { "replaced" };
        let until = self.until.split('T').next().unwrap_or_default();
        let (key, days, subject) = (self.key, self.days_left, &self.subject);
        write!(f, "{whose:<16} {number:>4}  {key:<5}  {state:<8}  until {until} ({days} days)  {subject}")
    }
}
