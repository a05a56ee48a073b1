//! Stage "municipality": who is attached where, and whose address it is.

use abi::{Reason, Verdict};

use super::frames::{IP, arp, neighbour_solicitation, syn, udp};
use super::{Case, drop, expect, forward};

pub(super) fn cases() -> Vec<Case> {
    let sendai = syn("10.4.20.7:51000", "192.0.2.4:443");
    let osaki = udp("10.5.0.7:5000", "192.0.2.4:123");
    let public = super::nat::sendai("10.4.20.7", 51_000);
    let web = || forward(Reason::Rule).rule("web").of("sendai").translated(public);
    let unknown = || drop(Reason::UnknownAttachment);
    let allowed = |who| forward(Reason::DefaultAllow).of(who);
    vec![
        Case::new("one tag")
            .packet("lan0.101", 0, &sendai, web())
            .packet("lan0.102", 0, &sendai, unknown())
            .packet("lan1.101", 0, &sendai, unknown())
            .packet("lan0", 0, &sendai, unknown())
            .packet("lan0.101.5", 0, &sendai, unknown()),
        Case::new("a tag's priority bits say nothing").packet("lan0", 0, &tagged(&sendai, &[0xe000 | 101]), web()),
        Case::new("any tag protocol").packet("lan0", 0, &retagged(&tagged(&sendai, &[101]), [0x91, 0]), web()),
        Case::new("untagged and priority-tagged")
            .packet("lan1", 0, &udp("10.9.0.7:5000", "192.0.2.53:53"), allowed("shiroishi"))
            .packet("lan1", 0, &tagged(&udp("10.9.0.8:5000", "192.0.2.53:53"), &[0]), allowed("shiroishi"))
            .packet("lan1", 0, &tagged(&udp("10.9.0.9:5000", "192.0.2.53:53"), &[0, 0]), unknown()),
        Case::new("two tags, and one of the same outer VLAN")
            .packet(
                "lan0.200.102",
                0,
                &udp("10.4.20.7:5000", "192.0.2.4:123"),
                allowed("ishinomaki").translated(super::nat::ishinomaki("10.4.20.7", 5_000)),
            )
            .packet("lan0.200", 0, &osaki, allowed("osaki"))
            .packet("lan0", 0, &tagged(&udp("10.5.0.8:5000", "192.0.2.4:123"), &[200, 0]), allowed("osaki"))
            .packet("lan0.200.103", 0, &osaki, unknown())
            .packet("lan0", 0, &tagged(&sendai, &[101, 0]), unknown()),
        Case::new("neighbours of nobody's VLAN").packet("lan0.102", 0, &arp(), unknown()).packet(
            "lan0.102",
            0,
            &neighbour_solicitation(),
            unknown(),
        ),
        Case::new("neighbours on the uplink")
            .packet("wan0", 0, &arp(), expect(Verdict::Local, Reason::Arp))
            .packet("wan0", 0, &neighbour_solicitation(), expect(Verdict::Local, Reason::NeighbourDiscovery))
            .packet("wan0", 0, &tagged(&arp(), &[0]), expect(Verdict::Local, Reason::Arp))
            .packet("wan0.5", 0, &arp(), unknown()),
        Case::new("no VLANs on the uplink")
            .packet("wan0.101", 0, &syn("192.0.2.4:443", "203.0.113.10:443"), unknown())
            .packet("wan0", 0, &tagged(&syn("192.0.2.4:443", "203.0.113.10:443"), &[0]), city_site()),
        Case::new("whose address")
            .packet("wan0", 0, &syn("192.0.2.4:443", "203.0.113.10:443"), city_site())
            .packet("wan0", 0, &syn("192.0.2.4:443", "203.0.113.17:443"), drop(Reason::DefaultDeny).of("sendai"))
            .packet("wan0", 0, &syn("192.0.2.4:443", "203.0.113.33:443"), drop(Reason::DefaultDeny).of("ishinomaki"))
            .packet("wan0", 0, &syn("192.0.2.4:443", "203.0.113.99:443"), drop(Reason::UnknownDestination))
            // Sendai's and Ishinomaki's alike.
            .packet("wan0", 0, &syn("192.0.2.4:443", "10.4.20.7:443"), drop(Reason::UnknownDestination))
            .packet("wan0", 0, &syn("192.0.2.4:443", "10.5.20.7:443"), allowed("osaki")),
    ]
}

fn city_site() -> super::Expected {
    forward(Reason::Rule).rule("city-site").of("sendai")
}

/// Tags of 802.1Q, from the outside in.
fn tagged(frame: &[u8], tags: &[u16]) -> Vec<u8> {
    let tags = tags.iter().flat_map(|tag| [[0x81, 0x00], tag.to_be_bytes()].concat());
    [frame[..IP - 2].to_vec(), tags.collect(), frame[IP - 2..].to_vec()].concat()
}

fn retagged(frame: &[u8], kind: [u8; 2]) -> Vec<u8> {
    super::frames::changed(frame, IP - 2, &kind)
}
