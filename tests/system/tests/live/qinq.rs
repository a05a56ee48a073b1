//! Behind two tags everything works that works behind one.

use std::net::IpAddr;

use lab::Counter;
use lab::internet::{DNS_V4, DNS_V6, WEB_NAME, WEB_V4, WEB_V6};
use lab::process::text;

use crate::peers::{Service, addresses, ask, converse, noise};

#[test]
fn two_tags_carry_every_protocol_in_both_families() {
    let lab = crate::lab();
    let site = lab.site("kazahaya").unwrap();
    let internet = lab.internet().namespace();
    let servers = [(IpAddr::from(WEB_V4), IpAddr::from(DNS_V4)), (WEB_V6.into(), DNS_V6.into())];
    for (from, (server, names)) in addresses(site).into_iter().zip(servers) {
        let pings = if from.is_ipv4() { "icmp type echo-reply" } else { "icmpv6 type echo-reply" };
        let pongs = Counter::start(site.device(), pings).unwrap();
        let ping = text(&site.namespace().run(&format!("ping -n -c 20 -i 0.01 -W 2 {server}")).unwrap().stdout);
        assert!(ping.contains(" 20 received"), "{ping}");
        assert_eq!(pongs.packets().unwrap(), 20);

        for transport in ["+notcp", "+tcp"] {
            let dig = format!("dig +short +tries=1 +time=3 {transport} -b {from} @{names} {WEB_NAME} A");
            assert_eq!(text(&site.namespace().run(&dig).unwrap().stdout).trim(), WEB_V4.to_string(), "{dig}");
        }
        let _echo = Service::echo(internet, (server, 7_777).into());
        // Up to the uplink's MTU of 1,454, less headers.
        for size in [0, 1, 1_000, 1_400] {
            assert_eq!(ask(site.namespace(), from, (server, 7_777).into(), &noise(size)).unwrap(), noise(size));
        }
        let _mirror = Service::mirror(internet, (server, 7_777).into(), "");
        for size in [1, 4_999_999] {
            let bytes = noise(size);
            assert!(converse(site.namespace(), (from, 0).into(), (server, 7_777).into(), &bytes).unwrap() == bytes);
        }
    }
}
