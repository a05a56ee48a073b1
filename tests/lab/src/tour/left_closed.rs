//! What the inspector does not open, and what it does not hide: a bank's connection passes as it is, and a bad certificate
//! is seen as a bad certificate.

use anyhow::Result;
use lab::Lab;
use lab::daemon::Files;
use lab::internet::{CLOSED_NAME, ELSEWHERE_NAME, WEB_V4};
use lab::process::text;

use super::{CITY, Report, Step};

/// See the module.
pub const STEP: Step = Step {
    name: "left-closed",
    title: "what stays closed, what a false name opens (nothing), and the true error",
    title_ja: "開かない通信・偽の名前・証明書エラー",
    run,
};

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    lab.wait_for_inspector(CITY)?;
    let root = Files::of(lab.id()).authorities.join("root.pem").display().to_string();
    let public = lab.internet().pki().root().display().to_string();
    let cases = [
        (CLOSED_NAME, &public, 0, "splice", "rule", "a bank's own certificate reaches the client"),
        (ELSEWHERE_NAME, &public, 35, "block", "false_sni", "a name that belongs to another address is refused"),
        ("wrong.example.jp", &root, 60, "block", "bad_certificate", "a certificate for another name is seen as one"),
    ];
    for (name, trusted, code, action, reason, what) in cases {
        let since = lab.daemon()?.events().mark();
        report.sent(format!("curl https://{name}/ at {WEB_V4}"));
        let line = format!(
            "curl --silent --show-error --max-time 10 --cacert {trusted} --resolve {name}:443:{WEB_V4} https://{name}/"
        );
        let answer = lab.site(CITY)?.namespace().attempt(&line)?;
        let said = if answer.status.success() { text(&answer.stdout) } else { text(&answer.stderr) };
        report.expect(answer.status.code() == Some(code), format!("{what}: “{}”", said.trim()));
        let line = lab.daemon()?.events().wait(since, |line| line.tls.is_some())?;
        if let Some(line) = &line {
            report.verdict(line);
        }
        let is_told = line.is_some_and(|line| (line.verdict.as_str(), line.reason.as_str()) == (action, reason));
        report.expect(is_told, format!("the event says {action}, {reason}"));
    }
    Ok(())
}
