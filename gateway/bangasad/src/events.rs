//! From the kernel's ring buffer to the journal, on a thread of its own.

use std::sync::Arc;
use std::time::Duration;

use dataplane::events::Events;
use telemetry::journal::Entry;

use crate::daemon::Daemon;
use crate::log;

/// How long the difference of the two clocks is used, and the names of a policy, before they are asked for again.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// Events in one go.
const BATCH: usize = 1_024;

/// Goes on until the process ends.
pub fn run(daemon: &Arc<Daemon>, mut events: Events) {
    loop {
        events.wait(CLOCK_INTERVAL);
        let monotonic_to_wall = dataplane::clock::monotonic_to_wall();
        drain(daemon, &mut events, monotonic_to_wall);
    }
}

/// Records what waits, up to a batch.
fn drain(daemon: &Daemon, events: &mut Events, monotonic_to_wall: Duration) {
    let mut words = None;
    for _ in 0..BATCH {
        let Some(event) = events.next_event() else { return };
        // Asked for after the first event: the names of a generation are known before it judges. A generation that
        // begins within the batch is looked up again.
        let known = match words.take() {
            Some((generation, words)) if generation == event.generation => words,
            _ => daemon.words(),
        };
        let line = known.line(&event, monotonic_to_wall);
        words = Some((event.generation, known));
        let municipality = line.municipality.clone();
        match serde_json::to_string(&line) {
            Ok(text) => daemon.journal.record(Entry { municipality, text }),
            Err(error) => log(&format!("an event cannot be written: {error}")),
        }
    }
}
