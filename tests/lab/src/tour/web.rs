//! A page, over both families.

use anyhow::Result;
use lab::internet::{WEB_V4, WEB_V6};
use lab::process::text;
use lab::{Lab, wire};
use std::net::IpAddr;
use std::time::Duration;

use super::{Report, Step, TOWN, began, explain};

/// See the module.
pub const STEP: Step = Step { name: "web", title: "a page over IPv4 and IPv6", title_ja: "ウェブ閲覧", run };

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(TOWN)?;
    for (server, url, source) in [
        (IpAddr::from(WEB_V4), format!("http://{WEB_V4}/"), site.v4()?),
        (WEB_V6.into(), format!("http://[{WEB_V6}]/"), site.v6()?),
    ] {
        let since = lab.daemon()?.events().mark();
        let before = lab.internet().requests()?.len();
        report.sent(format!("curl {url} from {source}"));
        let page = site.namespace().run(&format!("curl --silent --show-error --max-time 10 {url}"))?;
        report.expect(text(&page.stdout).contains("番傘"), format!("the page of {url} came back"));
        let is_logged = wire::wait_until(Duration::from_secs(2), || Ok(lab.internet().requests()?.len() > before))?;
        report.expect(is_logged, "nginx saw the request");
        for request in lab.internet().requests()?.iter().skip(before) {
            let client = request.split(' ').next().unwrap_or_default();
            report.arrived(format!("at nginx, from {client}"));
            let is_hidden = client != source.to_string();
            // IPv4 leaves through the town's pool; IPv6 needs no translation.
            report.expect(is_hidden == server.is_ipv4(), format!("{client} is the right face of {source}"));
        }
        explain(lab, report, since, began(TOWN, &server.to_string()))?;
    }
    Ok(())
}
