//! An address that the prefecture blocks, in both directions.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::Result;
use lab::process::text;
use lab::{Counter, Lab, frame, wire};

use super::{CITY, Report, Step, TOWN, dropped, explain, frame_from_outside, settle};

/// See the module.
pub const STEP: Step =
    Step { name: "blocked", title: "a blocked address, both ways", title_ja: "遮断リスト", run };

/// In the example's set `threats`.
const BAD: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
/// Likewise.
const BAD_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x66);

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(TOWN)?;
    let at_bad = Counter::start(lab.internet().uplink(), &format!("ip daddr {BAD}"))?;
    let at_bad_v6 = Counter::start(lab.internet().uplink(), &format!("ip6 daddr {BAD_V6}"))?;
    let since = lab.daemon()?.events().mark();
    for address in [BAD.to_string(), BAD_V6.to_string()] {
        report.sent(format!("3 pings from {TOWN} to {address}"));
        let ping = site.namespace().attempt(&format!("ping -n -c 3 -i 0.1 -W 1 {address}"))?;
        report.expect(text(&ping.stdout).contains(" 0 received"), format!("{address} does not answer"));
    }
    explain(lab, report, since, |line| dropped(TOWN, "blocked")(line) && line.protocol == Some(1))?;
    explain(lab, report, since, |line| dropped(TOWN, "blocked")(line) && line.protocol == Some(58))?;

    let city = lab.site(CITY)?;
    let at_city = Counter::start(city.device(), &format!("ip saddr {BAD}"))?;
    let since = lab.daemon()?.events().mark();
    let published = SocketAddr::new(super::outside::SITE.into(), 443);
    report.sent(format!("a SYN from {BAD} to {published}, a published site"));
    let syn = frame::tcp(SocketAddr::new(BAD.into(), 6_666), published, frame::flags::SYN, 1, 0);
    wire::send(lab.internet().uplink(), &[frame_from_outside(lab, &syn)?])?;
    settle();
    let (outwards, inwards) = (at_bad.packets()? + at_bad_v6.packets()?, at_city.packets()?);
    report.arrived(format!("{outwards} packets at the blocked addresses, {inwards} at {CITY}"));
    report.expect_count(outwards, 0, "packets at the blocked addresses");
    report.expect_count(inwards, 0, "packets from the blocked address");
    let line = explain(lab, report, since, dropped(CITY, "blocked"))?;
    report.expect(line.is_some_and(|line| line.set.as_deref() == Some("threats")), "the set is named");
    Ok(())
}
