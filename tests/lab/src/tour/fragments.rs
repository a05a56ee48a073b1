//! Datagrams in pieces: whole ones pass, lone pieces do not.

use std::net::SocketAddr;

use anyhow::Result;
use lab::frame::More;
use lab::internet::{DNS_V4, WEB_V4, WEB_V6};
use lab::process::text;
use lab::{Counter, Lab, frame, wire};

use super::{Report, Step, TOWN, dropped, explain, frame_of, pool, settle};

/// See the module.
pub const STEP: Step = Step { name: "fragments", title: "fragments", title_ja: "フラグメント", run };

const PINGS: u64 = 3;
/// A ping of 4,000 bytes is three fragments at an MTU of 1,500; the gateway cuts two of them in two for an uplink of
/// 1,454.
const FRAGMENTS: u64 = 5;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(TOWN)?;
    let arrivals =
        Counter::start(lab.internet().uplink(), &format!("ip saddr {} ip frag-off & 0x3fff != 0", pool(lab, TOWN)?))?;
    for server in [WEB_V4.to_string(), WEB_V6.to_string()] {
        // IPv6 is fragmented by its sender alone, who must know the path: 1,400 fits everywhere here.
        let size = if server.contains(':') { 1_300 } else { 4_000 };
        report.sent(format!("{PINGS} pings of {size} bytes to {server}"));
        let ping = site.namespace().attempt(&format!("ping -n -c {PINGS} -i 0.1 -W 2 -s {size} {server}"))?;
        let is_answered = text(&ping.stdout).contains(&format!("{PINGS} received"));
        report.expect(is_answered, format!("{server} answers {PINGS} of {PINGS} pings of {size} bytes"));
        if is_answered {
            report.arrived(format!("{PINGS} of {PINGS} answers from {server}, whole"));
        }
    }
    let arrived = arrivals.packets()?;
    report.arrived(format!("{arrived} fragments at {WEB_V4}"));
    report.expect_count(arrived, PINGS * FRAGMENTS, "fragments at the server");

    let since = lab.daemon()?.events().mark();
    let lone = Counter::start(lab.internet().uplink(), &format!("ip daddr {DNS_V4} ip frag-off & 0x3fff != 0"))?;
    let source = site.v4()?;
    let packet = frame::udp(SocketAddr::new(source, 5_000), SocketAddr::new(DNS_V4.into(), 53), &[0; 64]);
    report.sent(format!("a later fragment from {source} to {DNS_V4} without its first"));
    wire::send(site.device(), &[frame_of(lab, site, &frame::fragment(packet, 0xbeef, 1_480, More::NoneFollow))?])?;
    settle();
    report.arrived(format!("{} of it at {DNS_V4}", lone.packets()?));
    report.expect_count(lone.packets()?, 0, "lone fragments");
    explain(lab, report, since, dropped(TOWN, "fragment_unmatched"))?;
    Ok(())
}
