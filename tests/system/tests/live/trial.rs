//! A policy that nobody confirms is taken back by itself, over the death of the daemon as well; and the way back to any
//! policy that judged.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use control::HistoryRow;
use lab::Lab;
use lab::internet::WEB_V4;
use lab::process::text;
use lab::wire::wait_until;

use crate::refusals::copy;

const TOWN: &str = "shirakaba";

/// The example, but for this text of the town's.
fn changed(directory: &tempfile::TempDir, name: &str, old: &str, new: &str) -> PathBuf {
    let policy = directory.path().join(name);
    copy(&crate::example(), &policy);
    let file = policy.join(format!("municipalities/{TOWN}.toml"));
    let before = fs::read_to_string(&file).unwrap();
    assert!(before.contains(old), "{old}");
    fs::write(file, before.replacen(old, new, 1)).unwrap();
    policy
}

/// The town's web is closed.
fn closed(directory: &tempfile::TempDir) -> PathBuf {
    let web = |action: &str| format!("ports = [\"tcp/80\", \"tcp/443\", \"udp/443\"]\naction = \"{action}\"");
    changed(directory, "closed", &web("allow"), &web("deny"))
}

/// Whether the town reaches the web server, by a new connection.
fn reaches(lab: &Lab) -> bool {
    let line = format!("curl --silent --max-time 2 http://{WEB_V4}/");
    let got = lab.site(TOWN).unwrap().namespace().attempt(&line).unwrap();
    text(&got.stdout).contains("this page came through the gateway")
}

fn history(lab: &Lab) -> Vec<HistoryRow> {
    let told = lab.daemon().unwrap().order(&["history", "--json"]).unwrap();
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn in_force(lab: &Lab) -> HistoryRow {
    let rows = history(lab);
    let mut rows = rows.into_iter().filter(|row| row.in_force);
    let row = rows.next().expect("nothing is in force");
    assert!(rows.next().is_none(), "one policy is in force");
    row
}

#[test]
fn what_nobody_confirms_is_taken_back() {
    let mut lab = crate::lab();
    let directory = tempfile::tempdir().unwrap();
    let closed = closed(&directory);
    let closed = closed.to_str().unwrap();
    let first = in_force(&lab).generation;
    assert!(reaches(&lab));
    for killed in [false, true] {
        let daemon = lab.daemon().unwrap();
        let told = daemon.order(&["apply", closed, "--confirm-within", "6s", "--because", "試行"]).unwrap();
        assert!(told.contains("it waits for `bangasa confirm` until 20"), "{told}");
        assert!(!reaches(&lab), "it judges");
        let tried = in_force(&lab);
        assert!(tried.trial.is_some());
        let refusal = daemon.refusal(&["apply", closed, "--because", "another"]).unwrap();
        assert!(refusal.contains("to be confirmed; `bangasa confirm` keeps it"), "{refusal}");
        // What is urgent goes on, and stays when the policy goes.
        daemon.order(&["block", "add", "198.51.100.91", "--because", "urgent"]).unwrap();
        if killed {
            lab.daemon_mut().unwrap().kill().unwrap();
            lab.start_daemon().unwrap();
        }
        assert!(wait_until(Duration::from_secs(60), || Ok(reaches(&lab))).unwrap(), "it is not taken back");
        let rows = history(&lab);
        let taken_back = rows.iter().find(|row| row.generation == tried.generation).unwrap();
        assert_eq!(taken_back.taken_back.as_deref(), Some("nobody confirmed it in time"));
        let now = in_force(&lab);
        assert_eq!((now.restores, now.trial, now.who.contains("bangasad")), (Some(first), None, true), "{now:?}");
        let status = lab.daemon().unwrap().status().unwrap();
        assert_eq!((status.trial, status.indicators, status.digest_matches), (None, 1, true));
        lab.daemon().unwrap().order(&["block", "remove", "198.51.100.91", "--because", "over"]).unwrap();
    }

    // What somebody confirmed stays.
    let daemon = lab.daemon().unwrap();
    assert!(daemon.refusal(&["confirm"]).unwrap().contains("no policy waits"));
    daemon.order(&["apply", closed, "--confirm-within", "5s", "--because", "again"]).unwrap();
    daemon.order(&["isolate", "shiomi", "--because", "an overlay in between"]).unwrap();
    let kept = in_force(&lab).generation;
    assert_eq!(
        daemon.order(&["confirm", "--because", "it is meant so"]).unwrap(),
        format!("generation {kept} stays\n")
    );
    lab.daemon_mut().unwrap().kill().unwrap();
    lab.start_daemon().unwrap();
    std::thread::sleep(Duration::from_secs(7));
    assert_eq!((in_force(&lab).generation, in_force(&lab).trial), (kept, None));
    assert!(!reaches(&lab));
    let audit = fs::read_to_string(lab.daemon().unwrap().files().state.join("audit.jsonl")).unwrap();
    for word in ["rollback", "confirm"] {
        assert!(audit.contains(&format!("\"did\":\"{word}\"")), "{word}: {audit}");
    }
}

#[test]
fn every_policy_that_judged_can_come_back() {
    let lab = crate::lab();
    let directory = tempfile::tempdir().unwrap();
    let closed = closed(&directory);
    let renamed = changed(&directory, "renamed", "name = \"白樺町\"", "name = \"白樺市\"");
    let daemon = lab.daemon().unwrap();
    let apply = |policy: &PathBuf| {
        daemon.order(&["apply", policy.to_str().unwrap(), "--because", "試験"]).unwrap();
        in_force(&lab).generation
    };
    let first = in_force(&lab).generation;
    let (second, third) = (apply(&renamed), apply(&closed));
    assert!(!reaches(&lab));
    let back = |arguments: &[&str]| {
        daemon.order(&[&["rollback", "--because", "web is needed"], arguments].concat()).unwrap();
        in_force(&lab).restores
    };
    assert_eq!(back(&[]), Some(second), "the one before");
    assert!(reaches(&lab));
    assert_eq!(back(&[]), Some(first), "and the one before that");
    let refusal = daemon.refusal(&["rollback", "--because", "further"]).unwrap();
    assert!(refusal.contains("no other policy is kept from before"), "{refusal}");
    assert_eq!(back(&[&third.to_string()]), Some(third), "any by its number");
    assert!(!reaches(&lab));
    let refusal = daemon.refusal(&["rollback", "99", "--because", "unknown"]).unwrap();
    assert!(refusal.contains("generation 99 is not kept; `bangasa history`"), "{refusal}");

    // In words, between any two.
    let diff = |arguments: &[&str]| {
        let output = daemon.bangasa([&["diff"], arguments].concat()).unwrap().output().unwrap();
        (output.status.code(), text(&output.stdout))
    };
    let (first, third) = (first.to_string(), third.to_string());
    let (code, told) = diff(&[&first, &third]);
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("shirakaba:") && told.contains("web"), "{told}");
    assert_eq!(diff(&[&third]), (Some(0), "nothing is different\n".to_owned()));

    daemon.order(&["freeze", "--until", "1h", "--because", "台風接近"]).unwrap();
    let refusal = daemon.refusal(&["rollback", "--because", "frozen"]).unwrap();
    assert!(refusal.contains("changes are frozen"), "{refusal}");
}
