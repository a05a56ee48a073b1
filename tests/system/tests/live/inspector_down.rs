//! Inspectors that are not there: what rules say then, and how they come back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use lab::daemon::counted;
use lab::internet::{LARGE_BYTES, WEB_NAME};
use lab::process::text;
use lab::wire::wait_until;
use lab::{Lab, daemon};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::inspector::{SERVERS, TWINS, curl, inspectors, lab, policy};

const TOWN: &str = TWINS[0];

/// The process that inspects for a town, in the namespace that the town has now.
pub(crate) fn inspector(lab: &Lab, town: &str) -> Option<i32> {
    inspectors_of(lab, town).into_iter().next()
}

/// All of a town's, in the order of their numbers.
pub(crate) fn inspectors_of(lab: &Lab, town: &str) -> Vec<i32> {
    let inode = |path: &std::path::Path| fs::metadata(path).ok().map(|file| file.ino());
    let ours = inode(&lab.municipality_namespace(town).path());
    let is_ours = |pid: &i32| inode(format!("/proc/{pid}/ns/net").as_ref()) == ours;
    inspectors(lab).into_iter().filter(is_ours).collect()
}

/// Takes the inspectors' program away, and ends a town's.
fn keep_down(lab: &Lab, town: &str) {
    let files = daemon::Files::of(lab.id());
    fs::rename(&files.inspector, files.inspector.with_extension("away")).unwrap();
    kill(Pid::from_raw(inspector(lab, town).unwrap()), Signal::SIGKILL).unwrap();
}

/// Puts it back.
fn let_come(lab: &Lab) {
    let files = daemon::Files::of(lab.id());
    fs::rename(files.inspector.with_extension("away"), files.inspector).unwrap();
}

/// The policy in which the town's plain web traffic stays closed while its inspector is down, and the rest does not.
fn halves() -> policy::Source {
    let mut source = policy();
    let town = source.files.get_mut("municipalities/shiomi.toml").unwrap();
    let plain = "name = \"plain\"\nports = [\"tcp/80\"]\naction = \"inspect\"\n\n[[egress.rule]]\nname = \"web\"\n";
    let changed = text(town)
        .replacen("name = \"web\"\nports = [\"tcp/80\", \"tcp/443\"", &format!("{plain}ports = [\"tcp/443\""), 1)
        .replacen("when_down = \"closed\"", "when_down = \"splice\"", 1);
    assert_eq!(changed.matches("action = \"inspect\"").count(), text(town).matches("action = \"inspect\"").count() + 1);
    *town = changed.into_bytes();
    source
}

#[test]
fn while_it_is_down_each_rule_says_what_becomes_of_new_connections() {
    let lab = lab();
    lab.daemon().unwrap().apply_files(halves()).unwrap();
    lab.wait_for_inspector(TOWN).unwrap();
    let public = lab.internet().pki().root();
    let opened = |server| curl(&lab, TOWN, WEB_NAME, server, &format!("https://{WEB_NAME}/")).status.success();
    let passed = |server, further: &str| {
        curl(&lab, TOWN, WEB_NAME, server, &format!("{further} --cacert {} https://{WEB_NAME}/large", public.display()))
    };
    assert!(opened(SERVERS[0]));
    let since = lab.daemon().unwrap().events().mark();
    keep_down(&lab, TOWN);
    let absent = wait_until(Duration::from_secs(10), || {
        let status = lab.daemon()?.status()?;
        let town = status.municipalities.into_iter().find(|town| town.municipality.as_deref() == Some(TOWN));
        Ok(town.and_then(|town| town.inspector).is_some_and(|inspector| inspector.state == "absent"))
    });
    assert!(absent.unwrap());
    for server in SERVERS {
        let seen = lab.internet().requests().unwrap().len();
        let got = curl(&lab, TOWN, WEB_NAME, server, &format!("--max-time 4 http://{WEB_NAME}/"));
        assert!(!got.status.success() && got.stdout.is_empty(), "{got:?}");
        assert_eq!(lab.internet().requests().unwrap().len(), seen, "what stays closed arrived");
        // By the server's own certificate: nobody is between.
        let got = passed(server, "");
        assert!(got.status.success() && got.stdout.len() == LARGE_BYTES, "{server}: {}", text(&got.stderr));
        assert_eq!(lab.internet().requests().unwrap().len(), seen + 1);
    }
    let told = lab.daemon().unwrap().events().since(since, |line| line.reason == "inspector_down");
    assert_eq!(told.len(), SERVERS.len(), "{told:?}");
    for line in &told {
        assert_eq!((line.verdict.as_str(), line.rule.as_deref()), ("forward", Some("web")), "{line:?}");
        assert!(line.municipality.as_deref() == Some(TOWN) && line.destination_port == Some(443), "{line:?}");
    }
    let counts = counted(&lab.daemon().unwrap().status().unwrap(), Some(TOWN), "egress", "forward", "inspector_down");
    assert_eq!(counts, SERVERS.len() as u64);
    // The other town's inspector serves.
    assert!(curl(&lab, TWINS[1], WEB_NAME, SERVERS[0], &format!("https://{WEB_NAME}/")).status.success());
    // What was passed on stays so when the inspector is back, and what is new is opened again.
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| passed(SERVERS[0], "--limit-rate 2M"));
        let flowing =
            || Ok(!lab.internet().namespace().run("ss -Htn state established sport = :443")?.stdout.is_empty());
        assert!(wait_until(Duration::from_secs(10), flowing).unwrap());
        let_come(&lab);
        assert!(wait_until(Duration::from_secs(60), || Ok(inspector(&lab, TOWN).is_some())).unwrap());
        lab.wait_for_inspector(TOWN).unwrap();
        assert!(SERVERS.into_iter().all(opened), "{}", lab.daemon().unwrap().last_words());
        let got = fetching.join().unwrap();
        assert!(got.status.success() && got.stdout.len() == LARGE_BYTES, "{}", text(&got.stderr));
    });
}

#[test]
fn one_that_hangs_is_ended_and_started_again() {
    let lab = lab();
    let hung = inspector(&lab, TOWN).unwrap();
    kill(Pid::from_raw(hung), Signal::SIGSTOP).unwrap();
    let ended = || Ok(inspector(&lab, TOWN).is_some_and(|pid| pid != hung));
    assert!(wait_until(Duration::from_secs(60), ended).unwrap(), "{}", lab.daemon().unwrap().last_words());
    lab.wait_for_inspector(TOWN).unwrap();
    assert!(lab.daemon().unwrap().last_words().contains("the inspector hangs"));
    assert!(curl(&lab, TOWN, WEB_NAME, SERVERS[0], &format!("https://{WEB_NAME}/")).status.success());
}

#[test]
fn a_municipality_that_left_for_a_moment_gets_an_inspector_of_its_new_namespace() {
    let lab = lab();
    let before = inspector(&lab, TWINS[1]).unwrap();
    let mut without = policy();
    without.files.remove("municipalities/shirakaba.toml").unwrap();
    lab.daemon().unwrap().apply_files(without).unwrap();
    lab.daemon().unwrap().apply_files(policy()).unwrap();
    let found = wait_until(Duration::from_secs(20), || Ok(inspector(&lab, TWINS[1]).is_some_and(|pid| pid != before)));
    assert!(found.unwrap(), "{}", lab.daemon().unwrap().last_words());
    lab.wait_for_inspector(TWINS[1]).unwrap();
    assert!(curl(&lab, TWINS[1], WEB_NAME, SERVERS[0], &format!("https://{WEB_NAME}/")).status.success());
}
