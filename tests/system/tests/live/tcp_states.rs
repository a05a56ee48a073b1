//! TCP as no well-behaved pair speaks it: simultaneous opens, repeated SYNs, and resets that somebody else made up.
//! Neither end has a kernel that answers: the client is an address that no machine of the site has, the server one
//! behind the router that nobody has.

use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};

use lab::events::Line;
use lab::frame::flags::{ACK, FIN, RST, SYN};
use lab::frame::tcp;
use lab::{Counter, Lab};

use crate::peers::{count, from_outside, from_site, settle};

const TOWN: &str = "shirakaba";

/// A connection that a test plays both ends of.
struct Play<'a> {
    lab: &'a Lab,
    client: SocketAddr,
    /// Whether a packet of the client's has arrived.
    has_begun: Cell<bool>,
    public: Cell<SocketAddr>,
    server: SocketAddr,
    outside: Counter,
    inside: Counter,
}

impl<'a> Play<'a> {
    fn new(lab: &'a Lab, client: IpAddr, server: IpAddr, port: u16) -> Self {
        let family = if client.is_ipv4() { "ip" } else { "ip6" };
        let at = |end, direction: &str, address: IpAddr| {
            Counter::start(
                end,
                &format!(
                    "{family} {direction} {address} tcp {} 443",
                    if direction == "daddr" { "dport" } else { "sport" }
                ),
            )
            .unwrap()
        };
        let outside = at(lab.internet().uplink(), "daddr", server);
        let inside = at(lab.site(TOWN).unwrap().device(), "saddr", server);
        let client = SocketAddr::new(client, port);
        let (has_begun, public) = (Cell::new(false), Cell::new(client));
        Self { lab, client, has_begun, public, server: SocketAddr::new(server, 443), outside, inside }
    }

    /// What the client sends, and whether it arrives.
    fn out(&self, flags: u8, sequence: u32, acknowledgement: u32) -> bool {
        let before = self.outside.packets().unwrap();
        let since = self.lab.daemon().unwrap().events().mark();
        let site = self.lab.site(TOWN).unwrap();
        from_site(self.lab, site, &[tcp(self.client, self.server, flags, sequence, acknowledgement)]);
        settle();
        let arrived = self.outside.packets().unwrap() - before;
        assert!(arrived < 2);
        let (address, port) = (self.client.ip().to_string(), self.client.port());
        let begins = |line: &Line| {
            line.new_flow == Some(true) && line.source.as_deref() == Some(&address) && line.source_port == Some(port)
        };
        let events = self.lab.daemon().unwrap().events();
        // The event of the flow may be later than its first packet.
        let told = match arrived == 1 && !self.has_begun.replace(true) {
            true => Some(events.wait(since, begins).unwrap().expect("no event of the flow")),
            false => events.since(since, begins).pop(),
        };
        if let Some((address, port)) = told.and_then(|line| line.public_address.zip(line.public_port)) {
            self.public.set(SocketAddr::new(address.parse().unwrap(), port));
        }
        arrived == 1
    }

    /// What the server sends, or somebody in its name, and whether it arrives.
    fn back(&self, flags: u8, sequence: u32, acknowledgement: u32) -> bool {
        let before = self.inside.packets().unwrap();
        from_outside(self.lab, &[tcp(self.server, self.public.get(), flags, sequence, acknowledgement)]);
        settle();
        let arrived = self.inside.packets().unwrap() - before;
        assert!(arrived < 2);
        arrived == 1
    }

    /// The three segments that open a connection; the client's numbers begin at 1,000, the server's at 9,000.
    fn open(&self) {
        assert!(self.out(SYN, 1_000, 0));
        assert!(self.back(SYN | ACK, 9_000, 1_001));
        assert!(self.out(ACK, 1_001, 9_001));
    }
}

/// The clients, which share the site's cable, and the servers, in both families.
fn ends() -> [(IpAddr, IpAddr); 2] {
    [("10.10.0.77", "192.0.2.222"), ("2001:db8:102::77", "2001:db8:fffc::222")]
        .map(|(client, server)| (client.parse().unwrap(), server.parse().unwrap()))
}

#[test]
fn both_may_open_at_once() {
    let lab = crate::lab();
    for (client, server) in ends() {
        let play = Play::new(&lab, client, server, 50_000);
        assert!(play.out(SYN, 1_000, 0));
        assert!(play.back(SYN, 9_000, 0), "the SYNs cross");
        assert!(!play.out(ACK, 1_001, 9_001), "no data before somebody has answered");
        assert!(play.out(SYN | ACK, 1_000, 9_001) && play.back(SYN | ACK, 9_000, 1_001));
        assert!(play.out(ACK, 1_001, 9_001) && play.back(ACK, 9_001, 1_001));
        assert!(play.out(FIN | ACK, 1_001, 9_001) && play.back(FIN | ACK, 9_001, 1_002));
        assert!(play.out(ACK, 1_002, 9_002));
    }
}

#[test]
fn a_syn_may_be_repeated() {
    let lab = crate::lab();
    for (client, server) in ends() {
        let play = Play::new(&lab, client, server, 50_001);
        let flows = count(&lab, TOWN, "egress", "forward", "rule");
        for _ in 0..3 {
            assert!(play.out(SYN, 1_000, 0));
        }
        assert_eq!(count(&lab, TOWN, "egress", "forward", "rule") - flows, 1, "they are one flow");
        assert!(play.back(SYN | ACK, 9_000, 1_001) && play.back(SYN | ACK, 9_000, 1_001), "so may its answer");
        assert!(play.out(ACK, 1_001, 9_001) && play.out(ACK, 1_001, 9_001));
    }
}

#[test]
fn a_reset_beside_the_stream_is_dropped_and_the_connection_lives() {
    let lab = crate::lab();
    for (number, (client, server)) in ends().into_iter().enumerate() {
        let play = Play::new(&lab, client, server, 50_002);
        play.open();
        let refused = |direction| count(&lab, TOWN, direction, "drop", "bad_state");
        let before = (refused("ingress"), refused("egress"));
        for sequence in [8_999, 9_001 + 65_536 + 100, 9_001 + (1 << 31), 0] {
            assert!(!play.back(RST, sequence, 0), "{number}: {sequence}");
            assert!(!play.back(RST | ACK, sequence, 1_001), "{number}: {sequence}");
        }
        assert!(!play.out(RST, 1_001 + 70_000, 0));
        assert_eq!((refused("ingress") - before.0, refused("egress") - before.1), (8, 1));
        assert!(play.out(ACK, 1_001, 9_001) && play.back(ACK, 9_001, 1_001), "it lives");

        assert!(play.back(RST, 9_001, 0), "the server's own passes");
        assert!(!play.out(ACK, 1_001, 9_001), "and ends it");
        assert!(play.out(SYN, 5_000, 0), "the ports may be used again");
    }
}

#[test]
fn a_reset_answers_a_syn_only_with_its_number() {
    let lab = crate::lab();
    for (client, server) in ends() {
        let play = Play::new(&lab, client, server, 50_003);
        assert!(play.out(SYN, 1_000, 0));
        assert!(!play.back(RST, 0, 0) && !play.back(RST | ACK, 0, 1_002) && !play.back(RST | ACK, 0, 1_000));
        assert!(play.back(RST | ACK, 0, 1_001));
    }
}
