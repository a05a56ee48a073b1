//! Stage "rules": baseline, municipality, default; first match.

use abi::{Reason, Verdict};

use super::frames::{ping, protocol, syn, udp};
use super::{Case, drop, expect, forward, nat};

pub(super) fn cases() -> Vec<Case> {
    let sendai = |reason| drop(reason).of("sendai");
    let partners = || forward(Reason::Rule).rule("taxation-partners").of("sendai");
    let client = "10.4.20.7:51000";
    vec![
        Case::new("the baseline comes first")
            .packet(
                "lan0.101",
                0,
                &syn(client, "10.254.0.9:443"),
                sendai(Reason::BaselineRule).rule("lgwan-never-routes"),
            )
            .packet(
                "lan0.200",
                0,
                &syn("10.5.0.7:51000", "192.0.2.4:445"),
                drop(Reason::BaselineRule).rule("no-smb").of("osaki"),
            )
            .packet(
                "wan0",
                0,
                &syn("192.0.2.4:51000", "10.5.0.7:445"),
                drop(Reason::BaselineRule).rule("no-smb").of("osaki"),
            )
            // Egress unless it says otherwise.
            .packet("lan0.200", 0, &udp("10.5.0.7:51000", "192.0.2.4:445"), forward(Reason::DefaultAllow).of("osaki")),
        Case::new("the first match wins")
            .packet("lan0.101", 0, &syn(client, "198.51.100.77:443"), sendai(Reason::Rule).rule("no-gambling"))
            .packet(
                "lan0.101",
                0,
                &syn(client, "198.51.100.78:443"),
                forward(Reason::Rule).rule("web").of("sendai").translated(nat::sendai("10.4.20.7", 51_000)),
            ),
        Case::new("sections, sets and port ranges")
            .packet(
                "lan0.101",
                0,
                &syn(client, "192.0.2.4:8000"),
                partners().translated(nat::sendai("10.4.20.7", 51_000)),
            )
            .packet(
                "lan0.101",
                0,
                &syn("10.4.20.8:51000", "192.0.2.63:8010"),
                partners().translated(nat::sendai("10.4.20.8", 51_000)),
            )
            .packet("lan0.101", 0, &syn(client, "192.0.2.4:7999"), sendai(Reason::DefaultDeny))
            .packet("lan0.101", 0, &syn(client, "192.0.2.4:8011"), sendai(Reason::DefaultDeny))
            .packet("lan0.101", 0, &syn("10.4.21.7:51000", "192.0.2.4:8000"), sendai(Reason::DefaultDeny))
            .packet("lan0.101", 0, &syn(client, "192.0.2.64:8000"), sendai(Reason::DefaultDeny))
            .packet("lan0.101", 0, &udp(client, "192.0.2.4:8000"), sendai(Reason::DefaultDeny)),
        Case::new("protocols without ports")
            .packet(
                "lan0.101",
                0,
                &protocol("10.4.20.7", "192.0.2.4", 47, &[0; 8]),
                forward(Reason::Rule).rule("tools").of("sendai").translated(nat::sendai_portless("10.4.20.7")),
            )
            .packet("lan0.101", 0, &protocol("10.4.20.7", "192.0.2.4", 50, &[0; 8]), sendai(Reason::DefaultDeny))
            .packet(
                "lan0.101",
                0,
                &ping("2001:db8:4::7", "2001:db8:99::4", 5),
                forward(Reason::Rule).rule("tools").of("sendai"),
            ),
        Case::new("defaults by direction")
            .packet("wan0", 0, &syn("192.0.2.4:1", "203.0.113.10:80"), sendai(Reason::DefaultDeny))
            .packet("lan0.200", 0, &syn("10.5.0.7:1", "192.0.2.4:80"), forward(Reason::DefaultAllow).of("osaki"))
            .packet("wan0", 0, &syn("192.0.2.4:1", "10.5.0.7:80"), forward(Reason::DefaultAllow).of("osaki")),
        Case::new("ingress rules see the address that arrives")
            .packet(
                "wan0",
                0,
                &syn("192.0.2.4:1", "203.0.113.10:443"),
                forward(Reason::Rule).rule("city-site").of("sendai"),
            )
            .packet(
                "wan0",
                0,
                &syn("[2001:db8:99::4]:1", "[2001:db8:4::80]:443"),
                forward(Reason::Rule).rule("city-site-v6").of("sendai"),
            )
            .packet(
                "wan0",
                0,
                &ping("192.0.2.4", "203.0.113.18", 5),
                forward(Reason::Rule).rule("ping-us").of("sendai"),
            ),
        Case::new("to the inspector, untranslated").packet(
            "lan0.101",
            0,
            &syn(client, "192.0.2.4:993"),
            expect(Verdict::Inspect, Reason::Rule).rule("mail").of("sendai"),
        ),
        Case::new("a refused packet leaves no flow")
            .packet("lan0.101", 0, &udp(client, "192.0.2.4:5353"), sendai(Reason::DefaultDeny))
            .packet("lan0.101", 0, &udp(client, "192.0.2.4:5353"), sendai(Reason::DefaultDeny)),
    ]
}
