//! One inspector follows another: what the first one carries goes on, and what comes meanwhile is served.

use std::fs;
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use control::status::InspectorStatus;
use lab::events::Mark;
use lab::internet::{LARGE_BYTES, WEB_NAME};
use lab::process::text;
use lab::wire::wait_until;
use lab::{Lab, Namespace, daemon};

use crate::inspector::{SERVERS, TWINS, event, root};
use crate::inspector_down::inspectors_of;
use crate::proxy::{PORTS, policy, proxy};

const TOWN: &str = TWINS[1];

/// Installs another version of the inspectors' program: the same bytes in another file.
fn install(lab: &Lab) {
    let program = daemon::Files::of(lab.id()).inspector;
    let new = program.with_extension("new");
    fs::copy(&program, &new).unwrap();
    fs::rename(new, program).unwrap();
}

/// curl at the town, which takes more than the handover.
fn begin(lab: &Lab, arguments: &str) -> Child {
    let mut command = lab.site(TOWN).unwrap().namespace().command("curl");
    command.args(["--silent", "--show-error", "--max-time", "60", "--cacert"]).arg(root(lab));
    command.arg("--resolve").arg(format!("{WEB_NAME}:443:{}", SERVERS[0]));
    command.args(arguments.split_whitespace());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Connections that the old inspector carries.
struct Old {
    download: Child,
    /// One connection of HTTP/2: a request, silence, and another request.
    idle: Child,
    process: i32,
    since: Mark,
}

impl Old {
    fn begin(lab: &Lab) -> Self {
        let [process] = inspectors_of(lab, TOWN)[..] else { panic!("{:?}", inspectors_of(lab, TOWN)) };
        let since = lab.daemon().unwrap().events().mark();
        let seen = lab.internet().requests().unwrap().len();
        let download = begin(lab, &format!("--limit-rate 1000k https://{WEB_NAME}/large"));
        let url = format!("https://{WEB_NAME}/ -o /dev/null");
        let idle = begin(lab, &format!("--http2 --rate 4/m -w %{{http_version}}:%{{num_connects}}|  {url} {url}"));
        let arrived = || {
            let requests = lab.internet().requests()?;
            Ok(requests[seen..].iter().any(|line| line.contains("GET / ")) && status(lab).open >= 2)
        };
        assert!(wait_until(Duration::from_secs(10), arrived).unwrap(), "{:?}", status(lab));
        Self { download, idle, process, since }
    }

    /// Both have not ended yet, and then do so well.
    fn end(mut self, lab: &Lab) {
        assert!(self.download.try_wait().unwrap().is_none(), "the download was over too early");
        assert!(self.idle.try_wait().unwrap().is_none(), "so was the idle connection");
        let [download, idle] = [self.download, self.idle].map(|child| child.wait_with_output().unwrap());
        assert!(download.status.success(), "{}; {}", text(&download.stderr), lab.daemon().unwrap().last_words());
        assert!(download.stdout == fs::read(lab.internet().large_file()).unwrap(), "{} bytes", download.stdout.len());
        assert_eq!((text(&idle.stdout).as_str(), idle.status.success()), ("2:1|2:0|", true), "{}", text(&idle.stderr));
        // It has told what became of them, and has gone.
        for requests in [1, 2] {
            let wanted = |line: &lab::events::Line| {
                let tls = line.tls.as_deref().unwrap();
                tls.requests == requests && (requests == 2 || tls.bytes_received > LARGE_BYTES as u64)
            };
            let line = event(lab, self.since, wanted);
            assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("inspect", "rule"), "{line:?}");
        }
        let gone = || Ok(!inspectors_of(lab, TOWN).contains(&self.process) && status(lab).retiring.is_empty());
        assert!(wait_until(Duration::from_secs(20), gone).unwrap(), "{:?}", status(lab));
    }
}

fn status(lab: &Lab) -> InspectorStatus {
    let status = lab.daemon().unwrap().status().unwrap();
    let row = status.municipalities.into_iter().find(|row| row.municipality.as_deref() == Some(TOWN));
    row.and_then(|row| row.inspector).unwrap_or_default()
}

/// Connections that opened well, as the inspectors have counted them.
fn opened(lab: &Lab) -> u64 {
    let rows = status(lab).coverage.into_iter().filter(|row| row.action == "inspect" && row.reason == "rule");
    rows.map(|row| row.connections).sum()
}

/// Clients that come one after the other, each with a new connection, until they are told to stop.
struct Stream {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Output>>>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

impl Stream {
    fn begin(lab: &Lab, url: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let site = Namespace::named(lab.site(TOWN).unwrap().namespace().name());
        let server = SERVERS[0];
        let line = format!(
            "curl --silent --show-error --max-time 20 --cacert {} --resolve {WEB_NAME}:443:{server} {url}",
            root(lab).display()
        );
        let stops = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut all = Vec::new();
            while !stops.load(Ordering::Relaxed) {
                all.push(site.attempt(&line).unwrap());
            }
            all
        });
        Self { over, thread: Some(thread) }
    }

    /// How many there were: every one of them read the page.
    fn end(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        let all = self.thread.take().unwrap().join().unwrap();
        for got in &all {
            assert!(text(&got.stdout).contains("this page came through the gateway"), "{}", text(&got.stderr));
        }
        all.len() as u64
    }
}

/// Waits until the town's inspector is another than this, which may retire.
fn wait_for_another(lab: &Lab, before: i32) {
    let follows = || {
        let all = inspectors_of(lab, TOWN);
        Ok(all.len() == 2 && all.contains(&before) && status(lab).retiring.len() == 1)
    };
    assert!(
        wait_until(Duration::from_secs(15), follows).unwrap(),
        "{:?} {:?}; {}",
        inspectors_of(lab, TOWN),
        status(lab),
        lab.daemon().unwrap().last_words()
    );
    lab.wait_for_inspector(TOWN).unwrap();
}

#[test]
fn a_new_version_takes_over_and_nothing_ends() {
    let lab = crate::proxy::lab();
    let url = format!("https://{WEB_NAME}/");
    let (old, stream) = (Old::begin(&lab), Stream::begin(&lab, &url));
    install(&lab);
    wait_for_another(&lab, old.process);
    // What it carries, and nothing new.
    let carries = || Ok(status(&lab).retiring == [2]);
    assert!(wait_until(Duration::from_secs(5), carries).unwrap(), "{:?}", status(&lab));
    old.end(&lab);
    let made = stream.end() + 2;
    // Those of the one that has ended are not forgotten.
    let told = || Ok(opened(&lab) == made);
    assert!(wait_until(Duration::from_secs(10), told).unwrap(), "{made} connections: {:?}", status(&lab));
    assert_eq!(inspectors_of(&lab, TOWN).len(), 1);
}

#[test]
fn it_takes_over_from_one_that_another_daemon_has_started() {
    over_the_daemons_death(|lab| {
        lab.daemon_mut().unwrap().kill().unwrap();
        install(lab);
    });
}

#[test]
fn the_daemon_may_die_in_between() {
    over_the_daemons_death(|lab| {
        install(lab);
        assert!(wait_until(Duration::from_secs(10), || Ok(inspectors_of(lab, TOWN).len() == 2)).unwrap());
        lab.daemon_mut().unwrap().kill().unwrap();
    });
}

/// What is open stays open where a program is installed and the daemon dies, in either order.
fn over_the_daemons_death(happens: impl FnOnce(&mut Lab)) {
    let mut lab = crate::proxy::lab();
    let url = format!("https://{WEB_NAME}/");
    let (old, stream) = (Old::begin(&lab), Stream::begin(&lab, &url));
    happens(&mut lab);
    lab.start_daemon().unwrap();
    wait_for_another(&lab, old.process);
    // The events of the daemon before are gone with it.
    let old = Old { since: Mark::default(), ..old };
    old.end(&lab);
    stream.end();
}

#[test]
fn the_proxy_moves_and_nothing_ends() {
    let lab = crate::proxy::lab();
    let before = proxy(&lab, TOWN, SERVERS[0]);
    assert_eq!(before.port(), PORTS[1].1);
    let url = format!("https://{WEB_NAME}/");
    let (old, stream) = (Old::begin(&lab), Stream::begin(&lab, &url));
    lab.daemon().unwrap().apply_files(policy(3_129)).unwrap();
    wait_for_another(&lab, old.process);
    let by = |port| {
        let line = format!("-x http://{}:{port} --connect-timeout 3 -w %{{http_connect}} {url}", before.ip());
        begin(&lab, &line).wait_with_output().unwrap()
    };
    let after = by(3_129);
    assert!(text(&after.stdout).ends_with("200"), "{}", text(&after.stderr));
    old.end(&lab);
    stream.end();
    let refused = by(before.port());
    assert!(!refused.status.success(), "{}", text(&refused.stdout));
}

#[test]
fn one_that_cannot_serve_takes_nothing_over() {
    let lab = crate::proxy::lab();
    let [process] = inspectors_of(&lab, TOWN)[..] else { panic!("{:?}", inspectors_of(&lab, TOWN)) };
    let program = daemon::Files::of(lab.id()).inspector;
    let new = program.with_extension("new");
    fs::copy("/bin/false", &new).unwrap();
    fs::rename(&new, &program).unwrap();
    let told = || Ok(status(&lab).trouble.is_some_and(|trouble| trouble.contains("the one before goes on")));
    assert!(wait_until(Duration::from_secs(15), told).unwrap(), "{:?}", status(&lab));
    assert_eq!(inspectors_of(&lab, TOWN), [process]);
    let url = format!("https://{WEB_NAME}/");
    assert!(begin(&lab, &url).wait_with_output().unwrap().status.success());
    // One that can does.
    fs::copy(daemon::find_binary("bangasa-inspect").unwrap(), &new).unwrap();
    fs::rename(new, program).unwrap();
    let follows = || Ok(inspectors_of(&lab, TOWN).len() == 1 && !inspectors_of(&lab, TOWN).contains(&process));
    assert!(wait_until(Duration::from_secs(60), follows).unwrap(), "{}", lab.daemon().unwrap().last_words());
    lab.wait_for_inspector(TOWN).unwrap();
    assert_eq!(status(&lab).trouble, None);
}
