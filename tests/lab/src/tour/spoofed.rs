//! Sources that are lies: an inside host with somebody else's address, and the Internet with one of ours.

use std::net::{IpAddr, SocketAddr};

use anyhow::Result;
use lab::internet::{DNS_V4, DNS_V6, WEB_V4};
use lab::{Counter, Lab, frame, wire};

use super::{CITY, HARBOUR, Report, Step, TOWN, dropped, explain, frame_from_outside, frame_of, settle};

/// See the module.
pub const STEP: Step =
    Step { name: "spoofed", title: "spoofed sources, from inside and outside", title_ja: "送信元の偽装", run };

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let (site, other) = (lab.site(TOWN)?, lab.site(HARBOUR)?);
    let since = lab.daemon()?.events().mark();
    let at_server = Counter::start(lab.internet().uplink(), "udp dport 53")?;
    let lies: [(IpAddr, IpAddr); 3] =
        [(other.v4()?, DNS_V4.into()), (WEB_V4.into(), DNS_V4.into()), (other.v6()?, DNS_V6.into())];
    let mut frames = Vec::new();
    for (source, destination) in lies {
        report.sent(format!("{TOWN} sends to {destination} as {source}"));
        let packet = frame::udp(SocketAddr::new(source, 5_353), SocketAddr::new(destination, 53), b"lie");
        frames.push(frame_of(lab, site, &packet)?);
    }
    wire::send(site.device(), &frames)?;

    let victim = lab.site(CITY)?;
    let published: IpAddr = super::outside::SITE.into();
    let ours: IpAddr = super::outside::MAIL.into();
    let at_site = Counter::start(victim.device(), &format!("ip saddr {ours}"))?;
    report.sent(format!("the Internet sends to {published} as {ours}, which is {CITY}'s"));
    let packet = frame::tcp(SocketAddr::new(ours, 5_353), SocketAddr::new(published, 80), frame::flags::SYN, 1, 0);
    wire::send(lab.internet().uplink(), &[frame_from_outside(lab, &packet)?])?;
    settle();
    let (outwards, inwards) = (at_server.packets()?, at_site.packets()?);
    report.arrived(format!("{outwards} packets at the server, {inwards} at {CITY}"));
    report.expect_count(outwards, 0, "spoofed packets at the server");
    report.expect_count(inwards, 0, "spoofed packets at the site");
    for (source, municipality) in lies.map(|(source, _)| (source, TOWN)).into_iter().chain([(ours, CITY)]) {
        let source = source.to_string();
        let is_it = |line: &lab::Line| {
            line.reason == "spoofed_source"
                && line.source.as_ref() == Some(&source)
                && line.municipality.as_deref().is_none_or(|id| id == municipality)
        };
        explain(lab, report, since, is_it)?;
    }
    let others = lab.daemon()?.events().since(since, |line| dropped(HARBOUR, "spoofed_source")(line));
    report.expect(others.is_empty(), "nobody else is blamed");
    Ok(())
}
