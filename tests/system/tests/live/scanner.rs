//! testssl.sh against the inspecting side: it knows every named weakness of TLS, and shares no code with what it looks at.

use std::collections::BTreeMap;
use std::fs;

use lab::internet::{DNS_V4, WEB_NAME, WEB_V4};
use lab::process::text;

use crate::inspector::root;

const TOWN: &str = "shiomi";

/// What it is asked for: protocols, ciphers by category, forward secrecy, preferences, GREASE, the certificate, and every
/// vulnerability that it knows a name of.
const ASKED: &str = "--protocols --std --pfs --server-preference --grease --server-defaults --vulnerable";

/// Severities that say that something is right, or nothing about right and wrong.
const FINE: [&str; 4] = ["OK", "INFO", "DEBUG", "WARN"];

/// Findings that are worse, each with the reason why it stays.
const ACCEPTED: [(&str, &str); 4] = [
    ("cipher_order", "every cipher is sound, so the client may choose the one that its machine is quick at"),
    ("cert_expirationStatus", "the server's own validity, which is mirrored: the lab's is short"),
    ("cert_notAfter", "likewise"),
    (
        "cert_revocation",
        "what is minted for a connection lives for days and in one process; nobody could be asked about it",
    ),
];

/// Weaknesses that must have been looked for, whatever else was.
const LOOKED_FOR: [&str; 19] = [
    "SSLv2",
    "SSLv3",
    "TLS1",
    "TLS1_1",
    "heartbleed",
    "CCS",
    "ticketbleed",
    "ROBOT",
    "secure_renego",
    "secure_client_renego",
    "CRIME_TLS",
    "POODLE_SSL",
    "SWEET32",
    "FREAK",
    "DROWN",
    "LOGJAM",
    "BEAST",
    "LUCKY13",
    "RC4",
];

#[test]
fn testssl_finds_nothing_that_is_not_accounted_for() {
    let lab = crate::inspector_clients::lab();
    let place = tempfile::tempdir().unwrap();
    let told = place.path().join("told.json");
    // It finds out what openssl can do by calling a host that does not exist, thirty times: nobody must wait for names.
    let resolver = place.path().join("resolv.conf");
    fs::write(&resolver, format!("nameserver {DNS_V4}\n")).unwrap();
    let line = format!(
        "mount --bind {} /etc/resolv.conf && exec testssl --quiet --color 0 --warnings off --nodns none \
         --openssl-timeout 10 --add-ca {} --jsonfile {} {ASKED} --ip {WEB_V4} {WEB_NAME}:443",
        resolver.display(),
        root(&lab).display(),
        told.display()
    );
    let mut testssl = lab.site(TOWN).unwrap().namespace().command("unshare");
    let output = testssl.args(["--mount", "sh", "-c", &line]).output().unwrap();
    let told = fs::read_to_string(&told).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)));
    let findings: Vec<BTreeMap<String, String>> = serde_json::from_str(&told).unwrap();
    for looked_for in LOOKED_FOR {
        assert!(findings.iter().any(|finding| finding["id"] == looked_for), "{looked_for} was not looked for: {told}");
    }
    let worse: Vec<_> = findings.iter().filter(|finding| !FINE.contains(&finding["severity"].as_str())).collect();
    let unaccounted: Vec<_> = worse.iter().filter(|finding| !ACCEPTED.iter().any(|(id, _)| is(finding, id))).collect();
    assert!(unaccounted.is_empty(), "{unaccounted:#?}\n{}", text(&output.stdout));
    for (id, why) in ACCEPTED {
        assert!(worse.iter().any(|finding| is(finding, id)), "{id} is found no more, and was accepted: {why}");
    }
}

/// Whether a finding is the one of this name; those about certificates say which one as well.
fn is(finding: &BTreeMap<String, String>, id: &str) -> bool {
    finding["id"].split(' ').next() == Some(id)
}
