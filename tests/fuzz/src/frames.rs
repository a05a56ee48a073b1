//! Frames, one after the other, through the reference model under the example policy.
//!
//! An input is a list of frames: a byte (its lowest bit says access port or uplink, the others how many seconds
//! later), the length in two bytes, the frame.

use std::sync::LazyLock;

use policy::{Model, Policy};

const NS_PER_S: u64 = 1_000_000_000;

/// The example, which is right: the suite checks it elsewhere too.
static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let source = crate::directory::join(&crate::example()).expect("the example can be read");
    policy::check(&crate::directory::split(&source)).policy.expect("the example is right")
});

/// The target.
pub fn run(bytes: &[u8]) {
    let mut model = Model::new(&*POLICY, 1);
    let (access, uplink) = (&POLICY.accesses[0], &POLICY.uplinks[0]);
    let mut now_ns = 0;
    for (head, frame) in frames(bytes) {
        now_ns += u64::from(head >> 1) * NS_PER_S;
        let port = if head & 1 == 0 { access } else { uplink };
        let judgement = model.judge(port, now_ns, frame);
        assert_eq!(judgement.generation, 1);
        assert_eq!(judgement.source.is_some(), judgement.destination.is_some());
        assert!(judgement.reason != abi::Reason::Internal, "no frame may lead here");
    }
}

/// Splits an input; what is left at its end is a frame too.
fn frames(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let [head, high, low, rest @ ..] = bytes else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        bytes = rest;
        Some((*head, frame))
    })
}
