//! From the Internet to published addresses: the first packet waits for the neighbour, large bodies are whole in both
//! directions, and what is too big for the trunk is answered before anybody inside has spoken.

use std::net::IpAddr;

use lab::internet::{ROUTER_V4, WEB_V4, WEB_V6};
use lab::{Counter, Lab};

use crate::peers::{Service, converse, count, noise, settle};

const CITY: &str = "shiomi";
const SITES: [&str; 2] = ["203.0.113.10", "2001:db8:101::80"];

fn sites() -> [(IpAddr, IpAddr); 2] {
    let [v4, v6] = SITES.map(|site| site.parse().unwrap());
    [(WEB_V4.into(), v4), (WEB_V6.into(), v6)]
}

#[test]
fn the_first_packet_for_an_unknown_neighbour_is_not_lost() {
    let lab = crate::lab();
    let guarded = lab.daemon().unwrap().status().unwrap().guard_drops;
    let site = lab.site(CITY).unwrap();
    let inside = lab.municipality_namespace(CITY);
    for (client, server) in sites() {
        let _mirror = Service::mirror(site.namespace(), (server, 443).into(), "city ");
        let family = if server.is_ipv4() { "ip" } else { "ip6" };
        let syns = format!("{family} daddr {server} tcp flags & (syn|ack) == syn");
        for _ in 0..3 {
            inside.ip("neigh flush dev lan0.101\n").unwrap();
            let arrived = Counter::start(site.device(), &syns).unwrap();
            let answer =
                converse(lab.internet().namespace(), (client, 0).into(), (server, 443).into(), b"hello").unwrap();
            assert_eq!(answer, b"city hello");
            assert_eq!(arrived.packets().unwrap(), 1, "one SYN to {server}: it was not sent again");
        }
    }
    assert_eq!(lab.daemon().unwrap().status().unwrap().guard_drops, guarded);
}

#[test]
fn large_bodies_are_whole_in_both_directions() {
    let lab = crate::lab();
    let site = lab.site(CITY).unwrap();
    // As hosts are: their kernels merge what they receive. What they send must be finished frames, since a veth's other
    // end runs XDP and no hardware finishes them.
    site.namespace().run("ethtool -K eth0 gro on").unwrap();
    let bytes = noise(12_345_677);
    for (client, server) in sites() {
        let _mirror = Service::mirror(site.namespace(), (server, 443).into(), "");
        let back = converse(lab.internet().namespace(), (client, 0).into(), (server, 443).into(), &bytes).unwrap();
        assert!(back == bytes, "{server}: {} bytes of {}", back.len(), bytes.len());
    }
    assert_eq!(count(&lab, CITY, "ingress", "drop", "bad_state"), 0);
    assert_eq!(count(&lab, CITY, "egress", "drop", "bad_state"), 0);
}

#[test]
fn too_big_for_the_trunk_is_said_to_the_internet_even_about_a_new_flow() {
    let mut lab = Lab::build(&crate::example()).unwrap();
    for namespace in [lab.gateway(), lab.switch().namespace()] {
        namespace.ip("link set lan0 mtu 1400\n").unwrap();
    }
    lab.start_daemon().unwrap();
    let site = lab.site(CITY).unwrap();
    let internet = lab.internet().namespace();
    for (client, server) in sites() {
        let (echo, error, gateway) = if server.is_ipv4() {
            ("icmp type echo-request", "icmp type destination-unreachable icmp code 4", "192.0.2.2")
        } else {
            ("icmpv6 type echo-request", "icmpv6 type packet-too-big", "2001:db8:fffe::2")
        };
        let arrived = Counter::start(site.device(), echo).unwrap();
        let told = Counter::start(lab.internet().uplink(), error).unwrap();
        let headers = if server.is_ipv4() { 28 } else { 48 };
        let ping = |size: u32| {
            let line = format!("ping -n -c 1 -W 1 -M do -I {client} -s {} {server}", size - headers);
            lab::process::text(&internet.attempt(&line).unwrap().stdout)
        };
        let before = count(&lab, CITY, "ingress", "local", "too_big");
        let said = ping(1_401);
        assert!(said.contains(&format!("From {gateway} ")) && said.contains("1400"), "{said}");
        assert_eq!((arrived.packets().unwrap(), told.packets().unwrap()), (0, 1));
        assert_eq!(count(&lab, CITY, "ingress", "local", "too_big") - before, 1);
        assert!(ping(1_400).contains(" 1 received"), "what fits passes");
        internet.run(&format!("ip {} route flush cache", lab::link::family(server))).unwrap();
        let said = ping(1_401);
        assert!(said.contains("1400"), "a flow that both have spoken in: {said}");
        assert_eq!(arrived.packets().unwrap(), 1);
    }
    // Without "do not fragment" it is cut.
    site.namespace().ip("link set eth0 mtu 1400\n").unwrap();
    let pieces = Counter::start(site.device(), "ip frag-off & 0x3fff != 0").unwrap();
    let line = format!("ping -n -c 2 -i 0.2 -W 1 -M dont -I {WEB_V4} -s 1400 {}", SITES[0]);
    let said = lab::process::text(&internet.attempt(&line).unwrap().stdout);
    settle();
    assert!(said.contains(" 2 received"), "{said} ({ROUTER_V4})");
    assert_eq!(pieces.packets().unwrap(), 4);
}
