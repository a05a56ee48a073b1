//! The proxy: a port on the gateway's own addresses, for the municipality's own clients and nobody else.

use abi::{Reason, Verdict};

use super::frames::{Tcp, fragment, icmp, syn, udp};
use super::policies::{usual, usual_but};
use super::{Case, Expected, drop, expect};
use crate::source::Source;

pub(super) fn cases() -> Vec<Case> {
    [served(), others(), refused(), generations()].concat()
}

/// Everybody has a proxy, Ishinomaki at another port.
fn with_proxy() -> Source {
    let mut policy = usual_but("[isolation]\n", "[proxy]\nport = 8080\n[isolation]\n");
    for (name, text) in &mut policy.files {
        if name.contains("ishinomaki") {
            text.extend_from_slice(b"[proxy]\nport = 3128\n");
        }
    }
    policy
}

fn local(who: &'static str) -> Expected {
    expect(Verdict::Local, Reason::Proxy).of(who)
}

fn segment(from: &'static str, to: &'static str, flags: &'static str) -> Vec<u8> {
    Tcp { from, to, flags, sequence: 1_001, acknowledgement: 7, payload_len: 100 }.frame()
}

fn served() -> Vec<Case> {
    vec![
        Case::new("a proxy takes its own municipality's segments, whatever they carry")
            .install(with_proxy())
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "10.4.0.1:8080"), local("sendai"))
            .packet("lan0.101", 0, &segment("10.4.20.7:51000", "10.4.0.1:8080", "PA"), local("sendai"))
            .packet("lan0.101", 0, &segment("10.4.20.7:51000", "10.4.0.1:8080", "FA"), local("sendai"))
            .packet("lan0.101", 0, &syn("[2001:db8:4::7]:51000", "[2001:db8:4::1]:8080"), local("sendai"))
            .packet("lan0.200.102", 0, &syn("10.4.20.7:51000", "10.4.0.1:3128"), local("ishinomaki")),
        Case::new("another port, protocol or address is judged as ever")
            .install(with_proxy())
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "10.4.0.1:3128"), drop(Reason::DefaultDeny).of("sendai"))
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "10.4.0.2:8080"), drop(Reason::DefaultDeny).of("sendai"))
            .packet("lan0.101", 0, &udp("10.4.20.7:51000", "10.4.0.1:8080"), drop(Reason::DefaultDeny).of("sendai")),
    ]
}

fn others() -> Vec<Case> {
    vec![
        Case::new("nobody but a client reaches the proxy")
            .install(with_proxy())
            .packet("wan0", 0, &syn("192.0.2.4:51000", "10.4.0.1:8080"), drop(Reason::UnknownDestination))
            .packet(
                "wan0",
                0,
                &syn("[2001:db8:99::4]:51000", "[2001:db8:4::1]:8080"),
                drop(Reason::DefaultDeny).of("sendai"),
            )
            .packet("lan0.101", 0, &syn("10.5.0.7:51000", "10.4.0.1:8080"), drop(Reason::SpoofedSource).of("sendai"))
            .packet("lan0.200", 0, &syn("10.5.0.7:51000", "10.5.0.1:8080"), local("osaki")),
    ]
}

fn refused() -> Vec<Case> {
    let whole = segment("10.4.20.7:51000", "10.4.0.1:8080", "PA");
    vec![
        Case::new("who is cut off has no proxy either")
            .install(with_proxy())
            .packet("lan1", 0, &syn("10.9.0.7:51000", "10.9.0.1:8080"), drop(Reason::Isolated).of("shiroishi"))
            .packet("lan0.103", 0, &syn("10.8.1.7:51000", "10.8.0.1:8080"), drop(Reason::Isolated).of("tome"))
            .packet("lan0.103", 0, &syn("10.8.2.7:51000", "10.8.0.1:8080"), local("tome")),
        Case::new("fragments and errors do not reach the proxy")
            .install(with_proxy())
            .packet("lan0.101", 0, &fragment(&whole, 7, 0, 24), drop(Reason::BadState).of("sendai"))
            .packet("lan0.101", 0, &fragment(&whole, 7, 24, 24), drop(Reason::FragmentUnmatched).of("sendai"))
            .packet(
                "lan0.101",
                0,
                &icmp(
                    "10.4.20.7",
                    "10.4.0.1",
                    3,
                    &segment("10.4.0.1:8080", "10.4.20.7:51000", "A")[super::frames::IP..],
                ),
                drop(Reason::BadState).of("sendai"),
            ),
    ]
}

fn generations() -> Vec<Case> {
    let refused = || drop(Reason::DefaultDeny).of("sendai");
    vec![
        Case::new("a proxy comes and goes with its policy")
            .packet("lan0.101", 0, &syn("10.4.20.7:51000", "10.4.0.1:8080"), refused())
            .install(with_proxy())
            .packet("lan0.101", 1, &syn("10.4.20.7:51000", "10.4.0.1:8080"), local("sendai"))
            .install(usual())
            .packet(
                "lan0.101",
                2,
                &segment("10.4.20.7:51000", "10.4.0.1:8080", "PA"),
                drop(Reason::BadState).of("sendai"),
            ),
    ]
}
