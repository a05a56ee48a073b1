//! Budgets: what is over is dropped by the limit's name, what others would drop takes nothing, and an apply gives nothing
//! back. A full bucket holds a second's worth.

use abi::{Limit, Reason};

use super::frames::{syn, udp, udp_of};
use super::policies::usual_but;
use super::{Case, Expected, drop, forward};
use crate::source::Source;

const SERVER: &str = "192.0.2.4:7000";

pub(super) fn cases() -> Vec<Case> {
    [flows_that_begin(), packets(), mail(), live_flows(), sources(), applies()].concat()
}

/// Tome, which allows everything both ways and has no pool here, with limits.
fn tome(limits: &str) -> Source {
    usual_but("[nat]\npool = [\"203.0.113.64\"]\n", &format!("[limits]\n{limits}\n"))
}

fn passed(reason: Reason) -> Expected {
    forward(reason).of("tome")
}

fn limited(limit: Limit) -> Expected {
    drop(Reason::Limited).of("tome").limit(limit)
}

impl Case {
    /// Packets that begin a flow each, from client ports of this range.
    fn begin(mut self, second: u64, ports: std::ops::Range<u16>, expected: &Expected) -> Self {
        for port in ports {
            self = self.packet("lan0.103", second, &udp(&format!("10.8.5.5:{port}"), SERVER), expected.clone());
        }
        self
    }
}

fn flows_that_begin() -> Vec<Case> {
    let over = limited(Limit::NewFlows);
    let new = passed(Reason::DefaultAllow);
    vec![
        Case::without_policy("new flows of a second, and of the next")
            .install(tome("new_flows_per_second = 3"))
            .begin(0, 1..4, &new)
            .begin(0, 4..6, &over)
            .begin(0, 1..4, &passed(Reason::Established))
            .begin(1, 4..7, &new)
            .begin(1, 7..8, &over)
            .begin(9, 7..10, &new)
            .begin(9, 10..11, &over),
        Case::without_policy("what the Internet begins is another budget")
            .install(tome("new_flows_per_second = { in = 1, out = 2 }"))
            .packet("wan0", 0, &udp(SERVER, "10.8.5.5:1"), new.clone())
            .packet("wan0", 0, &udp(SERVER, "10.8.5.5:2"), over.clone())
            .begin(0, 3..5, &new)
            .begin(0, 5..6, &over),
        Case::without_policy("what is dropped anyway takes nothing")
            .install(tome("new_flows_per_second = 1"))
            .packet(
                "lan0.103",
                0,
                &syn("10.8.5.5:1", "192.0.2.4:445"),
                drop(Reason::BaselineRule).of("tome").rule("no-smb"),
            )
            .packet(
                "lan0.103",
                0,
                &udp("10.8.5.5:1", "198.51.100.200:9"),
                drop(Reason::Blocked).of("tome").set("threats"),
            )
            .begin(0, 1..2, &new)
            .begin(0, 2..3, &over),
        Case::without_policy("a rule that lets in what is limited is told")
            .install(usual_but("[sections]\ntaxation", "[limits]\nnew_flows_per_second = 1\n[sections]\ntaxation"))
            .packet(
                "lan0.101",
                0,
                &udp("10.4.20.7:1", "192.0.2.53:53"),
                forward(Reason::Rule).rule("dns").of("sendai").translated(super::nat::sendai("10.4.20.7", 1)),
            )
            .packet(
                "lan0.101",
                0,
                &udp("10.4.20.7:2", "192.0.2.53:53"),
                drop(Reason::Limited).rule("dns").of("sendai").limit(Limit::NewFlows),
            ),
    ]
}

fn packets() -> Vec<Case> {
    let established = passed(Reason::Established);
    let (out, back) = (udp("10.8.5.5:1", SERVER), udp(SERVER, "10.8.5.5:1"));
    let big = udp_of("10.8.5.5:1", SERVER, 1_458);
    assert!(big.len() == 1_500, "600,000 bits are fifty of them");
    let mut bits =
        Case::without_policy("bits of a second").install(tome("bits_per_second = { out = 600_000 }")).packet(
            "lan0.103",
            0,
            &big[..],
            // Its tag counts as well.
            passed(Reason::DefaultAllow),
        );
    for _ in 1..49 {
        bits = bits.packet("lan0.103", 0, &big, established.clone());
    }
    bits = bits
        .packet("lan0.103", 0, &big, limited(Limit::Bits))
        .packet("lan0.103", 0, &out, established.clone())
        .packet("wan0", 0, &back, established.clone());
    vec![
        bits,
        Case::without_policy("packets of a second, either way")
            .install(tome("packets_per_second = { in = 2, out = 3 }"))
            .packet("lan0.103", 0, &out, passed(Reason::DefaultAllow))
            .packet("lan0.103", 0, &out, established.clone())
            .packet("lan0.103", 0, &out, established.clone())
            .packet("lan0.103", 0, &out, limited(Limit::Packets))
            .packet("wan0", 0, &back, established.clone())
            .packet("wan0", 0, &back, established.clone())
            .packet("wan0", 0, &back, limited(Limit::Packets))
            .packet("lan0.103", 1, &out, established.clone())
            .packet("wan0", 1, &back, established),
        Case::without_policy("a first packet that is over begins nothing")
            .install(tome("packets_per_second = 1"))
            .packet("lan0.103", 0, &out, passed(Reason::DefaultAllow))
            .packet("lan0.103", 0, &udp("10.8.5.5:2", SERVER), limited(Limit::Packets))
            .packet("lan0.103", 1, &udp("10.8.5.5:2", SERVER), passed(Reason::DefaultAllow)),
    ]
}

fn mail() -> Vec<Case> {
    let new = passed(Reason::DefaultAllow);
    let over = limited(Limit::Smtp);
    vec![
        Case::without_policy("connections to mail servers")
            .install(tome("smtp_connections_per_second = 2\nnew_flows_per_second = 3"))
            .packet("lan0.103", 0, &syn("10.8.5.5:1", "192.0.2.4:25"), new.clone())
            .packet("lan0.103", 0, &syn("10.8.5.5:2", "192.0.2.4:587"), new.clone())
            .packet("lan0.103", 0, &syn("10.8.5.5:3", "192.0.2.4:465"), over.clone())
            .packet("lan0.103", 0, &syn("10.8.5.6:3", "192.0.2.5:25"), over)
            // Spam takes nothing out of what others may begin.
            .packet("lan0.103", 0, &syn("10.8.5.6:4", "192.0.2.5:80"), new)
            .packet("lan0.103", 0, &syn("10.8.5.6:5", "192.0.2.5:80"), limited(Limit::NewFlows))
            // To a mail server of the municipality's own.
            .packet("wan0", 0, &syn("192.0.2.4:9", "10.8.5.5:25"), passed(Reason::DefaultAllow)),
    ]
}

fn live_flows() -> Vec<Case> {
    let (new, over) = (passed(Reason::DefaultAllow), limited(Limit::Flows));
    vec![
        Case::without_policy("live flows, and those whose time is over")
            .install(tome("flows = 2"))
            .begin(0, 1..3, &new)
            .begin(0, 3..4, &over)
            .packet("wan0", 0, &udp(SERVER, "10.8.5.5:9"), over.clone())
            .begin(30, 1..2, &passed(Reason::Established))
            .begin(31, 3..4, &new)
            .begin(31, 4..5, &over)
            .begin(400, 4..6, &new)
            .begin(400, 6..7, &over),
        Case::without_policy("a connection that was opened anew is one flow")
            .install(tome("flows = 1"))
            .packet("lan0.103", 0, &syn("10.8.5.5:1", SERVER), new.clone())
            .packet("lan0.103", 0, &syn("10.8.5.5:2", SERVER), over)
            .packet("lan0.103", 31, &syn("10.8.5.5:1", SERVER), new),
    ]
}

fn sources() -> Vec<Case> {
    let new = passed(Reason::DefaultAllow);
    let over = limited(Limit::SourceNewFlows);
    let from = |from: &str, port: u16| udp(from, &format!("10.8.5.5:{port}"));
    let from_v6 = |from: &str, port: u16| udp(from, &format!("[2001:db8:8::5]:{port}"));
    vec![
        Case::without_policy("each client has its own")
            .install(tome("per_source.new_flows_per_second = 2"))
            .begin(0, 1..3, &new)
            .begin(0, 3..4, &over)
            .packet("lan0.103", 0, &udp("10.8.5.6:1", SERVER), new.clone())
            .packet("lan0.103", 0, &udp("[2001:db8:8::5]:1", "[2001:db8:f::1]:7"), new.clone())
            .packet("lan0.103", 0, &udp("[2001:db8:8::5]:2", "[2001:db8:f::1]:7"), new.clone())
            .packet("lan0.103", 0, &udp("[2001:db8:8::5]:3", "[2001:db8:f::1]:7"), over.clone())
            .packet("lan0.103", 0, &udp("[2001:db8:8::6]:1", "[2001:db8:f::1]:7"), new.clone())
            .begin(1, 3..5, &new)
            .begin(1, 5..6, &over),
        Case::without_policy("a /64 of the Internet is one source, an IPv4 address another")
            .install(tome("per_source.new_flows_per_second = { in = 1 }"))
            .packet("wan0", 0, &from_v6("[2001:db8:f:1::1]:1", 1), new.clone())
            .packet("wan0", 0, &from_v6("[2001:db8:f:1::2]:1", 1), over.clone())
            .packet("wan0", 0, &from_v6("[2001:db8:f:2::1]:1", 1), new.clone())
            .packet("wan0", 0, &from("192.0.2.4:1", 1), new.clone())
            .packet("wan0", 0, &from("192.0.2.4:2", 1), over)
            .packet("wan0", 0, &from("192.0.2.5:1", 1), new.clone()),
        Case::without_policy("networks of the Internet are /24 and /48")
            .install(tome("per_prefix.new_flows_per_second = 2"))
            .packet("wan0", 0, &from("192.0.2.4:1", 1), new.clone())
            .packet("wan0", 0, &from("192.0.2.5:1", 1), new.clone())
            .packet("wan0", 0, &from("192.0.2.6:1", 1), limited(Limit::PrefixNewFlows))
            .packet("wan0", 0, &from("192.0.3.6:1", 1), new.clone())
            .packet("wan0", 0, &from_v6("[2001:db8:f:1::1]:1", 1), new.clone())
            .packet("wan0", 0, &from_v6("[2001:db8:f:2::1]:1", 1), new.clone())
            .packet("wan0", 0, &from_v6("[2001:db8:f:3::1]:1", 1), limited(Limit::PrefixNewFlows))
            .packet("wan0", 0, &from_v6("[2001:db8:e:3::1]:1", 1), new.clone())
            .begin(0, 1..9, &new),
        Case::without_policy("packets of one source, and of its network")
            .install(tome("per_source.packets_per_second = { in = 2, out = 1 }\nper_prefix.packets_per_second = 3"))
            .packet("wan0", 0, &from("192.0.2.4:1", 1), new.clone())
            .packet("wan0", 0, &from("192.0.2.4:1", 1), passed(Reason::Established))
            .packet("wan0", 0, &from("192.0.2.4:1", 1), limited(Limit::SourcePackets))
            .packet("wan0", 0, &from("192.0.2.5:1", 1), new.clone())
            .packet("wan0", 0, &from("192.0.2.5:1", 1), limited(Limit::PrefixPackets))
            .packet("lan0.103", 0, &udp("10.8.5.5:1", "192.0.2.4:1"), passed(Reason::Established))
            .packet("lan0.103", 0, &udp("10.8.5.5:1", "192.0.2.4:1"), limited(Limit::SourcePackets)),
    ]
}

fn applies() -> Vec<Case> {
    let (new, over) = (passed(Reason::DefaultAllow), limited(Limit::NewFlows));
    vec![
        Case::without_policy("an apply fills no bucket, and its numbers count at once")
            .install(tome("new_flows_per_second = 2"))
            .begin(0, 1..3, &new)
            .install(tome("new_flows_per_second = 2"))
            .begin(0, 3..4, &over)
            .install(tome("new_flows_per_second = 1000"))
            .begin(0, 3..4, &over)
            .install(tome("flows = 100"))
            .begin(0, 3..4, &new)
            .install(tome("packets_per_second = 1"))
            .begin(0, 3..4, &passed(Reason::Established))
            .begin(0, 3..4, &limited(Limit::Packets)),
    ]
}
