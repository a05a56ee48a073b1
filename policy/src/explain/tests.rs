//! Explanations of a small policy, word for word.

use super::*;
use crate::source::Source;

const PREFECTURE: &str = r#"schema = 1
[prefecture]
id = "miyagi"
name = "宮城県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
[sets]
threats = { prefixes = ["198.51.100.0/24"] }
[block]
sets = ["threats"]
[[baseline]]
name = "no-smb"
ports = ["tcp/445"]
action = "deny"
"#;

const SENDAI: &str = r#"id = "sendai"
name = "仙台市"
attach = [{ port = "lan0", vlan = 101, address = ["10.4.0.1/24"] }]
prefixes = ["10.4.0.0/16", "2001:db8:4::/48"]
[nat]
pool = ["203.0.113.16"]
[sections]
taxation = ["10.4.20.0/24"]
[egress]
default = "deny"
[[egress.rule]]
name = "taxation"
from = ["taxation"]
action = "deny"
[[egress.rule]]
name = "mail"
to = ["192.0.2.25"]
ports = ["tcp/993"]
action = "allow"
[[egress.rule]]
name = "web"
ports = ["tcp/443"]
action = "allow"
"#;

fn policy() -> Policy {
    let files = [("prefecture.toml", PREFECTURE), ("municipalities/sendai.toml", SENDAI)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let checked = crate::check(&Source { files: files.into() });
    checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn explained(port: &str, packet: &str) -> Explanation {
    explain(&policy(), port, packet).expect(packet)
}

#[test]
fn an_allowed_packet() {
    let explanation = explained("lan0.101", "tcp 10.4.7.7:51000  >  192.0.2.4:443");
    let expected = "\
tcp 10.4.7.7:51000 > 192.0.2.4:443 entering lan0.101
  parse         VLAN 101, 10.4.7.7 > 192.0.2.4, protocol 6, port 51000 > 443
                → well formed
  sanity        10.4.7.7 > 192.0.2.4, TCP flags syn
                → sound
  municipality  port lan0, VLAN 101
                → sendai (仙台市)
  spoofing      source 10.4.7.7, prefixes of sendai
                → one of its own
  isolation     inside address 10.4.7.7
                → open
  block sets    10.4.7.7 and 192.0.2.4, 1 set
                → in none
  flow          sendai, protocol 6, 10.4.7.7:51000 with 192.0.2.4:443
                → no such flow; this packet may begin it
  rules         1 baseline rule, 3 egress rules of sendai
                → forward, rule: a rule of the municipality, rule `web` (municipalities/sendai.toml:20)
                not `taxation` (municipalities/sendai.toml:11): the source is not in `from`
                not `mail` (municipalities/sendai.toml:15): the destination is not in `to`
                not `no-smb` (prefecture.toml:12): protocol and destination port are not among its services
  create        10.4.7.7 > 192.0.2.4
                → new flow, as 203.0.113.16:51000
forward, rule, rule `web` (municipalities/sendai.toml:20), municipality sendai";
    assert_eq!(explanation.to_string(), expected, "{explanation}");
}

#[test]
fn an_inspectors_own_connection_is_told_as_such() {
    let explanation = explained("inspector:sendai", "tcp 10.4.0.1:40000 > 192.0.2.4:445");
    let text = explanation.to_string();
    assert!(text.contains("municipality  inspector of sendai\n"), "{text}");
    assert!(text.contains("spoofing      source 10.4.0.1, the gateway's addresses at sendai\n"), "{text}");
    assert!(text.contains("rules         inspector of sendai: no rule is asked\n"), "{text}");
    assert!(text.ends_with("forward, inspector, municipality sendai"), "{text}");
    let spoofed = explained("lan0.101", "tcp 10.4.0.1:40000 > 192.0.2.4:443");
    assert_eq!(spoofed.reason, "spoofed_source");
    assert!(spoofed.to_string().contains("source 10.4.0.1, the gateway's own address at sendai"), "{spoofed}");
}

#[test]
fn a_blocked_packet_ends_at_the_block_sets() {
    let explanation = explained("lan0.101", "tcp 10.4.20.7:51000 > 198.51.100.4:443");
    assert_eq!((explanation.verdict, explanation.reason), ("drop", "blocked"));
    assert_eq!(explanation.set.as_deref(), Some("threats"));
    assert_eq!(explanation.steps.last().map(|step| step.stage), Some(Stage::BlockSets));
    assert!(explanation.to_string().ends_with("drop, blocked, set `threats`, municipality sendai"));
}

#[test]
fn the_deciding_rule_has_its_place() {
    let explanation = explained("lan0.101", "tcp 10.4.20.7:51000 > 192.0.2.4:443");
    let rule = explanation.rule.expect("a rule");
    assert_eq!((rule.name.as_str(), rule.location.file.as_str()), ("taxation", "municipalities/sendai.toml"));
    let baseline = explained("lan0.101", "tcp 10.4.20.7:51000 > 192.0.2.4:445").rule.expect("a rule");
    assert!(baseline.baseline && baseline.name == "no-smb");
}

#[test]
fn every_form_of_packet_reaches_the_right_stage() {
    for (port, packet, reason) in [
        ("lan0.101", "tcp/ack 10.4.7.7:51000 > 192.0.2.4:443", "bad_state"),
        ("lan0.101", "tcp/fin 10.4.7.7:51000 > 192.0.2.4:443", "bad_flags"),
        ("lan0.101", "udp [2001:db8:4::1]:5353 > [2001:db8:99::1]:53", "default_deny"),
        ("lan0.101", "icmp 10.4.7.7 > 10.4.0.1", "gateway_address"),
        ("lan0.101", "icmpv6 2001:db8:4::7 > 2001:db8:99::1", "default_deny"),
        ("lan0.101", "47 10.5.7.7 > 192.0.2.4", "spoofed_source"),
        ("lan0.102", "47 10.4.7.7 > 192.0.2.4", "unknown_attachment"),
        ("lan0.200.101", "47 10.4.7.7 > 192.0.2.4", "unknown_attachment"),
        ("lan0", "47 10.4.7.7 > 192.0.2.4", "unknown_attachment"),
        ("wan0", "tcp 192.0.2.4:443 > 10.4.7.7:51000", "default_deny"),
        ("wan0", "tcp 192.0.2.4:443 > 10.5.7.7:51000", "unknown_destination"),
    ] {
        assert_eq!(explained(port, packet).reason, reason, "{packet}");
    }
}

#[test]
fn an_unknown_port_is_told_the_ports() {
    let error = explain(&policy(), "eth9.101", "47 10.4.7.7 > 192.0.2.4").expect_err("no such port").to_string();
    assert_eq!(
        error,
        "the policy has no port `eth9.101`; its ports are `lan0.101`, `wan0`; an inspector sends at `inspector:` and its municipality's id"
    );
    let error = explain(&policy(), "lan0.5000", "47 10.4.7.7 > 192.0.2.4").expect_err("no such VLAN").to_string();
    assert!(error.contains("`lan0.5000` is not a port"), "{error}");
    let error = explain(&policy(), "inspector:natori", "47 10.4.7.7 > 192.0.2.4").expect_err("nobody's").to_string();
    assert!(error.contains("no port `inspector:natori`"), "{error}");
}
