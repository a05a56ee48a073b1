//! A way through one gateway: frames are sent into its `lan0`, and what leaves its `wan0` is counted at the far end.
//!
//! ```text
//! far: lan-X ═ lan0 [ gateway X ] wan0 ═ wan-X :far
//! ```
//! Every contender has a stretch of its own, alike in everything but who forwards.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::{Namespace, process};

use crate::bpf;
use crate::frame::{LAN_MAC, WAN_MAC};
use crate::judge::Side;
use crate::programs::bare_drop;
use crate::sender::Sender;

/// Of all namespaces here.
const PREFIX: &str = "bangasa-measure-";

/// The end of all stretches.
pub struct Far {
    namespace: Namespace,
}

impl Far {
    /// Makes it, after removing what a killed run may have left.
    pub fn new() -> Result<Self> {
        remove_all();
        Ok(Self { namespace: namespace("far")? })
    }

    /// Runs something there, in a thread of its own.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.namespace.enter(work)
    }
}

/// A namespace that sends nothing of its own: IPv6 would announce itself, and be counted.
pub fn namespace(name: &str) -> Result<Namespace> {
    let namespace = Namespace::create(&format!("{PREFIX}{name}"))?;
    namespace.sysctl(&[("net.ipv6.conf.all.disable_ipv6", "1"), ("net.ipv6.conf.default.disable_ipv6", "1")])?;
    Ok(namespace)
}

impl Drop for Far {
    fn drop(&mut self) {
        remove_all();
    }
}

/// Namespaces of this benchmark, with all that is in them. Two runs at a time would only disturb each other.
pub fn remove_all() {
    let names = fs::read_dir(lab::names::NETNS).into_iter().flatten().flatten();
    for name in names.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        if name.starts_with(PREFIX) {
            let _ = process::run(&mut process::command("ip", ["netns", "del", &name]));
        }
    }
}

/// One gateway between two cables.
pub struct Stretch<'f> {
    far: &'f Far,
    /// Where the contender is set up; it has `lan0` and `wan0`.
    pub gateway: Namespace,
    name: &'static str,
    lan: u32,
    wan: u32,
    /// At the far ends of `lan0` and `wan0`.
    sinks: Vec<OwnedFd>,
}

/// How the far end takes what arrives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// As an XDP program's redirect needs it: into a program, which drops.
    Redirected,
    /// From the kernel's stack, into the stack, which drops it because it is for another host.
    Forwarded,
}

impl<'f> Stretch<'f> {
    /// Lays the cables.
    pub fn new(far: &'f Far, name: &'static str, arrival: Arrival) -> Result<Self> {
        let gateway = namespace(name)?;
        let inside = gateway.name();
        // A queue for each of two CPUs, as a network card has.
        let queues = "numrxqueues 2 numtxqueues 2";
        far.namespace.ip(&format!(
            "link add lan-{name} {queues} type veth peer name lan0 {queues} netns {inside}\n\
             link add wan-{name} {queues} type veth peer name wan0 {queues} netns {inside}\n\
             link set lan-{name} up\nlink set wan-{name} up\n"
        ))?;
        gateway.sysctl(&[("net.ipv4.ip_forward", "1")])?;
        gateway.ip(&format!(
            "link set lan0 address {LAN_MAC}\nlink set wan0 address {WAN_MAC}\nlink set lan0 up\nlink set wan0 up\n\
             addr add 192.0.2.2/30 dev wan0\naddr add 10.255.0.1/24 dev lan0\n\
             neigh add 192.0.2.1 lladdr 02:00:00:00:00:99 nud permanent dev wan0\n\
             neigh add 10.255.0.9 lladdr 02:00:00:00:00:99 nud permanent dev lan0\n\
             route add default via 192.0.2.1\nroute add 10.0.0.0/16 via 10.255.0.9\n"
        ))?;
        let (lan, wan) = (format!("lan-{name}"), format!("wan-{name}"));
        let (lan, wan) = (ifindex(&far.namespace, &lan)?, ifindex(&far.namespace, &wan)?);
        let sinks = match arrival {
            Arrival::Redirected => {
                let drop = bare_drop()?;
                let sink = |ifindex| far.namespace.enter(|| Ok(bpf::attach(drop.as_fd(), ifindex)?));
                vec![sink(lan)?, sink(wan)?]
            }
            Arrival::Forwarded => {
                // A veth takes redirected frames only if its own end polls: with a program, or with GRO.
                gateway.run("ethtool -K lan0 gro on")?;
                gateway.run("ethtool -K wan0 gro on")?;
                Vec::new()
            }
        };
        Ok(Self { far, gateway, name, lan, wan, sinks })
    }

    /// The far end's interface on a side, by number, for whoever sends into the gateway.
    pub fn entrance(&self, side: Side) -> u32 {
        if side == Side::Access { self.lan } else { self.wan }
    }

    /// Puts another program in the place of the one that drops what leaves `wan0`. It drops as well.
    pub fn watch(&mut self, program: BorrowedFd<'_>) -> Result<()> {
        // Two programs cannot be at one interface.
        self.sinks.truncate(1);
        let sink = self.far.namespace.enter(|| Ok(bpf::attach(program, self.wan)?))?;
        self.sinks.push(sink);
        Ok(())
    }

    /// Where frames are sent from, and arrive.
    pub fn far(&self) -> &Namespace {
        &self.far.namespace
    }

    /// Sends one round into a side; what was delivered at the other, and in what time.
    pub fn pass(&self, into: Side, sender: &Sender) -> Result<Passed> {
        let exit = if into == Side::Access { "wan" } else { "lan" };
        let interface = format!("{exit}-{}", self.name);
        self.far.namespace.enter(|| {
            let before = received(&interface)?;
            let seconds = sender.run()?;
            let (sent, begun) = (received(&interface)?, Instant::now());
            // What waits in a queue when the last frame is sent still counts, and so does its time.
            let (mut delivered, mut later) = (sent, 0.0);
            for _ in 0..QUIET_POLLS {
                sleep(Duration::from_millis(1));
                let now = received(&interface)?;
                if now != delivered {
                    (delivered, later) = (now, begun.elapsed().as_secs_f64());
                }
            }
            Ok(Passed { delivered: delivered - before, seconds: seconds + later })
        })
    }
}

/// Polls, a millisecond apart, after which nothing more is expected.
const QUIET_POLLS: usize = 20;

/// What one round did.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// Frames counted at the far end.
    pub delivered: u64,
    /// From the first frame sent to the last delivered.
    pub seconds: f64,
}

/// Frames that an interface of this thread's namespace has received.
fn received(interface: &str) -> Result<u64> {
    let table = fs::read_to_string("/proc/thread-self/net/dev")?;
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(interface)?.strip_prefix(':'));
    let packets = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    packets.with_context(|| format!("no counter of `{interface}`"))
}

/// The number of an interface, asked in its namespace.
pub fn ifindex(namespace: &Namespace, interface: &str) -> Result<u32> {
    let output = namespace.run(&format!("ip -oneline link show dev {interface}"))?;
    let text = process::text(&output.stdout);
    let number = text.split(':').next().and_then(|number| number.trim().parse().ok());
    number.with_context(|| format!("no number of `{interface}` in `{text}`"))
}
