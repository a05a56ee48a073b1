//! ICMP errors from the Internet about translated flows: the client's kernel believes them, so addresses, ports and
//! checksums of error and quote are right.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use lab::Counter;
use lab::internet::{ROUTER_V4, ROUTER_V6, WEB_V4, WEB_V6};
use lab::process::text;

use crate::peers::{Far, Service, addresses, ask, ask_within, converse, count, noise};

const TOWN: &str = "shirakaba";

/// An expression for ICMP errors of one kind that arrive from `sender`.
fn errors(sender: IpAddr, kind: &str) -> String {
    if sender.is_ipv4() {
        format!("ip saddr {sender} icmp type {kind}")
    } else {
        format!("ip6 saddr {sender} icmpv6 type {kind}")
    }
}

#[test]
fn a_closed_port_is_refused_at_the_client() {
    let lab = crate::lab();
    // Behind one VLAN tag, and behind two.
    for id in [TOWN, "kazahaya"] {
        let site = lab.site(id).unwrap();
        for (from, server) in addresses(site).into_iter().zip([IpAddr::from(WEB_V4), WEB_V6.into()]) {
            let arrivals = Counter::start(site.device(), &errors(server, "destination-unreachable")).unwrap();
            let before = count(&lab, id, "ingress", "forward", "related");
            for payload in [1, 2, 700] {
                let error = ask(site.namespace(), from, SocketAddr::new(server, 53), &noise(payload)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{id} {server} {payload}: {error}");
            }
            assert_eq!(arrivals.packets().unwrap(), 3, "{id} {server}");
            assert_eq!(count(&lab, id, "ingress", "forward", "related") - before, 3);
        }
        assert_eq!(count(&lab, id, "ingress", "drop", "bad_state"), 0);
    }
}

#[test]
fn every_hop_answers_a_traceroute() {
    let lab = crate::lab();
    let far = Far::behind(&lab, 1_500);
    let _echoes = [IpAddr::from(Far::V4), Far::V6.into()].map(|ip| Service::echo(&far.namespace, (ip, 443).into()));
    let site = lab.site(TOWN).unwrap();
    let servers = [(IpAddr::from(Far::V4), IpAddr::from(ROUTER_V4)), (Far::V6.into(), ROUTER_V6.into())];
    for (from, (server, router)) in addresses(site).into_iter().zip(servers) {
        for (hops, hop) in [(1, site.gateway(from).unwrap()), (2, router)] {
            let arrivals = Counter::start(site.device(), &errors(hop, "time-exceeded")).unwrap();
            let error = ask_within(site.namespace(), (from, 0).into(), (server, 443).into(), b"hop", hops).unwrap_err();
            assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EHOSTUNREACH as i32), "{server} {hops}: {error}");
            assert_eq!(arrivals.packets().unwrap(), 1, "{hops} hops to {server}: {hop} says so");
            let ping = site.namespace().attempt(&format!("ping -n -c 1 -W 2 -t {hops} {server}")).unwrap();
            let ping = text(&ping.stdout);
            assert!(ping.contains(&format!("From {hop} ")) && ping.contains("xceeded"), "{ping}");
            assert_eq!(arrivals.packets().unwrap(), 2, "{hops} hops to {server}: {hop} says so to echo too");
        }
        let answer = ask_within(site.namespace(), (from, 0).into(), (server, 443).into(), b"hop", 3).unwrap();
        assert_eq!(answer, b"hop", "the third hop is the server");
    }
}

#[test]
fn a_smaller_mtu_on_the_way_is_learnt() {
    let lab = crate::lab();
    let far = Far::behind(&lab, 1_300);
    let since = lab.daemon().unwrap().events().mark();
    for id in [TOWN, "kazahaya"] {
        let site = lab.site(id).unwrap();
        for (from, server) in addresses(site).into_iter().zip([IpAddr::from(Far::V4), Far::V6.into()]) {
            let _echo = Service::echo(&far.namespace, (server, 443).into());
            let _mirror = Service::mirror(&far.namespace, (server, 443).into(), "");
            let forget = || {
                for namespace in [site.namespace(), &far.namespace] {
                    namespace.run(&format!("ip {} route flush cache", lab::link::family(from))).unwrap();
                }
            };
            forget();
            // TCP first: nobody knows the path yet, and the middle of its segments is too big.
            let bytes = noise(2_000_001);
            let back = converse(site.namespace(), (from, 0).into(), (server, 443).into(), &bytes).unwrap();
            assert!(back == bytes, "{id} {server}: {} bytes of {}", back.len(), bytes.len());
            // A datagram whose fragments are too big for the uplink first, and then for the link behind it. Linux
            // forbids fragments on the way while it looks for the MTU, and says so once for each link.
            for size in [1_380, 4_000] {
                forget();
                let asked = noise(size);
                let answers: Vec<_> =
                    (0..4).map(|_| ask(site.namespace(), from, (server, 443).into(), &asked)).collect();
                assert!(answers[3].as_ref().is_ok_and(|answer| *answer == asked), "{id} {server} {size}: {answers:?}");
                let silent = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
                assert!(
                    !answers.iter().any(|answer| answer.as_ref().is_err_and(silent)),
                    "{id} {server} {size}: nothing vanishes untold: {:?}",
                    answers.iter().map(|answer| answer.as_ref().map(Vec::len)).collect::<Vec<_>>()
                );
            }
        }
        crate::peers::settle();
        // Of the two fragments that the router found too big, the later one tells nobody whose it is.
        let lost = lab
            .daemon()
            .unwrap()
            .events()
            .since(since, |line| line.reason == "bad_state" && line.municipality.as_deref() == Some(id));
        let about_a_later_one =
            |line: &lab::Line| line.source.as_deref() == Some(&ROUTER_V6.to_string()) && line.icmp_type == Some(2);
        assert!(lost.len() <= 1 && lost.iter().all(about_a_later_one), "every other error found its flow: {lost:#?}");
        assert_eq!(count(&lab, id, "ingress", "drop", "bad_state"), lost.len() as u64);
    }
}
