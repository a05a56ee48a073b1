//! Isolation and indicators over connections that are established: bytes are counted at the far end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::internet::{DNS_V4, DNS_V6, WEB_V4};
use lab::process::text;
use lab::{Lab, Site, Stream};

/// Anybody's, and not one of the lab's own servers; everybody may use TCP port 53 towards them.
const SERVERS: [&str; 2] = ["198.51.100.90:53", "[2001:db8:ffff::90]:53"];
/// Within which an order is in force.
const SECOND: Duration = Duration::from_secs(1);
/// For which nothing must arrive then.
const QUIET: Duration = Duration::from_millis(1_500);
/// A sender that heard nothing for a while takes as long again to try.
const AGAIN: Duration = Duration::from_secs(20);

/// One endless connection in each family.
fn streams(lab: &Lab, site: &Site) -> [Stream; 2] {
    SERVERS.map(|server| {
        let server: SocketAddr = server.parse().unwrap();
        let source = if server.is_ipv4() { site.v4().unwrap() } else { site.v6().unwrap() };
        Stream::start(site.namespace(), source, lab.internet().namespace(), server).unwrap()
    })
}

fn assert_silent(streams: &[Stream], when: &str) {
    std::thread::sleep(SECOND);
    let before: Vec<u64> = streams.iter().map(Stream::received).collect();
    std::thread::sleep(QUIET);
    let after: Vec<u64> = streams.iter().map(Stream::received).collect();
    assert_eq!(before, after, "{when}: bytes arrived a second after the order");
}

fn assert_alive(streams: &[Stream], when: &str) {
    for stream in streams {
        assert!(stream.goes_on(AGAIN).unwrap(), "{when}: the connection does not go on");
    }
}

fn answers(site: &Site, address: impl Into<IpAddr>) -> bool {
    let ping = format!("ping -n -c 2 -i 0.2 -W 1 {}", address.into());
    !text(&site.namespace().attempt(&ping).unwrap().stdout).contains(" 0 received")
}

#[test]
fn isolation_cuts_what_is_established_and_outlives_the_daemon() {
    let mut lab = crate::lab();
    let town = lab.site("shirakaba").unwrap();
    let streams = streams(&lab, town);
    let daemon = lab.daemon().unwrap();
    let since = daemon.events().mark();
    let said = daemon.order(&["isolate", "shirakaba", "--because", "漏えいの疑い"]).unwrap();
    assert!(said.contains("isolate shirakaba: in force"), "{said}");
    assert_silent(&streams, "isolated");
    assert!(answers(town, DNS_V4) && answers(town, DNS_V6), "what is essential stays open");
    assert!(!answers(town, WEB_V4), "nothing else does");
    let twin = lab.site("shiomi").unwrap();
    assert!(answers(twin, WEB_V4), "the town with the same addresses is left alone");
    let dropped = daemon.events().wait(since, |line| line.reason == "isolated").unwrap().expect("a drop is told");
    assert_eq!(dropped.municipality.as_deref(), Some("shirakaba"));
    let deed = daemon.events().wait(since, |line| line.audit.is_some()).unwrap().expect("the deed is told");
    let audit = deed.audit.unwrap();
    assert_eq!((audit.did.as_str(), audit.target.as_deref()), ("isolate", Some("shirakaba")));
    assert_eq!((audit.because.as_deref(), audit.result.as_str(), audit.who.uid), (Some("漏えいの疑い"), "done", 0));
    assert!(audit.who.pid.is_some());

    daemon.apply(&crate::example()).unwrap();
    assert_silent(&streams, "a policy was applied");
    lab.daemon_mut().unwrap().kill().unwrap();
    assert_silent(&streams, "the daemon is dead");
    lab.start_daemon().unwrap();
    let daemon = lab.daemon().unwrap();
    assert_silent(&streams, "the daemon is back");
    let status = daemon.status().unwrap();
    assert!(status.digest_matches);
    assert_eq!(status.isolations.iter().map(|it| it.target.to_string()).collect::<Vec<_>>(), ["shirakaba"]);
    assert!(daemon.order(&["isolate", "--list"]).unwrap().contains("漏えいの疑い"));
    let explained = daemon.order(&["explain", "--port", "lan0.102", "tcp 10.10.0.7:5000 > 198.51.100.80:443"]).unwrap();
    assert!(
        explained.contains("drop, isolated") && explained.contains("by command: isolation of shirakaba"),
        "{explained}"
    );
    let metrics = lab.gateway().run(&format!("curl --silent {}/metrics", lab::daemon::METRICS)).unwrap();
    assert!(text(&metrics.stdout).contains("bangasa_isolations{municipality=\"shirakaba\"} 1"));

    let refusal = daemon.refusal(&["release", "shiomi", "--because", "a slip"]).unwrap();
    assert!(refusal.contains("isolated are `shirakaba`"), "{refusal}");
    daemon.order(&["release", "shirakaba", "--because", "対応完了"]).unwrap();
    let town = lab.site("shirakaba").unwrap();
    assert_alive(&streams, "released");
    assert!(answers(town, WEB_V4));
    assert_eq!(lab.daemon().unwrap().status().unwrap().isolations, []);
}

#[test]
fn an_isolation_ends_by_itself_whether_or_not_the_daemon_sees_it() {
    let mut lab = crate::lab();
    let streams = streams(&lab, lab.site("shirakaba").unwrap());
    let daemon = lab.daemon().unwrap();
    let host = lab.site("shirakaba").unwrap().v4().unwrap().to_string();
    // Two ends; the second outlives the first.
    let part = format!("shirakaba/{host}");
    daemon.order(&["isolate", &part, "--because", "for a while", "--for", "5s"]).unwrap();
    assert_silent(&streams[..1], "the terminal is isolated");
    assert_alive(&streams[1..], "its other address is not");
    assert_alive(&streams[..1], "five seconds are over");
    let listed = daemon.order(&["isolate", "--list", "--json"]).unwrap();
    assert_eq!(listed, "", "nobody is isolated any more");

    daemon.order(&["isolate", "all", "--because", "everybody", "--for", "4s"]).unwrap();
    assert_silent(&streams, "everybody is isolated");
    lab.daemon_mut().unwrap().kill().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_silent(&streams, "nobody is there to end it");
    lab.start_daemon().unwrap();
    assert_alive(&streams, "the daemon is back, and the time is over");
}

#[test]
fn an_indicator_cuts_everybody_from_an_address_both_ways() {
    let lab = crate::lab();
    let (town, village) = (lab.site("shirakaba").unwrap(), lab.site("tsukihara").unwrap());
    let streams = streams(&lab, town);
    let daemon = lab.daemon().unwrap();
    for (prefix, why) in [
        ("198.51.100.53", "essential service"),
        ("192.0.2.2", "the gateway itself"),
        ("10.30.0.0/16", "municipality `tsukihara`"),
        ("64.0.0.0/7", "more than a /8"),
        ("198.51.100.1/24", "bits set"),
    ] {
        let refusal = daemon.refusal(&["block", "add", prefix, "--because", "a slip"]).unwrap();
        assert!(refusal.contains(why), "{prefix}: {refusal}");
    }
    let since = daemon.events().mark();
    let prefixes = ["198.51.100.90", "2001:db8:ffff::90"];
    daemon.order(&["block", "add", prefixes[0], prefixes[1], "--because", "漏えい先"]).unwrap();
    assert_silent(&streams, "blocked");
    for prefix in prefixes {
        let address: IpAddr = prefix.parse().unwrap();
        assert!(!answers(village, address), "{prefix} is blocked for everybody");
    }
    assert!(answers(village, WEB_V4));
    for direction in ["egress", "ingress"] {
        let wanted = |line: &lab::Line| line.set.as_deref() == Some("+indicators") && line.direction == direction;
        let told = daemon.events().wait(since, wanted).unwrap();
        // What the far end acknowledges comes back for a while.
        assert!(told.is_some_and(|line| line.reason == "blocked"), "{direction}");
    }
    let packet = "udp 10.30.0.7:5000 > 198.51.100.90:53";
    let explained = daemon.order(&["explain", "--port", "lan0.103", packet]).unwrap();
    assert!(explained.contains("set `+indicators`") && explained.contains("漏えい先"), "{explained}");
    let example = crate::example();
    let offline = ["explain", "--policy", example.to_str().unwrap(), "--port", "lan0.103", packet];
    assert!(daemon.order(&offline).unwrap().contains("not looked at"));
    assert_eq!(daemon.order(&["block", "list", "--json"]).unwrap().lines().count(), 2);
    let refusal = daemon.refusal(&["block", "remove", prefixes[0], "198.51.100.1", "--because", "a slip"]).unwrap();
    assert!(refusal.contains("`198.51.100.1/32`"), "{refusal}");
    daemon.order(&["block", "remove", prefixes[0], prefixes[1], "--because", "taken down"]).unwrap();
    assert_alive(&streams, "unblocked");
}
