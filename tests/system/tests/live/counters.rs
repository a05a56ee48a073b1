//! Every packet is counted exactly once, and every drop is told or its silence counted.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::internet::WEB_V4;
use lab::wire::wait_until;
use lab::{Counter, frame};

use crate::peers::{from_outside, from_site, settle};

/// More than the events of one second that a municipality has a budget for.
const MANY: u64 = 6_000;

/// A reason for dropping, and the packets that give it.
type Kind<'a> = (&'a str, Box<dyn Fn(u64) -> Vec<u8> + 'a>);

#[test]
fn counters_and_events_add_up_to_what_was_sent() {
    let lab = crate::lab();
    let daemon = lab.daemon().unwrap();
    let site = lab.site("shirakaba").unwrap();
    let from = site.v4().unwrap();
    let leaked = Counter::start(lab.internet().uplink(), "udp sport 30000-39999").unwrap();
    let entered = Counter::start(site.device(), "udp sport 30000-39999").unwrap();
    // Refused by the default, blocked by a set, and forged; each kind from a port of its own.
    let packet = |number: u64, from: IpAddr, to: &str, port: u16| {
        let from = SocketAddr::new(from, 30_000 + (number % 10_000) as u16);
        frame::udp(from, SocketAddr::new(to.parse().unwrap(), port), b"counted")
    };
    let web = WEB_V4.to_string();
    let kinds: [Kind<'_>; 3] = [
        ("default_deny", Box::new(|number| packet(number, from, &web, 9))),
        ("blocked", Box::new(|number| packet(number, from, "198.51.100.66", 443))),
        ("spoofed_source", Box::new(|number| packet(number, [10, 99, 0, 1].into(), &web, 443))),
    ];
    for (reason, build) in kinds {
        let before = daemon.status().unwrap();
        let since = daemon.events().mark();
        from_site(&lab, site, &(0..MANY).map(build).collect::<Vec<_>>());
        settle();
        let total = |status: &control::status::Status| {
            let events = &status.events;
            events.received + events.suppressed + events.lost_ring_full
        };
        // The daemon reads events at its own pace.
        let told =
            wait_until(Duration::from_secs(5), || Ok(total(&daemon.status()?) - total(&before) >= MANY)).unwrap();
        let after = daemon.status().unwrap();
        let count = |status| lab::daemon::counted(status, Some("shirakaba"), "egress", "drop", reason);
        assert_eq!(count(&after) - count(&before), MANY, "{reason}");
        assert!(told);
        // Neighbours of the lab's hosts may be dropped of their own accord; nothing else speaks.
        assert_eq!(total(&after) - total(&before), MANY, "{reason}: {:?} {:?}", before.events, after.events);
        let lines = || daemon.events().since(since, |line| line.reason == reason).len() as u64;
        let received = after.events.received - before.events.received;
        let lost = after.events.lost_followers - before.events.lost_followers;
        assert!(
            wait_until(Duration::from_secs(5), || Ok(lines() + lost >= received)).unwrap(),
            "{} of {received}",
            lines()
        );
        assert_eq!(lines() + lost, received, "{reason}: whoever follows sees each");
        if reason == "blocked" {
            let hits = |status: &control::status::Status| {
                status.sets.iter().filter(|set| set.set == "threats").map(|set| set.packets).sum::<u64>()
            };
            assert_eq!(hits(&after) - hits(&before), MANY);
        }
        let bytes = |status: &control::status::Status| -> u64 {
            let rows = status.municipalities.iter().filter(|row| row.municipality.as_deref() == Some("shirakaba"));
            rows.flat_map(|row| &row.counters)
                .filter(|counter| counter.reason == reason)
                .map(|counter| counter.bytes)
                .sum()
        };
        // Ethernet, the tag, IPv4, UDP, payload.
        assert_eq!(bytes(&after) - bytes(&before), MANY * (14 + 4 + 20 + 8 + 7), "{reason}");
    }
    assert_eq!(leaked.packets().unwrap(), 0);

    let before = daemon.status().unwrap();
    let scan: Vec<_> = (0..MANY).map(|number| packet(number, WEB_V4.into(), "203.0.113.33", 443)).collect();
    from_outside(&lab, &scan);
    settle();
    let after = daemon.status().unwrap();
    let count = |status| lab::daemon::counted(status, Some("shirakaba"), "ingress", "drop", "default_deny");
    assert_eq!(count(&after) - count(&before), MANY);
    assert_eq!(entered.packets().unwrap(), 0);
}
