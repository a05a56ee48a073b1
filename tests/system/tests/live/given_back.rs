//! `bangasad detach` gives every port back, also one that a killed start had given no more than the guard.

use lab::internet::{GATEWAY_V4, GATEWAY_V6};
use lab::{daemon, process};

#[test]
fn a_port_with_only_the_guard_is_given_back() {
    let mut lab = crate::lab();
    assert!(!answers(&lab), "the gateway's own address is nobody's on the Internet");
    lab.daemon_mut().unwrap().kill().unwrap();
    // As if the start had been killed there: the pin is all that holds the link.
    let links = lab.id().pins().join("links");
    std::fs::remove_file(links.join(format!("gateway-{}", lab.uplink().device))).unwrap();
    assert!(!answers(&lab), "the guard alone lets nothing in");

    let mut detach = lab.gateway().command(daemon::find_binary("bangasad").unwrap());
    detach.arg("detach").arg("--pins").arg(lab.id().pins());
    detach.arg("--state").arg(daemon::Files::of(lab.id()).state);
    detach.args(["--netns-prefix", &lab.id().municipality_prefix()]);
    process::run(&mut detach).unwrap();
    assert!(answers(&lab), "the host answers as it did before there was a gateway");
    assert!(!lab.id().pins().join("maps").exists());
}

/// Whether the router's pings to the gateway's own addresses come back, all of them; else none does.
fn answers(lab: &lab::Lab) -> bool {
    let came_back = [GATEWAY_V4.to_string(), GATEWAY_V6.to_string()].map(|address| {
        let pings = format!("ping -n -c 3 -i 0.2 -W 2 {address}");
        process::text(&lab.internet().namespace().attempt(&pings).unwrap().stdout)
    });
    let all = came_back.iter().all(|said| said.contains(" 3 received"));
    assert!(all || came_back.iter().all(|said| said.contains(" 0 received")), "{came_back:?}");
    all
}
