//! Names: UDP, TCP, and IPv6.

use anyhow::Result;
use lab::internet::{DNS_V4, DNS_V6, WEB_NAME, WEB_V4};
use lab::process::text;
use lab::{Counter, Lab};

use super::{Report, Step, VILLAGE, began, explain};

/// See the module.
pub const STEP: Step = Step { name: "dns", title: "names from a DNS server", title_ja: "名前解決", run };

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(VILLAGE)?;
    let since = lab.daemon()?.events().mark();
    let arrivals = Counter::start(lab.internet().uplink(), "udp dport 53")?;
    for (server, options) in
        [(DNS_V4.to_string(), "+notcp"), (DNS_V4.to_string(), "+tcp"), (DNS_V6.to_string(), "+notcp")]
    {
        let line = format!("dig +short +tries=1 +time=5 {options} @{server} {WEB_NAME} A");
        report.sent(&line);
        let answer = site.namespace().run(&line)?;
        report.expect(text(&answer.stdout).trim() == WEB_V4.to_string(), format!("{server} answers ({options})"));
    }
    let arrived = arrivals.packets()?;
    report.arrived(format!("{arrived} questions over UDP at the server; 3 right answers back, one of them over TCP"));
    report.expect_count(arrived, 2, "questions over UDP at the server");
    explain(lab, report, since, began(VILLAGE, &DNS_V4.to_string()))?;
    Ok(())
}
