//! A device as a bare wire: sending frames as they are, and listening to what passes.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use pnet::datalink::{self, Channel, Config, DataLinkReceiver, DataLinkSender, NetworkInterface};

use crate::link::End;

/// Sends frames from the device, in order, as they are.
pub fn send(end: End<'_>, frames: &[Vec<u8>]) -> Result<()> {
    end.namespace.enter(|| {
        let (mut sender, _) = open(end.device)?;
        for frame in frames {
            match sender.send_to(frame, None) {
                Some(result) => result.with_context(|| format!("cannot send from `{}`", end.device))?,
                None => bail!("no room to send from `{}`", end.device),
            }
        }
        Ok(())
    })
}

/// Frames that pass a device, both ways, and that a filter wants.
#[derive(Debug)]
pub struct Listener {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Vec<u8>>>,
}

impl Listener {
    /// Starts listening; returns when the socket is open.
    pub fn start(end: End<'_>, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Result<Self> {
        let (_, mut receiver) = end.namespace.enter(|| open(end.device))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut heard = Vec::new();
            let mut last_call = None;
            loop {
                // What arrived before the stop may still wait in the socket's buffer.
                if last_call.is_none() && stopped.load(Ordering::Relaxed) {
                    last_call = Some(Instant::now() + Duration::from_millis(250));
                }
                if last_call.is_some_and(|end| Instant::now() > end) {
                    return heard;
                }
                match receiver.next() {
                    Ok(frame) if wanted(frame) => heard.push(frame.to_vec()),
                    Ok(_) => {}
                    Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Interrupted) => {
                        if last_call.is_some() {
                            return heard;
                        }
                    }
                    Err(_) => return heard,
                }
            }
        });
        Ok(Self { stop, thread })
    }

    /// Stops, and says what was heard.
    pub fn stop(self) -> Result<Vec<Vec<u8>>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the listener panicked"))
    }
}

/// Waits until `condition` holds, asking every few milliseconds; false when the time is over.
pub fn wait_until(within: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<bool> {
    let deadline = Instant::now() + within;
    loop {
        if condition()? {
            return Ok(true);
        }
        if Instant::now() > deadline {
            return Ok(false);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// A raw channel on a device of the calling thread's namespace.
fn open(device: &str) -> Result<(Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>)> {
    let interface: NetworkInterface = datalink::interfaces()
        .into_iter()
        .find(|interface| interface.name == device)
        .with_context(|| format!("no device `{device}` here"))?;
    let config = Config { read_timeout: Some(Duration::from_millis(50)), promiscuous: false, ..Config::default() };
    match datalink::channel(&interface, config) {
        Ok(Channel::Ethernet(sender, receiver)) => Ok((sender, receiver)),
        Ok(_) => bail!("`{device}` is not an Ethernet device"),
        Err(error) => Err(error).with_context(|| format!("cannot open `{device}`; the lab needs root")),
    }
}
