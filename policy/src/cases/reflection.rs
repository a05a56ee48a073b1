//! Answers of amplifiers that nobody has asked, where the policy asks for it.

use abi::Reason;

use super::frames::{syn, udp};
use super::policies::{usual, usual_but};
use super::{Case, Expected, drop, forward};
use crate::source::Source;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::without_policy("what nobody asked amplifiers for")
            .install(guarded())
            .packet("wan0", 0, &udp("192.0.2.4:53", "10.8.5.5:4000"), reflected())
            .packet("wan0", 0, &udp("192.0.2.4:11211", "10.8.5.5:80"), reflected())
            .packet("wan0", 0, &udp("[2001:db8:f::1]:123", "[2001:db8:8::5]:443"), reflected())
            .packet("wan0", 0, &syn("192.0.2.4:53", "10.8.5.5:4000"), passed(Reason::DefaultAllow))
            .packet("wan0", 0, &udp("192.0.2.4:54", "10.8.5.5:4000"), passed(Reason::DefaultAllow)),
        Case::without_policy("what was asked for, and servers among themselves")
            .install(guarded())
            .packet("lan0.103", 0, &udp("[2001:db8:8::5]:4000", "[2001:db8:f::1]:53"), passed(Reason::DefaultAllow))
            .packet("wan0", 0, &udp("[2001:db8:f::1]:53", "[2001:db8:8::5]:4000"), passed(Reason::Established))
            .packet("wan0", 0, &udp("192.0.2.4:53", "10.8.5.5:53"), passed(Reason::DefaultAllow)),
        Case::without_policy("where the policy does not ask, the rules decide").install(usual()).packet(
            "wan0",
            0,
            &udp("192.0.2.4:53", "10.8.5.5:4000"),
            passed(Reason::DefaultAllow),
        ),
    ]
}

fn guarded() -> Source {
    usual_but("[isolation]\n", "[flood]\nreflection = true\n[isolation]\n")
}

fn reflected() -> Expected {
    drop(Reason::Reflection).of("tome")
}

fn passed(reason: Reason) -> Expected {
    forward(reason).of("tome")
}
