//! Who forwards: this gateway, nftables with the same policy, the kernel alone, and programs that do one thing; each on a
//! stretch of its own, all under one name and one way to send.

use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Result, bail};
use dataplane::Gateway;
use dataplane::gateway::{self, Config};
use lab::process;

use crate::bpf;
use crate::frame::Frame;
use crate::judge::Side;
use crate::policies::{Fit, Size, compiled};
use crate::sender::Sender;
use crate::stretch::{Arrival, Far, Stretch, ifindex};
use crate::xdp_filter::XdpFilter;

/// On a stretch of its own.
pub struct Contender<'f> {
    /// In reports.
    pub name: &'static str,
    /// Its stretch.
    pub stretch: Stretch<'f>,
    /// Programs that are attached for as long as this lives.
    links: Vec<OwnedFd>,
    filter: Option<XdpFilter>,
    pins: Option<&'static Path>,
}

const PINS: &str = "/sys/fs/bpf/bangasa-measure";
/// Of a second gateway of ours.
const MORE_PINS: &str = "/sys/fs/bpf/bangasa-measure-more";

fn config(pins: &Path, flow_buckets: u32) -> Config {
    Config { pins: pins.into(), flow_buckets, nat_addresses: abi::limits::NAT_ADDRESSES, hash_seed: 0x6267_7331 }
}

impl<'f> Contender<'f> {
    fn new(far: &'f Far, name: &'static str, short: &'static str, arrival: Arrival) -> Result<Self> {
        Ok(Self { name, stretch: Stretch::new(far, short, arrival)?, links: Vec::new(), filter: None, pins: None })
    }

    /// This gateway's data path, attached natively to both ports; or why the policy does not fit. No daemon runs, and none
    /// is needed.
    pub fn ours(far: &'f Far, size: Size, flow_buckets: u32) -> Result<Fit<Self>> {
        Self::pinned(far, ("ours", "ours"), PINS, size, flow_buckets)
    }

    /// Likewise one more, beside it.
    pub fn ours_as_well(
        far: &'f Far,
        name: &'static str,
        short: &'static str,
        size: Size,
        flow_buckets: u32,
    ) -> Result<Fit<Self>> {
        Self::pinned(far, (name, short), MORE_PINS, size, flow_buckets)
    }

    fn pinned(
        far: &'f Far,
        (name, short): (&'static str, &'static str),
        pins: &'static str,
        size: Size,
        flow_buckets: u32,
    ) -> Result<Fit<Self>> {
        let (policy, compiled) = match compiled(size) {
            Ok(both) => both,
            Err(why) => return Ok(Err(why)),
        };
        let mut ours = Self::new(far, name, short, Arrival::Redirected)?;
        let pins = Path::new(pins);
        ours.pins = Some(pins);
        let installed = ours.stretch.gateway.enter(|| {
            // What a killed run may have left.
            gateway::detach(pins)?;
            let mut gateway = Gateway::start(config(pins, flow_buckets))?;
            gateway.attach(&policy, &compiled.numbering)?;
            if let Err(error) = gateway.install(&compiled, 1) {
                return Ok(Err(format!("does not fit: {error}")));
            }
            for warning in gateway.warnings()? {
                eprintln!("gateway: {warning}");
            }
            Ok(Ok(()))
        })?;
        Ok(installed.map(|()| ours))
    }

    /// What a daemon that starts has in its hands: this gateway's data path, adopted. Only of [`Self::ours`].
    pub fn adopt(&self, flow_buckets: u32) -> Result<Gateway> {
        self.stretch.gateway.enter(|| Ok(Gateway::start(config(Path::new(PINS), flow_buckets))?))
    }

    /// nftables with these rules.
    pub fn nftables(far: &'f Far, name: &'static str, short: &'static str, rules: &str) -> Result<Fit<Self>> {
        let contender = Self::new(far, name, short, Arrival::Forwarded)?;
        let loaded = process::run_with_input(contender.stretch.gateway.command("nft").args(["-f", "-"]), rules);
        Ok(loaded.map(|_| contender).map_err(|error| format!("refused: {}", first_line(&error))))
    }

    /// xdp-filter on the uplink, dropping these sources; or why it does not.
    pub fn xdp_filter(far: &'f Far, sources: &[Ipv4Addr]) -> Result<Fit<Self>> {
        let mut contender = Self::new(far, "xdp-filter", "xdpf", Arrival::Redirected)?;
        let loaded = XdpFilter::load(&contender.stretch.gateway, "wan0", sources);
        Ok(match loaded {
            Ok(loaded) => {
                contender.filter = Some(loaded);
                Ok(contender)
            }
            Err(error) => Err(format!("does not load: {}", first_line(&error))),
        })
    }

    /// The kernel's forwarding without any policy.
    pub fn plain(far: &'f Far) -> Result<Self> {
        Self::new(far, "kernel forwarding, no policy", "plain", Arrival::Forwarded)
    }

    /// A program on both ports, and nothing else.
    pub fn program(far: &'f Far, name: &'static str, short: &'static str, program: &OwnedFd) -> Result<Self> {
        let mut contender = Self::new(far, name, short, Arrival::Redirected)?;
        for port in ["lan0", "wan0"] {
            let ifindex = ifindex(&contender.stretch.gateway, port)?;
            let link = contender.stretch.gateway.enter(|| Ok(bpf::attach(program.as_fd(), ifindex)?))?;
            contender.links.push(link);
        }
        Ok(contender)
    }

    /// What sends these frames into a side of it.
    pub fn sender(&self, into: Side, frames: &[Frame]) -> Result<Sender> {
        Sender::new(frames, self.stretch.entrance(into))
    }

    /// Sends, and does not look what becomes of it.
    pub fn send(&self, into: Side, frames: &[Frame]) -> Result<()> {
        self.stretch.pass(into, &self.sender(into, frames)?).map(drop)
    }

    /// Million frames a second that arrive. A gateway that loses many would look fast: that is a failure.
    pub fn delivered(&self, into: Side, sender: &Sender) -> Result<f64> {
        let passed = self.stretch.pass(into, sender)?;
        if passed.delivered < sender.frames() as u64 * 9 / 10 {
            bail!("{}: only {} of {} frames arrived", self.name, passed.delivered, sender.frames());
        }
        Ok(passed.delivered as f64 / passed.seconds / 1e6)
    }

    /// Million frames a second of which none may arrive.
    pub fn stopped(&self, into: Side, sender: &Sender) -> Result<f64> {
        let passed = self.stretch.pass(into, sender)?;
        if passed.delivered != 0 {
            bail!("{}: {} of {} frames arrived that must not", self.name, passed.delivered, sender.frames());
        }
        Ok(sender.frames() as f64 / passed.seconds / 1e6)
    }
}

impl Drop for Contender<'_> {
    fn drop(&mut self) {
        let Some(pins) = self.pins else { return };
        if let Err(error) = self.stretch.gateway.enter(|| Ok(gateway::detach(pins)?)) {
            eprintln!("{} could not be removed: {error:#}", pins.display());
        }
    }
}

/// What a program said when it refused.
fn first_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let said = text.find("Error: ").map_or(&*text, |at| &text[at + "Error: ".len()..]);
    said.lines().next().unwrap_or_default().chars().take(160).collect()
}
