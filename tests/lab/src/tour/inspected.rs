//! A connection that the inspector opens: the page arrives, under a certificate of the municipality's own authority, and
//! the gateway tells what was asked of whom.

use std::net::IpAddr;

use anyhow::Result;
use lab::Lab;
use lab::daemon::Files;
use lab::internet::{WEB_NAME, WEB_V4, WEB_V6};
use lab::process::text;

use super::{CITY, Report, Step};

/// See the module.
pub const STEP: Step = Step {
    name: "inspected",
    title: "TLS that the rules open is opened, by the municipality's own authority",
    title_ja: "TLS検査",
    run,
};

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    lab.wait_for_inspector(CITY)?;
    let site = lab.site(CITY)?;
    let root = Files::of(lab.id()).authorities.join("root.pem");
    for (server, option) in [(IpAddr::from(WEB_V4), "--http2"), (WEB_V6.into(), "--http1.1")] {
        let since = lab.daemon()?.events().mark();
        let before = lab.internet().requests()?.len();
        let address = if server.is_ipv4() { server.to_string() } else { format!("[{server}]") };
        report.sent(format!("curl {option} https://{WEB_NAME}/ at {server}, trusting the prefecture's root alone"));
        let line = format!(
            "curl --silent --show-error --verbose --max-time 10 {option} --cacert {} --resolve {WEB_NAME}:443:{address} \
             https://{WEB_NAME}/",
            root.display()
        );
        let answer = site.namespace().attempt(&line)?;
        report.expect(text(&answer.stdout).contains("番傘"), format!("the page came back from {server}"));
        let told = text(&answer.stderr);
        let issuer = told.lines().find(|line| line.contains("issuer:")).unwrap_or_default().trim().to_owned();
        report.expect(issuer.contains(CITY), format!("the client saw a certificate of {CITY}'s authority: {issuer}"));
        let requests = lab.internet().requests()?;
        for request in requests.iter().skip(before) {
            report.arrived(format!("at nginx: {request}"));
        }
        report.expect_count((requests.len() - before) as u64, 1, "requests at the server");
        let line = lab.daemon()?.events().wait(since, |line| line.tls.is_some())?;
        if let Some(line) = &line {
            report.verdict(line);
        }
        let tls = line.and_then(|line| line.tls);
        let is_told = tls.is_some_and(|tls| {
            tls.sni.as_deref() == Some(WEB_NAME) && tls.upstream.as_deref() == Some("good") && tls.requests == 1
        });
        report.expect(is_told, "the event names the server, that its certificate was good, and one request");
    }
    Ok(())
}
