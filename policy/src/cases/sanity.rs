//! Stage "sanity": addresses, fragments and flags that no honest sender produces.

use abi::Reason;

use super::frames::{IP, L4_V4, Tcp, changed, extended, fragment, fragment_header, protocol, syn, udp, udp_of};
use super::{Case, drop};

const A: &str = "10.4.20.7:51000";
const B: &str = "192.0.2.4:443";

pub(super) fn cases() -> Vec<Case> {
    [addresses(), flags(), fragments()].concat()
}

fn addresses() -> Vec<Case> {
    let v4 = ["0.0.0.0", "0.255.255.255", "127.0.0.1", "169.254.7.7", "224.0.0.1", "240.0.0.1", "255.255.255.255"];
    let v6 = ["::", "::1", "fe80::1", "febf::1", "ff02::1", "::ffff:192.0.2.4"];
    let mut sources = Case::new("source addresses that no sender may use");
    let mut destinations = Case::new("destinations that no router forwards to");
    for bad in v4 {
        sources = sources.packet("lan0.101", 0, &protocol(bad, "192.0.2.4", 47, &[]), drop(Reason::BadSource));
        destinations =
            destinations.packet("lan0.101", 0, &protocol("10.4.20.7", bad, 47, &[]), drop(Reason::BadDestination));
    }
    for bad in v6 {
        sources = sources.packet("wan0", 0, &protocol(bad, "2001:db8:4::7", 47, &[]), drop(Reason::BadSource));
        destinations =
            destinations.packet("wan0", 0, &protocol("2001:db8:4::7", bad, 47, &[]), drop(Reason::BadDestination));
    }
    let land = syn("10.4.20.7:80", "10.4.20.7:80");
    let land_v6 = syn("[2001:db8:4::7]:80", "[2001:db8:4::7]:80");
    vec![
        sources,
        destinations,
        Case::new("both addresses bad").packet(
            "wan0",
            0,
            &protocol("127.0.0.1", "127.0.0.1", 47, &[]),
            drop(Reason::BadSource),
        ),
        Case::new("source and destination the same").packet("lan0.101", 0, &land, drop(Reason::Land)).packet(
            "wan0",
            0,
            &land_v6,
            drop(Reason::Land),
        ),
        // What is not sane is dropped wherever it enters: nobody's VLAN has no say in it.
        Case::new("sanity before the municipality").packet("lan0.999", 0, &land, drop(Reason::Land)).packet(
            "lan0.999",
            0,
            &syn(A, B),
            drop(Reason::UnknownAttachment),
        ),
    ]
}

fn flags() -> Vec<Case> {
    let mut case = Case::new("TCP flags that no sender produces");
    for flags in ["", "P", "SF", "SFA", "SR", "SRA", "FR", "FRA", "F"] {
        let frame = Tcp { from: A, to: B, flags, sequence: 1, acknowledgement: 1, payload_len: 0 }.frame();
        case = case.packet("lan0.101", 0, &frame, drop(Reason::BadFlags));
    }
    let whole = Tcp { from: A, to: B, flags: "SF", sequence: 1, acknowledgement: 1, payload_len: 64 }.frame();
    vec![
        case,
        Case::new("bad flags in a first fragment").packet(
            "lan0.101",
            0,
            &fragment(&whole, 1, 0, 40),
            drop(Reason::BadFlags),
        ),
    ]
}

fn fragments() -> Vec<Case> {
    let whole = syn(A, B);
    let datagram = udp_of(A, "192.0.2.4:53", 64);
    let (a6, b6) = ("[2001:db8:4::7]:51000", "[2001:db8:99::4]:53");
    let v6 = udp_of(a6, b6, 64);
    let bad = || drop(Reason::BadFragment);
    let long = Tcp { from: A, to: B, flags: "S", sequence: 1, acknowledgement: 0, payload_len: 40 }.frame();
    // Offset 65,528 and 16 bytes end beyond the longest datagram; offset 65,512 and 16 bytes do not.
    let beyond = changed(&fragment(&datagram, 7, 16, 32), IP + 6, &[0x1f, 0xff]);
    let within = changed(&fragment(&datagram, 7, 16, 32), IP + 6, &[0x1f, 0xfd]);
    let v6_part = |offset, more| extended(&v6[..v6.len() - 56], 44, &fragment_header(17, offset, more, 7));
    vec![
        Case::new("fragment beyond the longest datagram")
            .packet("lan0.101", 0, &beyond, bad())
            .packet("lan0.101", 0, &within, drop(Reason::FragmentUnmatched).of("sendai"))
            .packet("lan0.101", 0, &v6_part(65_528, false), bad())
            .packet("lan0.101", 0, &v6_part(65_512, false), drop(Reason::FragmentUnmatched).of("sendai")),
        Case::new("middle fragment of odd length").packet("lan0.101", 0, &fragment(&datagram, 7, 0, 36), bad()).packet(
            "lan0.101",
            0,
            &extended(&v6[..v6.len() - 1], 44, &fragment_header(17, 0, true, 7)),
            bad(),
        ),
        Case::new("TCP fragment that overwrites flags")
            .packet("lan0.101", 0, &fragment(&long, 7, 8, 60), bad())
            .packet("lan0.101", 0, &extended(&v6[..v6.len() - 56], 44, &fragment_header(6, 8, false, 7)), bad()),
        Case::new("first fragment without a whole header")
            .packet("lan0.101", 0, &fragment(&whole, 7, 0, 16), bad())
            .packet("lan0.101", 0, &changed(&fragment(&long, 7, 0, 24), L4_V4 + 12, &[0x70]), bad())
            .packet("lan0.101", 0, &changed(&fragment(&long, 7, 0, 24), L4_V4 + 12, &[0x40]), drop(Reason::Malformed)),
        Case::new("first UDP fragment may announce more than it holds").packet(
            "lan0.101",
            0,
            &fragment(&udp("10.4.20.7:51000", "192.0.2.4:53"), 7, 0, 8),
            super::forward(Reason::Rule).rule("dns").of("sendai").translated(super::nat::sendai("10.4.20.7", 51_000)),
        ),
    ]
}
