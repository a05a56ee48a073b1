//! A stapled OCSP response (RFC 6960): whether the authority itself says, now, that this certificate is revoked.
//!
//! Only that matters: a server that can present a good staple gains nothing by it, and one without is judged by the lists.
//! What cannot be read, or is not signed by the authority or by whom it has appointed, says nothing.

use aws_lc_rs::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls_pki_types::{CertificateDer, Der, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage, RawPublicKeyEntity, VerifiedPath};

use super::der::{
    BIT_STRING, ENUMERATED, Elements, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, context,
};

/// id-pkix-ocsp-basic.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];
/// id-kp-OCSPSigning: the authority has appointed this one to answer.
const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
/// Algorithms by which a response names the authority.
const SHA1_ID: &[u8] = &[0x2b, 0x0e, 0x03, 0x02, 0x1a];
const SHA256_ID: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

/// Certificates of appointed signers that are tried. One is what there is.
const MAX_SIGNERS: usize = 4;

/// How far the authority's clock may be ahead of ours, in seconds.
const SKEW: u64 = 300;

/// Whether it says so.
pub(super) fn revokes(
    response: &[u8],
    path: &VerifiedPath<'_>,
    algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    now: UnixTime,
) -> bool {
    let Some(response) = Response::read(response) else {
        return false;
    };
    response.says_revoked(path, now).unwrap_or(false) && response.is_signed(path, algorithms, now).unwrap_or(false)
}

/// A response, taken apart.
struct Response<'r> {
    /// What is signed.
    signed: &'r [u8],
    algorithm: &'r [u8],
    signature: &'r [u8],
    signers: Elements<'r>,
    answers: Elements<'r>,
}

impl<'r> Response<'r> {
    fn read(bytes: &'r [u8]) -> Option<Self> {
        let mut response = Elements::new(Elements::new(bytes).tagged(SEQUENCE)?);
        if response.tagged(ENUMERATED)? != [0] {
            return None;
        }
        let mut body = Elements::new(Elements::new(response.tagged(context(0))?).tagged(SEQUENCE)?);
        if body.tagged(OBJECT_IDENTIFIER)? != BASIC {
            return None;
        }
        let mut basic = Elements::new(Elements::new(body.tagged(OCTET_STRING)?).tagged(SEQUENCE)?);
        let data = basic.next().filter(|element| element.tag == SEQUENCE)?;
        let algorithm = basic.tagged(SEQUENCE)?;
        let signature = basic.tagged(BIT_STRING)?.strip_prefix(&[0])?;
        let signers = basic.optional(context(0)).and_then(|list| Elements::new(list).tagged(SEQUENCE));
        let mut fields = Elements::new(data.value);
        fields.optional(context(0));
        // Whether by name or by key, who answers is proved by the signature.
        fields.next()?;
        fields.tagged(GENERALIZED_TIME)?;
        let answers = Elements::new(fields.tagged(SEQUENCE)?);
        let signers = Elements::new(signers.unwrap_or_default());
        Some(Self { signed: data.whole, algorithm, signature, signers, answers })
    }

    /// Whether one of the answers is about this certificate, holds now, and is "revoked".
    fn says_revoked(&self, path: &VerifiedPath<'_>, now: UnixTime) -> Option<bool> {
        let issuer_key = path.issuer_spki();
        let mut key = Elements::new(Elements::new(issuer_key.as_ref()).tagged(SEQUENCE)?);
        key.tagged(SEQUENCE)?;
        let key = key.tagged(BIT_STRING)?.strip_prefix(&[0])?;
        let serial = path.end_entity().serial();
        let is_about_it = |answer: &Elements<'_>| answer_is_about(*answer, key, serial).unwrap_or(false);
        let answers =
            self.answers.filter(|element| element.tag == SEQUENCE).map(|element| Elements::new(element.value));
        Some(answers.filter(is_about_it).any(|answer| answer_revokes(answer, now.as_secs()).unwrap_or(false)))
    }

    fn is_signed(
        &self,
        path: &VerifiedPath<'_>,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
        now: UnixTime,
    ) -> Option<bool> {
        let fitting = algorithms.iter().filter(|algorithm| algorithm.signature_alg_id().as_ref() == self.algorithm);
        let issuer_key = path.issuer_spki();
        let issuer = RawPublicKeyEntity::try_from(&issuer_key).ok()?;
        if fitting.clone().any(|algorithm| issuer.verify_signature(*algorithm, self.signed, self.signature).is_ok()) {
            return Some(true);
        }
        let anchor = [TrustAnchor {
            subject: Der::from(path.end_entity().issuer()),
            subject_public_key_info: Der::from(Elements::new(issuer_key.as_ref()).tagged(SEQUENCE)?),
            name_constraints: None,
        }];
        let signers = self.signers.filter(|element| element.tag == SEQUENCE).take(MAX_SIGNERS);
        Some(signers.map(|signer| CertificateDer::from(signer.whole)).any(|signer| {
            let Ok(signer) = EndEntityCert::try_from(&signer) else {
                return false;
            };
            let usage = KeyUsage::required(OCSP_SIGNING);
            let is_appointed = signer.verify_for_usage(algorithms, &anchor, &[], now, usage, None, None).is_ok();
            is_appointed
                && fitting
                    .clone()
                    .any(|algorithm| signer.verify_signature(*algorithm, self.signed, self.signature).is_ok())
        }))
    }
}

fn answer_is_about(mut answer: Elements<'_>, issuer_key: &[u8], serial: &[u8]) -> Option<bool> {
    let mut id = Elements::new(answer.tagged(SEQUENCE)?);
    let algorithm: &Algorithm = match Elements::new(id.tagged(SEQUENCE)?).tagged(OBJECT_IDENTIFIER)? {
        SHA1_ID => &SHA1_FOR_LEGACY_USE_ONLY,
        SHA256_ID => &SHA256,
        _ => return None,
    };
    id.tagged(OCTET_STRING)?;
    let key_hash = id.tagged(OCTET_STRING)?;
    Some(key_hash == digest(algorithm, issuer_key).as_ref() && id.tagged(INTEGER)? == serial)
}

fn answer_revokes(mut answer: Elements<'_>, now: u64) -> Option<bool> {
    answer.tagged(SEQUENCE)?;
    // [0] is good, [2] unknown.
    answer.tagged(context(1))?;
    let from = seconds(answer.tagged(GENERALIZED_TIME)?)?;
    let until = match answer.optional(context(0)) {
        Some(next) => seconds(Elements::new(next).tagged(GENERALIZED_TIME)?)?,
        None => u64::MAX,
    };
    Some(from <= now.saturating_add(SKEW) && now <= until)
}

/// `YYYYMMDDHHMMSSZ`, the only way in which RFC 6960 lets times be written, in seconds since 1970.
fn seconds(time: &[u8]) -> Option<u64> {
    let digits =
        time.strip_suffix(b"Z").filter(|digits| digits.len() == 14 && digits.iter().all(u8::is_ascii_digit))?;
    let number =
        |from: usize, to: usize| digits[from..to].iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March end in the leap day, and then months have 153 days in every five.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1;
    let of_day = number(8, 10) * 3_600 + number(10, 12) * 60 + number(12, 14);
    // 719,468 days lie between 1 March of the year 0 and 1970.
    Some((days - 719_468) * 86_400 + of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_they_are_written() {
        for (text, is) in [
            ("19700101000000Z", Some(0)),
            ("20000229000000Z", Some(951_782_400)),
            ("20260330235959Z", Some(1_774_915_199)),
            ("21000301000000Z", Some(4_107_542_400)),
            ("20260330235959", None),
            ("20261330235959Z", None),
            ("19690330235959Z", None),
            ("2026033023595xZ", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), is, "{text}");
        }
    }
}
