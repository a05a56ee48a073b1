//! A flow heeds a change of the host's routes or neighbours within a second, though its packets do not ask each time.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::Duration;

use lab::internet::{WEB_V4, WEB_V6};

use crate::peers::{Service, addresses, ask_within, count};

/// Longer than a flow remembers its way.
const FORGOTTEN: Duration = Duration::from_millis(1_100);
const CLIENT_PORT: u16 = 40_000;

#[test]
fn a_route_taken_away_is_missed_within_a_second() {
    let lab = crate::lab();
    let site = lab.site("shirakaba").unwrap();
    for (from, server) in addresses(site).into_iter().zip([IpAddr::from(WEB_V4), WEB_V6.into()]) {
        let _echo = Service::echo(lab.internet().namespace(), (server, 443).into());
        let ask = || ask_within(site.namespace(), (from, CLIENT_PORT).into(), (server, 443).into(), b"way", 64);
        let family = lab::link::family(from);
        for round in 0..3 {
            ask().unwrap_or_else(|error| panic!("{server} {round}: {error}"));
        }
        let dropped = || count(&lab, "shirakaba", "egress", "drop", "no_route");
        let before = dropped();
        lab.gateway().run(&format!("ip {family} route add unreachable {server}")).unwrap();
        sleep(FORGOTTEN);
        ask().expect_err("there is no way to the server");
        assert_eq!(dropped() - before, 1, "{server}");
        lab.gateway().run(&format!("ip {family} route del unreachable {server}")).unwrap();
        ask().unwrap_or_else(|error| panic!("{server} again: {error}"));
    }
}

#[test]
fn a_neighbour_with_another_address_is_followed_within_a_second() {
    let lab = crate::lab();
    let site = lab.site("shirakaba").unwrap();
    let (from, server) = (site.v4().unwrap(), IpAddr::from(WEB_V4));
    let _echo = Service::echo(lab.internet().namespace(), (server, 443).into());
    let ask = || ask_within(site.namespace(), (from, CLIENT_PORT).into(), (server, 443).into(), b"way", 64);
    for _ in 0..3 {
        ask().unwrap();
    }
    let uplink = lab.uplink();
    let route = lab::process::text(&uplink.namespace.run(&format!("ip -4 route get {server}")).unwrap().stdout);
    let mut words = route.split_whitespace().skip_while(|word| *word != "via" && *word != "dev");
    let router = match words.next() {
        Some("via") => words.next().unwrap().to_owned(),
        _ => server.to_string(),
    };
    let device = uplink.device;
    uplink
        .namespace
        .run(&format!("ip neigh replace {router} lladdr 02:00:00:00:00:77 dev {device} nud permanent"))
        .unwrap();
    sleep(FORGOTTEN);
    ask().expect_err("nobody there has this address");
    uplink.namespace.run(&format!("ip neigh del {router} dev {device}")).unwrap();
    sleep(FORGOTTEN);
    ask().unwrap();
}
