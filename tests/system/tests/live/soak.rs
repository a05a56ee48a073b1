//! A day's connections in a minute: of every kind that ends in an inspector, round after round, by which neither it nor the
//! daemon grows. `SOAK_CONNECTIONS` says how many there shall be; without it there are as many as the suite has time for.

#[path = "soak/kinds.rs"]
mod kinds;
#[path = "soak/usage.rs"]
mod usage;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use lab::Lab;
use lab::visitor::Visitor;
use lab::wire::wait_until;

use crate::inspector::{TWINS, inspectors, root};
use crate::peers::Over;
use kinds::Kind;
use usage::{Mean, Usage};

/// Connections, unless somebody wants more.
const CONNECTIONS: usize = 12_000;
/// Rounds of it.
const ROUNDS: usize = 10;
/// Those that fill what is kept for good: certificates, sessions, names, the allocator's arenas, and, which takes longest, the
/// events that the daemon can be asked about afterwards.
const WARM_UP: usize = 4;
/// In a second, of both towns: a connection of which one side has not closed keeps its flows for four minutes, and the table of
/// flows refuses some when it is half full.
const MOST_A_SECOND: f64 = 500.0;
/// At a time, in each town.
const VISITORS: usize = 8;
/// Clients of a town: a port of one address is free again only after a minute.
const CLIENTS: u8 = 16;
/// Between two looks at what processes have.
const LOOK: Duration = Duration::from_millis(100);
/// By how much the later half of the rounds after that may have more in memory than the earlier one: of what that had, and in
/// KiB, for the noise of a page here and there. Some two hundred bytes that a connection leaves behind are more.
const GROWTH: (f64, f64) = (0.01, 256.0);
/// Of the daemon besides, whose allocator gives memory back when it likes: some 500 bytes a connection would be more.
const DAEMON_SLACK_KIB: f64 = 6_144.0;

/// One town's visitors.
pub(crate) struct Town {
    /// Where its clients are.
    clients: Vec<IpAddr>,
    proxy: SocketAddr,
    opened: Visitor,
    opened_two: Visitor,
    spliced: Visitor,
}

#[test]
fn a_days_connections_leave_nothing_behind() {
    let lab = lab();
    let towns = TWINS.map(|town| visitors(&lab, town));
    let total = env::var("SOAK_CONNECTIONS").map_or(CONNECTIONS, |text| text.parse().unwrap());
    let each = total / ROUNDS;
    let daemon = lab.daemon().unwrap();
    let mut processes: Vec<_> = inspectors(&lab).into_iter().map(|pid| ("inspector", pid)).collect();
    assert_eq!(processes.len(), TWINS.len());
    processes.push(("daemon", daemon.pid().unwrap().try_into().unwrap()));
    let mut rounds: Vec<Vec<Usage>> = Vec::new();
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let means = watched(&processes, || visit(&lab, &towns, each));
        settle(&lab);
        let usages: Vec<_> = processes
            .iter()
            .zip(means)
            .map(|((_, pid), mean)| Usage { resident_kib: mean, descriptors: usage::descriptors(*pid) })
            .collect();
        eprintln!("round {round} after {:.0?}: {usages:?}", begun.elapsed());
        rounds.push(usages);
        // What was told is of no use here, and would fill this process.
        daemon.events().forget();
    }
    assert_eq!(inspectors(&lab).len(), TWINS.len());
    for (number, (what, pid)) in processes.iter().enumerate() {
        let usages: Vec<_> = rounds[WARM_UP..].iter().map(|usages| &usages[number]).collect();
        let mean = |usages: &[&Usage]| usages.iter().map(|it| it.resident_kib).sum::<f64>() / usages.len() as f64;
        let (first, last) = usages.split_at(usages.len() / 2);
        let (first, last) = (mean(first), mean(last));
        eprintln!("{what} {pid}: {first:.0} KiB at first, {last:.0} KiB at last");
        let slack = if *what == "daemon" { DAEMON_SLACK_KIB } else { GROWTH.1 };
        assert!(last < first * (1.0 + GROWTH.0) + slack, "{what}: from {first:.0} KiB to {last:.0}");
        let descriptors: Vec<_> = usages.iter().map(|it| it.descriptors).collect();
        assert!(descriptors.iter().all(|count| *count == descriptors[0]), "{what}: descriptors {descriptors:?}");
    }
    count(&lab, each, ROUNDS);
}

/// The inspected twins with proxies, and limits that such a day needs.
fn lab() -> Lab {
    let lab = crate::proxy::lab();
    let mut source = crate::proxy::policy(crate::proxy::PORTS[1].1);
    for town in TWINS {
        let file = source.files.get_mut(&format!("municipalities/{town}.toml")).unwrap();
        let limits = "limits = { sessions = 20_000, handshakes_per_second = 20_000, memory_mib = 256 }";
        let mut text = String::from_utf8(file.clone()).unwrap();
        match text.find("\nlimits = {") {
            Some(at) => {
                let end = text[at + 1..].find('\n').unwrap() + at + 1;
                text.replace_range(at + 1..end, limits);
            }
            None => text.push_str(&format!("\n[tls]\n{limits}\n")),
        }
        text.push_str(kinds::RULE);
        *file = text.into_bytes();
    }
    lab.daemon().unwrap().apply_files(source).unwrap();
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    lab
}

fn visitors(lab: &Lab, town: &str) -> Town {
    let site = lab.site(town).unwrap();
    let prefix = match site.v6().unwrap() {
        IpAddr::V6(address) => address.segments(),
        IpAddr::V4(_) => unreachable!("it is IPv6"),
    };
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut six = prefix;
        six[7] = 0x1000 + u16::from(number);
        for address in [IpAddr::from([10, 10, 9, 100 + number]), IpAddr::from(six)] {
            site.own(address).unwrap();
            clients.push(address);
        }
    }
    let municipal = [fs::read_to_string(root(lab)).unwrap()];
    let public = [fs::read_to_string(lab.internet().pki().root()).unwrap()];
    Town {
        clients,
        proxy: crate::proxy::proxy(lab, town, site.v4().unwrap()),
        opened: Visitor::new("http/1.1", &municipal).unwrap(),
        opened_two: Visitor::new("h2", &municipal).unwrap(),
        spliced: Visitor::new("http/1.1", &public).unwrap(),
    }
}

/// So many connections of both towns together, of every kind in turn.
fn visit(lab: &Lab, towns: &[Town; 2], count: usize) {
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    thread::scope(|scope| {
        for (town, id) in towns.iter().zip(TWINS) {
            for _ in 0..VISITORS {
                let (next, site) = (&next, lab.site(id).unwrap().namespace());
                scope.spawn(move || {
                    site.join().unwrap();
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= count {
                            return;
                        }
                        let due = begun + Duration::from_secs_f64(number as f64 / MOST_A_SECOND);
                        thread::sleep(due.saturating_duration_since(Instant::now()));
                        let kind = Kind::of(number);
                        kind.visit(town, number).unwrap_or_else(|error| panic!("{id} {kind:?} {number}: {error:#}"));
                    }
                });
            }
        }
    });
}

/// What each process has in memory, on the mean, while this goes on.
fn watched(processes: &[(&str, i32)], action: impl FnOnce()) -> Vec<f64> {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut means = vec![Mean::default(); processes.len()];
            while !over.load(Ordering::Relaxed) {
                for (mean, (_, pid)) in means.iter_mut().zip(processes) {
                    mean.add(usage::resident_kib(*pid));
                }
                thread::sleep(LOOK);
            }
            means
        });
        {
            let _over = Over(&over);
            action();
        }
        watching.join().unwrap().into_iter().map(Mean::value).collect()
    })
}

/// Waits until no connection is open any more.
fn settle(lab: &Lab) {
    let is_quiet = || {
        let status = lab.daemon()?.status()?;
        let inspectors = status.municipalities.iter().filter_map(|row| row.inspector.as_ref());
        Ok(inspectors.map(|inspector| inspector.open).sum::<u64>() == 0)
    };
    assert!(wait_until(Duration::from_secs(30), is_quiet).unwrap(), "connections stay open");
}

/// Every connection that had something to tell was told of, in the way of its kind.
fn count(lab: &Lab, each: usize, rounds: usize) {
    let mut expected: BTreeMap<_, u64> = BTreeMap::new();
    for told in (0..each).filter_map(|number| Kind::of(number).told()) {
        *expected.entry(told).or_default() += rounds as u64;
    }
    let told = |(action, reason): (&str, &str)| {
        let status = lab.daemon().unwrap().status().unwrap();
        let rows = status.municipalities.iter().filter_map(|row| row.inspector.clone());
        let rows = rows.flat_map(|inspector| inspector.coverage);
        rows.filter(|row| (row.action.as_str(), row.reason.as_str()) == (action, reason))
            .map(|row| row.connections)
            .sum()
    };
    for (kind, made) in expected {
        // The daemon is told of totals every so often.
        let mut seen: u64 = 0;
        let is_told = || {
            seen = told(kind);
            Ok(seen == made)
        };
        assert!(wait_until(Duration::from_secs(10), is_told).unwrap(), "{kind:?}: {seen} of {made}");
    }
}
