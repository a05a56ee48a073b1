//! 200 policies under load, no packet judged by a mix of two.
//!
//! Policies A and B both pass the probe, each by a set that holds its destination; but the set's prefixes and the
//! rules that name sets swap places between A and B. A packet classified by one policy's tables and judged by the
//! other's rules would meet the default, deny. Every probe is a flow of its own, so every probe is classified; over IPv6,
//! because one client has not so many public ports.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lab::daemon::counted;
use lab::load::Pings;
use lab::{Counter, internet};
use policy::Source;

const DESTINATION: Ipv6Addr = internet::WEB_V6;
const PORT: u16 = 7_777;
const APPLIES: usize = 200;

/// `allowed`: which of the two sets the rule names; the destination is in that one, and the other holds its neighbour.
fn policy(allowed: &str, other: &str) -> Source {
    let mut source = control::read_directory(crate::example()).unwrap();
    let prefecture = source.files.get_mut("prefecture.toml").unwrap();
    let sets = format!(
        "[sets]\n{allowed} = {{ prefixes = [\"{DESTINATION}\"] }}\n{other} = {{ prefixes = [\"2001:db8:ffff::81\"] }}\n"
    );
    let text = String::from_utf8(prefecture.clone()).unwrap().replacen("[sets]\n", &sets, 1);
    *prefecture = text.into_bytes();
    let town = format!(
        "id = \"tsukihara\"\nname = \"月原村\"\n\
         attach = [{{ port = \"lan0\", vlan = 103, address = [\"10.30.0.1/16\", \"2001:db8:103::1/64\"] }}]\n\
         prefixes = [\"10.30.0.0/16\", \"2001:db8:103::/48\"]\n\
         [egress]\ndefault = \"deny\"\n\
         [[egress.rule]]\nname = \"not-{other}\"\nto = [\"@{other}\"]\nports = [\"udp/{PORT}\"]\naction = \"deny\"\n\
         [[egress.rule]]\nname = \"only-{allowed}\"\nto = [\"@{allowed}\"]\nports = [\"udp/{PORT}\"]\naction = \"allow\"\n\
         [[egress.rule]]\nname = \"ping\"\nprotocols = [\"icmpv6\"]\naction = \"allow\"\n"
    );
    source.files.insert("municipalities/tsukihara.toml".to_owned(), town.into_bytes());
    source
}

#[test]
fn two_hundred_policies_under_load_and_never_a_mix() {
    let lab = crate::lab();
    let policies = [policy("left", "right"), policy("right", "left")];
    let daemon = lab.daemon().unwrap();
    daemon.apply_files(policies[0].clone()).unwrap();
    let before = daemon.status().unwrap();
    let village = lab.site("tsukihara").unwrap();
    let source = village.v6().unwrap();
    let wanted = format!("ip6 saddr {source} ip6 daddr {DESTINATION} udp dport {PORT}");
    let arrivals = Counter::start(lab.internet().uplink(), &wanted).unwrap();
    let pings = Pings::start(village.namespace(), source, DESTINATION.into(), Duration::from_millis(2)).unwrap();

    let stop = AtomicBool::new(false);
    let (sent, last) = std::thread::scope(|scope| {
        let stop = &stop;
        let probes = scope.spawn(move || village.namespace().enter(|| Ok(probe(source, stop))).unwrap());
        let mut last = before.generation;
        for round in 0..APPLIES {
            last = daemon.apply_files(policies[(round + 1) % 2].clone()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        (probes.join().unwrap(), last)
    });
    let answered = pings.stop().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let after = daemon.status().unwrap();

    assert_eq!(last, before.generation + APPLIES as u64);
    assert!(sent > 20 * APPLIES as u64, "the load was one: {sent} probes");
    assert_eq!(arrivals.packets().unwrap(), sent, "every probe arrived at the far end");
    assert_eq!(answered.sent, answered.received);
    for reason in ["default_deny", "rule", "bad_state", "flow_table_full", "nat_exhausted", "internal"] {
        let drops = |status| counted(status, Some("tsukihara"), "egress", "drop", reason);
        assert_eq!(drops(&after), drops(&before), "{reason}");
    }
    assert!(after.digest_matches);
}

/// Sends datagrams from ever new ports, so that each is a new flow, until told to stop; answers how many.
fn probe(source: IpAddr, stop: &AtomicBool) -> u64 {
    let mut sent = 0;
    let destination = SocketAddr::new(DESTINATION.into(), PORT);
    while !stop.load(Ordering::Relaxed) {
        // Ports that no other socket of this namespace uses; a flow lives 30 s, so a port comes round as a known flow
        // of an older generation, which is judged again: that is on the path too.
        let port = 20_000 + (sent % 40_000) as u16;
        let socket = UdpSocket::bind((source, port)).unwrap();
        socket.send_to(b"probe", destination).unwrap();
        sent += 1;
        if sent % 4 == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    sent
}
