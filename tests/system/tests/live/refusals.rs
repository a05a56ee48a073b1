//! What must be refused is refused in one clear sentence, and the running gateway does not notice.

use std::process::Output;
use std::time::Duration;

use lab::internet::WEB_V4;
use lab::load::Pings;

/// A daemon's command in the lab's gateway, with everything its own but what is named.
fn daemon(lab: &lab::Lab, policy: &std::path::Path, state: &std::path::Path) -> std::process::Command {
    let mut command = lab.gateway().command(lab::daemon::find_binary("bangasad").unwrap());
    command.arg("--policy").arg(policy).arg("--state").arg(state);
    command.arg("--pins").arg(lab.id().pins()).arg("--socket").arg(state.with_extension("sock"));
    command.args(["--metrics", "127.0.0.1:0", "--netns-prefix", &lab.id().municipality_prefix()]);
    command
}

fn last_words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_second_daemon_is_refused() {
    let lab = crate::lab();
    let state = lab.daemon().unwrap().files().state.clone();
    let output = daemon(&lab, &crate::example(), &state).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", last_words(&output));
    assert!(last_words(&output).contains("another"), "{}", last_words(&output));
    assert!(lab.daemon().unwrap().status().is_ok());
}

#[test]
fn a_port_that_does_not_exist_is_named() {
    let lab = lab::Lab::build(&crate::example()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy");
    copy(&crate::example(), &policy);
    let text = std::fs::read_to_string(policy.join("prefecture.toml")).unwrap().replace("\"wan0\"", "\"wan9\"");
    std::fs::write(policy.join("prefecture.toml"), text).unwrap();
    let output = daemon(&lab, &policy, &directory.path().join("state")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(last_words(&output).contains("wan9"), "{}", last_words(&output));
}

#[test]
fn without_privilege_it_says_so() {
    let lab = lab::Lab::build(&crate::example()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--bounding-set=-all", "--inh-caps=-all", "--reset-env"]);
    command.arg(lab::daemon::find_binary("bangasad").unwrap());
    command.arg("--policy").arg(crate::example()).arg("--state").arg(directory.path().join("state"));
    command.arg("--pins").arg(lab.id().pins()).arg("--socket").arg(directory.path().join("sock"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = last_words(&output);
    assert!(words.contains("root") || words.contains("CAP_"), "{words}");
}

#[test]
fn a_broken_policy_leaves_the_running_one_untouched() {
    let lab = crate::lab();
    let daemon = lab.daemon().unwrap();
    let before = daemon.status().unwrap();
    let town = lab.site("shirakaba").unwrap();
    let pings = Pings::start(town.namespace(), town.v4().unwrap(), WEB_V4.into(), Duration::from_millis(2)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let policy = directory.path().join("policy");
    copy(&crate::example(), &policy);
    let file = policy.join("municipalities/shirakaba.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("[egress]", "[egres]");
    std::fs::write(&file, text).unwrap();
    let output = daemon.bangasa(["apply".as_ref(), policy.as_os_str()]).unwrap().output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", last_words(&output));
    assert!(last_words(&output).contains("shirakaba.toml"), "{}", last_words(&output));
    let answered = pings.stop().unwrap();
    assert_eq!(answered.sent, answered.received);
    let after = daemon.status().unwrap();
    assert_eq!((after.generation, after.digest_installed), (before.generation, before.digest_installed));
}

/// A directory with everything in it.
pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
