//! `kill -9` of the daemon during a transfer and a ping flood: nothing is lost, and the next daemon finds it all.

use std::time::Duration;

use lab::daemon::counted;
use lab::internet::{WEB_V4, WEB_V6};
use lab::load::{Pings, Transfer};

#[test]
fn no_packet_notices_that_the_daemon_died() {
    let mut lab = crate::lab();
    let town = lab.site("shirakaba").unwrap();
    let every = Duration::from_millis(1);
    let pings = [
        Pings::start(town.namespace(), town.v4().unwrap(), WEB_V4.into(), every).unwrap(),
        Pings::start(town.namespace(), town.v6().unwrap(), WEB_V6.into(), every).unwrap(),
    ];
    let lasting = Duration::from_secs(8);
    let transfer = Transfer::start(town.namespace(), town.v4().unwrap(), WEB_V4.into(), lasting, 300_000_000).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    let before = lab.daemon().unwrap().status().unwrap();
    for _ in 0..3 {
        lab.daemon_mut().unwrap().kill().unwrap();
        std::thread::sleep(Duration::from_secs(1));
        lab.start_daemon().unwrap();
    }
    let transferred = transfer.finish().unwrap();
    let answered = pings.map(|pings| pings.stop().unwrap());
    let after = lab.daemon().unwrap().status().unwrap();

    for answered in answered {
        assert!(answered.sent > 1_000, "the flood was one: {answered:?}");
        assert_eq!(answered.sent, answered.received);
    }
    // One connection, begun before the first kill and alive after the last.
    assert!(transferred.silent_tenths < 15, "{transferred:?}");
    assert!(after.adopted);
    assert_eq!(after.generation, before.generation);
    assert_eq!(after.guard_drops, before.guard_drops, "every frame was judged all the time");
    let established = |status| counted(status, Some("shirakaba"), "egress", "forward", "established");
    assert!(established(&before) > 0 && established(&after) > established(&before) + 1_000);
}
