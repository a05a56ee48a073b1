//! What the program costs the verifier stays near its budget: every instruction that the verifier walks through is one
//! that a packet may have to. Needs root.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::fd::AsRawFd;

use abi::limits::VERIFIED_INSTRUCTIONS;
use dataplane::{Engine, EngineSize};

/// How far the count may be from the budget, in percent: a program that has become cheaper gets a smaller budget.
const TOLERANCE: u32 = 10;

#[test]
fn the_verifier_walks_as_many_instructions_as_budgeted() {
    let mut engine = Engine::new(EngineSize { flow_buckets: 64, ..EngineSize::default() }).unwrap();
    let found = verified_instructions(&mut engine);
    println!("the verifier walks through {found} instructions");
    let off = found.abs_diff(VERIFIED_INSTRUCTIONS);
    assert!(
        off * 100 <= VERIFIED_INSTRUCTIONS * TOLERANCE,
        "the verifier walks through {found} instructions, more than {TOLERANCE} % from the budget of \
         {VERIFIED_INSTRUCTIONS}: see `abi::limits::VERIFIED_INSTRUCTIONS`"
    );
}

/// As the kernel tells of a loaded program.
fn verified_instructions(engine: &mut Engine) -> u32 {
    let program = engine.program().unwrap();
    let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).unwrap();
    let count = about.lines().find_map(|line| line.strip_prefix("verified_insns:"));
    count.unwrap().trim().parse().unwrap()
}
