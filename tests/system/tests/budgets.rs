//! Budgets through the real program by a clock of the test's own: long times, and more sources than a lab has.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{IpAddr, Ipv4Addr};

use abi::event::Event;
use abi::{Limit, Reason, Verdict};
use dataplane::engine::{Engine, EngineSize, Entry};
use policy::{CompiledPolicy, Numbering, Source};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use system::entry::entry;
use system::frame::{Packet, Payload};

const TOWN: &str = "town";
const NS: u64 = 1_000_000_000;

/// A town that allows everything, under these limits.
fn town(limits: &str) -> Source {
    let prefecture = "schema = 1\n[prefecture]\nid = \"test\"\nname = \"試験県\"\n[ports]\nuplink = [\"wan0\"]\n\
                      access = [\"lan0\"]\n";
    let town = format!(
        "id = \"{TOWN}\"\nname = \"町\"\nattach = [{{ port = \"lan0\", vlan = 101, address = [\"10.1.0.1/16\"] }}]\n\
         prefixes = [\"10.1.0.0/16\"]\n[limits]\n{limits}\n[egress]\ndefault = \"allow\"\n[ingress]\ndefault = \"allow\"\n"
    );
    let files = [("prefecture.toml", prefecture.to_owned()), ("municipalities/town.toml", town)];
    Source { files: files.into_iter().map(|(path, text)| (path.to_owned(), text.into_bytes())).collect() }
}

struct Gateway {
    engine: Engine,
    trunk: Entry,
    uplink: Entry,
}

impl Gateway {
    fn new(limits: &str, flow_buckets: u32) -> Self {
        let checked = policy::check(&town(limits));
        let policy = checked.policy.unwrap_or_else(|| panic!("{:?}", checked.diagnostics));
        let compiled: CompiledPolicy = policy::compile(&policy, &Numbering::default()).unwrap();
        let mut engine = Engine::new(EngineSize { flow_buckets, ..EngineSize::default() }).unwrap();
        engine.install(&compiled, 1).unwrap();
        let (trunk, uplink) = (entry(&compiled.numbering, "lan0"), entry(&compiled.numbering, "wan0"));
        Self { engine, trunk, uplink }
    }

    fn out(&mut self, now_ns: u64, from: u16, port: u16) -> Event {
        let [high, low] = from.to_be_bytes();
        let packet = datagram([10, 1, high, low].into(), port, [192, 0, 2, 4].into(), 7_000);
        self.engine.judge(self.trunk, now_ns, &packet.frame(&[101])).unwrap()
    }

    fn back(&mut self, now_ns: u64, from: u32, port: u16, to_port: u16) -> Event {
        let packet = datagram(Ipv4Addr::from_bits(from), port, [10, 1, 0, 80].into(), to_port);
        self.engine.judge(self.uplink, now_ns, &packet.frame(&[])).unwrap()
    }
}

fn datagram(from: Ipv4Addr, from_port: u16, to: Ipv4Addr, to_port: u16) -> Packet {
    Packet::new(IpAddr::V4(from), IpAddr::V4(to), Payload::Udp { ports: (from_port, to_port), data: 0 })
}

fn passes(event: &Event) -> bool {
    event.verdict == Verdict::Forward as u8
}

/// A flood that begins and ends a thousand times, 45 seconds apart, as in the incidents of 2022 and 2023: afterwards
/// everything is as it was before the first.
#[test]
fn a_thousand_pulses_leave_nothing_behind() {
    let limits = "flows = 400\nnew_flows_per_second = { in = 200, out = 200 }\npackets_per_second = { in = 300 }";
    let mut gateway = Gateway::new(limits, 1 << 8);
    let begin = 1_000_000 * NS;
    let pulse = |gateway: &mut Gateway, number: u64| {
        let now = begin + number * 45 * NS;
        // What the town itself does: it never suffers, in no pulse.
        let own = (0..50_u16).filter(|port| passes(&gateway.out(now, 5, 1_000 + *port))).count();
        let flood = (0..600).filter(|port| passes(&gateway.back(now, 0xc633_6401, 1_024 + *port, 53))).count();
        (own, flood)
    };
    let first = pulse(&mut gateway, 0);
    assert_eq!(first, (50, 200));
    for number in 1..1_000 {
        assert_eq!(pulse(&mut gateway, number), first, "pulse {number}");
        assert_eq!(gateway.engine.flow_count(1), 250, "pulse {number}");
    }
    // A last packet long after: everything has expired.
    assert!(passes(&gateway.out(begin + 1_000_000 * NS, 5, 9)));
    gateway.engine.sweep(2_000_000);
    assert_eq!(gateway.engine.flow_count(1), 1);
}

/// Where a flow's end is counted by hand, its beginning must be as well: whatever becomes of flows, the number is that of
/// the entries.
#[test]
fn the_number_of_flows_is_that_of_the_entries() {
    let mut gateway = Gateway::new("flows = 1_000_000", 64);
    let mut rng = StdRng::seed_from_u64(7);
    let mut now = 1_000 * NS;
    for _ in 0..20_000 {
        now += rng.random_range(0..NS / 4);
        let (host, port) = (rng.random_range(0..40), rng.random_range(1..40));
        gateway.out(now, host, port);
        let entries = gateway.engine.flows().flat_map(|bucket| bucket.flows);
        if rng.random_bool(0.01) {
            let flows = entries.filter(|flow| flow.slot == abi::flow::slot::FLOW).count() as u64;
            assert_eq!(gateway.engine.flow_count(1), flows);
        }
    }
}

/// One that sends far too much among a million that send one packet each: it is held to its limit, and of the others hardly
/// anybody is limited in its place.
#[test]
fn an_innocent_source_among_a_million_is_hardly_ever_limited() {
    const SOURCES: u32 = 1_000_000;
    let mut gateway = Gateway::new("per_source.packets_per_second = { in = 10 }", 1 << 16);
    let mut rng = StdRng::seed_from_u64(8);
    let (mut innocent, mut guilty, mut now) = (0, 0, 1_000 * NS);
    for number in 0..SOURCES {
        // A million in ten seconds; every tenth packet is of the one.
        now += 10_000;
        let event = gateway.back(now, rng.random_range(0x1400_0000..0x9000_0000), 40_000, number as u16);
        innocent += u64::from(event.reason == Reason::Limited as u16);
        if number % 10 == 0 {
            let event = gateway.back(now, 0x1234_5678, 40_000, 9);
            assert!(passes(&event) || event.limit == Limit::SourcePackets as u8);
            guilty += u64::from(passes(&event));
        }
    }
    println!("{innocent} of {SOURCES} limited; of 100,000 packets of one source {guilty} passed");
    // Ten a second for ten seconds, and a second's worth.
    assert!((100..=111).contains(&guilty), "{guilty}");
    assert!(innocent <= 1, "{innocent}");
}
