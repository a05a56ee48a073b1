//! Isolation and indicators over connections that an inspector carries: its own leg towards the server ends as well.

use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use lab::internet::{WEB_NAME, WEB_V4};
use lab::{Counter, Lab};

use crate::inspector::{event, root};

/// The example's town whose web traffic is inspected.
const CITY: &str = "shiomi";

/// A slow upload through the inspector; killed with its guard.
struct Upload(Child);

impl Upload {
    fn start(lab: &Lab, name: &str) -> Self {
        let large = lab.internet().large_file();
        let mut command = lab.site(CITY).unwrap().namespace().command("curl");
        command.args(["--silent", "--http1.1", "--limit-rate", "200k", "--cacert"]).arg(root(lab));
        command.args(["--resolve", &format!("{WEB_NAME}:443:{WEB_V4}"), "-T"]).arg(large);
        command.arg(format!("https://{WEB_NAME}/uploads/{name}"));
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn lab() -> Lab {
    let mut lab = Lab::build(&crate::example()).unwrap();
    lab.internet_mut().serve().unwrap();
    lab.internet_mut().serve_tls().unwrap();
    lab.issue_authorities(&[CITY]).unwrap();
    lab.start_daemon().unwrap();
    lab.wait_for_inspector(CITY).unwrap();
    lab
}

/// Frames to the web server from the city's public addresses, counted at the far end.
fn at_the_far_end(lab: &Lab) -> Counter {
    let town = lab.policy().municipalities.iter().find(|town| town.id == CITY).unwrap();
    let pool: Vec<String> = town.nat_pool.iter().map(ToString::to_string).collect();
    let wanted = format!("ip saddr {{ {} }} ip daddr {WEB_V4} tcp dport 443", pool.join(", "));
    Counter::start(lab.internet().uplink(), &wanted).unwrap()
}

fn arriving(counter: &Counter, time: Duration) -> u64 {
    let before = counter.packets().unwrap();
    std::thread::sleep(time);
    counter.packets().unwrap() - before
}

#[test]
fn an_isolated_clients_sessions_in_the_inspector_end() {
    let lab = lab();
    let counter = at_the_far_end(&lab);
    let (daemon, client) = (lab.daemon().unwrap(), lab.site(CITY).unwrap().v4().unwrap());
    let since = daemon.events().mark();
    let _upload = Upload::start(&lab, "isolated");
    std::thread::sleep(Duration::from_secs(2));
    assert!(arriving(&counter, Duration::from_secs(1)) > 0, "the upload arrives");
    daemon.order(&["isolate", &format!("{CITY}/{client}"), "--because", "漏えいの疑い"]).unwrap();
    let line = event(&lab, since, |line| line.municipality.as_deref() == Some(CITY));
    assert_eq!(
        (line.reason.as_str(), line.source.as_deref()),
        ("isolated", Some(client.to_string().as_str())),
        "{line:?}"
    );
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(arriving(&counter, Duration::from_secs(2)), 0, "nothing of it arrives a second later");
    let open = |lab: &Lab| {
        let status = lab.daemon().unwrap().status().unwrap();
        let of_it = status.municipalities.into_iter().find(|row| row.municipality.as_deref() == Some(CITY));
        of_it.and_then(|row| row.inspector).map(|inspector| inspector.open)
    };
    let ended = lab::wire::wait_until(Duration::from_secs(5), || Ok(open(&lab) == Some(0))).unwrap();
    assert!(ended, "the inspector carries nothing of it: {:?}", open(&lab));
}

#[test]
fn an_indicator_cuts_what_is_inspected() {
    let lab = lab();
    let counter = at_the_far_end(&lab);
    let daemon = lab.daemon().unwrap();
    let _upload = Upload::start(&lab, "blocked");
    std::thread::sleep(Duration::from_secs(2));
    assert!(arriving(&counter, Duration::from_secs(1)) > 0, "the upload arrives");
    let server = IpAddr::from(WEB_V4).to_string();
    daemon.order(&["block", "add", &server, "--because", "漏えい先"]).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(arriving(&counter, Duration::from_secs(2)), 0, "nothing of it arrives a second later");
}
