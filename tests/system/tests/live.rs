//! The real daemon and the real program in the lab's network namespaces, under load. Packets are counted at the far
//! end. Needs root, and what `make setup` installs.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "live/apply_in_a_flood.rs"]
mod apply_in_a_flood;
#[path = "live/bypass.rs"]
mod bypass;
#[path = "live/byte_for_byte.rs"]
mod byte_for_byte;
#[path = "live/checksums.rs"]
mod checksums;
#[path = "live/counters.rs"]
mod counters;
#[path = "live/cut_off.rs"]
mod cut_off;
#[path = "live/cut_off_inspected.rs"]
mod cut_off_inspected;
#[path = "live/datagrams.rs"]
mod datagrams;
#[path = "live/detached.rs"]
mod detached;
#[path = "live/dns_guard.rs"]
mod dns_guard;
#[path = "live/freeze.rs"]
mod freeze;
#[path = "live/given_back.rs"]
mod given_back;
#[path = "live/hairpin.rs"]
mod hairpin;
#[path = "live/icmp_errors.rs"]
mod icmp_errors;
#[path = "live/inbound.rs"]
mod inbound;
#[path = "live/inspector.rs"]
mod inspector;
#[path = "live/inspector_clients.rs"]
mod inspector_clients;
#[path = "live/inspector_down.rs"]
mod inspector_down;
#[path = "live/inspector_way.rs"]
mod inspector_way;
#[path = "live/kill.rs"]
mod kill;
#[path = "live/limits.rs"]
mod limits;
#[path = "live/one_policy.rs"]
mod one_policy;
#[path = "live/peers.rs"]
mod peers;
#[path = "live/ports.rs"]
mod ports;
#[path = "live/proxy.rs"]
mod proxy;
#[path = "live/published.rs"]
mod published;
#[path = "live/qinq.rs"]
mod qinq;
#[path = "live/quic.rs"]
mod quic;
#[path = "live/refusals.rs"]
mod refusals;
#[path = "live/revoked.rs"]
mod revoked;
#[path = "live/routes.rs"]
mod routes;
#[path = "live/scanner.rs"]
mod scanner;
#[path = "live/soak.rs"]
mod soak;
#[path = "live/syn_cookies.rs"]
mod syn_cookies;
#[path = "live/tcp_states.rs"]
mod tcp_states;
#[path = "live/tour.rs"]
mod tour;
#[path = "live/trial.rs"]
mod trial;
#[path = "live/violations.rs"]
mod violations;
#[path = "live/who.rs"]
mod who;

use std::path::{Path, PathBuf};

use lab::Lab;

/// The example policy, which the lab is laid out by.
fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy/example")
}

/// A lab with servers and a daemon that has applied the example.
fn lab() -> Lab {
    let mut lab = Lab::build(&example()).expect("the lab builds");
    lab.internet_mut().serve().expect("the servers start");
    lab.start_daemon().expect("the daemon starts");
    lab
}
