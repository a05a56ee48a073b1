//! Ending in good order on SIGINT and SIGTERM: the labs of this process are removed before it is gone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;
use lab::record;
use nix::sys::signal::{SigSet, Signal};

static ENDING: AtomicBool = AtomicBool::new(false);

/// Does not return once a signal has arrived: what a step finds while its lab is being removed means nothing.
pub fn wait_if_ending() {
    while ENDING.load(Ordering::Relaxed) {
        thread::park();
    }
}

/// From now on an end by signal removes the labs that this process owns. To be called before any thread starts: the
/// signals are blocked in all of them, and one thread waits.
pub fn remove_labs_on_end() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.add(Signal::SIGHUP);
    signals.thread_block()?;
    thread::spawn(move || {
        let Ok(signal) = signals.wait() else { return };
        ENDING.store(true, Ordering::Relaxed);
        eprintln!("\nlab: {signal}: cleaning up · 片付けています");
        for id in record::owned_here() {
            if let Err(error) = record::remove(&id) {
                eprintln!("lab: {error:#}");
            }
        }
        std::process::exit(128 + signal as i32);
    });
    Ok(())
}
