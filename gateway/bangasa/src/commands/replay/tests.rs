#![expect(clippy::unwrap_used, reason = "a test may panic")]

use abi::{Direction, Reason, Verdict};
use policy::Judgement;

use super::*;

/// An engine that says the same about everything.
struct Always(Judgement);

impl Engine for Always {
    fn judge(&mut self, _: &str, _: u64, _: &[u8]) -> anyhow::Result<Judgement> {
        Ok(self.0.clone())
    }
}

fn blocked() -> Judgement {
    Judgement {
        vlans: vec![101],
        source: Some("10.4.20.7".parse().unwrap()),
        destination: Some("198.51.100.4".parse().unwrap()),
        protocol: Some(6),
        source_port: Some(51_000),
        destination_port: Some(443),
        fragment: false,
        direction: Direction::Egress,
        verdict: Verdict::Drop,
        reason: Reason::Blocked,
        set: Some("threats".into()),
        rule: None,
        limit: None,
        municipality: Some("sendai".into()),
        generation: 1,
    }
}

/// A pcap of empty packets, the last one cut short.
fn cut_pcap(packets: u8) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    file.extend(vec![0; 16 * usize::from(packets) + 3]);
    file
}

fn json(judgement: Judgement) -> String {
    serde_json::to_string(&Line::of_packet(1, &judgement)).unwrap()
}

#[test]
fn the_line_is_the_documented_one() {
    let parts = [
        r#"{"packet":1,"vlan":[101],"source":"10.4.20.7","destination":"198.51.100.4","protocol":6,"source_port":51000,"#,
        r#""destination_port":443,"verdict":"drop","reason":"blocked","set":"threats","rule":null,"municipality":"sendai","#,
        r#""generation":1,"direction":"egress","fragment":false}"#,
    ];
    assert_eq!(json(blocked()), parts.concat());
}

#[test]
fn what_was_not_reached_is_null() {
    let truncated = Judgement {
        vlans: vec![],
        source: None,
        destination: None,
        protocol: None,
        source_port: None,
        destination_port: None,
        reason: Reason::Truncated,
        set: None,
        municipality: None,
        ..blocked()
    };
    let parts = [
        r#"{"packet":1,"vlan":[],"source":null,"destination":null,"protocol":null,"source_port":null,"#,
        r#""destination_port":null,"verdict":"drop","reason":"truncated","set":null,"rule":null,"municipality":null,"#,
        r#""generation":1,"direction":"egress","fragment":false}"#,
    ];
    assert_eq!(json(truncated), parts.concat());
}

#[test]
fn only_tcp_and_udp_have_ports_and_only_icmp_has_types() {
    let echo = Judgement { protocol: Some(1), source_port: Some(8), destination_port: Some(0), ..blocked() };
    assert!(json(echo.clone()).contains(r#""source_port":null,"destination_port":null"#));
    assert!(json(echo.clone()).contains(r#""icmp_type":8,"icmp_code":0"#));
    let v6 = |protocol| Judgement {
        source: Some("2001:db8::1".parse().unwrap()),
        destination: Some("2001:db8::2".parse().unwrap()),
        protocol: Some(protocol),
        ..echo.clone()
    };
    assert!(!json(v6(1)).contains("icmp_type"));
    assert!(json(v6(58)).contains(r#""icmp_type":8,"icmp_code":0"#));
    let later = Judgement { source_port: None, destination_port: None, fragment: true, ..blocked() };
    assert!(json(later).contains(r#""source_port":null,"destination_port":null"#));
}

#[test]
fn lines_come_before_the_damage() {
    let mut lines = Vec::new();
    let end = each_line(&cut_pcap(2)[..], &mut Always(blocked()), "lan0", |line| {
        lines.push(line.packet.unwrap());
        Ok(())
    });
    assert_eq!(lines, [1, 2]);
    let message = end.unwrap_err().to_string();
    assert_eq!(message, "the capture is damaged after packet 2: the file ends inside a packet's header");
}

#[test]
fn people_read_a_table_and_a_summary() {
    let line = Line::of_packet(12, &blocked());
    assert_eq!(
        describe(&line, Colour::Off),
        "         12  drop    blocked            sendai       [101] tcp 10.4.20.7:51000 > 198.51.100.4:443 by set threats"
    );
    let mut summary = Summary::default();
    let local = Judgement { verdict: Verdict::Local, reason: Reason::Arp, set: None, ..blocked() };
    for judgement in [blocked(), local.clone(), local] {
        summary.count(&Line::of_packet(1, &judgement));
    }
    assert_eq!(
        summary.lines(engine::Kind::Model, Colour::Off),
        ["", "3 packets, judged by the model", "          2  local   arp", "          1  drop    blocked"]
    );
}
