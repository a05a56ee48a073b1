//! The property of `kernel_is_model` under policies of many rules: rows of several words and of several summaries, first
//! matches anywhere in them.
//!
//! A failure prints the seed; `BANGASA_SEED=<seed>` runs it again. `BANGASA_TOWNS`, `BANGASA_RULES` (of each, in each
//! direction) and `BANGASA_PACKETS` make it one policy of that size.

use dataplane::engine::{Engine, EngineSize};
use policy::{Judgement, Model, Numbering};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use system::entry::entry;
use system::generate::packets::Traffic;
use system::generate::policies;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn kernel_and_model_agree_where_there_are_many_rules() {
    let seed = setting("BANGASA_SEED").unwrap_or_else(|| rand::rng().random());
    println!("BANGASA_SEED={seed}");
    let packets = setting("BANGASA_PACKETS").unwrap_or(6_000);
    let sizes = match (setting("BANGASA_TOWNS"), setting("BANGASA_RULES")) {
        (Some(towns), Some(rules)) => vec![(towns as usize, rules as usize)],
        _ => vec![(20, 150), (4, 1_500), (2, 5_000)],
    };
    for (towns, rules) in sizes {
        let deepest = agree(&mut StdRng::seed_from_u64(seed), towns, rules, packets);
        println!("{packets} packets over {towns} municipalities with {rules} rules agree; rule {deepest} was one");
        assert!(deepest >= rules / 2, "no packet met the second half of {rules} rules");
    }
}

/// The highest number in its list of a rule that decided.
fn agree(rng: &mut StdRng, towns: usize, rules: usize, packets: u64) -> usize {
    let source = policies::large_policy(rng, towns, rules);
    let checked = policy::check(&source);
    let Some(policy) = checked.policy else {
        panic!("the generated policy is wrong:\n{}", policy::render(&source, &checked.diagnostics, false));
    };
    let compiled = policy::compile(&policy, &Numbering::default()).expect("the policy compiles");
    let mut engine = Engine::new(EngineSize::fitting(&compiled)).expect("the program loads");
    engine.install(&compiled, 1).expect("the policy installs");
    let mut traffic = Traffic::new(&policy);
    let mut model = Model::empty();
    model.install(policy, 1);
    let mut now_ns: u64 = 1_700_000_000_000_000_000;
    let mut deepest = 0;
    for number in 0..packets {
        now_ns += rng.random_range(0..20_000_000);
        let arrival = traffic.next(rng);
        let expected = model.judge(arrival.port, now_ns, &arrival.frame);
        let entry = entry(&compiled.numbering, arrival.port);
        let event = engine.judge(entry, now_ns, &arrival.frame).expect("the kernel judges");
        let found = compiled.describe(&event);
        assert_eq!(found, expected, "packet {number} of {towns} x {rules}: {:#?}", arrival.packet);
        deepest = deepest.max(place(&expected));
        let public =
            (event.public_address != 0).then(|| (event.public_address.to_ne_bytes().into(), event.public_port));
        if !matches!(expected.verdict, abi::Verdict::Drop) {
            traffic.note(arrival, public);
        }
    }
    deepest
}

/// Number of the municipality's rule that decided, in its list; 0 if none did.
fn place(judgement: &Judgement) -> usize {
    let name = judgement.rule.as_deref().unwrap_or_default();
    name.strip_prefix("規則").and_then(|number| number.parse().ok()).unwrap_or(0)
}
