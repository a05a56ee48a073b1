//! The freeze refuses planned change, over restarts, and nothing that is urgent.

use std::time::Duration;

#[test]
fn frozen_policy_stays_and_urgent_orders_go_on() {
    let mut lab = crate::lab();
    let example = crate::example();
    let apply = ["apply", example.to_str().unwrap(), "--because", "planned"];
    let daemon = lab.daemon().unwrap();
    daemon.order(&apply).unwrap();
    let before = daemon.status().unwrap().generation;
    daemon.order(&["freeze", "--until", "1h", "--because", "台風接近"]).unwrap();
    for restarted in [false, true] {
        if restarted {
            lab.daemon_mut().unwrap().kill().unwrap();
            lab.start_daemon().unwrap();
        }
        let daemon = lab.daemon().unwrap();
        let refusal = daemon.refusal(&apply).unwrap();
        for part in ["frozen until 20", "because: 台風接近", "since 20", "by ", "--lift"] {
            assert!(refusal.contains(part), "{part}: {refusal}");
        }
        let status = daemon.status().unwrap();
        assert_eq!(status.generation, before);
        assert_eq!(status.frozen.unwrap().because, "台風接近");
        let plan = daemon.bangasa(["plan", example.to_str().unwrap()]).unwrap().output().unwrap();
        assert!(plan.status.success() && lab::process::text(&plan.stderr).contains("frozen until"), "{plan:?}");
    }
    let daemon = lab.daemon().unwrap();
    daemon.order(&["isolate", "shirakaba", "--because", "urgent"]).unwrap();
    daemon.order(&["block", "add", "198.51.100.90", "--because", "urgent"]).unwrap();
    daemon.order(&["release", "shirakaba", "--because", "over"]).unwrap();
    assert!(daemon.status().unwrap().generation > before, "each is a generation of its own");
    daemon.order(&["freeze", "--lift", "--because", "晴れ"]).unwrap();
    assert_eq!(daemon.order(&["freeze", "--show"]).unwrap(), "policy may change\n");
    daemon.order(&apply).unwrap();
    assert_eq!(daemon.status().unwrap().indicators, 1, "a policy that is applied leaves indicators in force");

    daemon.order(&["freeze", "--until", "1s", "--because", "a moment"]).unwrap();
    let ended = lab::wire::wait_until(Duration::from_secs(10), || Ok(daemon.order(&apply).is_ok())).unwrap();
    assert!(ended, "it ends by itself");
    let audit = std::fs::read_to_string(daemon.files().state.join("audit.jsonl")).unwrap();
    let deeds: Vec<lab::Line> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let did = |word: &str, result: &str| {
        let deeds = deeds.iter().filter_map(|line| line.audit.as_ref());
        deeds.filter(|audit| audit.did == word && audit.result.starts_with(result)).count()
    };
    assert!(did("apply", "refused: changes are frozen") >= 2, "{audit}");
    for word in ["freeze", "thaw", "isolate", "release", "block", "apply"] {
        assert!(did(word, "done") >= 1, "{word}: {audit}");
    }
}
