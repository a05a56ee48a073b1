//! Spans of time that a policy sets bounds to: `90m`, `24h`, `30d`.

use crate::overlay;

/// Units, the longest last, with their seconds.
const UNITS: [(&str, u32); 3] = [("m", 60), ("h", 3_600), ("d", 86_400)];

/// Why something is no span of time. Whoever wrote it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    /// Not of that form.
    #[error("write a whole number and its unit: `90m`, `24h`, `30d`")]
    Form,
    /// Shorter or longer than it may be.
    #[error("it can be from {} to {}", text(*.0), text(*.1))]
    Range(u32, u32),
}

/// Seconds of a span that lies between two.
///
/// # Errors
/// It is none, or does not.
pub fn parse(written: &str, least: u32, most: u32) -> Result<u32, SpanError> {
    let span = overlay::span(written).map_err(|_| SpanError::Form)?.as_secs();
    let span = u32::try_from(span).ok();
    span.filter(|span| (least..=most).contains(span)).ok_or(SpanError::Range(least, most))
}

/// In the longest unit that it is a whole number of, or the nearest number of minutes.
pub fn text(seconds: u32) -> String {
    let whole = UNITS.iter().rev().find(|(_, unit)| seconds >= *unit && seconds.is_multiple_of(*unit));
    match whole {
        Some((word, unit)) => format!("{}{word}", seconds / unit),
        None => format!("{}m", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_written_again() {
        for (written, seconds) in [("90m", 5_400), ("24h", 86_400), ("1d", 86_400), ("30d", 2_592_000)] {
            assert_eq!(parse(written, 60, 86_400 * 365), Ok(seconds), "{written}");
        }
        assert_eq!([5_400, 86_400, 7_200, 61].map(text), ["90m", "1d", "2h", "2m"]);
        for wrong in ["", "h", "24", "24 h", "-1h", "+1h", "1.5h", "1w", "1H", "１h", "0m"] {
            assert_eq!(parse(wrong, 60, 86_400), Err(SpanError::Form), "{wrong}");
        }
        for far in ["1s", "2d", "3000d"] {
            assert_eq!(parse(far, 60, 86_400), Err(SpanError::Range(60, 86_400)), "{far}");
        }
        assert_eq!(SpanError::Range(60, 86_400).to_string(), "it can be from 1m to 1d");
    }
}
