//! Stage "parse": what is cut short, contradicts itself, or is not passed.

use abi::{Reason, Verdict};

use super::frames::{
    IP, L4_V4, L4_V6, arp, changed, extended, extension, fragment_header, icmp, neighbour_solicitation, ping, protocol,
    syn, udp, with_options,
};
use super::{Case, Expected, drop, expect, forward};

const A: &str = "10.4.20.7:51000";
const B: &str = "192.0.2.4:443";
const A6: &str = "[2001:db8:4::7]:51000";
const B6: &str = "[2001:db8:99::4]:443";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![Case::without_policy("closed before the first policy").packet(
        "lan0.101",
        0,
        &syn(A, B),
        drop(Reason::NoPolicy),
    )];
    let mut one = |name, frame: Vec<u8>, expected: Expected| {
        cases.push(Case::new(name).packet("lan0.101", 0, &frame, expected));
    };
    frame_cases(&mut one);
    v4_cases(&mut one);
    v6_cases(&mut one);
    transport_cases(&mut one);
    cases
}

fn frame_cases(one: &mut impl FnMut(&'static str, Vec<u8>, Expected)) {
    one("ethernet header cut", syn(A, B)[..13].to_vec(), drop(Reason::Truncated));
    one("inner tag cut", [&syn(A, B)[..12], &[0x81, 0x00, 0x00]].concat(), drop(Reason::Truncated));
    one("third tag", [&syn(A, B)[..12], &[0x91, 0, 0, 5, 0x81, 0, 0, 6]].concat(), drop(Reason::Unsupported));
    one("802.3 length", changed(&syn(A, B), 12, &[0, 40]), drop(Reason::Unsupported));
    one("unknown ethertype", changed(&syn(A, B), 12, &[0x88, 0x47]), drop(Reason::Unsupported));
    one("ARP", arp(), expect(Verdict::Local, Reason::Arp).of("sendai"));
    one("ARP cut", arp()[..IP + 27].to_vec(), drop(Reason::Truncated));
    one("ARP for another hardware", changed(&arp(), IP, &[0, 6]), drop(Reason::Malformed));
    one("ARP with long addresses", changed(&arp(), IP + 4, &[200]), drop(Reason::Malformed));
}

fn v4_cases(one: &mut impl FnMut(&'static str, Vec<u8>, Expected)) {
    let sound = syn(A, B);
    let web = forward(Reason::Rule).rule("web").of("sendai").translated(super::nat::sendai("10.4.20.7", 51_000));
    one("v4 header cut", sound[..IP + 19].to_vec(), drop(Reason::Truncated));
    one("v4 of another version", changed(&sound, IP, &[0x65]), drop(Reason::Malformed));
    one("v4 header shorter than a header", changed(&sound, IP, &[0x44]), drop(Reason::Malformed));
    one("v4 options cut", changed(&sound, IP, &[0x4f])[..IP + 40].to_vec(), drop(Reason::Truncated));
    one("v4 total length within the header", changed(&sound, IP + 2, &[0, 19]), drop(Reason::Malformed));
    one("v4 total length beyond the frame", changed(&sound, IP + 2, &[0, 41]), drop(Reason::Truncated));
    one("v4 padded", [&sound[..], &[0; 6]].concat(), web.clone());
    one("v4 harmless options", with_options(&sound, &[1, 148, 4, 0, 0, 0, 9, 9]), web.clone());
    one("v4 option after the end of options", with_options(&sound, &[0, 131, 99, 0]), web);
    one("v4 option of no length", with_options(&sound, &[7, 1, 0, 0]), drop(Reason::Malformed));
    one("v4 option beyond the header", with_options(&sound, &[1, 1, 7, 3]), drop(Reason::Malformed));
    one("v4 option without its length", with_options(&sound, &[1, 1, 1, 7]), drop(Reason::Malformed));
    one("v4 loose source route", with_options(&sound, &[131, 3, 4, 0]), drop(Reason::RoutingHeader));
    one("v4 strict source route", with_options(&sound, &[137, 3, 4, 0]), drop(Reason::RoutingHeader));
}

fn v6_cases(one: &mut impl FnMut(&'static str, Vec<u8>, Expected)) {
    let sound = syn(A6, B6);
    let web = || forward(Reason::Rule).rule("web").of("sendai");
    one("v6 header cut", sound[..IP + 39].to_vec(), drop(Reason::Truncated));
    one("v6 of another version", changed(&sound, IP, &[0x45]), drop(Reason::Malformed));
    one("v6 payload beyond the frame", changed(&sound, IP + 4, &[0, 21]), drop(Reason::Truncated));
    one("v6 jumbogram", changed(&changed(&sound, IP + 4, &[0, 0]), IP + 6, &[0]), drop(Reason::Unsupported));
    one("v6 padded", [&sound[..], &[0; 6]].concat(), web());
    let chain = [extension(60), extension(43), extension(51), [6, 0, 0, 0, 0, 0, 0, 0]].concat();
    let no_segments = changed(&extended(&sound, 0, &chain), L4_V6 + 16 + 2, &[4, 0]);
    one("v6 chain of extension headers", no_segments.clone(), web());
    one("v6 segments left", changed(&no_segments, L4_V6 + 16 + 3, &[1]), drop(Reason::RoutingHeader));
    one("v6 routing header of type 0", changed(&no_segments, L4_V6 + 16 + 2, &[0]), drop(Reason::RoutingHeader));
    let late = [extension(0), extension(6)].concat();
    one("v6 hop-by-hop not first", extended(&sound, 60, &late), drop(Reason::Malformed));
    one(
        "v6 extension header beyond the payload",
        extended(&sound, 60, &[6, 9, 0, 0, 0, 0, 0, 0]),
        drop(Reason::Malformed),
    );
    one(
        "v6 extension header cut",
        protocol("2001:db8:4::7", "2001:db8:99::4", 60, &[6, 0, 0]),
        drop(Reason::Malformed),
    );
    let eight = [extension(60); 7].concat();
    let eight = [&eight[..], &extension(6)].concat();
    one("v6 eight extension headers", extended(&sound, 60, &eight), web());
    let nine = [&extension(60)[..], &eight].concat();
    one("v6 nine extension headers", extended(&sound, 60, &nine), drop(Reason::Unsupported));
    let twice = [fragment_header(44, 0, false, 1), fragment_header(6, 0, false, 1)].concat();
    one("v6 two fragment headers", extended(&sound, 44, &twice), drop(Reason::BadFragment));
    one("v6 atomic fragment", extended(&sound, 44, &fragment_header(6, 0, false, 1)), web());
    let open = [fragment_header(60, 0, true, 1), [6, 9, 0, 0, 0, 0, 0, 0]].concat();
    one("v6 first fragment without all headers", extended(&sound, 44, &open), drop(Reason::BadFragment));
    one(
        "v6 no next header",
        protocol("2001:db8:4::7", "2001:db8:99::4", 59, &[]),
        drop(Reason::DefaultDeny).of("sendai"),
    );
}

fn transport_cases(one: &mut impl FnMut(&'static str, Vec<u8>, Expected)) {
    let (a, b) = ("10.4.20.7", "192.0.2.4");
    one("TCP header cut", protocol(a, b, 6, &[0; 19]), drop(Reason::Malformed));
    one("TCP header shorter than a header", changed(&syn(A, B), L4_V4 + 12, &[0x40]), drop(Reason::Malformed));
    one("TCP options beyond the packet", changed(&syn(A, B), L4_V4 + 12, &[0x60]), drop(Reason::Malformed));
    one("UDP header cut", protocol(a, b, 17, &[0; 7]), drop(Reason::Malformed));
    one("UDP length within the header", changed(&udp(A, B), L4_V4 + 4, &[0, 7]), drop(Reason::Malformed));
    one("UDP length beyond the packet", changed(&udp(A, B), L4_V4 + 4, &[0, 17]), drop(Reason::Malformed));
    one("ICMP header cut", protocol(a, b, 1, &[8, 0, 0, 0, 0, 0, 0]), drop(Reason::Malformed));
    one("ICMP timestamp", icmp(a, b, 13, &[0; 12]), drop(Reason::Unsupported));
    one("ICMP timestamp of a wrong length", icmp(a, b, 13, &[0; 2]), drop(Reason::Unsupported));
    one("ICMP redirect", icmp(a, b, 5, &[0; 28]), drop(Reason::Unsupported));
    let (a6, b6) = ("2001:db8:4::7", "2001:db8:99::4");
    one("ICMPv6 header cut", protocol(a6, b6, 58, &[128, 0, 0, 0]), drop(Reason::Malformed));
    one("ICMPv6 listener report", icmp(a6, b6, 143, &[0; 8]), drop(Reason::Unsupported));
    let discovery = neighbour_solicitation();
    one("neighbour discovery", discovery.clone(), expect(Verdict::Local, Reason::NeighbourDiscovery).of("sendai"));
    one("neighbour discovery from afar", changed(&discovery, IP + 7, &[254]), drop(Reason::Malformed));
    let first = extended(&discovery, 44, &fragment_header(58, 0, true, 1));
    one("neighbour discovery in fragments", first, drop(Reason::BadFragment));
    let ping = ping(a, b, 9);
    let tools = forward(Reason::Rule).rule("tools").of("sendai").translated(super::nat::sendai("10.4.20.7", 9));
    one("ICMP echo", ping, tools);
    // Numbers of the other family's ICMP are protocols without ports like any other.
    one(
        "ICMPv6 over v4",
        protocol(a, b, 58, &[]),
        forward(Reason::Rule).rule("tools").of("sendai").translated(super::nat::sendai_portless("10.4.20.7")),
    );
    one("ICMP over v6", protocol(a6, b6, 1, &[]), forward(Reason::Rule).rule("tools").of("sendai"));
}
