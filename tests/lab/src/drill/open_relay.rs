//! 2022, a shared security cloud: an emergency change opened a mail relay, and 912,299 spam mails left in three hours.
//! Here: a relay that sends as fast as it can is held to its municipality's budget of mail connections, and nobody else
//! notices.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use anyhow::{Context, Result};
use lab::frame::{self, flags};
use lab::{Counter, Lab, wire};

use super::{Drill, Report, Step};
use crate::tour::{CITY, dropped, explain, frame_of, settle};

/// See the module.
pub const DRILL: Drill = Drill {
    incident: "2022-03, shared security cloud: a change opened a mail relay; 912,299 spam mails in three hours",
    step: Step {
        name: "open-relay",
        title: "spam through an open relay is held to the municipality's budget",
        title_ja: "踏み台からの迷惑メールの抑制",
        run,
    },
};

/// The city's relay, from which the baseline lets mail out.
const RELAY: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x101, 0, 0, 0, 0, 0x25);
/// Connections that spam software begins, each to another server.
const SPAM: u16 = 3_000;
/// Of the incident.
const MAILS: u64 = 912_299;
const INCIDENT_SECONDS: u64 = 3 * 3_600;

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let city = lab.site(CITY)?;
    let most = limit(lab)?;
    let since = lab.daemon()?.events().mark();
    let mail = Counter::start(lab.internet().uplink(), &format!("ip6 saddr {RELAY} tcp dport 25"))?;
    let server = |number: u16| Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0x25, number);
    let syn = |number: u16| {
        let to = SocketAddr::new(IpAddr::V6(server(number)), 25);
        frame_of(lab, city, &frame::tcp(SocketAddr::new(RELAY.into(), 20_000 + number), to, flags::SYN, 1, 0))
    };
    let frames = (0..SPAM).map(syn).collect::<Result<Vec<_>>>()?;
    report.sent(format!(
        "{SPAM} connections of {CITY}'s relay {RELAY} to as many mail servers, as fast as they can be sent"
    ));
    let began = Instant::now();
    for some in frames.chunks(64) {
        wire::send(city.device(), some)?;
        settle_briefly();
    }
    let seconds = began.elapsed().as_secs_f64();
    settle();
    let arrived = mail.packets()?;
    report.arrived(format!("{arrived} of {SPAM} in {seconds:.2} s"));
    // A second's worth at once, the seconds, and a little for each CPU: see `abi::budget`.
    let bound = (most as f64 * (1.0 + seconds)).ceil() as u64 + 4;
    report.expect(arrived <= bound, format!("at most {bound} may, by the policy's {most} a second"));
    report.expect(arrived >= most, "as many as are allowed did");
    let hours = INCIDENT_SECONDS / 3_600;
    report.counted(format!(
        "{hours} hours of it would be {} at most; in the incident there were {MAILS}",
        most * INCIDENT_SECONDS
    ));
    explain(lab, report, since, |line| {
        dropped(CITY, "limited")(line) && line.limit.as_deref() == Some("smtp_connections_per_second")
    })?;
    let told =
        lab.daemon()?.events().wait(since, |line| line.budget.as_ref().is_some_and(|budget| budget.state == "near"))?;
    report.expect(told.is_some(), "somebody was warned that the budget is nearly used up");
    Ok(())
}

fn limit(lab: &Lab) -> Result<u64> {
    let city = lab.policy().municipalities.iter().find(|it| it.id == CITY);
    let most = city.and_then(|city| city.limits.of(abi::Limit::Smtp, abi::Direction::Egress));
    most.context("the policy does not limit the city's mail")
}

/// A veth's queue holds 256 frames.
fn settle_briefly() {
    std::thread::sleep(std::time::Duration::from_millis(2));
}
