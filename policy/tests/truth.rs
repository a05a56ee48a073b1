//! The model's parser against what tshark saw in the corpora's captures: VLAN ids, addresses, final protocol, ports and
//! whether a packet is a fragment. Runs where the corpora are (`BANGASA_CORPORA`, or `../shared/corpora` beside the
//! workspace). Not compared: packets that hide another (tunnels, ICMP errors) and those that tshark finds malformed.
#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use abi::Reason;
use flate2::read::GzDecoder;
use pcap_parser::{Linktype, PcapBlockOwned};
use policy::checked::Policy;
use policy::{Judgement, Model};

#[test]
fn parses_what_tshark_sees() {
    let Some(corpora) = corpora() else {
        println!("no corpora here: nothing compared");
        return;
    };
    let (mut compared, mut refused) = (0, 0);
    let mut differences = Vec::new();
    for suite in ["ndpi", "suricata-verify", "tcpdump", "tcpreplay", "wireshark", "zeek"] {
        let table = corpora.join(format!("truth/{suite}.tuples.tsv.gz"));
        for (path, rows) in rows_by_capture(&table) {
            let frames = frames(&corpora.join("pcap").join(&path));
            for row in rows.iter().filter(|row| row.is_plain_ip()) {
                let Some(frame) = frames.get(&row.frame) else { continue };
                compared += 1;
                let seen = parse(frame);
                refused += usize::from(row.is_whole() && is_refused(&seen));
                if let Some(difference) = row.difference(&seen) {
                    differences.push(format!("{path} frame {}: {difference} ({})", row.frame, row.protocols));
                }
            }
        }
    }
    println!("{compared} packets compared, {refused} whole ones refused");
    assert!(compared > 45_000, "only {compared} packets compared");
    // The corpora are full of damage, but not of that much.
    assert!(refused < compared / 200, "{refused} of {compared} refused");
    assert!(differences.is_empty(), "{} of {compared}:\n{}", differences.len(), differences.join("\n"));
}

/// Where the corpora are, if they are.
fn corpora() -> Option<PathBuf> {
    let path = match std::env::var_os("BANGASA_CORPORA") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpora"),
    };
    path.join("truth").is_dir().then_some(path)
}

/// One line of a table.
struct Row {
    frame: usize,
    length: usize,
    captured: usize,
    vlans: Vec<u16>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: Option<u8>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    is_fragment: bool,
    protocols: String,
}

fn rows_by_capture(table: &Path) -> BTreeMap<String, Vec<Row>> {
    let mut text = String::new();
    GzDecoder::new(File::open(table).unwrap()).read_to_string(&mut text).unwrap();
    let mut captures: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let row = Row {
            frame: columns[2].parse().unwrap(),
            length: columns[3].parse().unwrap(),
            captured: columns[4].parse().unwrap(),
            vlans: columns[6].split(',').filter_map(|vlan| vlan.parse().ok()).collect(),
            source: columns[8].parse().ok(),
            destination: columns[9].parse().ok(),
            protocol: columns[10].parse().ok(),
            source_port: columns[11].parse().ok(),
            destination_port: columns[12].parse().ok(),
            is_fragment: columns[13] == "1" || columns[14].parse::<u32>().is_ok_and(|offset| offset > 0),
            protocols: columns[17].to_owned(),
        };
        captures.entry(columns[0].to_owned()).or_default().push(row);
    }
    captures
}

impl Row {
    fn is_whole(&self) -> bool {
        self.captured == self.length
    }

    /// Ethernet, at most two tags, one IP header: nothing that the parser rightly refuses or that hides another packet.
    fn is_plain_ip(&self) -> bool {
        let Some(rest) = self.protocols.strip_prefix("eth:ethertype:") else {
            return false;
        };
        let mut rest: Vec<&str> = rest.split(':').collect();
        while let ["vlan" | "ieee8021ad", "ethertype", ..] = rest[..] {
            rest.drain(..2);
        }
        let is_ip = matches!(rest.first(), Some(&("ip" | "ipv6")));
        let hides = |layer: &&str| matches!(*layer, "ip" | "ipv6" | "_ws.malformed" | "_ws.short");
        is_ip && self.vlans.len() <= 2 && !rest[1..].iter().any(hides)
    }

    /// Where the two read different things. Where one of them stopped reading there is nothing to compare.
    fn difference(&self, seen: &Judgement) -> Option<String> {
        // tshark lists 802.1ad ids elsewhere, so the table has the inner ones alone.
        let hidden = self.protocols.matches("ieee8021ad").count();
        let vlans = seen.vlans.get(hidden..).unwrap_or_default();
        if vlans != self.vlans {
            return Some(format!("VLANs {:?}, tshark {:?}", seen.vlans, self.vlans));
        }
        let differ =
            |seen: Option<IpAddr>, told: Option<IpAddr>| seen.zip(told).is_some_and(|(seen, told)| seen != told);
        if differ(seen.source, self.source) || differ(seen.destination, self.destination) {
            let tshark = (self.source, self.destination);
            return Some(format!("{:?} > {:?}, tshark {tshark:?}", seen.source, seen.destination));
        }
        if !is_refused(seen) && seen.fragment != self.is_fragment {
            return Some(format!("fragment {}, tshark {}", seen.fragment, self.is_fragment));
        }
        if let (Some(seen), Some(tshark)) = (seen.protocol, self.protocol)
            && seen != tshark
        {
            return Some(format!("protocol {seen}, tshark {tshark}"));
        }
        let ports = (seen.source_port, seen.destination_port);
        let tshark = (self.source_port, self.destination_port);
        if matches!(self.protocol, Some(6 | 17)) && !is_refused(seen) && ports != tshark {
            return Some(format!("ports {ports:?}, tshark {tshark:?}"));
        }
        None
    }
}

/// Whether the model stopped reading: lengths that lie, and first fragments too short for a header. tshark reads on.
fn is_refused(seen: &Judgement) -> bool {
    let unread = seen.source.is_none() || seen.protocol.is_none() || seen.source_port.is_none();
    unread && matches!(seen.reason, Reason::Truncated | Reason::Malformed | Reason::BadFragment)
}

/// What the model reads of a frame, whatever it then thinks of it.
fn parse(frame: &[u8]) -> Judgement {
    Model::new(uplink_only(), 1).judge("wan0", 0, frame)
}

fn uplink_only() -> Policy {
    Policy { id: "test".into(), uplinks: vec!["wan0".into()], ..Policy::default() }
}

/// Ethernet frames of a capture by number, from 1; up to the damage if it is damaged.
fn frames(path: &Path) -> BTreeMap<usize, Vec<u8>> {
    let mut frames = BTreeMap::new();
    // The tables know a few captures that the corpora leave out.
    let Ok(bytes) = fs::read(path) else { return frames };
    let Ok(mut reader) = pcap_parser::create_reader(bytes.len().max(1 << 16), &bytes[..]) else {
        return frames;
    };
    let mut number = 0;
    let mut link = Linktype::ETHERNET;
    let mut interfaces = Vec::new();
    loop {
        match reader.next() {
            Ok((used, block)) => {
                match block {
                    PcapBlockOwned::LegacyHeader(header) => link = header.network,
                    PcapBlockOwned::Legacy(packet) => {
                        number += 1;
                        if link == Linktype::ETHERNET {
                            frames.insert(number, packet.data.to_vec());
                        }
                    }
                    PcapBlockOwned::NG(pcap_parser::Block::SectionHeader(_)) => interfaces.clear(),
                    PcapBlockOwned::NG(pcap_parser::Block::InterfaceDescription(interface)) => {
                        interfaces.push(interface.linktype);
                    }
                    PcapBlockOwned::NG(pcap_parser::Block::EnhancedPacket(packet)) => {
                        number += 1;
                        if interfaces.get(packet.if_id as usize) == Some(&Linktype::ETHERNET) {
                            frames.insert(number, packet.data[..packet.caplen as usize].to_vec());
                        }
                    }
                    PcapBlockOwned::NG(pcap_parser::Block::SimplePacket(packet)) => {
                        number += 1;
                        let length = packet.data.len().min(packet.origlen as usize);
                        frames.insert(number, packet.data[..length].to_vec());
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(used);
            }
            // The buffer holds the whole file, so there is never more to come.
            Err(_) => return frames,
        }
    }
}
