//! The real program in a vacuum. Needs root.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use abi::ports::{ROLE_ACCESS, ROLE_UPLINK};
use abi::{Direction, Reason, Verdict};
use dataplane::Capacities;
use dataplane::engine::{Engine, EngineSize, Entry};
use policy::{CompiledPolicy, Numbering, Source};

const PREFECTURE: &str = r#"
    schema = 1
    [prefecture]
    id = "miyagi"
    name = "宮城県"
    [ports]
    uplink = ["wan0"]
    access = ["lan0"]
    [sets]
    threats = { prefixes = ["198.51.100.0/24", "203.0.113.9"] }
    [block]
    sets = ["threats"]
"#;

fn compiled(default: &str) -> CompiledPolicy {
    let sendai = format!(
        r#"
        id = "sendai"
        name = "仙台市"
        attach = [{{ port = "lan0", vlan = 101, address = ["10.4.0.1/24"] }}]
        prefixes = ["10.4.0.0/16"]
        [egress]
        default = "{default}"
        "#
    );
    let files = [("prefecture.toml", PREFECTURE.to_owned()), ("municipalities/sendai.toml", sendai)];
    let source = Source { files: files.map(|(name, text)| (name.into(), text.into())).into() };
    let policy = policy::check(&source).policy.unwrap();
    policy::compile(&policy, &Numbering::default()).unwrap()
}

fn entry(policy: &CompiledPolicy, port: &str) -> Entry {
    let role = if port == "wan0" { ROLE_UPLINK } else { ROLE_ACCESS };
    Entry { port: policy.numbering.ports[port], role, municipality: 0 }
}

/// UDP from a client in VLAN 101.
fn frame(destination: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, 101, 8, 0];
    frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 4, 0, 7]);
    frame.extend(destination);
    frame.extend([0xc7, 0x38, 0, 53, 0, 8, 0, 0]);
    frame
}

#[test]
fn packets_are_judged_by_the_generation_installed_last() {
    let (deny, allow) = (compiled("deny"), compiled("allow"));
    let mut engine = Engine::new(EngineSize::fitting(&deny)).unwrap();
    let lan0 = entry(&deny, "lan0");
    let reason = |engine: &mut Engine, destination| {
        let event = engine.judge(lan0, 1_000_000_000, &frame(destination)).unwrap();
        (event.generation, Reason::from_number(event.reason).unwrap())
    };
    assert_eq!(reason(&mut engine, [192, 0, 2, 1]), (0, Reason::NoPolicy));
    engine.install(&deny, 1).unwrap();
    assert_eq!(reason(&mut engine, [192, 0, 2, 1]), (1, Reason::DefaultDeny));
    assert_eq!(reason(&mut engine, [198, 51, 100, 1]), (1, Reason::Blocked));
    engine.install(&allow, 2).unwrap();
    assert_eq!(reason(&mut engine, [192, 0, 2, 1]), (2, Reason::DefaultAllow));
    assert_eq!(reason(&mut engine, [192, 0, 2, 1]), (2, Reason::Established));
    engine.forget_flows().unwrap();
    assert_eq!(reason(&mut engine, [192, 0, 2, 1]), (2, Reason::DefaultAllow));
}

#[test]
fn the_half_that_judges_is_never_written() {
    let policy = compiled("deny");
    let mut engine = Engine::new(EngineSize::fitting(&policy)).unwrap();
    engine.install(&policy, 1).unwrap();
    for generation in [0, 1, 3] {
        assert!(engine.install(&policy, generation).is_err(), "{generation}");
    }
    assert_eq!(engine.install(&policy, 4).unwrap().digest, policy.digest);
}

#[test]
fn frames_of_any_length_are_judged() {
    let policy = compiled("deny");
    let mut engine = Engine::new(EngineSize::fitting(&policy)).unwrap();
    engine.install(&policy, 1).unwrap();
    for length in [0, 1, 13, 14, 18, 37] {
        let event = engine.judge(entry(&policy, "wan0"), 0, &frame([192, 0, 2, 1])[..length]).unwrap();
        let expected = (Verdict::Drop as u8, Reason::Truncated as u16, Direction::Ingress as u8, length as u32);
        assert_eq!((event.verdict, event.reason, event.direction, event.length), expected);
    }
    let mut long = frame([192, 0, 2, 1]);
    for length in [4_096, 65_549, 100_000] {
        long.resize(length, 0);
        let event = engine.judge(entry(&policy, "lan0"), 0, &long).unwrap();
        assert_eq!(Reason::from_number(event.reason), Some(Reason::DefaultDeny), "{length}");
    }
}

#[test]
fn a_policy_larger_than_the_tables_is_refused_and_changes_nothing() {
    let policy = compiled("deny");
    let mut engine =
        Engine::new(EngineSize { capacities: Capacities::small().with("RECORDS", 1), ..EngineSize::default() })
            .unwrap();
    let error = engine.install(&policy, 1).unwrap_err().to_string();
    assert!(error.contains("table `RECORDS`"), "{error}");
    assert_eq!(engine.control().generation, 0);
}
