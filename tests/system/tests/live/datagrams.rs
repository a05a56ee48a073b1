//! Large datagrams, in fragments both ways, through NAT and IPv6, behind one tag and two.

use std::net::IpAddr;

use lab::Counter;
use lab::internet::{WEB_V4, WEB_V6};
use lab::process::text;

use crate::peers::{Service, addresses, ask, count, noise};

#[test]
fn datagrams_larger_than_any_link_arrive_whole() {
    let lab = crate::lab();
    let internet = lab.internet().namespace();
    let servers = [IpAddr::from(WEB_V4), WEB_V6.into()];
    let _echoes = servers.map(|server| Service::echo(internet, (server, 443).into()));
    for id in ["shirakaba", "kazahaya", "tsukihara"] {
        let site = lab.site(id).unwrap();
        for (from, server) in addresses(site).into_iter().zip(servers) {
            if from.is_ipv6() {
                // IPv6 alone lets nobody but the sender cut: the first is answered with "too big", for each fragment.
                let told = Counter::start(site.device(), "icmpv6 type packet-too-big").unwrap();
                let error = ask(site.namespace(), from, (server, 443).into(), &noise(4_000)).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(nix::errno::Errno::EMSGSIZE as i32), "{id}: {error}");
                assert!(told.packets().unwrap() > 0, "{id} is told");
            }
            for size in [1_473, 4_000, 9_001, 60_000] {
                let bytes = noise(size);
                for round in 0..3 {
                    let answer = ask(site.namespace(), from, (server, 443).into(), &bytes);
                    let answer = answer.unwrap_or_else(|error| panic!("{id} {server} {size} {round}: {error}"));
                    assert!(answer == bytes, "{id} {server} {size}: {} bytes", answer.len());
                }
            }
            let ping =
                text(&site.namespace().attempt(&format!("ping -n -c 5 -i 0.1 -W 2 -s 8000 {server}")).unwrap().stdout);
            assert!(ping.contains(" 5 received"), "{id}: {ping}");
        }
        for direction in ["egress", "ingress"] {
            assert_eq!(count(&lab, id, direction, "drop", "fragment_unmatched"), 0, "{id}");
        }
    }
}

#[test]
fn a_firewall_of_the_hosts_own_holds_no_fragment_back() {
    let lab = crate::lab();
    // Whatever asks for a connection's state makes the kernel reassemble before it routes; but the gateway hands the
    // host only those fragments that it must cut, never the last.
    let firewall = "table inet firewall {\n chain input {\n type filter hook input priority 0; policy accept;\n\
                    ct state established accept\n }\n}\n";
    lab::process::run_with_input(lab.gateway().command("nft").args(["-f", "-"]), firewall).unwrap();
    let site = lab.site("shirakaba").unwrap();
    let server = IpAddr::from(WEB_V4);
    let _echo = Service::echo(lab.internet().namespace(), (server, 443).into());
    let arrivals = Counter::start(lab.internet().uplink(), "ip frag-off & 0x3fff != 0").unwrap();
    let answer = ask(site.namespace(), site.v4().unwrap(), (server, 443).into(), &noise(4_000));
    assert_eq!(answer.unwrap(), noise(4_000));
    assert_eq!(arrivals.packets().unwrap(), 5, "three fragments, two of them cut in two");
}
