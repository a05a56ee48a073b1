//! What a server's certificate says, as far as a minted one should say the same. Every byte is a stranger's: what is
//! kept has a bound, and whether any of it is true is for whoever verifies the chain to say.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::{OID_PKCS1_RSAENCRYPTION, Oid};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use crate::moment::{Moment, Validity};
use crate::name::Name;
use crate::root::BACKDATED;
use crate::subject;

/// How many names are kept. Large sites have about a hundred in one certificate; ten thousand would make the
/// handshake with the client several times as long.
pub const MAX_NAMES: usize = 128;

/// The largest certificate that is looked at: twice the largest that badssl has, with ten thousand names.
const MAX_BYTES: usize = 1 << 19;

/// RSA keys below prove nothing today, and browsers refuse them.
const WEAK_RSA_BITS: usize = 2048;
/// The same for elliptic curves.
const WEAK_CURVE_BITS: usize = 224;

/// RSA with MD2, MD4, MD5 and SHA-1 (two numbers), ECDSA and DSA with SHA-1.
const WEAK_SIGNATURES: [&str; 7] = [
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.3",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.3.14.3.2.29",
    "1.2.840.10045.4.1",
    "1.2.840.10040.4.3",
];

/// A certificate that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate is not DER of X.509")]
pub struct Unreadable;

/// A public key, as far as it matters how strong it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownKey {
    /// RSA with a modulus of so many bits.
    Rsa(usize),
    /// A curve over a field of so many bits.
    Curve(usize),
    /// Something else, or something that cannot be read.
    Other,
}

/// What a server's certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Alternative names, the one that was asked for first, at most [`MAX_NAMES`]. Names that clients read in different
    /// ways are left out.
    pub names: Vec<Name>,
    /// How many were left out.
    pub left_out: usize,
    /// Common name of the subject, shortened to what X.520 allows.
    pub common_name: Option<String>,
    /// From when until when. Whoever verifies the chain may narrow it to what the chain allows.
    pub validity: Validity,
    /// The key.
    pub key: ShownKey,
    /// Whether it is signed with MD5 or SHA-1.
    pub has_weak_signature: bool,
    /// Whether subject and issuer are one.
    pub is_self_issued: bool,
}

impl Shown {
    /// Reads a certificate in DER. `host`, in lower case, is what was asked for: where there are too many names, those
    /// for it are kept.
    pub fn read(der: &[u8], host: Option<&str>) -> Result<Self, Unreadable> {
        if der.len() > MAX_BYTES {
            return Err(Unreadable);
        }
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|_| Unreadable)?;
        if !rest.is_empty() {
            return Err(Unreadable);
        }
        let (names, left_out) = names(&certificate, host)?;
        let validity = certificate.validity();
        Ok(Self {
            names,
            left_out,
            common_name: common_name(&certificate),
            validity: Validity {
                from: Moment(validity.not_before.timestamp()),
                until: Moment(validity.not_after.timestamp()),
            },
            key: key(&certificate),
            has_weak_signature: is_weak_signature(&certificate.signature_algorithm.algorithm),
            is_self_issued: certificate.subject().as_raw() == certificate.issuer().as_raw(),
        })
    }

    /// A host alone, for a week before and after now: where a certificate cannot be read, and for pages of the gateway's own in a
    /// server's place.
    pub fn of_host(host: Option<&str>, now: Moment) -> Self {
        Self {
            names: host.and_then(name_of_host).into_iter().collect(),
            left_out: 0,
            common_name: None,
            validity: Validity { from: now.plus(-BACKDATED), until: now.plus(BACKDATED) },
            key: ShownKey::Other,
            has_weak_signature: false,
            is_self_issued: false,
        }
    }

    /// Whether key or signature prove nothing.
    pub fn is_weak(&self) -> bool {
        self.has_weak_signature
            || match self.key {
                ShownKey::Rsa(bits) => bits < WEAK_RSA_BITS,
                ShownKey::Curve(bits) => bits < WEAK_CURVE_BITS,
                ShownKey::Other => false,
            }
    }
}

fn name_of_host(host: &str) -> Option<Name> {
    host.parse().map(Name::Address).ok().or_else(|| Name::host(host))
}

fn names(certificate: &X509Certificate<'_>, host: Option<&str>) -> Result<(Vec<Name>, usize), Unreadable> {
    let Some(extension) = certificate.subject_alternative_name().map_err(|_| Unreadable)? else {
        return Ok((Vec::new(), 0));
    };
    let (mut wanted, mut others) = (Vec::new(), Vec::new());
    let all = &extension.value.general_names;
    for name in all.iter().filter_map(read_name) {
        let is_wanted = host.is_some_and(|host| name.covers(host));
        let kept = if is_wanted { &mut wanted } else { &mut others };
        if kept.len() < MAX_NAMES {
            kept.push(name);
        }
    }
    wanted.append(&mut others);
    wanted.truncate(MAX_NAMES);
    let left_out = all.len() - wanted.len();
    Ok((wanted, left_out))
}

fn read_name(name: &GeneralName<'_>) -> Option<Name> {
    match name {
        GeneralName::DNSName(name) => Name::host(name),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(Name::Address)
        }
        _ => None,
    }
}

fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let text = certificate.subject().iter_common_name().last()?.as_str().ok()?;
    Some(subject::shortened(text)).filter(|text| !text.is_empty())
}

fn key(certificate: &X509Certificate<'_>) -> ShownKey {
    match certificate.public_key().parsed() {
        // Counted here: the library counts whole bytes.
        Ok(PublicKey::RSA(key)) if certificate.public_key().algorithm.algorithm == OID_PKCS1_RSAENCRYPTION => {
            let modulus = key.modulus.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &key.modulus[at..]);
            let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
            ShownKey::Rsa((modulus.len() * 8).saturating_sub(unused))
        }
        Ok(PublicKey::EC(point)) => ShownKey::Curve(point.key_size()),
        _ => ShownKey::Other,
    }
}

fn is_weak_signature(algorithm: &Oid<'_>) -> bool {
    WEAK_SIGNATURES.contains(&algorithm.to_id_string().as_str())
}

#[cfg(test)]
mod tests;
