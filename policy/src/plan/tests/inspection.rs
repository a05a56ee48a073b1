//! How plans read that are about TLS and HTTP rules.

use super::before;
use crate::checked::{Hosts, HttpRule, NameList, TlsRule};
use crate::compile::fixture::{municipality, nets, tcp};
use crate::http::{FileType, HttpAction, MicrosoftTenants};
use crate::plan::plan;
use crate::tls::{Bypass, BypassSaid, ClientCertificates, Ech, Names, Opening, RevocationLists, Root, TlsAction};

#[test]
fn tls_rules_and_lists_of_names_are_told_in_the_words_of_packet_rules() {
    let names = |names: &[&str]| Names::new(names.to_vec());
    let list = |list: &[&str]| NameList { names: names(list), location: Default::default() };
    let tls_rule = |name: &str| TlsRule {
        name: name.to_owned(),
        from: None,
        to: None,
        services: None,
        speaks: None,
        sni: None,
        ja4: None,
        alpn: None,
        ech: None,
        action: TlsAction::Inspect,
        trust_sni: false,
        client_certificates: ClientCertificates::Refuse,
        location: Default::default(),
    };
    let hosts = |spelled_out: &[&str], named: &[&str], none| {
        let named = named.iter().map(|list| (list.to_string(), names(&["whatever.jp"]))).collect();
        Some(Hosts { spelled_out: names(spelled_out), named, none })
    };
    let mut before = before();
    before.names.insert("banks".to_owned(), list(&["a.jp", "b.jp"]));
    before.roots = vec![Root { file: "roots/a.pem".to_owned(), pem: "A".to_owned() }];
    let crl = |pem: &str| vec![RevocationLists { file: "crls/a.crl".to_owned(), pem: pem.to_owned() }];
    before.crls = crl("A");
    before.tls.rules = ["games", "banks", "mail", "rest"].map(tls_rule).into();
    before.tls.rules[1].sni = hosts(&["www.a.jp"], &["banks"], false);
    let mut after = before.clone();
    assert!(plan(Some(&before), &after).is_empty());
    after.names.insert("banks".to_owned(), list(&["b.jp", ".c.jp"]));
    after.names.insert("gov".to_owned(), list(&[".go.jp"]));
    after.resolvers = vec!["192.0.2.53:53".parse().expect("an address")];
    after.roots[0].pem = "B".to_owned();
    after.crls = crl("B");
    after.tls.default = Some(TlsAction::Block);
    after.tls.rules = ["rest", "banks", "mail", "new"].map(tls_rule).into();
    after.tls.rules[1] = TlsRule {
        from: Some(nets(&["10.4.20.0/24"]).into()),
        services: Some(vec![tcp(443, 443)]),
        speaks: Some(vec![Opening::Tls, Opening::ServerFirst]),
        sni: hosts(&[".a.jp"], &["banks", "gov"], true),
        ja4: Some(vec!["t13d1516h2_8daaf6152771_b186095e22b6".to_owned()]),
        alpn: Some(Vec::new()),
        ech: Some(Ech::Offered),
        action: TlsAction::Splice,
        trust_sni: true,
        client_certificates: ClientCertificates::Splice,
        ..tls_rule("banks")
    };
    let sendai = &mut after.municipalities[1];
    sendai.tls.bypass =
        BypassSaid { mode: Some(Bypass::Suggest), clients: Some(5), within_seconds: Some(7_200), for_seconds: None };
    sendai.tls.rules.push(tls_rule("own"));
    sendai.tls_limits.sessions = 7;
    let mut shiogama = municipality("shiogama", 103);
    shiogama.tls.rules.push(tls_rule("own"));
    after.municipalities.push(shiogama);
    assert_eq!(
        plan(Some(&before), &after).to_string(),
        "\
prefecture
  lists of names: gov added
  names of list `banks`: .c.jp added, a.jp removed
  names of list `gov`: .go.jp added
  tls resolvers: 192.0.2.53:53 added
  tls roots: other certificates in roots/a.pem
  tls crls: other revocation lists in crls/a.crl
  tls default: block (new)
  tls rule `games`: removed
  tls rule `rest`: moved from position 4 to 1
  tls rule `banks`: changed
    from: any → 10.4.20.0/24
    ports: any → tcp/443
    speaks: any → server-first, tls
    sni: .a.jp, @gov, none added, www.a.jp removed
    ja4: any → t13d1516h2_8daaf6152771_b186095e22b6
    alpn: any → none
    ech: offered (new)
    action: inspect → splice
    trust_sni: false → true
    client_certificates: refuse → splice
  tls rule `new`: added at position 4
sendai (仙台市)
  tls bypass: suggest (new)
  tls bypass clients: 5 (new)
  tls bypass within: 2h (new)
  tls rule `own`: added at position 1
  tls limit sessions: 2000 → 7
shiogama (shiogama): new municipality
  attachments: lan0.103 added
  prefixes: 10.4.0.0/16 added
  tls rules: own added
"
    );
}

#[test]
fn http_rules_and_tenants_are_told_in_the_words_of_packet_rules() {
    let http_rule = |name: &str| HttpRule {
        name: name.to_owned(),
        from: None,
        host: None,
        path: None,
        methods: None,
        types: None,
        upload_limit: None,
        action: HttpAction::Allow,
        location: Default::default(),
    };
    let before = before();
    let mut after = before.clone();
    after.http.rules = vec![http_rule("programs")];
    let microsoft = |allowed: &str| MicrosoftTenants { allowed: vec![allowed.to_owned()], context: "id".to_owned() };
    after.http.microsoft = Some(microsoft("a.example"));
    let middle = after.clone();
    after.http.rules[0] = HttpRule {
        host: Some(Hosts { none: true, ..Hosts::default() }),
        path: Some(vec!["/x/".to_owned()]),
        methods: Some(vec!["PUT".to_owned()]),
        types: Some(vec![FileType::Pe, FileType::SevenZip]),
        upload_limit: Some(7),
        action: HttpAction::Block,
        ..http_rule("programs")
    };
    after.http.microsoft = Some(microsoft("b.example"));
    after.municipalities[1].http.rules.push(http_rule("own"));
    assert_eq!(
        plan(Some(&before), &middle).to_string(),
        "prefecture\n  http rule `programs`: added at position 1\n  microsoft tenants: any → a.example\n  \
         microsoft context: id (new)\n"
    );
    assert_eq!(
        plan(Some(&middle), &after).to_string(),
        "\
prefecture
  http rule `programs`: changed
    host: any → none
    path: any → /x/
    methods: any → PUT
    types: any → 7z, pe
    upload_limit: 7 bytes (new)
    action: allow → block
  microsoft tenants: b.example added, a.example removed
sendai (仙台市)
  http rule `own`: added at position 1
"
    );
}
