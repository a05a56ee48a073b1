//! What is minted, as OpenSSL and browsers want it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use certify::{Authority, DAY, Defect, Exclusion, KeyType, Moment, Name, Press, Root, Shown, ShownKey, Validity};
use rustls_pki_types::CertificateDer;

fn openssl(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl is installed");
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Writes DER as PEM, by OpenSSL itself.
fn write(folder: &Path, name: &str, certificate: &CertificateDer<'_>) {
    fs::write(folder.join("it.der"), certificate).unwrap();
    let (done, told) = openssl(folder, &["x509", "-inform", "der", "-in", "it.der", "-out", name]);
    assert!(done, "{told}");
}

#[test]
fn a_minted_chain_is_strictly_valid_and_a_defective_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let now = Moment::from(SystemTime::now());
    let root = Root::create("見本県", now).unwrap();
    fs::write(folder.join("root.pem"), root.certificate_pem()).unwrap();
    let municipal = root.issue("shiomi", "潮見市", &Exclusion::by_default(), now).unwrap();
    let press = Press::new(Authority::try_from(&municipal).unwrap(), now).unwrap();
    let shown = Shown {
        names: ["www.example.jp", "*.city.shiomi.lg.jp"].into_iter().filter_map(Name::host).collect(),
        left_out: 0,
        common_name: Some("www.example.jp".to_owned()),
        validity: Validity { from: now.plus(-1_000 * DAY), until: now.plus(1_000 * DAY) },
        key: ShownKey::Curve(256),
        has_weak_signature: false,
        is_self_issued: false,
    };
    for key_type in KeyType::ALL {
        for defect in std::iter::once(None).chain(Defect::ALL.map(Some)) {
            let minted = press.mint(&shown, defect, key_type, now).unwrap();
            write(folder, "leaf.pem", &minted.chain[0]);
            write(folder, "above.pem", minted.chain.get(1).unwrap_or(&minted.chain[0]));
            let host = if defect == Some(Defect::WrongName) { "www.example.com" } else { "a.city.shiomi.lg.jp" };
            let arguments = ["verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host, "-CAfile"];
            let files = ["root.pem", "-untrusted", "above.pem", "leaf.pem"];
            let (valid, told) = openssl(folder, &[&arguments[..], &files].concat());
            assert_eq!(valid, defect.is_none(), "{key_type:?} {defect:?}: {told}");
        }
        let minted = press.mint(&shown, None, key_type, now).unwrap();
        write(folder, "leaf.pem", &minted.chain[0]);
        let (_, text) = openssl(folder, &["x509", "-noout", "-text", "-in", "leaf.pem"]);
        for part in [
            "DNS:www.example.jp, DNS:*.city.shiomi.lg.jp",
            "TLS Web Server Authentication",
            "CA:FALSE",
            "X509v3 Authority Key Identifier",
            "X509v3 Subject Key Identifier",
        ] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        // 398 days from its beginning it is over.
        let last = (now.0 + 398 * DAY
            - SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64)
            .to_string();
        assert!(!openssl(folder, &["x509", "-noout", "-checkend", &last, "-in", "leaf.pem"]).0);
    }
}
