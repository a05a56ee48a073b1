//! Who forwards: this gateway, nftables with the same policy, the kernel alone, and a port that only drops.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};
use dataplane::Gateway;
use dataplane::gateway::{self, Config};
use lab::process;

use crate::bpf;
use crate::feeder::bare_drop;
use crate::policies::{self, Size};
use crate::stretch::{Arrival, Far, Stretch, ifindex};

/// On a stretch of its own.
pub trait Contender {
    /// For messages.
    fn name(&self) -> &'static str;
    /// Its stretch.
    fn stretch(&self) -> &Stretch<'_>;
}

/// This gateway's data path, attached natively to both ports. No daemon runs, and none is needed.
pub struct Ours<'f>(Stretch<'f>);

const PINS: &str = "/sys/fs/bpf/bangasa-bench";

impl<'f> Ours<'f> {
    /// With this policy.
    pub fn new(far: &'f Far, size: Size) -> Result<Self> {
        let (policy, compiled) = policies::compiled(size)?;
        let ours = Self(Stretch::new(far, "ours", Arrival::Redirected)?);
        let pins = Path::new(PINS);
        ours.0.gateway.enter(|| {
            // What a killed run may have left.
            gateway::detach(pins)?;
            let buckets = abi::limits::FLOW_BUCKETS;
            let config = Config { pins: pins.to_owned(), flow_buckets: buckets, hash_seed: 0x6267_7331 };
            let mut gateway = Gateway::start(config)?;
            gateway.attach(&policy, &compiled.numbering)?;
            gateway.install(&compiled, 1)?;
            for warning in gateway.warnings()? {
                eprintln!("gateway: {warning}");
            }
            Ok(())
        })?;
        Ok(ours)
    }
}

impl Drop for Ours<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.gateway.enter(|| Ok(gateway::detach(Path::new(PINS))?)) {
            eprintln!("{PINS} could not be removed: {error:#}");
        }
    }
}

impl Contender for Ours<'_> {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn stretch(&self) -> &Stretch<'_> {
        &self.0
    }
}

/// nftables in the forward hook, with connection tracking.
pub struct Nftables<'f>(Stretch<'f>);

impl<'f> Nftables<'f> {
    /// With the same policy as ours of this size.
    pub fn new(far: &'f Far, size: Size) -> Result<Self> {
        let stretch = Stretch::new(far, "nftables", Arrival::Forwarded)?;
        process::run_with_input(stretch.gateway.command("nft").args(["-f", "-"]), &policies::nftables(size))
            .context("nftables refuses the policy")?;
        Ok(Self(stretch))
    }
}

impl Contender for Nftables<'_> {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn stretch(&self) -> &Stretch<'_> {
        &self.0
    }
}

/// The kernel's forwarding without any policy.
pub struct Plain<'f>(Stretch<'f>);

impl<'f> Plain<'f> {
    /// As it is.
    pub fn new(far: &'f Far) -> Result<Self> {
        Ok(Self(Stretch::new(far, "plain", Arrival::Forwarded)?))
    }
}

impl Contender for Plain<'_> {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn stretch(&self) -> &Stretch<'_> {
        &self.0
    }
}

/// A port that drops at once: what the harness itself costs.
pub struct Floor<'f> {
    stretch: Stretch<'f>,
    _link: OwnedFd,
}

impl<'f> Floor<'f> {
    /// With the dropping program attached.
    pub fn new(far: &'f Far) -> Result<Self> {
        let stretch = Stretch::new(far, "floor", Arrival::Redirected)?;
        let lan = ifindex(&stretch.gateway, "lan0")?;
        let drop = bare_drop()?;
        let link = stretch.gateway.enter(|| Ok(bpf::attach(drop.as_fd(), lan)?))?;
        Ok(Self { stretch, _link: link })
    }
}

impl Contender for Floor<'_> {
    fn name(&self) -> &'static str {
        "floor"
    }

    fn stretch(&self) -> &Stretch<'_> {
        &self.stretch
    }
}
