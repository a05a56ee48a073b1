//! The program is taken off its ports under load: from that moment nothing passes, because the guard drops what
//! nobody has judged. The kernel alone would route it.

use std::time::Duration;

use lab::Counter;
use lab::frame;
use lab::internet::WEB_V4;
use lab::load::Pings;
use lab::process;
use lab::wire;

const PROBES: usize = 200;

#[test]
fn nothing_passes_while_the_program_is_off() {
    let lab = crate::lab();
    let town = lab.site("shirakaba").unwrap();
    let at_server = Counter::start(lab.internet().uplink(), "ip protocol icmp").unwrap();
    let pings = Pings::start(town.namespace(), town.v4().unwrap(), WEB_V4.into(), Duration::from_millis(2)).unwrap();
    let deadline = Duration::from_secs(5);
    assert!(wire::wait_until(deadline, || Ok(at_server.packets()? > 100)).unwrap(), "traffic passed before");

    let status = lab.daemon().unwrap().status().unwrap();
    for port in &status.ports {
        detach(&lab, &port.port);
    }
    std::thread::sleep(Duration::from_millis(200));
    let stopped_at = at_server.packets().unwrap();

    // What the kernel would route if it were asked: untagged, to the gateway's own MAC address, with a destination
    // that the host has a route for.
    let trunk = status.ports.iter().find(|port| port.role == "access").unwrap();
    let probe = frame::udp("10.10.1.9:5000".parse().unwrap(), format!("{WEB_V4}:5000").parse().unwrap(), b"unjudged");
    let probe = frame::ethernet("02:00:00:00:00:77".parse().unwrap(), trunk.mac.parse().unwrap(), &[], &probe);
    let probes_at_server = Counter::start(lab.internet().uplink(), "udp dport 5000").unwrap();
    wire::send(lab.switch().trunk(&trunk.port), &vec![probe; PROBES]).unwrap();
    std::thread::sleep(Duration::from_secs(1));

    assert_eq!(probes_at_server.packets().unwrap(), 0, "the host routes nothing unjudged");
    assert_eq!(at_server.packets().unwrap(), stopped_at, "no ping passes unjudged");
    let drops = lab.daemon().unwrap().status().unwrap().guard_drops;
    assert!(drops >= status.guard_drops + PROBES as u64, "they reached the guard, which counts: {drops}");
    let answered = pings.stop().unwrap();
    assert!(answered.received < answered.sent);
}

/// Detaches a port's program through its link, as if somebody else had taken it away.
fn detach(lab: &lab::Lab, port: &str) {
    let pin = lab.id().pins().join("links").join(format!("gateway-{port}"));
    process::run(process::command("bpftool", ["link", "detach", "pinned"]).arg(pin)).unwrap();
}
