//! The whole lab: a prefecture laid out as a policy says, ready for the daemon.
//!
//! ```text
//!  site shiomi ─ VLAN 101 ┐                    ┌────────────────┐
//!  site shirakaba ─── 102 ┼─ switch ── trunk ──┤ lan0  gateway  │
//!  site kazahaya ─ 200.104┘                    │          wan0 ├── gw0 internet (router, nginx, dnsmasq, iperf3)
//!                                              └────────────────┘
//! ```
//! Every box is a network namespace, every line a veth pair; nothing leads out of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use policy::Policy;

use crate::daemon::{Daemon, Files};
use crate::internet::{self, Internet};
use crate::link::{self, End, Offloads};
use crate::names::{BPFFS, InstanceId};
use crate::namespace::Namespace;
use crate::process;
use crate::record::{self, Record};
use crate::site::{self, Site};
use crate::switch::Switch;
use crate::wire;

/// MTU of the trunk and of what hangs on it.
pub const ACCESS_MTU: u32 = 1500;
/// MTU of the uplink: that of Japan's PPPoE lines, so that "too big" happens as it does there.
pub const UPLINK_MTU: u32 = 1454;

/// A running lab. Dropping it removes everything, unless [`Lab::keep`] was called.
#[derive(Debug)]
pub struct Lab {
    record: Record,
    /// Waits for this process's end on a pipe; see [`record`].
    reaper: Option<Child>,
    kept: bool,
    gateway: Namespace,
    switch: Switch,
    sites: Vec<Site>,
    internet: Internet,
    policy: Policy,
    policy_directory: PathBuf,
    daemon: Option<Daemon>,
}

impl Lab {
    /// Builds the prefecture that the policy in `directory` describes. No daemon runs yet: see
    /// [`Lab::start_daemon`]. Labs that lost their owner are removed first.
    pub fn build(directory: &Path) -> Result<Self> {
        record::sweep()?;
        let policy = read_policy(directory)?;
        // Debian mounts it at boot through systemd; a container or a minimal machine does not.
        dataplane::gateway::mount_bpffs(Path::new(BPFFS))?;
        let record = Record::claim()?;
        let reaper = start_reaper(record.id());
        let built = Self::lay_out(record.id(), &policy);
        let (gateway, switch, sites, internet) = match built {
            Ok(parts) => parts,
            Err(error) => {
                record::remove(record.id())?;
                return Err(error);
            }
        };
        let policy_directory = directory.to_owned();
        let lab = Self {
            record,
            reaper,
            kept: false,
            gateway,
            switch,
            sites,
            internet,
            policy,
            policy_directory,
            daemon: None,
        };
        fs::create_dir_all(lab.id().pins())
            .with_context(|| format!("cannot create `{}`", lab.id().pins().display()))?;
        Ok(lab)
    }

    /// The instance.
    pub fn id(&self) -> &InstanceId {
        self.record.id()
    }

    /// The policy that the lab was built from.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The directory that the policy was read from.
    pub fn policy_directory(&self) -> &Path {
        &self.policy_directory
    }

    /// The gateway's namespace.
    pub fn gateway(&self) -> &Namespace {
        &self.gateway
    }

    /// The VLAN switch between trunk and sites.
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// Router and servers.
    pub fn internet(&self) -> &Internet {
        &self.internet
    }

    /// Router and servers, to start some.
    pub fn internet_mut(&mut self) -> &mut Internet {
        &mut self.internet
    }

    /// Every site.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The first site of a municipality.
    pub fn site(&self, municipality: &str) -> Result<&Site> {
        let site = self.sites.iter().find(|site| site.municipality == municipality);
        site.with_context(|| format!("no municipality `{municipality}` in the lab's policy"))
    }

    /// The gateway's first uplink port.
    pub fn uplink(&self) -> End<'_> {
        End { namespace: &self.gateway, device: self.policy.uplinks.first().map_or("", String::as_str) }
    }

    /// The gateway's first trunk.
    pub fn trunk(&self) -> End<'_> {
        End { namespace: &self.gateway, device: self.policy.accesses.first().map_or("", String::as_str) }
    }

    /// The namespace that the daemon makes for a municipality.
    pub fn municipality_namespace(&self, municipality: &str) -> Namespace {
        Namespace::named(&format!("{}{municipality}", self.id().municipality_prefix()))
    }

    /// Gives these municipalities' inspectors what they mint certificates with, before the daemon starts or later.
    pub fn issue_authorities(&self, municipalities: &[&str]) -> Result<()> {
        crate::authorities::issue(&Files::of(self.id()), &self.internet, municipalities)
    }

    /// Waits until a municipality's inspector serves by the policy in force.
    pub fn wait_for_inspector(&self, municipality: &str) -> Result<()> {
        let mut last = None;
        let serves = wire::wait_until(Duration::from_secs(20), || {
            let status = self.daemon()?.status()?;
            let of_it = status.municipalities.iter().find(|row| row.municipality.as_deref() == Some(municipality));
            last = of_it.and_then(|row| row.inspector.clone());
            Ok(last.as_ref().is_some_and(|it| it.state == "serving" && it.generation == Some(status.generation)))
        })?;
        ensure!(serves, "the inspector of `{municipality}` does not serve: {last:?}; {}", self.daemon()?.last_words());
        Ok(())
    }

    /// Starts the gateway's daemon, or starts it again after it was killed, and waits until it answers.
    pub fn start_daemon(&mut self) -> Result<&mut Daemon> {
        let daemon = Daemon::start(self.record.id(), &self.gateway, &self.policy_directory)?;
        Ok(self.daemon.insert(daemon))
    }

    /// The daemon.
    pub fn daemon(&self) -> Result<&Daemon> {
        self.daemon.as_ref().context("the lab's daemon was not started")
    }

    /// The daemon, to be ended.
    pub fn daemon_mut(&mut self) -> Result<&mut Daemon> {
        self.daemon.as_mut().context("the lab's daemon was not started")
    }

    /// Leaves everything running when this process ends; `lab down` removes it.
    pub fn keep(&mut self) -> Result<()> {
        self.record.keep()?;
        self.kept = true;
        self.internet.release();
        if let Some(daemon) = &mut self.daemon {
            daemon.release();
        }
        Ok(())
    }

    fn lay_out(id: &InstanceId, policy: &Policy) -> Result<(Namespace, Switch, Vec<Site>, Internet)> {
        let gateway = Namespace::create(&id.namespace("gateway"))?;
        let internet = Namespace::create(&id.namespace("internet"))?;
        let internet = connect_uplinks(policy, &gateway, internet, &id.directory().join("internet"))?;
        let mut switch = Switch::new(Namespace::create(&id.namespace("switch"))?);
        for access in &policy.accesses {
            switch.connect_trunk(End { namespace: &gateway, device: access }, ACCESS_MTU)?;
        }
        let mut sites = Vec::new();
        for municipality in &policy.municipalities {
            for attachment in &municipality.attachments {
                let role = if sites.iter().any(|site: &Site| site.municipality == municipality.id) {
                    format!("{}.{}", municipality.id, sites.len())
                } else {
                    municipality.id.clone()
                };
                let namespace = Namespace::create(&id.namespace(&role))?;
                let end = End { namespace: &namespace, device: site::DEVICE };
                switch.connect_site(end, &attachment.port, &attachment.vlans, ACCESS_MTU)?;
                sites.push(Site::new(municipality, attachment, namespace)?);
            }
        }
        Ok((gateway, switch, sites, internet))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Err(error) = record::remove(self.record.id()) {
            eprintln!("lab {} could not be removed: {error:#}", self.record.id());
        }
        if let Some(mut reaper) = self.reaper.take() {
            drop(reaper.stdin.take());
            // It finds nothing left to do; waiting only spares a zombie.
            let _ = reaper.wait();
        }
    }
}

/// The gateway's addresses and routes on the uplink, and the router at its other end.
fn connect_uplinks(policy: &Policy, gateway: &Namespace, router: Namespace, directory: &Path) -> Result<Internet> {
    gateway.sysctl(&[
        ("net.ipv4.conf.all.forwarding", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        ("net.ipv4.icmp_ratelimit", "0"),
        ("net.ipv6.icmp.ratelimit", "0"),
    ])?;
    for (number, uplink) in policy.uplinks.iter().enumerate() {
        let here = End { namespace: gateway, device: uplink };
        let name = if number == 0 { internet::DEVICE.to_owned() } else { format!("gw{number}") };
        let there = End { namespace: &router, device: &name };
        link::connect(here, there, UPLINK_MTU)?;
        link::set_offloads(here, Offloads::WireAndRedirects)?;
        link::set_offloads(there, Offloads::WireAndRedirects)?;
    }
    let uplink = policy.uplinks.first().context("the policy has no uplink")?;
    gateway.ip(&format!(
        "addr add {}/30 dev {uplink}\n\
         addr add {}/64 dev {uplink} nodad\n\
         route add default via {} dev {uplink}\n\
         route add default via {} dev {uplink}\n",
        internet::GATEWAY_V4,
        internet::GATEWAY_V6,
        internet::ROUTER_V4,
        internet::ROUTER_V6
    ))?;
    let internet = Internet::new(router, directory)?;
    for prefix in routed(policy) {
        internet.route(prefix)?;
    }
    Ok(internet)
}

/// What the provider routes to the gateway: published addresses, NAT pools, and the prefixes of municipalities that
/// leave untranslated; private IPv4 behind a pool is nobody's business outside.
fn routed(policy: &Policy) -> Vec<IpNet> {
    let mut prefixes = Vec::new();
    for municipality in &policy.municipalities {
        prefixes.extend(&municipality.published);
        prefixes.extend(municipality.nat_pool.iter().map(|address| IpNet::from(std::net::IpAddr::from(*address))));
        let untranslated = municipality.nat_pool.is_empty();
        prefixes.extend(municipality.prefixes.iter().filter(|prefix| untranslated || prefix.addr().is_ipv6()));
        let segments = municipality.attachments.iter().flat_map(|attachment| &attachment.addresses);
        prefixes.extend(segments.map(IpNet::trunc).filter(|segment| !is_private(segment)));
    }
    IpNet::aggregate(&prefixes)
}

fn is_private(network: &IpNet) -> bool {
    matches!(network, IpNet::V4(network) if network.addr().is_private())
}

/// Reads and checks; mistakes are shown as `bangasa check` shows them.
fn read_policy(directory: &Path) -> Result<Policy> {
    let source = control::read_directory(directory)?;
    let checked = policy::check(&source);
    checked.policy.with_context(|| {
        let text = policy::render(&source, &checked.diagnostics, false);
        format!("the policy in `{}` has mistakes:\n{text}", directory.display())
    })
}

/// Starts `lab reap`, if the command is there: in a test of another crate it may not be, and then the next sweep does.
fn start_reaper(id: &InstanceId) -> Option<Child> {
    let lab = crate::daemon::find_binary("lab").ok()?;
    let mut command = process::command("setsid", [lab.as_os_str(), "reap".as_ref(), id.to_string().as_ref()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}
