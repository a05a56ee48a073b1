//! Between municipalities, and within one, by public addresses: the far side sees the caller's public address and judges it
//! as the Internet. Private addresses reach nobody. Packets are counted where they arrive.

use std::net::{IpAddr, SocketAddr};

use lab::{Counter, Lab};

use crate::peers::{Service, ask, converse, count, noise, settle};

/// Whose server is published, a town that calls it and has the same inside addresses, and one that nobody calls.
const SERVES: &str = "shiomi";
const OTHER: &str = "tsukihara";
const TWIN: &str = "shirakaba";
/// Ports that the example's rules let clients call uninspected, and what stands behind them.
const MAPPED: &str = "203.0.113.16:53";
const SERVER: &str = "10.10.1.10:5353";
const SITE_V6: &str = "[2001:db8:101::80]:53";

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A lab whose server answers names, at an address that is mapped and at its very own.
fn lab() -> Lab {
    let lab = crate::lab();
    let mut files = control::read_directory(crate::example()).unwrap();
    let text = files.files.get_mut("municipalities/shiomi.toml").unwrap();
    let file = String::from_utf8(std::mem::take(text)).unwrap();
    let rule = "[[ingress.rule]]\nname = \"names\"\nto = [\"203.0.113.16\", \"2001:db8:101::80\"]\n\
                ports = [\"tcp/53\", \"udp/53\"]\naction = \"allow\"\n\n[[ingress.rule]]\nname = \"mail-in\"";
    let mapping = "[[nat.inbound]]\nname = \"names\"\npublic = \"203.0.113.16\"\nports = [\"tcp/53\", \"udp/53\"]\n\
                   to = \"10.10.1.10:5353\"\n\n# Named parts";
    *text = file.replacen("[[ingress.rule]]\nname = \"mail-in\"", rule, 1).replacen("# Named parts", mapping, 1).into();
    // Else no packet for a private address would come as far as the question where it leads.
    let text = files.files.get_mut("prefecture.toml").unwrap();
    let file = String::from_utf8(std::mem::take(text)).unwrap();
    *text = file.replacen("to = [\"@private\"]", "to = [\"192.168.99.0/24\"]", 1).into();
    lab.daemon().unwrap().apply_files(files).unwrap();
    lab.site(SERVES).unwrap().own(at(SERVER).ip()).unwrap();
    lab
}

fn pool(lab: &Lab, id: &str) -> Vec<String> {
    let town = lab.policy().municipalities.iter().find(|town| town.id == id).unwrap();
    town.nat_pool.iter().map(ToString::to_string).collect()
}

#[test]
fn a_town_reaches_anothers_server_and_its_own_by_the_public_address() {
    let lab = lab();
    let serves = lab.site(SERVES).unwrap();
    let _mirrors = [at(SERVER), at(SITE_V6)].map(|server| Service::mirror(serves.namespace(), server, "names "));
    let _echoes = [at(SERVER), at(SITE_V6)].map(|server| Service::echo(serves.namespace(), server));
    let outside = Counter::start(lab.internet().uplink(), "ip daddr 203.0.113.16").unwrap();
    for id in [TWIN, SERVES] {
        let calls = lab.site(id).unwrap();
        let since = lab.daemon().unwrap().events().mark();
        let publics = pool(&lab, id).join(", ");
        let arrived =
            format!("ip saddr {{ {publics} }} ip daddr 10.10.1.10 tcp dport 5353 tcp flags & (syn|ack) == syn");
        let arrived = Counter::start(serves.device(), &arrived).unwrap();
        let unseen =
            Counter::start(serves.device(), "ip saddr 10.10.0.0/16 ip daddr 10.10.1.10 ip protocol { tcp, udp }")
                .unwrap();
        let asked = Counter::start(serves.device(), "udp dport { 53, 5353 }").unwrap();
        let (v4, v6) = (calls.v4().unwrap(), calls.v6().unwrap());
        let bytes = noise(1_000_003);
        for (from, to) in [(v4, MAPPED), (v6, SITE_V6)] {
            if id == SERVES && from.is_ipv6() {
                // On the very segment; nothing leaves it.
                continue;
            }
            let back = converse(calls.namespace(), (from, 0).into(), at(to), &bytes);
            let back = back.unwrap_or_else(|error| panic!("{id} to {to}: {error}"));
            assert!(back == [b"names ", &*bytes].concat(), "{id} to {to}: {} bytes", back.len());
            for size in [1, 1_300] {
                let answer = ask(calls.namespace(), from, at(to), &noise(size));
                assert!(answer.unwrap_or_else(|error| panic!("{id} {to} {size}: {error}")) == noise(size), "{id} {to}");
            }
        }
        let families = if id == SERVES { 1 } else { 2 };
        assert_eq!(
            (arrived.packets().unwrap(), unseen.packets().unwrap()),
            (1, 0),
            "{id} is seen by its public address"
        );
        assert_eq!(asked.packets().unwrap(), 2 * families, "{id}: each datagram once");
        settle();
        let began = lab.daemon().unwrap().events().since(since, |line| line.new_flow == Some(true));
        let told = |municipality: &str, direction: &str| {
            let is_it = |line: &&control::Line| line.municipality.as_deref() == Some(municipality);
            began.iter().filter(is_it).filter(|line| line.direction == direction).count() as u64
        };
        assert_eq!((told(id, "egress"), told(SERVES, "ingress")), (3 * families, 3 * families), "both sides tell");
    }
    assert_eq!(outside.packets().unwrap(), 0, "nothing took the way by the Internet");
    assert_eq!(count(&lab, SERVES, "ingress", "drop", "spoofed_source"), 0);
}

#[test]
fn rules_of_the_far_side_decide_and_private_addresses_stay_unreachable() {
    let lab = lab();
    let serves = lab.site(SERVES).unwrap();
    let arrived = Counter::start(serves.device(), "ip daddr 10.10.1.10").unwrap();
    let site = lab.site(TWIN).unwrap();
    let from: IpAddr = site.v4().unwrap();
    // A public port that shiomi opens to nobody: shiomi's default, not the caller's rules.
    let before = count(&lab, SERVES, "ingress", "drop", "default_deny");
    assert!(converse(site.namespace(), (from, 0).into(), at("203.0.113.17:53"), b"?").is_err());
    assert!(count(&lab, SERVES, "ingress", "drop", "default_deny") > before);
    // A private address of somebody else's.
    let other = lab.site(OTHER).unwrap().v4().unwrap();
    let before = count(&lab, TWIN, "egress", "drop", "no_route");
    assert!(converse(site.namespace(), (from, 0).into(), (other, 53).into(), b"?").is_err());
    assert!(count(&lab, TWIN, "egress", "drop", "no_route") > before, "{other}");
    assert_eq!(arrived.packets().unwrap(), 0);
}

#[test]
fn a_restart_keeps_the_hairpin_and_cut_off_holds_on_both_sides() {
    // By the example's own mapping, which a daemon that starts applies again.
    let mut lab = crate::lab();
    let (public, server) = (at("203.0.113.16:443"), at("10.10.1.10:8443"));
    let reach = |lab: &Lab| {
        let site = lab.site(TWIN).unwrap();
        converse(site.namespace(), (site.v4().unwrap(), 0).into(), public, b"?")
    };
    lab.site(SERVES).unwrap().own(server.ip()).unwrap();
    let _mirror = Service::mirror(lab.site(SERVES).unwrap().namespace(), server, "");
    assert_eq!(reach(&lab).unwrap(), b"?");
    lab.daemon_mut().unwrap().kill().unwrap();
    assert_eq!(reach(&lab).unwrap(), b"?", "without a daemon");
    lab.start_daemon().unwrap();
    assert_eq!(reach(&lab).unwrap(), b"?", "with the next one");
    for cut_off in ["shiomi/10.10.1.10", "shirakaba"] {
        let daemon = lab.daemon().unwrap();
        daemon.order(&["isolate", cut_off, "--because", "漏えいの疑い"]).unwrap();
        assert!(reach(&lab).is_err(), "{cut_off}");
        daemon.order(&["release", cut_off, "--because", "点検済み"]).unwrap();
        assert_eq!(reach(&lab).unwrap(), b"?");
    }
}
