//! The property on which `explain` rests: for random policies and packets aimed at their edges, the program in the
//! kernel and the reference model say the same of every packet, in every field.
//!
//! A failure prints the seed; `BANGASA_SEED=<seed>` runs it again. `BANGASA_POLICIES` and `BANGASA_PACKETS` (a policy)
//! make it longer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use abi::{Direction, Reason, Verdict};
use dataplane::engine::{Engine, EngineSize};
use policy::model::InspectorState;
use policy::{CompiledPolicy, Judgement, Model, Numbering, Source};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{Rng, SeedableRng};
use system::entry::entry;
use system::generate::packets::{Arrival, Traffic};
use system::generate::policies;

const SHARDS: u64 = 4;
/// Among what was met: a flow to a published port.
const MAPPED: &str = "flow to a server";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn kernel_and_model_agree_on_random_policies_and_packets() {
    let seed = setting("BANGASA_SEED", rand::rng().random());
    let policies = setting("BANGASA_POLICIES", 100);
    let packets = setting("BANGASA_PACKETS", 2_500);
    println!("BANGASA_SEED={seed}");
    let reasons = std::thread::scope(|scope| {
        let shards: Vec<_> = (0..SHARDS)
            .map(|shard| scope.spawn(move || run_shard(seed, shard, policies.div_ceil(SHARDS), packets)))
            .collect();
        let mut all: BTreeMap<String, u64> = BTreeMap::new();
        for shard in shards {
            for (reason, count) in shard.join().expect("kernel and model differ") {
                *all.entry(reason).or_default() += count;
            }
        }
        all
    });
    let total: u64 = reasons.iter().filter(|(met, _)| !met.contains(' ')).map(|(_, count)| count).sum();
    println!("{total} packets over {policies} policies agree: {reasons:?}");
    assert!(total >= policies * packets);
    assert_reached(&reasons);
}

/// The packets must have reached every stage: else the property would say little.
fn assert_reached(reasons: &BTreeMap<String, u64>) {
    // `dns_pulses.rs` asks guarded DNS servers.
    let never =
        ["no_policy", "flow_table_full", "no_route", "hop_limit", "too_big", "internal", "dns_guard", "bad_query"];
    let missing: Vec<_> = abi::Reason::ALL
        .iter()
        .map(|reason| reason.name())
        .filter(|name| !never.contains(name) && !reasons.contains_key(*name))
        .collect();
    // A budget of events drops nothing. Random packets are small, and hardly ever begin mail connections: the verdict tables
    // have those.
    let elsewhere =
        [abi::Limit::Events, abi::Limit::Bits, abi::Limit::Smtp, abi::Limit::DnsQueries, abi::Limit::DnsNames];
    let limits = abi::Limit::ALL.iter().filter(|limit| !elsewhere.contains(limit));
    let limits = limits.map(|limit| format!("limited by {}", limit.name()));
    let unmet: Vec<_> = limits.filter(|name| !reasons.contains_key(name)).collect();
    assert!(unmet.is_empty(), "no packet was {unmet:?}: the generator uses these budgets up too seldom");
    assert!(reasons.contains_key(MAPPED), "no packet began a flow to a published port");
    assert!(missing.is_empty(), "no packet met {missing:?}: the generator does not reach these stages");
}

/// One engine and one model live through many generations of policy, so that flows are judged again as well.
fn run_shard(seed: u64, shard: u64, policies: u64, packets: u64) -> BTreeMap<String, u64> {
    let mut rng = StdRng::seed_from_u64(seed.wrapping_mul(SHARDS).wrapping_add(shard));
    let mut engine = Engine::new(EngineSize::default()).expect("the program loads");
    let mut model = Model::empty();
    let mut numbering = Numbering::default();
    let mut now_ns: u64 = 1_700_000_000_000_000_000;
    let mut reasons = BTreeMap::new();
    for generation in 1..=policies {
        let source = policies::policy(&mut rng);
        let (compiled, mut traffic) = install(&source, &mut numbering, &mut engine, &mut model, generation);
        // Under some policies packets come so fast that large budgets are used up as well.
        let pace = if rng.random_bool(0.3) { 300_000 } else { 20_000_000 };
        for number in 0..packets {
            now_ns += match rng.random_range(0..1_000) {
                0 => rng.random_range(0..400_000_000_000),
                1..20 => rng.random_range(0..12_000_000_000),
                _ => rng.random_range(0..pace),
            };
            if rng.random_range(0..200) == 0 {
                let (municipality, number) = numbering.municipalities.iter().choose(&mut rng).expect("there is one");
                let state = if rng.random() { InspectorState::Serving } else { InspectorState::Down };
                model.set_inspector(municipality, state);
                engine.set_inspector(*number, state);
            }
            let arrival = traffic.next(&mut rng);
            let expected = model.judge(arrival.port, now_ns, &arrival.frame);
            let entry = entry(&compiled.numbering, arrival.port);
            let event = engine.judge(entry, now_ns, &arrival.frame).expect("the kernel judges");
            let found = compiled.describe(&event);
            if found != expected {
                panic!("{}", difference(&source, &arrival, &found, &expected, (seed, shard, generation, number)));
            }
            let limit = expected.limit.map(|limit| format!("limited by {}", limit.name()));
            let effects = model.last_effects();
            let mapped = effects.new_flow && effects.translation.is_some() && expected.direction == Direction::Ingress;
            let mapped = mapped.then(|| MAPPED.to_owned());
            for met in [Some(expected.reason.name().to_owned()), limit, mapped].into_iter().flatten() {
                *reasons.entry(met).or_insert(0) += 1;
            }
            let public = (event.public_address != 0)
                .then(|| (IpAddr::from(event.public_address.to_ne_bytes()), event.public_port));
            let translation = effects.translation.map(|(address, port)| (IpAddr::V4(address), port));
            assert_eq!(public, translation, "translations differ, seed {seed} shard {shard} packet {number}");
            if expected.reason == Reason::SynCookie {
                traffic.note_cookie(&mut rng, &arrival, (now_ns / 1_000_000_000) as u32);
            }
            if matches!(expected.verdict, Verdict::Forward | Verdict::Inspect) {
                traffic.note(arrival, public);
            }
        }
    }
    reasons
}

fn install(
    source: &Source,
    numbering: &mut Numbering,
    engine: &mut Engine,
    model: &mut Model,
    generation: u64,
) -> (CompiledPolicy, Traffic) {
    let checked = policy::check(source);
    let Some(policy) = checked.policy else {
        panic!("the generated policy is wrong:\n{}", policy::render(source, &checked.diagnostics, false));
    };
    *numbering = numbering.extend(&policy).expect("the numbers suffice");
    let compiled = policy::compile(&policy, numbering).expect("the policy compiles");
    engine.install(&compiled, generation).expect("the policy installs");
    let traffic = Traffic::new(&policy);
    model.install(policy, generation as u32);
    (compiled, traffic)
}

fn difference(
    source: &Source,
    arrival: &Arrival,
    found: &Judgement,
    expected: &Judgement,
    (seed, shard, generation, number): (u64, u64, u64, u64),
) -> String {
    let hex: String = arrival.frame.iter().map(|byte| format!("{byte:02x}")).collect();
    let files: String =
        source.files.iter().map(|(path, bytes)| format!("--- {path}\n{}", String::from_utf8_lossy(bytes))).collect();
    format!(
        "seed {seed}, shard {shard}, policy {generation}, packet {number}, port {}\n{:#?}\n{hex}\nkernel {found:#?}\nmodel {expected:#?}\n{files}",
        arrival.port, arrival.packet
    )
}
