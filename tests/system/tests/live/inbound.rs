//! Published ports that stand for an inside server's: real clients on the Internet, a real server in a town, whose kernels
//! verify every checksum. Packets are counted on both sides of the translation.

use std::io::ErrorKind;
use std::net::SocketAddr;

use control::Holder;
use lab::internet::{ROUTER_V4, WEB_V4};
use lab::{Counter, Lab, process};

use crate::peers::{Far, Service, ask, converse, count, noise, settle};

const TOWN: &str = "shiomi";
const PUBLIC: &str = "203.0.113.16:443";
const SERVER: &str = "10.10.1.10:8443";
/// The same inside address in the town that shares them all, behind an address of its own.
const TWIN: &str = "shirakaba";
const TWINS_PUBLIC: &str = "203.0.113.32:443";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn who(lab: &Lab, public: &str, protocol: &str) -> Holder {
    let output =
        process::run(&mut lab.daemon().unwrap().bangasa(["who", public, "--proto", protocol, "--json"]).unwrap());
    serde_json::from_slice(&output.unwrap().stdout).unwrap()
}

#[test]
fn the_internet_reaches_the_server_by_its_public_address_alone() {
    let lab = crate::lab();
    let site = lab.site(TOWN).unwrap();
    site.own(at(SERVER).ip()).unwrap();
    let internet = lab.internet().namespace();
    let _mirror = Service::mirror(site.namespace(), at(SERVER), "portal ");
    let _echo = Service::echo(site.namespace(), at(SERVER));
    let since = lab.daemon().unwrap().events().mark();

    let syns =
        Counter::start(site.device(), "ip daddr 10.10.1.10 tcp dport 8443 tcp flags & (syn|ack) == syn").unwrap();
    let answers = Counter::start(lab.internet().uplink(), "ip saddr 203.0.113.16 tcp sport 443").unwrap();
    let leaks = Counter::start(lab.internet().uplink(), "ip saddr 10.0.0.0/8").unwrap();
    let bytes = noise(3_000_001);
    let back = converse(internet, (WEB_V4, 0).into(), at(PUBLIC), &bytes).unwrap();
    assert!(back == [b"portal ", &*bytes].concat(), "{} bytes came back", back.len());
    assert_eq!(syns.packets().unwrap(), 1, "one connection");
    assert!(answers.packets().unwrap() > 0, "the answers carry the public address");

    // Datagrams, whole and in fragments both ways; the server sees each once, and so does who asked.
    let asked = Counter::start(site.device(), "ip daddr 10.10.1.10 udp dport 8443").unwrap();
    let answered = Counter::start(lab.internet().uplink(), "ip saddr 203.0.113.16 udp sport 443").unwrap();
    for size in [1, 700, 1_426, 1_473, 9_001] {
        let answer = ask(internet, WEB_V4.into(), at(PUBLIC), &noise(size));
        let answer = answer.unwrap_or_else(|error| panic!("{size} bytes: {error}"));
        assert!(answer == noise(size), "{size} bytes");
    }
    assert_eq!((asked.packets().unwrap(), answered.packets().unwrap()), (5, 5), "first fragments have the ports");
    assert_eq!(leaks.packets().unwrap(), 0, "no inside address is seen outside");
    for (direction, reason) in
        [("ingress", "fragment_unmatched"), ("egress", "fragment_unmatched"), ("egress", "bad_state")]
    {
        assert_eq!(count(&lab, TOWN, direction, "drop", reason), 0, "{direction} {reason}");
    }

    // Neither by its own address nor by a port that is not mapped.
    for closed in [SERVER, "203.0.113.16:8443", "203.0.113.16:80"] {
        assert!(converse(internet, (WEB_V4, 0).into(), at(closed), b"hello").is_err(), "{closed}");
    }
    assert_eq!(syns.packets().unwrap(), 1);

    settle();
    let events = lab.daemon().unwrap().events();
    let began = events.since(since, |line| line.new_flow == Some(true) && line.destination_port == Some(443));
    let told = began.iter().find(|line| line.protocol == Some(6)).expect("the connection is told");
    assert_eq!((told.municipality.as_deref(), told.rule.as_deref()), (Some(TOWN), Some("住民ポータル")));
    assert_eq!((told.public_address.as_deref(), told.public_port), (Some("203.0.113.16"), Some(443)));
    for protocol in ["tcp", "udp"] {
        let found = who(&lab, PUBLIC, protocol);
        assert_eq!((&*found.what, &*found.municipality), ("inbound", TOWN));
        assert_eq!((found.client, found.inside_port), (Some(at(SERVER).ip()), Some(8_443)));
        assert!(found.location.unwrap().starts_with("municipalities/shiomi.toml:"));
    }
}

#[test]
fn errors_about_it_are_believed_on_both_sides() {
    let lab = crate::lab();
    let site = lab.site(TOWN).unwrap();
    site.own(at(SERVER).ip()).unwrap();
    // Nobody listens: the server's kernel says so, and the client's believes it.
    let refused = Counter::start(lab.internet().uplink(), "ip saddr 203.0.113.16 icmp type destination-unreachable");
    let refused = refused.unwrap();
    for payload in [1, 700] {
        let error = ask(lab.internet().namespace(), WEB_V4.into(), at(PUBLIC), &noise(payload)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{payload}: {error}");
    }
    assert_eq!(refused.packets().unwrap(), 2);

    // A router on the way back has a smaller link: the server's kernel learns of it and sends less.
    let far = Far::behind(&lab, 1_300);
    let _echo = Service::echo(site.namespace(), at(SERVER));
    let told = format!("ip saddr {ROUTER_V4} ip daddr 10.10.1.10 icmp type destination-unreachable icmp code 4");
    let told = Counter::start(site.device(), &told).unwrap();
    let to_far = |bytes: &[u8]| ask(&far.namespace, Far::V4.into(), at(PUBLIC), bytes);
    assert!(to_far(&noise(1_400)).is_err(), "the first answer is too big");
    assert_eq!(told.packets().unwrap(), 1);
    assert_eq!(to_far(&noise(1_400)).unwrap(), noise(1_400), "the second one comes in pieces");
    assert_eq!(told.packets().unwrap(), 1);
}

#[test]
fn a_server_that_is_cut_off_is_not_reached_and_twins_have_their_own() {
    let lab = crate::lab();
    let daemon = lab.daemon().unwrap();
    let mut files = control::read_directory(crate::example()).unwrap();
    let text = files.files.get_mut("municipalities/shirakaba.toml").unwrap();
    text.extend_from_slice(
        b"[[nat.inbound]]\nname = \"twin\"\npublic = \"203.0.113.32\"\nports = [\"tcp/443\"]\nto = \"10.10.1.10:8443\"\n\
          [[ingress.rule]]\nname = \"twin\"\nto = [\"203.0.113.32\"]\nports = [\"tcp/443\"]\naction = \"allow\"\n",
    );
    daemon.apply_files(files).unwrap();
    let internet = lab.internet().namespace();
    let sites = [TOWN, TWIN].map(|id| lab.site(id).unwrap());
    let _mirrors = sites.map(|site| {
        site.own(at(SERVER).ip()).unwrap();
        Service::mirror(site.namespace(), at(SERVER), &site.municipality)
    });
    let reach = |public: &str| converse(internet, (WEB_V4, 0).into(), at(public), b"?");
    assert_eq!(reach(PUBLIC).unwrap(), b"shiomi?");
    assert_eq!(reach(TWINS_PUBLIC).unwrap(), b"shirakaba?");
    assert_eq!(who(&lab, TWINS_PUBLIC, "tcp").municipality, TWIN);

    let since = daemon.events().mark();
    let arrivals = sites.map(|site| Counter::start(site.device(), "ip daddr 10.10.1.10 tcp dport 8443").unwrap());
    daemon.order(&["isolate", "shiomi/10.10.1.10", "--because", "漏えいの疑い"]).unwrap();
    assert!(reach(PUBLIC).is_err());
    assert_eq!(reach(TWINS_PUBLIC).unwrap(), b"shirakaba?", "the twin's server is another one");
    assert_eq!(arrivals[0].packets().unwrap(), 0);
    assert!(arrivals[1].packets().unwrap() > 0);
    let dropped = daemon.events().wait(since, |line| line.reason == "isolated").unwrap().expect("a drop is told");
    assert_eq!((dropped.municipality.as_deref(), dropped.destination.as_deref()), (Some(TOWN), Some("203.0.113.16")));
    daemon.order(&["release", "shiomi/10.10.1.10", "--because", "点検済み"]).unwrap();
    assert_eq!(reach(PUBLIC).unwrap(), b"shiomi?");
}
