//! The verdict tables, which the model passes beside its code, through the real program in the kernel; and what the
//! model cannot know: a flow table with an end.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::net::Ipv4Addr;

use abi::event::Event;
use abi::ports::ROLE_ACCESS;
use abi::{Reason, Verdict};
use dataplane::engine::{Engine, EngineSize, Entry};
use policy::cases::{self, Case, Step};
use policy::model::{Effects, InspectorState};
use policy::{CompiledPolicy, Numbering, Source};
use system::entry::entry;
use system::frame::{Packet, Payload};

#[test]
fn the_kernel_passes_every_verdict_table() {
    let mut gateway = Gateway::new();
    let mut wrong = Vec::new();
    let cases = cases::all();
    for case in &cases {
        if matches!(case.steps.first(), Some(Step::Packet(_))) {
            // A gateway before its first policy.
            wrong.extend(run(case, &mut Gateway::new()));
            continue;
        }
        gateway.engine.forget_flows().unwrap();
        (0..abi::limits::MUNICIPALITIES as u16)
            .for_each(|it| gateway.engine.set_inspector(it, InspectorState::Serving));
        wrong.extend(run(case, &mut gateway));
    }
    println!("{} cases through the kernel", cases.len());
    assert!(cases.len() > 50 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The engine and the policy in force there.
struct Gateway {
    engine: Engine,
    generation: u64,
    policy: Option<Policy>,
}

/// A policy, from which numbers on it was compiled, and what came of it.
struct Policy {
    source: Source,
    before: Numbering,
    compiled: CompiledPolicy,
}

impl Gateway {
    fn new() -> Self {
        Self { engine: Engine::new(EngineSize::default()).unwrap(), generation: 0, policy: None }
    }

    /// Writing the tables takes most of the time here, and most stories begin with the same policy: one that is in force
    /// may stay at the beginning of a story. Within a story the same policy again is another generation.
    fn enforce(&mut self, source: &Source, numbering: &mut Numbering, may_stay: bool) {
        let is_same = |policy: &Policy| policy.source == *source && policy.before == *numbering;
        if !may_stay || !self.policy.as_ref().is_some_and(is_same) {
            self.generation += 1;
            let before = numbering.clone();
            let compiled = install(source, &mut self.engine, numbering, self.generation);
            self.policy = Some(Policy { source: source.clone(), before, compiled });
        }
        if let Some(policy) = &self.policy {
            *numbering = policy.compiled.numbering.clone();
        }
    }
}

fn run(case: &Case, gateway: &mut Gateway) -> Vec<String> {
    let mut numbering = Numbering::default();
    let mut wrong = Vec::new();
    for (number, step) in case.steps.iter().enumerate() {
        let packet = match step {
            Step::Install(source) => {
                gateway.enforce(source, &mut numbering, number == 0);
                continue;
            }
            Step::Inspector(municipality, state) => {
                gateway.engine.set_inspector(numbering.municipalities[*municipality], *state);
                continue;
            }
            Step::Packet(packet) => packet,
        };
        let policy = gateway.policy.as_ref().map(|policy| &policy.compiled);
        let entry = match policy {
            Some(policy) => entry(&policy.numbering, &packet.port),
            None => Entry { port: 0, role: ROLE_ACCESS, municipality: 0 },
        };
        let event = gateway.engine.judge(entry, packet.time_ns, &packet.frame).unwrap();
        let judgement = match policy {
            Some(policy) => policy.describe(&event),
            // Nothing has names yet.
            None => {
                assert_eq!(event.reason, Reason::NoPolicy as u16, "{}", case.name);
                continue;
            }
        };
        if let Some(difference) = packet.expected.difference(&judgement, effects(&event)) {
            wrong.push(format!("{}, step {number}: {difference}", case.name));
        }
    }
    wrong
}

fn effects(event: &Event) -> Effects {
    if event.verdict == Verdict::Drop as u8 {
        return Effects::default();
    }
    let public = Ipv4Addr::from(event.public_address.to_ne_bytes());
    Effects {
        new_flow: event.flags & abi::event::NEW_FLOW != 0,
        translation: (event.public_address != 0).then_some((public, event.public_port)),
    }
}

fn install(source: &Source, engine: &mut Engine, numbering: &mut Numbering, generation: u64) -> CompiledPolicy {
    let checked = policy::check(source);
    let text = policy::render(source, &checked.diagnostics, false);
    let compiled = policy::compile(&checked.policy.unwrap_or_else(|| panic!("{text}")), numbering).unwrap();
    *numbering = compiled.numbering.clone();
    engine.install(&compiled, generation).unwrap();
    compiled
}

/// Two buckets to choose from: nobody is refused in a table that is less than two fifths full, and hardly anybody
/// before it is three quarters full.
#[test]
fn a_flow_table_fills_evenly() {
    let source = control::read_directory(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy/example")).unwrap();
    let mut engine = Engine::new(EngineSize { flow_buckets: 1 << 10, ..EngineSize::default() }).unwrap();
    let policy = install(&source, &mut engine, &mut Numbering::default(), 1);
    let entry = entry(&policy.numbering, "lan0");
    let mut refused_after = Vec::new();
    for host in 0..4_096 * 3 / 4 {
        let source = format!("2001:db8:102::2:{host:x}").parse().unwrap();
        let destination = "2001:db8:ffff::53".parse().unwrap();
        let packet = Packet::new(source, destination, Payload::Udp { ports: (4_000, 53), data: 0 });
        let event = engine.judge(entry, 1_000_000_000, &packet.frame(&[102])).unwrap();
        if event.verdict == Verdict::Drop as u8 {
            assert_eq!(event.reason, Reason::FlowTableFull as u16);
            refused_after.push(host);
        }
    }
    println!(
        "of 4096 entries: first refusal after {:?}, {} refused before 3072",
        refused_after.first(),
        refused_after.len()
    );
    assert!(refused_after.first().is_none_or(|first| *first > 4_096 * 2 / 5));
    assert!(refused_after.len() < 4_096 / 50);
}

/// Eight entries hold eight flows; the ninth is dropped with a reason, and when the others' time is over, passes.
#[test]
fn a_full_flow_table_is_a_counted_drop_and_recovers() {
    let source = control::read_directory(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policy/example")).unwrap();
    let mut engine = Engine::new(EngineSize { flow_buckets: 2, ..EngineSize::default() }).unwrap();
    let policy = install(&source, &mut engine, &mut Numbering::default(), 1);
    let entry = entry(&policy.numbering, "lan0");
    let dns = |host: u8| {
        let source = format!("2001:db8:102::1:{host:x}").parse().unwrap();
        let destination = "2001:db8:ffff::53".parse().unwrap();
        Packet::new(source, destination, Payload::Udp { ports: (4_000, 53), data: 0 }).frame(&[102])
    };
    let second = 1_000_000_000;
    let reason =
        |engine: &mut Engine, now_s: u64, host: u8| engine.judge(entry, now_s * second, &dns(host)).unwrap().reason;
    let first: Vec<u16> = (0..9).map(|host| reason(&mut engine, 100, host)).collect();
    assert_eq!(first[..8], [Reason::Rule as u16; 8]);
    assert_eq!(first[8], Reason::FlowTableFull as u16);
    assert_eq!(reason(&mut engine, 101, 3), Reason::Established as u16, "who is in stays in");
    let grace = 30 + u64::from(abi::flow::REUSE_GRACE_S) + 1;
    assert_eq!(reason(&mut engine, 100 + grace, 8), Reason::Rule as u16);
}
