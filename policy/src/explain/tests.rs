//! Explanations of a small policy, word for word.

use super::*;
use crate::http::{FileType, HttpAction};
use crate::source::Source;
use crate::tls::{Ech, Opening, TlsAction};

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
[names]
banks = { names = [".bank.example"] }
[tls]
resolvers = ["192.0.2.53"]
[[tls.rule]]
name = "no-old-clients"
ja4 = ["t12d1209h1_d34a8e72043a_b39be8c56a14"]
action = "block"
[[tls.rule]]
name = "banks"
sni = ["@banks"]
action = "splice"
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
[[egress.rule]]
name = "seen"
ports = ["tcp/8443", "udp/8443"]
action = "inspect"
[tls]
[[tls.rule]]
name = "mail-client"
from = ["10.4.99.0/24"]
action = "splice"
trust_sni = true
[[tls.rule]]
name = "no-ssh"
speaks = ["server-first", "other"]
action = "block"
[[http.rule]]
name = "no-programs"
types = ["pe"]
action = "block"
[[http.rule]]
name = "uploads"
host = [".drive.example"]
path = ["/up/"]
methods = ["PUT"]
upload_limit = "1 KiB"
action = "allow"
[[http.rule]]
name = "no-drive"
host = [".drive.example"]
action = "block"
[http.tenants]
microsoft = { allowed = ["sendai.example"], context = "72f988bf-86f1-41af-91ab-2d7cd011db47" }
"#;

fn policy() -> Policy {
    with(SENDAI)
}

fn with(sendai: &str) -> Policy {
    let files = [("prefecture.toml", PREFECTURE), ("municipalities/sendai.toml", sendai)];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let checked = crate::check(&Source { files: files.into() });
    checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn explained(port: &str, packet: &str) -> Explanation {
    explain(&policy(), port, packet, None).expect(packet)
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
  rules         1 baseline rule, 4 egress rules of sendai
                → forward, rule: a rule of the municipality, rule `web` (municipalities/sendai.toml:20)
                not `taxation` (municipalities/sendai.toml:11): the source is not in `from`
                not `mail` (municipalities/sendai.toml:15): the destination is not in `to`
                not `no-smb` (prefecture.toml:12): protocol and destination port are not among its services
  create        10.4.7.7 > 192.0.2.4
                → new flow, as 203.0.113.16:1336
forward, rule, rule `web` (municipalities/sendai.toml:20), municipality sendai";
    assert_eq!(explanation.to_string(), expected, "{explanation}");
}

#[test]
fn a_call_by_the_hairpin_is_explained_on_both_sides() {
    let published = SENDAI.replace(
        "pool = [\"203.0.113.16\"]\n",
        "pool = [\"203.0.113.16\"]\n[[nat.inbound]]\nname = \"site\"\npublic = \"203.0.113.16\"\nports = [\"tcp/443\"]\n\
         to = \"10.4.7.10:8443\"\n",
    ) + "[[ingress.rule]]\nname = \"site\"\nto = [\"203.0.113.16\"]\naction = \"allow\"\n";
    let policy = with(&published);
    let explanation = explain(&policy, "lan0.101", "tcp 10.4.7.7:51000 > 203.0.113.16:443", None).expect("a packet");
    let text = explanation.to_string();
    for part in [
        "→ new flow, as 203.0.113.16:1336\n  hairpin       destination 203.0.113.16, an address of ours, from 203.0.113.16\n",
        "→ by the hairpin, as if from the Internet\n  parse",
        "→ mapping `site` (municipalities/sendai.toml:8): 10.4.7.10 port 8443\n",
        "→ new flow, 203.0.113.16:443 for 10.4.7.10:8443\nforward, rule, rule `site` (",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let closed = explain(&policy, "lan0.101", "tcp 10.4.7.7:51000 > 10.4.7.10:443", None).expect("a packet");
    assert_eq!((closed.verdict, closed.reason), ("drop", "no_route"));
    assert_eq!(closed.steps.last().map(|step| step.stage), Some(Stage::Hairpin));
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
    let error = explain(&policy(), "eth9.101", "47 10.4.7.7 > 192.0.2.4", None).expect_err("no such port").to_string();
    assert_eq!(
        error,
        "the policy has no port `eth9.101`; its ports are `lan0.101`, `wan0`; an inspector sends at `inspector:` and its municipality's id"
    );
    let error = explain(&policy(), "lan0.5000", "47 10.4.7.7 > 192.0.2.4", None).expect_err("no such VLAN").to_string();
    assert!(error.contains("`lan0.5000` is not a port"), "{error}");
    let error =
        explain(&policy(), "inspector:natori", "47 10.4.7.7 > 192.0.2.4", None).expect_err("nobody's").to_string();
    assert!(error.contains("no port `inspector:natori`"), "{error}");
}

#[test]
fn what_is_inspected_says_what_becomes_of_it_while_nobody_can() {
    let packet = "tcp 10.4.7.7:51000 > 192.0.2.4:8443";
    let seen = "ports = [\"tcp/8443\", \"udp/8443\"]\naction = \"inspect\"";
    let spliced = SENDAI.replace(seen, &format!("{seen}\nwhen_down = \"splice\""));
    let said = |policy: &str, inspectors| {
        let explanation = explain_while(inspectors, &with(policy), "lan0.101", packet, None).expect(packet);
        let rules = explanation.steps.iter().find(|step| step.stage == Stage::Rules).expect("rules were asked");
        let otherwise = rules.said.rsplit_once("; ").map(|(_, otherwise)| otherwise.to_owned());
        (explanation.verdict, explanation.reason, otherwise.unwrap_or_default())
    };
    let closed = ("inspect", "rule", "it does not come about while the inspector is down".to_owned());
    assert_eq!(said(SENDAI, InspectorState::Serving), closed);
    assert_eq!(said(SENDAI, InspectorState::Down), closed);
    let (verdict, reason, otherwise) = said(&spliced, InspectorState::Serving);
    assert_eq!((verdict, reason, otherwise.as_str()), ("inspect", "rule", "forward, while the inspector is down"));
    let (verdict, reason, _) = said(&spliced, InspectorState::Down);
    assert_eq!((verdict, reason), ("forward", "inspector_down"));
}

#[test]
fn what_may_be_bypassed_is_told() {
    let sendai = SENDAI.replacen("[tls]\n", "[tls]\nbypass = \"suggest\"\n", 1);
    let files = [("prefecture.toml", PREFECTURE), ("municipalities/sendai.toml", sendai.as_str())];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let on = crate::check(&Source { files: files.into() }).policy.expect("it is sound");
    let packet = "tcp 10.4.7.7:51000 > 192.0.2.4:8443";
    let told = |policy: &Policy, name: &str, ech| {
        let hello = Hello { sni: Some(name.to_owned()), ech, ..Hello::empty() };
        let explanation = explain(policy, "lan0.101", packet, Some(&hello)).expect(packet);
        let is_told = explanation.to_string().contains("once `bangasa bypass` has approved the name");
        assert_eq!(explanation.tls.map(|tls| tls.may_bypass), Some(is_told), "{name}");
        is_told
    };
    assert!(told(&on, "app.example", Ech::Absent));
    assert!(!told(&on, "app.example", Ech::Offered), "another name may be hidden");
    assert!(!told(&on, "a.drive.example", Ech::Absent), "HTTP rules speak of it");
    assert!(!told(&on, "login.microsoft.com", Ech::Absent), "it is told whose accounts may be used");
    assert!(!told(&on, "www.bank.example", Ech::Absent), "it is spliced anyway");
    assert!(!told(&policy(), "app.example", Ech::Absent), "it is off");
}

#[test]
fn an_inspected_connection_is_judged_by_tls_rules() {
    let packet = "tcp 10.4.7.7:51000 > 192.0.2.4:8443";
    let hello = Hello { sni: Some("WWW.Bank.Example".to_owned()), alpn: vec!["h2".to_owned()], ..Hello::empty() };
    let explanation = explain(&policy(), "lan0.101", packet, Some(&hello)).expect(packet);
    let text = explanation.to_string();
    let expected = "
  tls           2 TLS rules of the prefecture, 2 of sendai; tls, name www.bank.example, protocols h2, ECH absent
                → splice: a TLS rule of the prefecture, rule `banks` (prefecture.toml:24); only to an address that the name resolves to
                not `no-old-clients` (prefecture.toml:20): the fingerprint is not in `ja4`
inspect, rule, rule `seen` (municipalities/sendai.toml:24), municipality sendai
then splice, the prefecture's TLS rule `banks` (prefecture.toml:24)";
    assert!(text.ends_with(expected), "{text}");
    let json = serde_json::to_value(&explanation).expect("it is data");
    assert_eq!((&json["tls"]["action"], &json["tls"]["rule"]["location"]["line"]), (&"splice".into(), &24.into()));
    assert_eq!(json["steps"][9]["stage"], "tls");
    assert_eq!(json["steps"][9]["skipped"][0]["why"], "ja4");
}

#[test]
fn every_kind_of_opening_is_judged() {
    let asked = |packet: &str, hello: Hello| {
        let explanation = explain(&policy(), "lan0.101", packet, Some(&hello)).expect(packet);
        explanation.tls.map(|tls| (tls.action, tls.rule.map_or_else(String::new, |rule| rule.name)))
    };
    let packet = "tcp 10.4.7.7:51000 > 192.0.2.4:8443";
    let speaks = |opening| Hello { opening, ..Hello::empty() };
    let named = |name: &str| Hello { sni: Some(name.to_owned()), ..Hello::empty() };
    let ssh = asked(packet, speaks(Opening::ServerFirst));
    assert_eq!(ssh, Some((TlsAction::Block, "no-ssh".to_owned())));
    assert_eq!(asked(packet, speaks(Opening::Http)), Some((TlsAction::Inspect, String::new())));
    assert_eq!(asked(packet, named("other.example")), Some((TlsAction::Inspect, String::new())));
    let trusted = asked("tcp 10.4.99.7:51000 > 192.0.2.4:8443", named("other.example"));
    assert_eq!(trusted, Some((TlsAction::Splice, "mail-client".to_owned())));
    assert_eq!(asked("tcp 10.4.7.7:51000 > 192.0.2.4:443", named("www.bank.example")), None);
}

#[test]
fn quic_is_judged_by_its_name_and_never_opened() {
    let packet = "udp 10.4.7.7:51000 > 192.0.2.4:8443";
    let named = |name: &str| Hello { sni: Some(name.to_owned()), ..Hello::empty() };
    let explained = |hello: &Hello| explain(&policy(), "lan0.101", packet, Some(hello)).expect(packet);
    let spliced = explained(&named("www.bank.example"));
    assert!(spliced.to_string().contains("; quic, name www.bank.example, ECH absent"), "{spliced}");
    assert_eq!(spliced.tls.map(|tls| (tls.action, tls.transport)), Some((TlsAction::Splice, Transport::Udp)));
    let request = Request::parse("GET https://other.example/").expect("a request");
    let refused = explained(&Hello { request: Some(request), ..named("other.example") });
    assert!(refused.to_string().contains("no TLS rule matches; refused, so that the client comes by TCP"), "{refused}");
    assert!(refused.http.is_none() && refused.to_string().contains("action inspect over udp"), "{refused}");
    let other = explained(&Hello { opening: Opening::Other, ..Hello::empty() });
    assert_eq!(other.tls.and_then(|tls| tls.rule).map(|rule| rule.name), Some("no-ssh".to_owned()));
    let error = |packet: &str, opening| {
        let hello = Hello { opening, ..Hello::empty() };
        explain(&policy(), "lan0.101", packet, Some(&hello)).expect_err("it does not come so").to_string()
    };
    assert_eq!(error(packet, Opening::Http), "`http` does not come over udp");
    assert_eq!(error("tcp 10.4.7.7:51000 > 192.0.2.4:8443", Opening::Quic), "`quic` does not come over tcp");
}

#[test]
fn whoever_does_not_say_what_the_client_opens_with_is_told_how() {
    let last = |packet: &str, hello: Option<&Hello>| {
        let explanation = explain(&policy(), "lan0.101", packet, hello).expect(packet);
        let step = explanation.steps.into_iter().last().expect("there is one");
        (step.stage, step.said)
    };
    let (stage, said) = last("tcp 10.4.7.7:51000 > 192.0.2.4:8443", None);
    assert!(stage == Stage::Tls && said.contains("`--sni NAME`"), "{said}");
    let (stage, said) = last("tcp 10.4.7.7:51000 > 192.0.2.4:443", Some(&Hello::empty()));
    assert!(stage == Stage::Tls && said.contains("only what is inspected"), "{said}");
    assert_eq!(last("tcp 10.4.7.7:51000 > 192.0.2.4:443", None).0, Stage::Create);
}

#[test]
fn a_hello_that_nobody_could_send_is_refused() {
    let refused = |hello: Hello| {
        explain(&policy(), "lan0.101", "tcp 10.4.7.7:51000 > 192.0.2.4:8443", Some(&hello))
            .expect_err("bad")
            .to_string()
    };
    let named = |name: &str| Hello { sni: Some(name.to_owned()), ..Hello::empty() };
    assert!(refused(named("*.example.jp")).contains("`*.example.jp` is not a host name"));
    assert!(refused(named(".example.jp")).contains("`.example.jp` is not a host name"));
    assert!(refused(Hello { opening: Opening::Http, ..named("a.jp") }).contains("`http` has no ClientHello"));
}

fn requested(text: &str, kind: Option<FileType>) -> Explanation {
    let request = Request { kind, ..Request::parse(text).expect(text) };
    let (opening, sni) = match request.is_secure {
        true => (Opening::Tls, Some(request.host.clone())),
        false => (Opening::Http, None),
    };
    let hello = Hello { opening, sni, request: Some(request), ..Hello::empty() };
    explain(&policy(), "lan0.101", "tcp 10.4.7.7:51000 > 192.0.2.4:8443", Some(&hello)).expect(text)
}

#[test]
fn a_request_in_an_opened_connection_is_judged_by_http_rules() {
    let text = requested("PUT https://X.Drive.example/up//../up/x?y", None).to_string();
    let expected = "
  http          0 HTTP rules of the prefecture, 3 of sendai; PUT x.drive.example, path that may be read as /up/up/x or /up/x
                → allow: an HTTP rule of the municipality, rule `uploads` (municipalities/sendai.toml:42); up to 1024 bytes from the client
                not `no-programs` (municipalities/sendai.toml:38): nothing of these `types` is transferred
inspect, rule, rule `seen` (municipalities/sendai.toml:24), municipality sendai
then inspect, the default of TLS rules
then allow, HTTP rule `uploads` (municipalities/sendai.toml:42)";
    assert!(text.ends_with(expected), "{text}");
    let json = serde_json::to_value(requested("GET https://x.drive.example", None)).expect("it is data");
    assert_eq!((&json["http"]["action"], &json["http"]["rule"]["name"]), (&"block".into(), &"no-drive".into()));
    let typed = requested("GET http://a.example/", Some(FileType::Pe)).http.expect("it is asked");
    assert_eq!((typed.action, typed.rule.map(|rule| rule.name)), (HttpAction::Block, Some("no-programs".to_owned())));
    let login = requested("GET https://login.windows.net/", None);
    assert!(
        login.to_string().contains("no HTTP rule matches; with Restrict-Access-To-Tenants: sendai.example; with"),
        "{login}"
    );
    let spliced = requested("GET https://www.bank.example/", None);
    assert!(spliced.http.is_none() && spliced.to_string().contains("action splice"), "{spliced}");
}

#[test]
fn what_is_no_request_is_refused() {
    for text in ["GET", "GET a.example/", "GET ftp://a.example/", "https://a.example/", "GET https://a.example/ x"] {
        assert_eq!(Request::parse(text), Err(HelloError::Request(text.to_owned())));
    }
    assert!(matches!(Request::parse("GET https://*.example/"), Err(HelloError::Name(..))));
    let request = Request::parse("GET  https://a.example:8443?x").expect("it is one");
    assert_eq!(request.url(), "https://a.example/?x");
    let hello = Hello { opening: Opening::Http, request: Some(request), ..Hello::empty() };
    let error = explain(&policy(), "lan0.101", "tcp 10.4.7.7:51000 > 192.0.2.4:8443", Some(&hello)).expect_err("bad");
    assert_eq!(error.to_string(), "`https://a.example/?x` does not come in a connection that opens with http");
}
