//! What one municipality's connections may use: sessions at a time, handshakes a second, memory. Past it new connections
//! are refused, and only here: every municipality has a process of its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use policy::tls::Limits;

/// Tokens of one second may be spent at once.
#[derive(Debug)]
pub struct Budget {
    handshakes: Mutex<Bucket>,
    /// The kernel's account of this process' memory, opened before the sandbox.
    memory: File,
    page_bytes: u64,
    used_bytes: AtomicU64,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

impl Budget {
    /// A full one. A file is opened: no sandbox must have been entered.
    pub fn new() -> io::Result<Self> {
        let page_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.unwrap_or(4_096);
        // The first look fills it to what the limits allow.
        let full = Bucket { tokens: f64::INFINITY, filled_at: Instant::now() };
        Ok(Self {
            handshakes: Mutex::new(full),
            memory: File::open("/proc/self/statm")?,
            page_bytes: page_bytes as u64,
            used_bytes: AtomicU64::new(0),
        })
    }

    /// Looks how much memory the process has. From time to time is enough: what a connection takes is bounded.
    pub fn look(&self) {
        let mut text = [0; 64];
        let read = self.memory.read_at(&mut text, 0).unwrap_or(0);
        let resident =
            std::str::from_utf8(&text[..read]).ok().and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        if let Some(pages) = resident {
            self.used_bytes.store(pages * self.page_bytes, Ordering::Relaxed);
        }
    }

    /// Whether another connection may begin, the `open`th at this moment.
    pub fn admits(&self, limits: &Limits, open: u64, now: Instant) -> bool {
        let used = self.used_bytes.load(Ordering::Relaxed);
        if open > u64::from(limits.sessions) || used > u64::from(limits.memory_mib) << 20 {
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
        let (budget, start) = (Budget::new().unwrap(), Instant::now());
        let limits = Limits { sessions: 100, handshakes_per_second: 10, memory_mib: 64 };
        let admitted = |at, open| (0..50).filter(|_| budget.admits(&limits, open, at)).count();
        assert_eq!(admitted(start, 1), 10);
        assert_eq!(admitted(start + Duration::from_millis(500), 1), 5);
        assert_eq!(admitted(start + Duration::from_secs(60), 1), 10, "what was not used is not saved up");
        assert_eq!(admitted(start + Duration::from_secs(120), 101), 0, "sessions are a budget of their own");
        budget.look();
        assert!(budget.used_bytes.load(Ordering::Relaxed) > 1 << 20, "a test takes more than a MiB");
        budget.used_bytes.store(65 << 20, Ordering::Relaxed);
        assert_eq!(admitted(start + Duration::from_secs(180), 1), 0, "and so is memory");
    }
}
