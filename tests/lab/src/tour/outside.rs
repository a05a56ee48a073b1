//! From the Internet inwards: a published site answers, everything else stays shut.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result};
use lab::internet::ATTACKER_V4;
use lab::process::text;
use lab::responder::Responder;
use lab::{Counter, Lab, frame, wire};

use super::{CITY, Report, Step, TOWN, dropped, explain, frame_from_outside, settle};

/// See the module.
pub const STEP: Step = Step {
    name: "outside",
    title: "SYNs from outside: one published site, nothing else",
    title_ja: "外からの接続",
    run,
};

/// The example city's web site.
pub const SITE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 10);
/// The example city's mail relay.
pub const MAIL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 11);
const SITE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x101, 0, 0, 0, 0, 0x80);
/// SYNs to every one of these ports of the site; 80 and 443 are published.
const PORTS: u16 = 512;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let city = lab.site(CITY)?;
    let web = Responder::start(city.namespace(), 80)?;
    let since = lab.daemon()?.events().mark();
    for url in [format!("http://{SITE}/"), format!("http://[{SITE_V6}]/")] {
        report.sent(format!("curl {url} from the Internet"));
        let page = lab.internet().namespace().run(&format!("curl --silent --show-error --max-time 10 {url}"))?;
        report.arrived(format!("at {CITY}'s server: {}", text(&page.stdout).trim()));
    }
    report.expect_count(web.arrivals().len() as u64, 2, "connections at the published site");
    explain(lab, report, since, |line| {
        line.new_flow == Some(true) && line.direction == "ingress" && line.municipality.as_deref() == Some(CITY)
    })?;

    let since = lab.daemon()?.events().mark();
    let at_city = Counter::start(city.device(), &format!("ip saddr {ATTACKER_V4} tcp flags & (syn | ack) == syn"))?;
    let at_town = Counter::start(lab.site(TOWN)?.device(), &format!("ip saddr {ATTACKER_V4}"))?;
    let pool = lab.policy().municipalities.iter().find(|town| town.id == TOWN);
    let pool: IpAddr = (*pool.and_then(|town| town.nat_pool.get(1)).context("no NAT pool")?).into();
    let from = SocketAddr::new(ATTACKER_V4.into(), 33_000);
    let targets = (1..=PORTS).map(|port| SocketAddr::new(SITE.into(), port)).chain([SocketAddr::new(pool, 80)]);
    let frames: Result<Vec<_>> =
        targets.map(|target| frame_from_outside(lab, &frame::tcp(from, target, frame::flags::SYN, 9_000, 0))).collect();
    report.sent(format!("{PORTS} SYNs to {SITE}, ports 1 to {PORTS}, and one to {pool}:80 of {TOWN}'s pool"));
    wire::send(lab.internet().uplink(), &frames?)?;
    settle();
    let (inwards, at_town) = (at_city.packets()?, at_town.packets()?);
    report.arrived(format!("{inwards} SYNs at {CITY} (80 and 443 are published), {at_town} at {TOWN}"));
    report.expect_count(inwards, 2, "SYNs at the published site");
    report.expect_count(at_town, 0, "SYNs at the pool");
    explain(lab, report, since, dropped(CITY, "default_deny"))?;
    explain(lab, report, since, dropped(TOWN, "default_deny"))?;
    Ok(())
}
