//! Times of certificates: whole seconds, as X.509 has them.

use std::fmt;
use std::time::{Duration, SystemTime};

use time::OffsetDateTime;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// 31 December 9999, the last second that a certificate can name, and "never" by RFC 5280.
const LAST: i64 = 253_402_300_799;

/// Seconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Moment {
    /// That many seconds later, or earlier.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// As the encoder wants it. What a certificate cannot say becomes the nearest that it can.
    pub(crate) fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0.clamp(0, LAST)).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(LAST);
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Self(seconds(since)),
            Err(before) => Self(-seconds(before.duration())),
        }
    }
}

impl fmt::Display for Moment {
    /// RFC 3339, UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.date_time();
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", at.hour(), at.minute(), at.second())
    }
}

/// From when until when a certificate is valid, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Validity {
    /// The first second.
    pub from: Moment,
    /// The last one.
    pub until: Moment,
}

impl Validity {
    /// Whether it is valid then.
    pub fn contains(self, moment: Moment) -> bool {
        self.from <= moment && moment <= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_as_people_write_them() {
        assert_eq!(Moment(951_782_400).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Moment(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Moment(i64::MIN).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Moment::from(SystemTime::UNIX_EPOCH - Duration::from_secs(5)), Moment(-5));
    }
}
