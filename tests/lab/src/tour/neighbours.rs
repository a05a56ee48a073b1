//! A next hop that nobody has resolved yet: the first packet waits for it and is not lost.

use std::net::IpAddr;

use anyhow::Result;
use lab::internet::{ATTACKER_V4, WEB_V4};
use lab::{Counter, Lab, frame, wire};

use super::{CITY, Report, Step, TOWN, frame_from_outside, frame_of, pool, settle};

/// See the module.
pub const STEP: Step = Step {
    name: "neighbours",
    title: "unknown neighbours: resolved, and the first packet not lost",
    title_ja: "未知の隣接機器",
    run,
};

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(TOWN)?;
    // Between guard and program there is a moment at the start in which a stray frame may meet the guard alone.
    let guarded = lab.daemon()?.status()?.guard_drops;
    let out =
        Counter::start(lab.internet().uplink(), &format!("ip saddr {} icmp type echo-request", pool(lab, TOWN)?))?;
    let asked_out = Counter::start(lab.internet().uplink(), "arp operation request")?;
    lab.gateway().ip(&format!("neigh flush dev {}\n", lab.uplink().device))?;
    report.sent(format!("one echo request to {WEB_V4}, the gateway having forgotten its router"));
    wire::send(site.device(), &[frame_of(lab, site, &frame::echo(site.v4()?, WEB_V4.into(), 0x7001, 1))?])?;
    settle();
    report.arrived(format!("{} at {WEB_V4}, after {} ARP request", out.packets()?, asked_out.packets()?));
    report.expect_count(out.packets()?, 1, "echo requests at the server");
    report.expect(asked_out.packets()? > 0, "the gateway asked for its router");

    let city = lab.site(CITY)?;
    let published: IpAddr = super::outside::SITE.into();
    let inwards = Counter::start(city.device(), &format!("ip daddr {published} icmp type echo-request"))?;
    let asked_in = Counter::start(city.device(), &format!("arp operation request arp daddr ip {published}"))?;
    let inside = lab.municipality_namespace(CITY);
    for device in devices(&inside)? {
        inside.ip(&format!("neigh flush dev {device}\n"))?;
    }
    report.sent(format!("one echo request from {ATTACKER_V4} to {published}, {CITY}'s namespace having forgotten it"));
    let packet = frame::echo(ATTACKER_V4.into(), published, 0x7002, 1);
    wire::send(lab.internet().uplink(), &[frame_from_outside(lab, &packet)?])?;
    settle();
    report.arrived(format!("{} at {published}, after {} ARP request", inwards.packets()?, asked_in.packets()?));
    report.expect_count(inwards.packets()?, 1, "echo requests at the site");
    report.expect(asked_in.packets()? > 0, "the gateway asked for the site");
    let status = lab.daemon()?.status()?;
    report.counted(format!("guard drops meanwhile: {}", status.guard_drops - guarded));
    report.expect_count(status.guard_drops, guarded, "packets that the guard had to drop");
    Ok(())
}

/// Every device of a namespace but loopback.
fn devices(namespace: &lab::Namespace) -> Result<Vec<String>> {
    let output = namespace.run("ip -j link show")?;
    let links: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout)?;
    let names = links.iter().filter_map(|link| link["ifname"].as_str());
    Ok(names.filter(|name| *name != "lo").map(str::to_owned).collect())
}
