//! Every checksum of every packet that reaches the Internet, computed anew.

use std::net::IpAddr;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use lab::internet::{WEB_V4, WEB_V6};
use lab::{Namespace, frame, link, wire};

use crate::peers::{Service, addresses, ask, converse, from_site, noise, settle};

/// What the checksums of a frame should be, or what is wrong with it.
fn judge(frame: &[u8]) -> Result<&'static str, String> {
    let packet = SlicedPacket::from_ethernet(frame).map_err(|error| error.to_string())?;
    let wrong = |what: &str, found: u16, wanted: u16| -> Result<(), String> {
        if found == wanted { Ok(()) } else { Err(format!("{what} {found:#06x}, should be {wanted:#06x}")) }
    };
    match (&packet.net, &packet.transport) {
        (Some(NetSlice::Ipv4(ip)), transport) => {
            wrong("IPv4", ip.header().header_checksum(), ip.header().to_header().calc_header_checksum())?;
            let (from, to) = (ip.header().source(), ip.header().destination());
            match transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    let sum =
                        tcp.to_header().calc_checksum_ipv4_raw(from, to, tcp.payload()).map_err(|e| e.to_string())?;
                    wrong("TCP", tcp.checksum(), sum).map(|()| "tcp4")
                }
                Some(TransportSlice::Udp(udp)) if udp.checksum() == 0 => Ok("none4"),
                Some(TransportSlice::Udp(udp)) => {
                    let sum =
                        udp.to_header().calc_checksum_ipv4_raw(from, to, udp.payload()).map_err(|e| e.to_string())?;
                    wrong("UDP", udp.checksum(), sum).map(|()| "udp4")
                }
                Some(TransportSlice::Icmpv4(icmp)) => {
                    let sum = icmp.header().icmp_type.calc_checksum(icmp.payload());
                    wrong("ICMP", icmp.checksum(), sum).map(|()| "icmp4")
                }
                _ => Ok("other"),
            }
        }
        (Some(NetSlice::Ipv6(ip)), transport) => {
            let (from, to) = (ip.header().source(), ip.header().destination());
            match transport {
                Some(TransportSlice::Tcp(tcp)) => {
                    let sum =
                        tcp.to_header().calc_checksum_ipv6_raw(from, to, tcp.payload()).map_err(|e| e.to_string())?;
                    wrong("TCP", tcp.checksum(), sum).map(|()| "tcp6")
                }
                Some(TransportSlice::Udp(udp)) => {
                    let sum =
                        udp.to_header().calc_checksum_ipv6_raw(from, to, udp.payload()).map_err(|e| e.to_string())?;
                    wrong("UDP", udp.checksum(), sum).map(|()| "udp6")
                }
                Some(TransportSlice::Icmpv6(icmp)) => {
                    let sum = icmp.icmp_type().calc_checksum(from, to, icmp.payload()).map_err(|e| e.to_string())?;
                    wrong("ICMPv6", icmp.checksum(), sum).map(|()| "icmp6")
                }
                _ => Ok("other"),
            }
        }
        _ => Ok("other"),
    }
}

#[test]
fn every_checksum_at_the_internet_is_right() {
    let lab = crate::lab();
    let site = lab.site("shirakaba").unwrap();
    let internet: &Namespace = lab.internet().namespace();
    let servers = [IpAddr::from(WEB_V4), WEB_V6.into()];
    let _services =
        servers.map(|ip| (Service::echo(internet, (ip, 443).into()), Service::mirror(internet, (ip, 443).into(), "")));
    let gateway = link::mac(lab.uplink()).unwrap().octets();
    let listener = wire::Listener::start(lab.internet().uplink(), move |frame| frame[6..12] == gateway).unwrap();

    for (from, server) in addresses(site).into_iter().zip(servers) {
        // Odd and even lengths; the incremental arithmetic meets many different sums.
        for size in (1..400).step_by(7).chain([1_399, 1_400]) {
            assert_eq!(ask(site.namespace(), from, (server, 443).into(), &noise(size)).unwrap().len(), size);
        }
        // One segment each: larger streams would be merged where this listens, and the merged have no checksum.
        for size in (1..64).chain([1_001, 1_300]) {
            let back = converse(site.namespace(), (from, 0).into(), (server, 443).into(), &noise(size)).unwrap();
            assert_eq!(back, noise(size));
        }
        site.namespace().run(&format!("ping -n -q -c 20 -i 0.01 -s 33 {server}")).unwrap();
    }
    // Datagrams without a checksum, and with a wrong one: neither is made right or wrong on the way.
    let (from, to) = (site.v4().unwrap(), IpAddr::from(WEB_V4));
    let with_checksum = |port: u16, checksum: u16| {
        let mut packet = frame::udp((from, port).into(), (to, 443).into(), &noise(101));
        packet[26..28].copy_from_slice(&checksum.to_be_bytes());
        packet
    };
    from_site(&lab, site, &(5_000..5_050).map(|port| with_checksum(port, 0)).collect::<Vec<_>>());
    from_site(&lab, site, &(6_000..6_050).map(|port| with_checksum(port, 0x1234)).collect::<Vec<_>>());
    settle();

    let heard = listener.stop().unwrap();
    let judged: Vec<_> = heard.iter().map(|frame| judge(frame)).collect();
    let of = |kind: &str| judged.iter().filter(|judgement| **judgement == Ok(kind)).count();
    let wrong: Vec<_> = judged.iter().filter_map(|judgement| judgement.as_ref().err()).collect();
    assert_eq!(of("none4"), 50, "no checksum stays none");
    assert_eq!(wrong.iter().filter(|error| error.starts_with("UDP")).count(), 50, "a wrong one stays wrong");
    assert_eq!(wrong.len(), 50, "{wrong:#?}");
    for (kind, least) in [("udp4", 58), ("udp6", 58), ("tcp4", 250), ("tcp6", 250), ("icmp4", 20), ("icmp6", 20)] {
        assert!(of(kind) >= least, "{kind}: {}", of(kind));
    }
}
