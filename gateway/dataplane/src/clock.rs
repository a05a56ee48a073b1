//! The clock that the programs read.

use std::time::{Duration, SystemTime};

use nix::time::{ClockId, clock_gettime};

/// Seconds of the coarse monotonic clock: the time of flows.
pub fn coarse_seconds() -> u32 {
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_or(0, |time| time.tv_sec() as u32)
}

/// What to add to the monotonic clock's nanoseconds to get wall-clock time since 1970. Asked for anew from time to
/// time, because the wall clock is set now and then.
pub fn monotonic_to_wall() -> Duration {
    let monotonic = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    wall.saturating_sub(monotonic)
}
