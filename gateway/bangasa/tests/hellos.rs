//! `bangasa hello` on every capture of the corpora, beside what tshark finds in them: packet, ports, name, protocols and
//! fingerprint of every hello, none missing and none too many. The differences that are right are listed, with why.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "captures/files.rs"]
mod files;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use bangasa::commands::hello::{Line, each_hello};

/// What is compared of a hello: packet, transport, ports, name, protocols, fingerprint, and whether the name is hidden.
type Row = (u64, String, u16, u16, String, String, String, bool);

/// Hellos, with how often each is there.
type Rows = BTreeMap<Row, i64>;

/// What tshark lists and we do not: capture, packet, why.
const NOT_OURS: &[(&str, u64, &str)] = &[
    ("ndpi/tests/cfgs/default/pcap/openvpn.pcap", 31, "inside OpenVPN's own segments"),
    ("ndpi/tests/cfgs/default/pcap/openvpn.pcap", 519, "inside OpenVPN's own segments"),
    ("ndpi/tests/cfgs/default/pcap/openvpn.pcap", 529, "inside OpenVPN's own segments"),
    ("ndpi/tests/cfgs/default/pcap/tls_cipher_lens.pcap", 5, "cut short; we count the extension that is cut"),
    ("suricata-verify/tests/tcp-fastopen-10-syn-data-ignore/input.pcap", 18, "the same bytes of the stream again"),
    ("suricata-verify/tests/tcp-fastopen-10-syn-data-ignore/input.pcap", 23, "the same bytes of the stream again"),
    ("wireshark/test/captures/wireguard-ping-tcp-dsb.pcapng", 20, "decrypted with keys that the file holds"),
    ("wireshark/test/captures/wpa-eap-tls.pcap.gz", 6, "EAP, which has no transport"),
];

/// What we list and tshark does not: capture, packet, why. All are hellos.
const OURS_ALONE: &[(&str, u64, &str)] = &[
    ("ndpi/tests/cfgs/default/pcap/ookla.pcap", 88, "tshark expects HTTP on port 8080"),
    ("ndpi/tests/cfgs/default/pcap/openvpn.pcap", 226, "OpenVPN on port 443, in one piece"),
    ("ndpi/tests/cfgs/default/pcap/quic-forcing-vn-with-data.pcapng", 5, "after a Retry, and not the same bytes again"),
    ("ndpi/tests/cfgs/default/pcap/tls_cipher_lens.pcap", 5, "cut short; see above"),
    ("ndpi/tests/cfgs/default/pcap/tls_port_80.pcapng", 12, "tshark expects HTTP on port 80"),
    ("suricata-verify/tests/bug-2512/sample_10.62.112.41_62227.pcap", 6, "tshark expects HTTP on port 8080"),
    ("zeek/testing/btest/Traces/tls/https-to-http.pcap", 4, "tshark expects HTTP on port 80"),
    ("zeek/testing/btest/Traces/tls/irc-starttls.pcap", 8, "tshark does not know STARTTLS of IRC"),
];

/// A capture that the tables know and the corpora do not hold.
const NOT_THERE: &str = "ndpi/tests/cfgs/default/pcap/malware.pcap";

/// `proto` of the tables that are compared, and our word for it.
const TRANSPORTS: &[(&str, &str)] = &[("tls", "tcp"), ("quic", "quic")];

#[test]
fn hellos_are_those_that_tshark_finds() {
    let Some(captures) = files::captures() else { return };
    let root = files::corpora().join("pcap");
    let mut truth = truth();
    let (mut rows, mut matched, mut differences) = (0, 0, Vec::new());
    let mut excused = Vec::new();
    for path in captures {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        let wanted = truth.remove(&name).unwrap_or_default();
        let mut apart = wanted.clone();
        rows += wanted.values().sum::<i64>();
        for (row, count) in ours(&path) {
            *apart.entry(row).or_default() -= count;
        }
        matched += wanted.iter().map(|(row, count)| count - apart[row].max(0)).sum::<i64>();
        for (row, count) in apart.into_iter().filter(|(_, count)| *count != 0) {
            let (list, whose) = if count > 0 { (NOT_OURS, "tshark") } else { (OURS_ALONE, "we") };
            match list.iter().find(|(capture, packet, _)| *capture == name && *packet == row.0) {
                Some(excuse) => excused.push(*excuse),
                None => differences.push(format!("{name}: only {whose} find {row:?}")),
            }
        }
    }
    println!("{matched} of {rows} hellos found as tshark does; {} differences that are right", excused.len());
    truth.remove(NOT_THERE);
    assert!(truth.is_empty(), "captures of the tables are missing: {:?}", truth.keys());
    let shown = differences.iter().fold(String::new(), |mut text, difference| {
        let _ = writeln!(text, "{difference}");
        text
    });
    assert!(differences.is_empty(), "{} differences:\n{shown}", differences.len());
    assert!(matched > 0, "nothing was compared");
    for excuse in NOT_OURS.iter().chain(OURS_ALONE) {
        assert!(excused.contains(excuse), "no difference any more, take it off the list: {excuse:?}");
    }
}

/// The tables' rows by capture. A packet with several hellos is one row, whose fingerprints stand behind each other.
fn truth() -> BTreeMap<String, Rows> {
    let mut truth = BTreeMap::<String, Rows>::new();
    for table in fs::read_dir(files::corpora().join("truth")).unwrap().map(|entry| entry.unwrap().path()) {
        if !table.to_str().unwrap().ends_with(".clienthello.tsv") {
            continue;
        }
        for line in fs::read_to_string(table).unwrap().lines().skip(1) {
            let fields: Vec<_> = line.split('\t').collect();
            let &[path, _, frame, proto, _, sport, _, dport, sni, ja4, alpn, ech, _] = fields.as_slice() else {
                panic!("{line}: not the columns of a table of hellos");
            };
            let Some((_, transport)) = TRANSPORTS.iter().find(|(name, _)| *name == proto) else { continue };
            let port = |port: &str| if port.is_empty() { 0 } else { port.parse().unwrap() };
            for ja4 in ja4.split(',') {
                let row = (
                    frame.parse().unwrap(),
                    (*transport).to_owned(),
                    port(sport),
                    port(dport),
                    sni.to_owned(),
                    alpn.to_owned(),
                    ja4.to_owned(),
                    !ech.is_empty(),
                );
                *truth.entry(path.to_owned()).or_default().entry(row).or_default() += 1;
            }
        }
    }
    truth
}

/// What we find in a capture, up to its damage if it has some.
fn ours(path: &Path) -> Rows {
    let file = fs::File::open(path).unwrap();
    let reader: Box<dyn Read> = if path.extension().is_some_and(|kind| kind == "gz") {
        Box::new(flate2::read::GzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut rows = Rows::new();
    let (_, _) = each_hello(reader, &mut |hello| {
        let line = Line::new(&hello);
        let row = (
            line.packet,
            line.transport.to_owned(),
            line.source_port,
            line.destination_port,
            line.sni.unwrap_or_default(),
            line.alpn.unwrap_or_default().join(","),
            line.ja4.unwrap_or_default(),
            line.ech,
        );
        if TRANSPORTS.iter().any(|(_, transport)| *transport == row.1) {
            *rows.entry(row).or_default() += 1;
        }
        ControlFlow::Continue(())
    });
    rows
}
