//! What one municipality's connections may use: sessions at a time, handshakes a second. Past it new connections are
//! refused, and only here: every municipality has a process of its own.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use policy::tls::Limits;

/// Tokens of one second may be spent at once.
#[derive(Debug)]
pub struct Budget {
    handshakes: Mutex<Bucket>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Budget {
    /// A full one.
    pub fn new() -> Self {
        // The first look fills it to what the limits allow.
        Self { handshakes: Mutex::new(Bucket { tokens: f64::INFINITY, filled_at: Instant::now() }) }
    }

    /// Whether another connection may begin, the `open`th at this moment.
    pub fn admits(&self, limits: &Limits, open: u64, now: Instant) -> bool {
        if open > u64::from(limits.sessions) {
            return false;
        }
        let rate = f64::from(limits.handshakes_per_second);
        let mut bucket = self.handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        bucket.tokens = (bucket.tokens + since * rate).min(rate);
        bucket.filled_at = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_has_its_handshakes_and_no_more() {
        let (budget, start) = (Budget::new(), Instant::now());
        let limits = Limits { sessions: 100, handshakes_per_second: 10, memory_mib: 64 };
        let admitted = |at, open| (0..50).filter(|_| budget.admits(&limits, open, at)).count();
        assert_eq!(admitted(start, 1), 10);
        assert_eq!(admitted(start + Duration::from_millis(500), 1), 5);
        assert_eq!(admitted(start + Duration::from_secs(60), 1), 10, "what was not used is not saved up");
        assert_eq!(admitted(start + Duration::from_secs(120), 101), 0, "sessions are a budget of their own");
    }
}
