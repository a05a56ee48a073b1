//! What lasted two and a half weeks elsewhere, by the clock of a replay: a thousand pulses of random names, one every 30 to
//! 60 minutes, with real questions between and damaged ones among them. The program in the kernel and the reference model
//! say the same of every packet, every pulse is noticed, and nothing is left of it.
//!
//! A failure prints the seed; `BANGASA_SEED=<seed>` runs it again.

use std::net::IpAddr;

use abi::{Limit, Reason};
use dataplane::engine::{Engine, EngineSize, Entry};
use policy::{CompiledPolicy, Judgement, Model, Numbering, Source};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use system::entry::entry;
use system::frame::{Packet, Payload};

const PULSES: u32 = 1_000;
/// Queries of a pulse: more than begin an attack.
const PULSE: u32 = 60;
const NS_PER_S: u64 = 1_000_000_000;
const SERVERS: [&str; 2] = ["203.0.113.53", "2001:db8:4::53"];
const ZONES: [&str; 3] = ["sendai.example", "school.sendai.example", "example"];

const PREFECTURE: &str = r#"
schema = 1
[prefecture]
id = "miyagi"
name = "宮城県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
"#;
const SENDAI: &str = r#"
id = "sendai"
name = "仙台市"
attach = [{ port = "lan0", vlan = 101, address = ["10.4.0.1/24"] }]
prefixes = ["10.4.0.0/16", "2001:db8:4::/48"]
[dns]
servers = ["203.0.113.53", "2001:db8:4::53"]
zones = ["sendai.example", "school.sendai.example"]
queries_per_source = 5
names = { enter = 32, leave = 8 }
[ingress]
[[ingress.rule]]
name = "dns"
to = ["203.0.113.53", "2001:db8:4::53"]
ports = ["udp/53", "tcp/53"]
action = "allow"
"#;

/// The program and the model side by side.
struct Both {
    engine: Engine,
    model: Model,
    policy: CompiledPolicy,
    uplink: Entry,
}

impl Both {
    fn new() -> Self {
        let files = [("prefecture.toml", PREFECTURE), ("municipalities/sendai.toml", SENDAI)];
        let source = Source { files: files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())).into() };
        let checked = policy::check(&source);
        let policy = checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let compiled = policy::compile(&policy, &Numbering::default()).expect("the policy compiles");
        let mut engine = Engine::new(EngineSize::default()).expect("the program loads");
        engine.install(&compiled, 1).expect("the policy installs");
        let uplink = entry(&compiled.numbering, "wan0");
        Self { engine, model: Model::new(policy, 1), policy: compiled, uplink }
    }

    fn judge(&mut self, now_ns: u64, frame: &[u8]) -> Judgement {
        let expected = self.model.judge("wan0", now_ns, frame);
        let event = self.engine.judge(self.uplink, now_ns, frame).expect("the kernel judges");
        let found = self.policy.describe(&event);
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(found, expected, "kernel and model differ at {now_ns}: {hex}");
        found
    }
}

fn query(rng: &mut impl Rng, name: &str) -> Vec<u8> {
    let mut message = vec![rng.random(), rng.random(), 1, 0, 0, 1, 0, 0, 0, 0, 0, rng.random_range(0..2)];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(label.len() as u8);
        // Resolvers mix the case (draft-vixie-dnsext-dns0x20).
        message.extend(label.bytes().map(|byte| if rng.random() { byte.to_ascii_uppercase() } else { byte }));
    }
    message.extend([0, 0, 1, 0, 1]);
    if rng.random() {
        message.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    }
    message
}

/// Bytes changed, taken away or put in at random.
fn damage(rng: &mut impl Rng, message: &mut Vec<u8>) {
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..message.len());
        match rng.random_range(0..4) {
            0 => message.truncate(at.max(1)),
            1 => message.insert(at, rng.random()),
            2 => message.extend(vec![rng.random::<u8>(); rng.random_range(0..300)]),
            _ => message[at] = rng.random(),
        }
    }
}

fn frame(from: IpAddr, port: u16, message: &[u8]) -> Vec<u8> {
    let to = SERVERS.map(|server| server.parse::<IpAddr>().expect("an address"));
    let to = to.into_iter().find(|to| to.is_ipv4() == from.is_ipv4()).expect("a server of either family");
    let mut bytes = [port, 53, 8 + message.len() as u16, 0].map(u16::to_be_bytes).concat();
    bytes.extend(message);
    Packet::new(from, to, Payload::Raw { protocol: 17, bytes }).frame(&[])
}

fn stranger(rng: &mut impl Rng) -> IpAddr {
    if rng.random() {
        IpAddr::from([198, 51, rng.random(), rng.random_range(1..255)])
    } else {
        IpAddr::from([0x2001, 0xdb8, 0xf000 | rng.random_range(0..0x1000), rng.random(), 0, 0, 0, 1])
    }
}

fn name(rng: &mut impl Rng, below: &str) -> String {
    let label: String = (0..rng.random_range(4..20)).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
    format!("{label}.{below}")
}

#[test]
fn a_thousand_pulses_leave_nothing_behind() {
    let seed =
        std::env::var("BANGASA_SEED").ok().map_or_else(|| rand::rng().random(), |it| it.parse().expect("a number"));
    println!("BANGASA_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut both = Both::new();
    let mut now_ns = 1_700_000_000 * NS_PER_S;
    let number = both.policy.numbering.municipalities["sendai"];
    let resolver: IpAddr = "192.0.2.9".parse().expect("an address");
    let (mut most_flows, mut bad) = (0, 0);
    for pulse in 0..PULSES {
        let calm = frame(resolver, 1_024 + (pulse % 60_000) as u16, &query(&mut rng, "www.sendai.example"));
        let said = both.judge(now_ns, &calm);
        assert!(matches!(said.reason, Reason::Rule | Reason::Established), "before pulse {pulse}: {said:?}");
        let zone = *ZONES.choose(&mut rng).expect("a zone");
        let mut answered = 0;
        for _ in 0..PULSE {
            now_ns += rng.random_range(0..20_000_000);
            let name = name(&mut rng, zone);
            let mut message = query(&mut rng, &name);
            if rng.random_range(0..8) == 0 {
                damage(&mut rng, &mut message);
            }
            let said = both.judge(now_ns, &frame(stranger(&mut rng), rng.random_range(1..=u16::MAX), &message));
            answered += u32::from(said.limit == Some(Limit::DnsNames));
            bad += u32::from(said.reason == Reason::BadQuery);
        }
        // What names there are is random, and some of the queries are damaged; a pulse may cross into another window.
        let is_within = PULSE / 8 < answered || pulse_crossed(now_ns);
        assert!(is_within, "pulse {pulse} upon {zone}: {answered} answered");
        most_flows = both.engine.flow_count(number).max(most_flows);
        // One source that asks too much.
        for _ in 0..7 {
            let said = both.judge(now_ns, &frame(resolver, 9, &query(&mut rng, "www.school.sendai.example")));
            assert_ne!(said.reason, Reason::BadQuery);
        }
        now_ns += rng.random_range(30 * 60..60 * 60) * NS_PER_S;
        both.engine.sweep(now_ns / NS_PER_S);
        assert_eq!(both.engine.flow_count(number), 0, "after pulse {pulse}");
    }
    println!("{PULSES} pulses: at most {most_flows} flows, {bad} bad queries");
    assert!(most_flows <= u64::from(PULSE) && bad > PULSES);
}

/// Whether the last window began within the time that a pulse takes.
fn pulse_crossed(now_ns: u64) -> bool {
    now_ns / NS_PER_S % u64::from(abi::dns::WINDOW_S) < 2
}
