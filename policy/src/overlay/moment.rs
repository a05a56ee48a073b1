//! Points in time, to the second, as people and JSON write them: RFC 3339. And spans: `90s`, `15m`, `2h`, `3d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub u64);

/// What is wrong with a time that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMoment {
    /// It is none.
    #[error("`{0}` is no time; write one like `2026-11-22T10:00:00+09:00`, or a span like `2h`")]
    Time(String),
    /// It is no span.
    #[error("`{0}` is no span of time; write a number and s, m, h or d, like `90s`, `15m`, `2h`, `3d`")]
    Span(String),
}

/// The longest span: ten years.
const LONGEST_SECONDS: u64 = 10 * 366 * 86_400;

/// A span of time: a whole number, not 0, and its unit.
///
/// # Errors
/// It is none, or longer than ten years.
pub fn span(text: &str) -> Result<Duration, BadMoment> {
    let bad = || BadMoment::Span(text.to_owned());
    let unit = text.chars().next_back().ok_or_else(bad)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    let number: u64 = digits.parse().ok().filter(|_| !digits.starts_with('+')).ok_or_else(bad)?;
    let seconds = number.checked_mul(seconds).filter(|seconds| (1..=LONGEST_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(bad)
}

impl Moment {
    /// So much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span.as_secs()))
    }

    /// A time, or a span from now on.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str, now: Self) -> Result<Self, BadMoment> {
        text.parse().or_else(|error| span(text).map(|span| now.after(span)).map_err(|_| error))
    }
}

impl FromStr for Moment {
    type Err = BadMoment;

    fn from_str(text: &str) -> Result<Self, BadMoment> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).ok();
        let seconds = parsed.and_then(|time| u64::try_from(time.unix_timestamp()).ok());
        seconds.map(Self).ok_or_else(|| BadMoment::Time(text.to_owned()))
    }
}

impl fmt::Display for Moment {
    /// In UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
        match time.and_then(|time| time.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} s after 1970", self.0),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_are_read_and_written() {
        let moment: Moment = "2026-11-22T10:00:00+09:00".parse().expect("a time");
        assert_eq!(moment.to_string(), "2026-11-22T01:00:00Z");
        assert_eq!(moment.to_string().parse(), Ok(moment));
        assert_eq!(Moment::parse("2h", moment).expect("a span").to_string(), "2026-11-22T03:00:00Z");
        for (text, seconds) in [("90s", 90), ("15m", 900), ("2h", 7_200), ("3d", 259_200)] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "0s", "2", "2w", "-1h", "+1h", "1.5h", "99999d", "2時"] {
            assert!(span(text).is_err(), "{text}");
        }
        let message = Moment::parse("tomorrow", moment).expect_err("no time").to_string();
        assert!(message.contains("`tomorrow`") && message.contains("2h"), "{message}");
    }
}
