//! Wall-clock time as text: RFC 3339 in UTC, with microseconds.

use std::time::{Duration, SystemTime};

/// The time now.
pub fn now() -> String {
    rfc3339(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

/// A time since 1970.
pub fn rfc3339(since_1970: Duration) -> String {
    let seconds = since_1970.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let micros = since_1970.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The date that many days after 1 January 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    let mut left = days;
    while left >= days_in(year) {
        left -= days_in(year);
        year += 1;
    }
    let february = if days_in(year) == 366 { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

/// Days from 1 January 1970 to a date, written `2026-11-22`; none if it is not one.
pub fn days_since_1970(text: &str) -> Option<u64> {
    let mut parts = text.split('-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if year > 9_999 || month > 12 {
        return None;
    }
    // Near enough, and then by the other direction, which knows the calendar.
    let about = (year.checked_sub(1970)? * 365 + year.checked_sub(1970)? / 4 + month.checked_sub(1)? * 30) + day;
    (about.saturating_sub(15)..about + 25).find(|&days| date(days) == (year, month, day) && parts.next().is_none())
}

fn days_in(year: u64) -> u64 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    if is_leap { 366 } else { 365 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_back() {
        for days in (0..60_000).step_by(7) {
            let text = rfc3339(Duration::from_secs(days * 86_400));
            assert_eq!(days_since_1970(&text[..10]), Some(days), "{text}");
        }
        for text in ["", "2026", "2026-13-01", "2026-02-30", "2026-11-22-1", "1969-12-31", "x-1-1"] {
            assert_eq!(days_since_1970(text), None, "{text}");
        }
    }

    #[test]
    fn known_moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (1_774_915_199, "2026-03-30T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), text);
        }
    }
}
