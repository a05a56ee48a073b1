//! Fragmented datagrams: the first fragment is judged, later ones follow it.

use abi::{Reason, Verdict};

use super::frames::{IP, Tcp, changed, extended, extension, fragment, fragment_header, udp_of};
use super::{Case, Expected, drop, expect, forward, nat};

pub(super) fn cases() -> Vec<Case> {
    let public = nat::sendai("10.4.20.7", 51_000);
    let outside = format!("{}:{}", public.0, public.1);
    let sent = udp_of("10.4.20.7:51000", "192.0.2.4:53", 64);
    let reply = udp_of("192.0.2.4:53", &outside, 64);
    let dns = |reason| forward(reason).rule("dns").of("sendai").translated(public);
    let (first, later, last) = (fragment(&sent, 7, 0, 32), fragment(&sent, 7, 32, 64), fragment(&sent, 7, 64, 72));
    let allowed = || forward(Reason::DefaultAllow).of("osaki");
    let osaki = udp_of("10.5.0.7:5000", "192.0.2.4:123", 64);
    let mut cases = vec![
        Case::new("later fragments follow the first")
            .packet("lan0.101", 0, &first, dns(Reason::Rule))
            .packet("lan0.101", 0, &later, dns(Reason::Fragment))
            .packet("lan0.101", 1, &last, dns(Reason::Fragment))
            .packet("wan0", 1, &fragment(&reply, 9, 0, 32), dns(Reason::Established))
            .packet("wan0", 1, &fragment(&reply, 9, 32, 72), dns(Reason::Fragment)),
        Case::new("later fragments without a first")
            .packet("lan0.101", 0, &later, unmatched())
            .packet("lan0.101", 0, &first, dns(Reason::Rule))
            .packet("lan0.101", 0, &later, dns(Reason::Fragment)),
        Case::new("later fragments of another datagram")
            .packet("lan0.101", 0, &first, dns(Reason::Rule))
            .packet("lan0.101", 0, &fragment(&sent, 8, 32, 64), unmatched())
            .packet("lan0.101", 0, &changed(&later, IP + 9, &[132]), unmatched())
            .packet("lan0.101", 0, &changed(&later, IP + 15, &[8]), unmatched())
            .packet("wan0", 0, &fragment(&reply, 7, 32, 64), unmatched())
            .packet("lan0.200", 0, &fragment(&osaki, 7, 32, 64), drop(Reason::FragmentUnmatched).of("osaki")),
        Case::new("a datagram's fragments within half a minute")
            .packet("lan0.200", 0, &fragment(&osaki, 7, 0, 32), allowed())
            .packet("lan0.200", 30, &fragment(&osaki, 7, 32, 64), forward(Reason::Fragment).of("osaki"))
            .packet("lan0.200", 31, &fragment(&osaki, 7, 64, 72), drop(Reason::FragmentUnmatched).of("osaki")),
        Case::new("later fragments keep the flow alive")
            .packet("lan0.200", 0, &fragment(&osaki, 7, 0, 32), allowed())
            .packet("lan0.200", 20, &fragment(&osaki, 7, 32, 64), forward(Reason::Fragment).of("osaki"))
            .packet("lan0.200", 50, &osaki, forward(Reason::Established).of("osaki")),
        Case::new("a refused first fragment takes the later ones along")
            .packet(
                "lan0.101",
                0,
                &fragment(&udp_of("10.4.20.7:51000", "192.0.2.4:123", 64), 7, 0, 32),
                drop(Reason::DefaultDeny).of("sendai"),
            )
            .packet("lan0.101", 0, &later, unmatched()),
    ];
    cases.extend(v6());
    cases.extend(tcp());
    cases
}

fn v6() -> Vec<Case> {
    let whole = udp_of("[2001:db8:4::7]:51000", "[2001:db8:99::4]:53", 64);
    let dns = |reason| -> Expected { forward(reason).rule("dns").of("sendai") };
    // The fragment header says what follows it, here destination options; the later one says the same.
    let part = |header: [u8; 8], bytes: &[u8]| extended(&[&whole[..super::frames::L4_V6], bytes].concat(), 44, &header);
    let carried = [&extension(17)[..], &whole[super::frames::L4_V6..]].concat();
    vec![
        Case::new("IPv6 fragments")
            .packet("lan0.101", 0, &fragment(&whole, 7, 0, 32), dns(Reason::Rule))
            .packet("lan0.101", 0, &fragment(&whole, 7, 32, 72), dns(Reason::Fragment))
            .packet("lan0.101", 0, &fragment(&whole, 8, 32, 72), unmatched()),
        Case::new("IPv6 fragments with headers in the first")
            .packet("lan0.101", 0, &part(fragment_header(60, 0, true, 7), &carried[..40]), dns(Reason::Rule))
            .packet("lan0.101", 0, &part(fragment_header(60, 40, false, 7), &carried[40..]), dns(Reason::Fragment)),
    ]
}

fn tcp() -> Vec<Case> {
    let (client, server) = ("10.4.20.7:51000", "192.0.2.4:993");
    let segment =
        Tcp { from: client, to: server, flags: "S", sequence: 1, acknowledgement: 0, payload_len: 64 }.frame();
    let mail = |reason| expect(Verdict::Inspect, reason).rule("mail").of("sendai");
    vec![
        Case::new("fragments to the inspector")
            .packet("lan0.101", 0, &fragment(&segment, 7, 0, 40), mail(Reason::Rule))
            .packet("lan0.101", 0, &fragment(&segment, 7, 40, 84), mail(Reason::Fragment)),
    ]
}

fn unmatched() -> Expected {
    drop(Reason::FragmentUnmatched).of("sendai")
}
