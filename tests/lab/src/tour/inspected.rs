//! A flow that a rule hands to the inspector: it arrives in the municipality's namespace, its destination intact.

use anyhow::Result;
use lab::Lab;
use lab::internet::{WEB_V4, WEB_V6};
use lab::process::text;
use lab::responder::{INSPECTOR_PORT, Responder};
use std::net::{IpAddr, SocketAddr};

use super::{CITY, Report, Step, began, explain};

/// See the module.
pub const STEP: Step = Step {
    name: "inspected",
    title: "an inspected flow reaches the inspector's socket",
    title_ja: "検査対象の通信",
    run,
};

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(CITY)?;
    let inspector = Responder::start(&lab.municipality_namespace(CITY), INSPECTOR_PORT)?;
    let before = lab.internet().requests()?.len();
    for (server, url, source) in [
        (IpAddr::from(WEB_V4), format!("http://{WEB_V4}/"), site.v4()?),
        (WEB_V6.into(), format!("http://[{WEB_V6}]/"), site.v6()?),
    ] {
        let since = lab.daemon()?.events().mark();
        report.sent(format!("curl {url} from {source}"));
        let answer = site.namespace().attempt(&format!("curl --silent --show-error --max-time 5 {url}"))?;
        let answer = text(&answer.stdout);
        let wanted = format!("wanted {}", SocketAddr::new(server, 80));
        report.expect(
            answer.contains(&wanted),
            format!("the inspector's answer comes back for {url}: “{}”", answer.trim()),
        );
        let arrival = inspector.arrivals().into_iter().find(|arrival| arrival.destination.ip() == server);
        match arrival {
            Some(arrival) => report.arrived(format!(
                "at {}, port {INSPECTOR_PORT}: {} wanted {}",
                lab.municipality_namespace(CITY).name(),
                arrival.client,
                arrival.destination
            )),
            None => report.arrived("nothing at the inspector"),
        }
        let is_intact =
            arrival.is_some_and(|arrival| arrival.client.ip() == source && arrival.destination.port() == 80);
        report.expect(is_intact, format!("client and destination are intact for {url}"));
        let line = explain(lab, report, since, began(CITY, &server.to_string()))?;
        report.expect(line.is_some_and(|line| line.verdict == "inspect"), "the verdict is inspect");
    }
    let leaked = lab.internet().requests()?.len() - before;
    report.arrived(format!("{leaked} requests at nginx"));
    report.expect_count(leaked as u64, 0, "requests that went past the inspector");
    Ok(())
}
