#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

/// Number, time and bytes.
type Seen = (u64, u64, Vec<u8>);

/// Everything that can be read, and how it ended.
fn read(bytes: &[u8]) -> (Vec<Seen>, Option<CaptureError>) {
    let mut packets = Vec::new();
    let mut capture = match Capture::new(bytes) {
        Ok(capture) => capture,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match capture.next_packet() {
            Ok(Some(packet)) => packets.push((packet.number, packet.time_ns, packet.frame.to_vec())),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

/// Writes fields in one byte order.
#[derive(Clone, Copy)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }

    fn pcap(self, magic: u32, link: u32) -> Vec<u8> {
        [self.u32(magic).to_vec(), self.u16(2).to_vec(), self.u16(4).to_vec(), self.words(&[0, 0, 65_535, link])]
            .concat()
    }

    fn packet(self, seconds: u32, fraction: u32, frame: &[u8]) -> Vec<u8> {
        let length = frame.len() as u32;
        [self.words(&[seconds, fraction, length, length]), frame.to_vec()].concat()
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let length = self.u32(padded as u32 + 12);
        let mut block = [&self.u32(kind)[..], &length, body].concat();
        block.resize(padded + 8, 0);
        block.extend(length);
        block
    }

    fn section(self) -> Vec<u8> {
        let length = self.words(&[0xffff_ffff, 0xffff_ffff]);
        self.block(0x0a0d_0d0a, &[&self.u32(0x1a2b_3c4d)[..], &self.u16(1), &self.u16(0), &length].concat())
    }

    fn interface(self, link: u16, snap: u32, options: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = [self.u16(link), self.u16(0)].concat();
        body.extend(self.u32(snap));
        for (code, value) in options {
            body.extend([self.u16(*code), self.u16(value.len() as u16)].concat());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        self.block(1, &body)
    }

    fn enhanced(self, interface: u32, ticks: u64, frame: &[u8]) -> Vec<u8> {
        let length = frame.len() as u32;
        let words = self.words(&[interface, (ticks >> 32) as u32, ticks as u32, length, length]);
        self.block(6, &[&words, frame].concat())
    }
}

const FRAME: [u8; 15] = [7; 15];

#[test]
fn pcap_in_both_orders_and_both_precisions() {
    for order in [Order::Little, Order::Big] {
        for (magic, time_ns) in [(0xa1b2_c3d4, 5_000_009_000), (0xa1b2_3c4d, 5_000_000_009)] {
            let file = [order.pcap(magic, 1), order.packet(5, 9, &FRAME), order.packet(4, 0, &[])].concat();
            let (packets, error) = read(&file);
            assert!(error.is_none(), "{error:?}");
            assert_eq!(packets, [(1, time_ns, FRAME.to_vec()), (2, 4_000_000_000, vec![])]);
        }
    }
}

#[test]
fn frame_check_sequence_bits_are_not_part_of_the_link_type() {
    let file = [Order::Little.pcap(0xa1b2_c3d4, 0x4400_0001), Order::Little.packet(0, 0, &FRAME)].concat();
    assert!(read(&file).1.is_none());
}

#[test]
fn every_cut_tells_the_last_whole_packet() {
    let head = Order::Little.pcap(0xa1b2_c3d4, 1);
    let packet = Order::Little.packet(1, 0, &FRAME);
    let file = [head.clone(), packet.clone(), packet.clone()].concat();
    for cut in 0..file.len() {
        let (packets, error) = read(&file[..cut]);
        let whole = cut.saturating_sub(head.len()) / packet.len();
        assert_eq!(packets.len(), whole, "cut at {cut}");
        match error {
            None => assert_eq!((cut - head.len()) % packet.len(), 0, "cut at {cut}"),
            Some(CaptureError::NotACapture { .. }) => assert!(cut < 4, "cut at {cut}"),
            Some(CaptureError::Damaged { after, .. }) => assert_eq!(after as usize, whole, "cut at {cut}"),
            Some(other) => panic!("cut at {cut}: {other:?}"),
        }
    }
}

#[test]
fn a_huge_packet_is_damage_and_takes_no_memory() {
    for length in [MAX_PACKET_BYTES as u32 + 1, u32::MAX] {
        let mut file = [Order::Little.pcap(0xa1b2_c3d4, 1), Order::Little.packet(0, 0, &FRAME)].concat();
        file.extend(Order::Little.words(&[0, 0, length, length]));
        let (packets, error) = read(&file);
        assert_eq!(packets.len(), 1);
        assert!(matches!(error, Some(CaptureError::Damaged { after: 1, .. })), "{error:?}");
    }
}

#[test]
fn other_files_say_what_they_are() {
    for (bytes, message) in [
        (&b""[..], "this is neither a pcap nor a pcapng file: it is empty"),
        (b"\x1f\x8b\x08\0\0", "this is neither a pcap nor a pcapng file: it is compressed; run `gunzip` on it first"),
        (b"#!/bin/sh", "this is neither a pcap nor a pcapng file"),
    ] {
        assert_eq!(read(bytes).1.unwrap().to_string(), message);
    }
}

#[test]
fn another_link_type_is_named() {
    let file = [Order::Big.pcap(0xa1b2_c3d4, 113), Order::Big.packet(0, 0, &FRAME)].concat();
    let message = read(&file).1.unwrap().to_string();
    assert_eq!(message, "packet 1 has link type 113 (LINUX_SLL); only Ethernet (1) can enter a port");
}

#[test]
fn pcapng_interfaces_have_clocks_of_their_own() {
    for order in [Order::Little, Order::Big] {
        let offset = match order {
            Order::Little => 3_i64.to_le_bytes(),
            Order::Big => 3_i64.to_be_bytes(),
        };
        let file = [
            order.section(),
            order.interface(1, 0, &[]),
            order.interface(1, 0, &[(9, &[9]), (14, &offset)]),
            order.interface(1, 0, &[(9, &[0x80 | 10])]),
            order.block(5, &[0; 8]),
            order.enhanced(0, 2_000_001, &FRAME),
            order.enhanced(1, 2_000_000_001, &FRAME[..3]),
            order.enhanced(2, 1024 + 512, &[]),
        ]
        .concat();
        let (packets, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        let seen: Vec<_> = packets.iter().map(|(number, time_ns, frame)| (*number, *time_ns, frame.len())).collect();
        assert_eq!(seen, [(1, 2_000_001_000, 15), (2, 5_000_000_001, 3), (3, 1_500_000_000, 0)]);
    }
}

#[test]
fn absurd_times_stay_in_range() {
    let order = Order::Little;
    let last_ns = u64::from(u32::MAX) * 1_000_000_000;
    for (options, ticks, time_ns) in [
        (&[(14_u16, &i64::MIN.to_le_bytes()[..])][..], 1, 0),
        (&[(14, &i64::MAX.to_le_bytes()[..])], u64::MAX, last_ns),
        (&[(9, &[0][..])], u64::MAX, last_ns),
        (&[(9, &[127][..])], u64::MAX, 0),
        (&[(9, &[255][..])], u64::MAX, 0),
        (&[(9, &[128][..])], 1, 1_000_000_000),
    ] {
        let file = [order.section(), order.interface(1, 0, options), order.enhanced(0, ticks, &FRAME)].concat();
        assert_eq!(read(&file).0[0].1, time_ns, "{options:?}");
    }
}

#[test]
fn sections_begin_anew_and_may_change_order() {
    let file = [
        Order::Little.section(),
        Order::Little.interface(113, 0, &[]),
        Order::Big.section(),
        Order::Big.interface(1, 0, &[]),
        Order::Big.enhanced(0, 1, &FRAME),
    ]
    .concat();
    let (packets, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(packets, [(1, 1_000, FRAME.to_vec())]);
}

#[test]
fn simple_and_old_packets() {
    for order in [Order::Little, Order::Big] {
        let old = [&order.u16(0)[..], &order.u16(9), &order.words(&[0, 7, 15, 15]), &FRAME].concat();
        let file = [
            order.section(),
            order.interface(1, 10, &[]),
            order.block(2, &old),
            order.block(3, &[&order.u32(15)[..], &FRAME[..10]].concat()),
        ]
        .concat();
        let (packets, error) = read(&file);
        assert!(error.is_none(), "{error:?}");
        assert_eq!(packets, [(1, 7_000, FRAME.to_vec()), (2, 7_000, FRAME[..10].to_vec())]);
    }
}

#[test]
fn a_foreign_interface_stops_only_where_it_has_a_packet() {
    let order = Order::Little;
    let file = [
        order.section(),
        order.interface(1, 0, &[]),
        order.interface(189, 0, &[]),
        order.enhanced(0, 1, &FRAME),
        order.enhanced(1, 1, &FRAME),
    ]
    .concat();
    let (packets, error) = read(&file);
    assert_eq!(packets.len(), 1);
    let message = error.unwrap().to_string();
    assert_eq!(message, "packet 2 has link type 189 (USB_LINUX); only Ethernet (1) can enter a port");
}

#[test]
fn broken_blocks_are_damage() {
    let order = Order::Little;
    let start = [order.section(), order.interface(1, 0, &[]), order.enhanced(0, 1, &FRAME)].concat();
    let enhanced = |captured: u32| order.block(6, &order.words(&[0, 0, 0, captured, captured]));
    let mut unequal = order.enhanced(0, 1, &FRAME);
    *unequal.last_mut().unwrap() = 9;
    for (name, block) in [
        ("captured length beyond the block", enhanced(500)),
        ("captured length that wraps", enhanced(u32::MAX)),
        ("captured length that nearly wraps", enhanced(u32::MAX - 5)),
        ("unknown interface", order.enhanced(1, 1, &FRAME)),
        ("huge packet block", order.words(&[6, 0x7fff_fffc, 0])),
        ("huge other block", order.words(&[99, 0x7fff_fffc, 0])),
        ("short block", order.words(&[6, 8, 8])),
        ("unaligned block", order.words(&[6, 33, 0, 0, 0, 0, 0, 0, 33])),
        ("packet block without its fields", order.block(6, &[])),
        ("old packet block without its fields", order.block(2, &[0; 4])),
        ("two lengths", unequal),
        ("section without byte order", order.block(0x0a0d_0d0a, &[0; 16])),
        ("simple packet beyond the block", order.block(3, &order.u32(99))),
    ] {
        let (packets, error) = read(&[start.clone(), block].concat());
        assert_eq!(packets.len(), 1, "{name}");
        assert!(matches!(error, Some(CaptureError::Damaged { after: 1, .. })), "{name}: {error:?}");
    }
}

#[test]
fn no_single_changed_byte_or_cut_breaks_the_reader() {
    let order = Order::Big;
    let ng = [
        order.section(),
        order.interface(1, 0, &[(9, &[9]), (2, b"eth0")]),
        order.enhanced(0, 1, &FRAME),
        order.block(3, &[&order.u32(15)[..], &FRAME].concat()),
        order.block(4, &[0; 12]),
    ]
    .concat();
    let legacy = [order.pcap(0xa1b2_c3d4, 1), order.packet(0, 0, &FRAME), order.packet(0, 0, &FRAME)].concat();
    for file in [ng, legacy] {
        for at in 0..file.len() {
            read(&file[..at]);
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut changed = file.clone();
                changed[at] = value;
                read(&changed);
            }
        }
    }
}
