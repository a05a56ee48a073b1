//! 2015, Japan Pension Service: 1.25 million records left, mostly to one destination, and the network was not cut in time.
//! Here: who else talked to it is found, the terminal is cut off, the destination is blocked for everybody.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::internet::DNS_V4;
use lab::process::text;
use lab::{Lab, Line, Stream};

use super::{Drill, Report, Step};
use crate::tour::{TOWN, VILLAGE};

/// See the module.
pub const DRILL: Drill = Drill {
    incident: "2015, Japan Pension Service: 1.25 million records left, mostly to one destination",
    step: Step {
        name: "cut-off",
        title: "a leak to one destination is found, cut off and blocked, in seconds",
        title_ja: "漏えいの遮断",
        run,
    },
};

/// Where the records go, and another address of the same host.
const DESTINATION: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 90);
/// See [`DESTINATION`].
const SECOND: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 91);
/// Both.
const INDICATOR: &str = "198.51.100.90/31";
/// A port that every municipality may use towards anybody.
const PORT: u16 = 53;
/// Within which nothing must arrive any more.
const SOON: Duration = Duration::from_secs(1);
/// For which nothing must arrive then.
const QUIET: Duration = Duration::from_secs(2);

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let (town, village, outside) = (lab.site(TOWN)?, lab.site(VILLAGE)?, lab.internet().namespace());
    let daemon = lab.daemon()?;
    report.sent(format!("records of {TOWN} and of {VILLAGE} to {INDICATOR}, without end"));
    let at = |address: Ipv4Addr| SocketAddr::new(address.into(), PORT);
    let leak = Stream::start(town.namespace(), town.v4()?, outside, at(DESTINATION))?;
    let second = Stream::start(village.namespace(), village.v4()?, outside, at(SECOND))?;

    let found = daemon.order(&["events", "--to", INDICATOR, "--json"])?;
    let talked: BTreeSet<String> = found
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok())
        .filter_map(|line| Some(format!("{} at {}", line.municipality?, line.source?)))
        .collect();
    report.counted(format!("who talked to it: {}", talked.iter().cloned().collect::<Vec<_>>().join(", ")));
    let expected = [format!("{TOWN} at {}", town.v4()?), format!("{VILLAGE} at {}", village.v4()?)];
    report.expect(expected.iter().all(|one| talked.contains(one)), "both are found in what happened");

    let terminal = format!("{TOWN}/{}", town.v4()?);
    cut(report, &leak, "isolated", || daemon.order(&["isolate", &terminal, "--because", "漏えいの疑い"]))?;
    report.expect(second.goes_on(SOON)?, "the other municipality goes on meanwhile");
    let answers = |address: IpAddr| -> Result<bool> {
        let ping = town.namespace().attempt(&format!("ping -n -c 2 -i 0.2 -W 1 {address}"))?;
        Ok(!text(&ping.stdout).contains(" 0 received"))
    };
    report.expect(answers(DNS_V4.into())?, "the terminal reaches what is essential");
    report.expect(!answers(DESTINATION.into())?, "and nothing else");

    cut(report, &second, "blocked", || {
        daemon.order(&["block", "add", INDICATOR, "--because", "漏えい先", "--for", "1h"])
    })?;
    daemon.order(&["release", &terminal, "--because", "cleaned"])?;
    report.expect_count(leak.arriving_during(QUIET), 0, "bytes of the released terminal to the blocked destination");
    daemon.order(&["block", "remove", INDICATOR, "--because", "drill is over"])?;
    for (stream, whose) in [(&leak, TOWN), (&second, VILLAGE)] {
        report.expect(stream.goes_on(Duration::from_secs(20))?, format!("{whose}'s own connection goes on afterwards"));
    }
    let told = daemon.order(&["events"])?;
    let deeds = told.lines().filter(|line| line.contains(" by ") && line.contains("because: "));
    deeds.for_each(|deed| report.counted(deed.to_owned()));
    Ok(())
}

/// Gives an order, and counts what still arrives after it.
fn cut(report: &mut Report, stream: &Stream, what: &str, order: impl FnOnce() -> Result<String>) -> Result<()> {
    let (before, began) = (stream.received(), Instant::now());
    let said = order()?;
    let (answered, ordered) = (began.elapsed(), stream.received());
    report.counted(said.trim_end().to_owned());
    std::thread::sleep(SOON.saturating_sub(answered));
    let left = stream.received();
    report.arrived(format!(
        "{before} bytes before it was {what}, {} more until the order returned after {} ms, {} in the rest of that second",
        ordered - before,
        answered.as_millis(),
        left - ordered
    ));
    report.expect_count(stream.arriving_during(QUIET), 0, "bytes in the two seconds after");
    Ok(())
}
