//! What a server presents: certificates and a stapled OCSP response, judged by a root that has issued the seeds', and
//! a certificate minted for whatever is found.
//!
//! An input is parts, each after its length in two bytes: the staple first, then the certificates.

use std::sync::LazyLock;
use std::time::Duration;

use certify::{Authority, Defect, KeyType, MAX_NAMES, Moment, Press, Root, Shown};
use inspect::upstream::Trust;
use rustls_pki_types::{CertificateDer, UnixTime};
use webpki::ALL_VERIFICATION_ALGS;

/// The root of the seeds, and its revocation list. Made once, kept for good: without it no input gets past "untrusted".
const ROOT: &str = include_str!("upstream_certificate/root.pem");
const LIST: &[u8] = include_bytes!("upstream_certificate/root.crl");

/// 1 December 2026, when the seeds are valid.
const NOW: i64 = 1_796_083_200;

const HOST: &str = "www.example.jp";

static TRUST: LazyLock<Trust> = LazyLock::new(|| Trust::new(&[ROOT], &[LIST]).expect("the root is one").0);

static PRESS: LazyLock<Press> = LazyLock::new(|| {
    let root = Root::create("fuzz", Moment(NOW)).expect("a root can be made");
    let municipal = root.issue("fuzz", "fuzz", &[], Moment(NOW)).expect("an authority can be made");
    let authority = Authority::try_from(&municipal).expect("it is one");
    Press::new(authority, Moment(NOW)).expect("keys can be made")
});

/// The target.
pub fn run(bytes: &[u8]) {
    verdict(bytes);
}

/// The defect that is found, if any.
pub fn verdict(bytes: &[u8]) -> Option<Defect> {
    let mut parts = parts(bytes);
    let staple = parts.next().unwrap_or_default();
    let chain: Vec<_> = parts.take(8).map(CertificateDer::from).collect();
    let (leaf, intermediates) = chain.split_first()?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(NOW as u64));
    let judged = TRUST.judge(leaf, intermediates, Some(HOST), staple, now, ALL_VERIFICATION_ALGS);
    let defect = judged.as_ref().err().map(|defective| defective.defect);
    let shown = match judged {
        Ok(()) => Shown::read(leaf, Some(HOST)).expect("what was judged can be read"),
        Err(defective) => defective.seen.shown,
    };
    assert!(shown.names.len() <= MAX_NAMES, "more is kept than may be");
    let minted = PRESS.mint(&shown, defect, KeyType::Ecdsa, Moment(NOW)).expect("whatever was shown can be mirrored");
    let again = Shown::read(&minted.chain[0], Some(HOST)).expect("what is minted can be read");
    assert!(again.validity.from <= again.validity.until, "what is minted has a time");
    defect
}

fn parts(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (part, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        bytes = rest;
        Some(part)
    })
}
