//! Equal addresses and ports: every client has public ports of its own, between municipalities and within one. Everybody
//! gets his own answer.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::thread;

use lab::Counter;

use crate::peers::{Service, ask_within, converse, from_site, noise, settle};

const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 81));

#[test]
fn twins_with_one_port_talk_to_one_server_at_once() {
    let lab = crate::lab();
    let to = SocketAddr::new(SERVER, 53);
    let _mirror = Service::mirror(lab.internet().namespace(), to, "");
    let sites = ["shiomi", "shirakaba"].map(|id| lab.site(id).unwrap());
    let from = sites[0].v4().unwrap();
    assert_eq!(from, sites[1].v4().unwrap());
    for port in 41_000..41_005 {
        let arrivals = ["203.0.113.16/29", "203.0.113.32/30"].map(|pool| {
            // The first block of its address: the low bits of the port are kept.
            let public = 1_024 + port % 512;
            let wanted = format!("ip saddr {pool} tcp sport {public} ip daddr {SERVER} tcp flags & (syn|ack) == syn");
            Counter::start(lab.internet().uplink(), &wanted).unwrap()
        });
        thread::scope(|scope| {
            for (number, site) in sites.into_iter().enumerate() {
                scope.spawn(move || {
                    let own: Vec<u8> = noise(300_000).into_iter().map(|byte| byte ^ (number as u8 + 1)).collect();
                    let back = converse(site.namespace(), (from, port).into(), to, &own).unwrap();
                    assert!(back == own, "{}: {} bytes, not its own", site.municipality, back.len());
                });
            }
        });
        for arrived in arrivals {
            assert_eq!(arrived.packets().unwrap(), 1, "one connection from each pool, in place of port {port}");
        }
    }
}

#[test]
fn clients_with_one_port_have_one_public_port_each() {
    let lab = crate::lab();
    let site = lab.site("tsukihara").unwrap();
    let internet = lab.internet().namespace();
    let (tcp, udp) = (SocketAddr::new(SERVER, 443), SocketAddr::new(SERVER, 3_478));
    let _services = (Service::mirror(internet, tcp, ""), Service::echo(internet, udp));
    let clients: Vec<IpAddr> = (21..25).map(|last| IpAddr::from([10, 30, 0, last])).collect();
    clients.iter().for_each(|client| site.own(*client).unwrap());

    let since = lab.daemon().unwrap().events().mark();
    let all = Counter::start(lab.internet().uplink(), "ip saddr 203.0.113.40 tcp flags & (syn|ack) == syn").unwrap();
    thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            scope.spawn(move || {
                let own: Vec<u8> = noise(500_001).into_iter().map(|byte| byte ^ number as u8).collect();
                let back = converse(site.namespace(), (*client, 45_000).into(), tcp, &own).unwrap();
                assert!(back == own, "{client}: {} bytes, not its own", back.len());
                for round in 0..20_u8 {
                    let own = [number as u8, round];
                    let back = ask_within(site.namespace(), (*client, 45_001).into(), udp, &own, 64).unwrap();
                    assert_eq!(back, own, "{client}");
                }
            });
        }
    });
    assert_eq!(all.packets().unwrap(), 4, "all connect once");

    // Echo identifiers are ports too.
    let replies = Counter::start(site.device(), "icmp type echo-reply icmp id 77").unwrap();
    let changed = Counter::start(lab.internet().uplink(), "icmp type echo-request icmp id >= 1024").unwrap();
    let requests: Vec<_> = clients.iter().map(|client| lab::frame::echo(*client, SERVER, 77, 1)).collect();
    from_site(&lab, site, &requests);
    settle();
    assert_eq!((replies.packets().unwrap(), changed.packets().unwrap()), (4, 4));

    let began = lab.daemon().unwrap().events().since(since, |line| line.new_flow == Some(true));
    let ports: BTreeSet<_> =
        began.iter().filter(|line| line.protocol == Some(6)).map(|line| line.public_port).collect();
    assert_eq!(ports.len(), 4, "{ports:?}");
}
