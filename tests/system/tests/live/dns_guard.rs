//! The DNS guard before a real server: in a flood of names that nobody has, from addresses that nobody has, clients that
//! ask as resolvers do are all answered, the server hears next to nothing of the flood, and no flow is made for it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lab::dns::{self, Answered, CITY, NAME, SERVER_V4, SERVER_V6, ZONE};
use lab::frame;
use lab::internet::{WEB_V4, WEB_V6};
use lab::wire::{Listener, wait_until};
use lab::{Counter, Lab, Line};

use crate::peers::{count, from_outside, settle};

/// Queries of the flood.
const FLOOD: u32 = 6_000;
/// What the example's policy says.
const NAMES: u64 = 400;
const QUERIES_PER_SOURCE: u64 = 100;
/// The sketch is right within one in a hundred or so.
const SLACK: u64 = NAMES / 20;
/// Longer than two windows, in which an attack must end, and the daemon must have looked.
const PATIENCE: Duration = Duration::from_secs(30);

fn clients() -> [(IpAddr, IpAddr); 2] {
    [(WEB_V4.into(), SERVER_V4.into()), (WEB_V6.into(), SERVER_V6.into())]
}

fn told(lab: &Lab, state: &str) -> bool {
    let is_it =
        |line: &Line| line.dns.as_ref().is_some_and(|dns| dns.state == state && dns.zone.as_deref() == Some(ZONE));
    let events = lab.daemon().unwrap().events();
    wait_until(PATIENCE, || Ok(!events.since(Default::default(), is_it).is_empty())).unwrap()
}

#[test]
fn clients_are_answered_in_a_flood_that_the_server_never_sees() {
    let lab = crate::lab();
    let _server = dns::serve(&lab).unwrap();
    for (client, server) in clients() {
        assert_eq!(dns::ask(&lab, client, server).unwrap(), Answered::Directly);
    }
    let queries = Counter::start(lab.site(CITY).unwrap().device(), "udp dport 53").unwrap();
    let flows = lab.daemon().unwrap().status().unwrap().flows;
    let frames = dns::flood(&lab, 0..FLOOD).unwrap();
    let mut asked = 0;
    for part in frames.chunks(FLOOD as usize / 6) {
        dns::send(&lab, part).unwrap();
        if asked == 0 {
            assert!(dns::is_attacked(&lab).unwrap());
        }
        for (client, server) in clients() {
            assert_eq!(dns::ask(&lab, client, server).unwrap(), Answered::OverTcp, "after {asked} questions");
            asked += 1;
        }
    }
    settle();
    let (arrived, grown) = (queries.packets().unwrap(), lab.daemon().unwrap().status().unwrap().flows - flows);
    let answered = count(&lab, CITY, "ingress", "drop", "dns_guard");
    println!("{arrived} of {FLOOD} queries of the flood arrived, {answered} were answered, {grown} flows more");
    // The test's own questions were answered over UDP first.
    assert_eq!(arrived + answered, u64::from(FLOOD) + asked);
    // Questions of the flood until the zone was under attack: where the window turned meanwhile, those of two windows. The
    // test's own TCP connections are flows as well.
    assert!(arrived <= 2 * NAMES + SLACK && arrived + SLACK >= NAMES, "{arrived} arrived");
    assert!(grown <= 2 * NAMES + SLACK + asked, "{grown} flows more");
    assert!(told(&lab, "began"));
    assert!(wait_until(PATIENCE, || Ok(!dns::is_attacked(&lab)?)).unwrap());
    assert!(told(&lab, "ended"));
    for (client, server) in clients() {
        assert_eq!(dns::ask(&lab, client, server).unwrap(), Answered::Directly);
    }
}

#[test]
fn a_source_over_its_rate_gets_answers_that_are_its_questions_truncated() {
    let lab = crate::lab();
    let _server = dns::serve(&lab).unwrap();
    for (client, server) in clients() {
        let is_answer = move |frame: &[u8]| frame.len() > 70 && frame.windows(2).any(|two| two == [0, 53]);
        let heard = Listener::start(lab.internet().uplink(), is_answer).unwrap();
        let before = count(&lab, CITY, "ingress", "drop", "dns_guard");
        let ask = |id: u16| {
            let mut message = dns::query(NAME);
            message[..2].copy_from_slice(&id.to_be_bytes());
            frame::udp(SocketAddr::new(client, 7_000), SocketAddr::new(server, 53), &message)
        };
        let many = QUERIES_PER_SOURCE as u16 * 3;
        let packets: Vec<_> = (0..many).map(ask).collect();
        let longest = packets.iter().map(Vec::len).max().unwrap() + 14;
        from_outside(&lab, &packets);
        settle();
        let answered = count(&lab, CITY, "ingress", "drop", "dns_guard") - before;
        assert!(answered >= u64::from(many) - 2 * QUERIES_PER_SOURCE, "{answered} of {many}");
        let header = 14 + if server.is_ipv4() { 20 } else { 40 } + 8;
        let frames = heard.stop().unwrap();
        // From the server's port, an answer, truncated.
        let truncated = frames.iter().filter(|frame| {
            frame[header - 8..header - 6] == [0, 53] && frame.get(header + 2).is_some_and(|flags| flags & 0x82 == 0x82)
        });
        let truncated: Vec<_> = truncated.collect();
        assert_eq!(truncated.len() as u64, answered);
        assert!(truncated.iter().all(|frame| frame.len() <= longest), "none is longer than its question");
        assert!(truncated.iter().all(|frame| frame[header + 12..] == dns::query(NAME)[12..]));
    }
    // With EDNS, and as a kernel takes it that looks at checksums.
    for (client, server) in clients() {
        let said = dns::dig(&lab, client, server, &["+ignore", "+dnssec", NAME, "A"]).unwrap();
        if said.contains("flags: qr tc") {
            assert!(said.contains("EDNS: version: 0, flags: do; udp: 1232"), "{said}");
            assert!(said.contains("QUERY: 1, ANSWER: 0, AUTHORITY: 0, ADDITIONAL: 1"), "{said}");
        }
    }
}
