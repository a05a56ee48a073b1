//! The chains of badssl.com, with their own keys, in place of the servers that are on the Internet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::pki::openssl;
use crate::server::Presents;
use crate::table::Row;

/// Where client and gateway may tell different errors.
const DIFFERENT: [(&str, &str); 5] = [
    ("wildcard-md5.pem", "MD5 is not made, and where OpenSSL is lenient, the gateway is not"),
    ("wildcard-sha1-2016.pem", "SHA-1 is not made, and where OpenSSL is lenient, the gateway is not"),
    ("wildcard-sha1-2017.pem", "SHA-1 is not made, and where OpenSSL is lenient, the gateway is not"),
    ("wildcard-rsa512.pem", "such keys are not made, and where OpenSSL is lenient, the gateway is not"),
    ("wildcard-rsa1024.pem", "such keys are not made, and where OpenSSL is lenient, the gateway is not"),
];

/// The root, and a row for each host and chain; none without the corpus.
pub fn rows(folder: &Path) -> Option<(PathBuf, Vec<Row>)> {
    let corpora = env::var_os("BANGASA_CORPORA")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora"));
    let truth = fs::read_to_string(corpora.join("truth/badssl.tsv")).ok()?;
    let chains = corpora.join("badssl");
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for line in truth.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split('\t').collect();
        let [host, "443", chain, key, "tls-defaults", ..] = fields[..] else {
            continue;
        };
        if !seen.insert((host, chain)) {
            continue;
        }
        // A server's first certificate is its own, the others follow.
        let certificate = folder.join(chain);
        fs::copy(chains.join(chain), &certificate).unwrap();
        let presents = Presents { chain: Some(certificate.clone()), certificate, key: chains.join(key), staple: None };
        let differs = DIFFERENT.iter().find(|(name, _)| *name == chain).map(|(_, why)| *why);
        rows.push(Row { what: host.to_owned(), host: host.to_owned(), presents, directly: None, differs });
    }
    let root = folder.join("badssl-root.pem");
    openssl(folder, &["x509", "-in", chains.join("ca-root.crt").to_str()?, "-out", root.to_str()?]);
    Some((root, rows))
}
