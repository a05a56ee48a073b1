//! A large policy is applied again and again while frames come as fast as they go: none is lost, none comes twice or out
//! of turn, and each is judged by one policy alone.
//!
//! The frames of one established flow carry numbers, and a socket at the far end checks every one. No queue between may
//! overflow: a veth's ring holds 256 frames, so no more than [`WINDOW`] of them are under way at any moment, which is
//! as fast as this way can be driven; and the receiver's buffer has room for them all. What is then missing, somebody
//! has dropped.
//!
//! Between them come frames that both policies refuse, the one by its blocked set and the other by a rule. Every one of
//! them is classified anew, by the tables that an apply writes. Judged by a mix of both it would be let through.
//!
//! The policy has as many rules and prefixes as make an apply write tens of megabytes of tables, and no more than a
//! debug build compiles in a second or so.

use std::fmt::Write;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lab::daemon::counted;
use lab::wire::wait_until;
use lab::{Counter, internet};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use policy::Source;

use crate::peers::settle;

const DESTINATION: Ipv4Addr = internet::WEB_V4;
/// What neither policy lets anyone reach.
const REFUSED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 82);
const PORT: u16 = 7_777;
const APPLIES: usize = 4;
const RULES: u32 = 1_000;
const PREFIXES: u32 = 100_000;
/// Frames under way.
const WINDOW: u64 = 64;
/// A refused frame comes after so many others.
const REFUSED_ONE_IN: u64 = 4;
/// How long the next frame is waited for before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of two policies that share no prefix of a feed and no rule.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Its feed holds the refused destination.
    Blocks,
    /// A rule names it.
    Denies,
}

fn policy(which: Which) -> Source {
    let mut source = control::read_directory(crate::example()).unwrap();
    let prefecture = source.files.get_mut("prefecture.toml").unwrap();
    let text = String::from_utf8(prefecture.clone()).unwrap();
    let text = text.replacen("[sets]\n", "[sets]\nfeed = { file = \"sets/feed.netset\" }\n", 1);
    let both = text.replacen("sets = [\"threats\"]", "sets = [\"threats\", \"feed\"]", 1);
    assert_ne!(text, both, "the feed is blocked");
    *prefecture = both.into_bytes();

    // One half of each /24 from 20.0.0.0 on, so that one policy's neighbour is the other's prefix.
    let half = if which == Which::Blocks { 0 } else { 128 };
    let prefix = |number: u32| format!("{}/25\n", Ipv4Addr::from((20 << 24) + (number << 8) + half));
    let mut feed: String = (0..PREFIXES).map(prefix).collect();
    if which == Which::Blocks {
        let _ = writeln!(feed, "{REFUSED}");
    }
    source.files.insert("sets/feed.netset".to_owned(), feed.into_bytes());

    let mut town = "id = \"tsukihara\"\nname = \"月原村\"\n\
         attach = [{ port = \"lan0\", vlan = 103, address = [\"10.30.0.1/16\", \"2001:db8:103::1/64\"] }]\n\
         prefixes = [\"10.30.0.0/16\", \"2001:db8:103::/48\"]\n\
         [nat]\npool = [\"203.0.113.40\"]\n\
         [egress]\ndefault = \"deny\"\n"
        .to_owned();
    if which == Which::Denies {
        let _ = writeln!(town, "[[egress.rule]]\nname = \"refused\"\nto = [\"{REFUSED}\"]\naction = \"deny\"");
    }
    for number in 0..RULES {
        let to = Ipv4Addr::from((60 << 24) + (number << 8) + half);
        let _ = writeln!(
            town,
            "[[egress.rule]]\nname = \"r{number}\"\nto = [\"{to}/25\"]\nports = [\"tcp/{}\"]\naction = \"allow\"",
            1_000 + number
        );
    }
    let _ = writeln!(
        town,
        "[[egress.rule]]\nname = \"rest\"\nto = [\"198.51.100.0/24\"]\nports = [\"udp/{PORT}\"]\naction = \"allow\""
    );
    source.files.insert("municipalities/tsukihara.toml".to_owned(), town.into_bytes());
    source
}

#[test]
fn an_apply_in_a_flood_loses_nothing() {
    let lab = crate::lab();
    let daemon = lab.daemon().unwrap();
    let policies = [Which::Blocks, Which::Denies].map(policy);
    daemon.apply_files(policies[0].clone()).unwrap();
    let village = lab.site("tsukihara").unwrap();
    let from = village.v4().unwrap();
    let arrivals = |to: Ipv4Addr| {
        let wanted = format!("ip saddr 203.0.113.40 ip daddr {to} udp dport {PORT}");
        Counter::start(lab.internet().uplink(), &wanted).unwrap()
    };
    let (counted_arrivals, leaked) = (arrivals(DESTINATION), arrivals(REFUSED));
    let receiver = lab.internet().namespace().enter(|| Ok(receiver())).unwrap();
    let before = daemon.status().unwrap();

    let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
    let is_over = AtomicBool::new(false);
    let (refused, surprises) = std::thread::scope(|scope| {
        let (sent, received, is_over) = (&sent, &received, &is_over);
        let listening = scope.spawn(move || listen(&receiver, received, is_over));
        let sending =
            scope.spawn(move || village.namespace().enter(|| Ok(flood(from, sent, received, is_over))).unwrap());
        for round in 1..=APPLIES {
            daemon.apply_files(policies[round % 2].clone()).unwrap();
            // Every policy judges some.
            let so_far = sent.load(Ordering::Relaxed);
            wait_until(PATIENCE, || Ok(sent.load(Ordering::Relaxed) > so_far + 10 * WINDOW)).unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        let refused = sending.join().unwrap();
        (refused, listening.join().unwrap())
    });
    settle();
    let after = daemon.status().unwrap();
    let (sent, received) = (sent.into_inner(), received.into_inner());
    println!("{sent} frames arrived, {refused} were refused, during {APPLIES} applies");

    assert_eq!(after.generation, before.generation + APPLIES as u64);
    assert!(sent > 1_000 * APPLIES as u64, "the flood was one: {sent} frames");
    assert_eq!(surprises, Vec::<String>::new(), "every frame comes once and in turn");
    assert_eq!(received, sent, "every frame arrived");
    assert_eq!(counted_arrivals.packets().unwrap(), sent, "and no other");
    assert_eq!(leaked.packets().unwrap(), 0, "both policies refuse these");

    let difference = |verdict: &str, reason: &str| {
        let count = |status| counted(status, Some("tsukihara"), "egress", verdict, reason);
        count(&after) - count(&before)
    };
    let [blocked, denied] = [difference("drop", "blocked"), difference("drop", "rule")];
    assert!(blocked > 0 && denied > 0, "both policies judged: {blocked} blocked, {denied} denied");
    assert_eq!(blocked + denied, refused, "each was judged once, by one of both");
    // The first frame begins the flow.
    assert_eq!(difference("forward", "rule"), 1);
    assert_eq!(difference("forward", "established"), sent - 1);
    let exits = |status: &control::status::Status| {
        let rows = status.municipalities.iter().filter(|row| row.municipality.as_deref() == Some("tsukihara"));
        let egress = rows.flat_map(|row| &row.counters).filter(|counter| counter.direction == "egress");
        egress.filter(|counter| counter.verdict != "local").map(|counter| counter.packets).sum::<u64>()
    };
    assert_eq!(exits(&after) - exits(&before), sent + refused, "there is no other exit");
    assert_eq!(after.guard_drops, before.guard_drops);
    assert!(after.digest_matches);
}

fn receiver() -> UdpSocket {
    let socket = UdpSocket::bind((DESTINATION, PORT)).unwrap();
    // The kernel counts a page or more for each frame; the default would hold about a window.
    setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    socket
}

/// Reads until nothing more comes; answers what was not as it should be, a few at most.
fn listen(socket: &UdpSocket, received: &AtomicU64, is_over: &AtomicBool) -> Vec<String> {
    let mut surprises = Vec::new();
    let mut expected = 0;
    loop {
        let mut number = [0; 8];
        match socket.recv(&mut number) {
            Ok(length) => {
                let number = u64::from_be_bytes(number);
                if (length, number) != (8, expected) && surprises.len() < 10 {
                    surprises.push(format!("{length} bytes with number {number} in the place of {expected}"));
                }
                expected = number + 1;
                received.fetch_add(1, Ordering::Release);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if is_over.load(Ordering::Relaxed) {
                    return surprises;
                }
            }
            Err(error) => {
                surprises.push(error.to_string());
                return surprises;
            }
        }
    }
}

/// Sends numbered frames, as many at a time as the window allows, until told to stop or one is missing for too long;
/// answers how many were sent to where nobody may.
fn flood(from: IpAddr, sent: &AtomicU64, received: &AtomicU64, is_over: &AtomicBool) -> u64 {
    stay_on_one_cpu();
    let connected = |to: Ipv4Addr| {
        let socket = UdpSocket::bind((from, 0)).unwrap();
        socket.connect(SocketAddr::new(to.into(), PORT)).unwrap();
        socket
    };
    let (allowed, refused) = (connected(DESTINATION), connected(REFUSED));
    let mut refused_so_far = 0;
    for number in 0_u64.. {
        let waiting_since = Instant::now();
        while number - received.load(Ordering::Acquire) >= WINDOW {
            if waiting_since.elapsed() > PATIENCE {
                return refused_so_far;
            }
            std::thread::yield_now();
        }
        if is_over.load(Ordering::Relaxed) {
            return refused_so_far;
        }
        allowed.send(&number.to_be_bytes()).unwrap();
        sent.store(number + 1, Ordering::Relaxed);
        if number % REFUSED_ONE_IN == 0 {
            refused.send(&number.to_be_bytes()).unwrap();
            refused_so_far += 1;
        }
    }
    refused_so_far
}

/// The switch of the lab has a queue on every CPU: a sender that moves could overtake itself.
fn stay_on_one_cpu() {
    let this = Pid::from_raw(0);
    let allowed = sched_getaffinity(this).unwrap();
    let first = (0..CpuSet::count()).find(|cpu| allowed.is_set(*cpu).unwrap()).unwrap();
    let mut only = CpuSet::new();
    only.set(first).unwrap();
    sched_setaffinity(this, &only).unwrap();
}
