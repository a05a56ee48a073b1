//! A large file, byte for byte, through two VLAN tags.

use anyhow::{Context, Result};
use lab::Lab;
use lab::internet::{LARGE_BYTES, WEB_V4};
use lab::process::{self, text};

use super::{HARBOUR, Report, Step, began, explain};

/// See the module.
pub const STEP: Step =
    Step { name: "download", title: "a download, compared byte for byte", title_ja: "ダウンロード", run };

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let site = lab.site(HARBOUR)?;
    let since = lab.daemon()?.events().mark();
    let copy = lab.id().directory().join("download");
    let line = format!(
        "curl --silent --show-error --max-time 60 --write-out %{{size_download}}/%{{speed_download}} --output {} http://{WEB_V4}/large",
        copy.display()
    );
    report.sent(format!("curl http://{WEB_V4}/large from {} at {}", site.v4()?, site.attachment));
    let output = site.namespace().run(&line)?;
    let figures = text(&output.stdout);
    let (size, speed) = figures.split_once('/').context("curl told no size")?;
    let (wanted, found) = (digest(&lab.internet().large_file())?, digest(&copy)?);
    let speed: f64 = speed.parse().unwrap_or(0.0);
    report.arrived(format!("{size} bytes at {:.0} Mbit/s, sha256 {}…", speed * 8.0 / 1e6, &found[..16]));
    report.expect(size == LARGE_BYTES.to_string(), format!("all of {LARGE_BYTES} bytes"));
    report.expect(found == wanted, "the same bytes");
    explain(lab, report, since, began(HARBOUR, &WEB_V4.to_string()))?;
    Ok(())
}

fn digest(path: &std::path::Path) -> Result<String> {
    let output = process::run(&mut process::command("sha256sum", [path]))?;
    Ok(text(&output.stdout).split(' ').next().filter(|hash| hash.len() == 64).context("no hash")?.to_owned())
}
