//! The lab without a gateway: every frame carries the right tags on the trunk and reaches the right site, sites do not
//! hear each other, and nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use lab::load::Pings;
use lab::process::text;
use lab::responder::Responder;
use lab::wire::{Listener, send, wait_until};
use lab::{Counter, End, Lab, frame, link, names};

fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy/example")
}

#[test]
fn tags_are_pushed_and_popped_for_every_site() {
    let lab = Lab::build(&example()).unwrap();
    let trunk = lab.trunk();
    for site in lab.sites() {
        let (mac, host) = (link::mac(site.device()).unwrap(), site.v4().unwrap());
        let packet =
            frame::udp(SocketAddr::new(host, 4_999), SocketAddr::new("198.51.100.9".parse().unwrap(), 4_999), b"tag");
        // A listener's socket loses tags that the kernel has set aside; tcpdump knows where to look.
        let mut tcpdump = trunk.namespace.command("timeout");
        tcpdump.args(["2", "tcpdump", "-i", trunk.device, "-n", "-e", "-l", "ether", "src", &mac.to_string()]);
        let child = tcpdump.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(700));
        let sent = frame::ethernet(mac, link::mac(trunk).unwrap(), &[], &packet);
        send(site.device(), std::slice::from_ref(&sent)).unwrap();
        let seen = text(&child.wait_with_output().unwrap().stdout);
        let seen = seen.lines().find(|line| line.contains("UDP, length 3")).expect("the frame is on the trunk");
        for vlan in &site.vlans {
            assert!(seen.contains(&format!("vlan {vlan},")), "{}: {seen}", site.attachment);
        }
        assert_eq!(seen.matches("vlan ").count(), site.vlans.len(), "{seen}");

        // And back: tagged on the trunk, bare at this site, nowhere else.
        let counters: Vec<_> = lab
            .sites()
            .iter()
            .map(|other| (&other.attachment, Counter::start(other.device(), "udp dport 4999").unwrap()))
            .collect();
        let listener = Listener::start(site.device(), |frame| frame.windows(3).any(|bytes| bytes == b"tag")).unwrap();
        send(trunk, &[frame::ethernet(link::mac(trunk).unwrap(), mac, &site.vlans, &packet)]).unwrap();
        assert!(
            wait_until(Duration::from_secs(1), || {
                Ok(counters.iter().map(|(_, counter)| counter.packets().unwrap()).sum::<u64>() == 1)
            })
            .unwrap()
        );
        for (attachment, counter) in &counters {
            assert_eq!(counter.packets().unwrap(), u64::from(*attachment == &site.attachment), "{attachment}");
        }
        let heard = listener.stop().unwrap();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0][12..14], [8, 0], "the tags are gone");
    }
}

#[test]
fn servers_answer_and_everything_is_removed() {
    let mut lab = Lab::build(&example()).unwrap();
    lab.internet_mut().serve().unwrap();
    let inside = lab.internet().namespace();
    let page = inside.run("curl -s http://198.51.100.80/").unwrap();
    assert!(text(&page.stdout).contains("番傘"));
    let answer = inside.run("dig +short @198.51.100.53 www.example.jp").unwrap();
    assert_eq!(text(&answer.stdout).trim(), "198.51.100.80");
    assert_eq!(lab.internet().requests().unwrap().len(), 1);

    let responder = Responder::start(inside, 9043).unwrap();
    inside.run("curl -s http://198.51.100.77:9043/").unwrap();
    assert_eq!(responder.arrivals()[0].destination, "198.51.100.77:9043".parse().unwrap());

    let end = End { namespace: lab.gateway(), device: "wan0" };
    let counter = Counter::start(end, "icmp type echo-reply").unwrap();
    let pings = Pings::start(
        lab.gateway(),
        "192.0.2.2".parse().unwrap(),
        "192.0.2.1".parse().unwrap(),
        Duration::from_millis(5),
    );
    std::thread::sleep(Duration::from_millis(300));
    let answered = pings.unwrap().stop().unwrap();
    assert!(answered.sent > 10);
    assert_eq!(answered.sent, answered.received);
    assert_eq!(counter.packets().unwrap(), answered.received);
    drop((responder, counter));

    let id = lab.id().clone();
    drop(lab);
    assert!(!id.directory().exists());
    assert!(!id.pins().exists());
    let left = fs::read_dir(names::NETNS).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(&id.prefix())).collect();
    assert!(left.is_empty(), "{left:?}");
}
