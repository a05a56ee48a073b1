//! Minting: out of what a server has shown, a certificate that says the same.

use std::sync::OnceLock;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::{Authority, Half};
use crate::defect::{Defect, Signer};
use crate::error::CertifyError;
use crate::key::{KeyType, serial};
use crate::moment::{DAY, Moment, Validity};
use crate::name::Name;
use crate::root::BACKDATED;
use crate::shown::Shown;
use crate::subject;
use crate::untrusted::Untrusted;

/// Browsers refuse certificates that are valid for longer.
const LONGEST: i64 = 398 * DAY;

/// How far beyond the present a mirrored time lies at least, so that a clock that is a little wrong, or late, sees it too.
const CLEARLY: i64 = DAY;

/// The common name of a certificate that names no host. A client that takes a host from there must find none.
const NO_NAME: &str = "Bangasa: the server's certificate names no host";

/// A minted certificate.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The certificate, and what the client needs above it.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its last second.
    pub until: Moment,
}

/// What mints for one municipality.
///
/// All its certificates of one key type share one key, made with the press: a certificate then costs one signature, and
/// as all keys would lie side by side in one process, a key for each would protect nothing more. The RSA key is made when
/// the first client asks for it, as that takes a tenth of a second and may never happen.
pub struct Press {
    authority: Authority,
    ecdsa: Side,
    rsa: OnceLock<Result<Side, CertifyError>>,
    made: Moment,
}

/// What depends on the key type.
struct Side {
    leaf_key: KeyPair,
    untrusted: Untrusted,
}

impl Press {
    /// A press with keys of its own.
    pub fn new(authority: Authority, now: Moment) -> Result<Self, CertifyError> {
        Ok(Self { authority, ecdsa: Side::create(KeyType::Ecdsa, now)?, rsa: OnceLock::new(), made: now })
    }

    /// The key of its certificates, PKCS #8.
    pub fn key(&self, key_type: KeyType) -> Result<PrivateKeyDer<'static>, &CertifyError> {
        let key = self.side(key_type)?.leaf_key.serialize_der();
        Ok(PrivateKeyDer::Pkcs8(key.into()))
    }

    /// Mints. Without a defect the certificate is one that clients trust, for the server's names (but for those that the
    /// authority excludes) and for the time in which both the server's certificate and the authority are valid, and no
    /// longer than browsers bear. With one it is of the defect's class, whatever else was shown.
    pub fn mint(
        &self,
        shown: &Shown,
        defect: Option<Defect>,
        key_type: KeyType,
        now: Moment,
    ) -> Result<Minted, MintError<'_>> {
        let side = self.side(key_type).map_err(MintError::Key)?;
        let half = self.authority.half(key_type);
        let leaf = &side.leaf_key;
        let validity = validity(shown, defect, half, now);
        let params = params(shown, defect, half, validity).map_err(MintError::Make)?;
        let (made, above) = match defect.map_or(Signer::Municipality, Defect::signer) {
            Signer::Municipality => (params.signed_by(leaf, &half.issuer), Some(&half.certificate)),
            Signer::Untrusted => (params.signed_by(leaf, &side.untrusted.issuer), Some(&side.untrusted.certificate)),
            Signer::Itself => (params.self_signed(leaf), None),
        };
        let certificate = made.map_err(|error| MintError::Make(CertifyError::Make(error)))?;
        let mut chain = vec![CertificateDer::from(certificate)];
        chain.extend(above.cloned());
        Ok(Minted { chain, until: validity.until })
    }

    fn side(&self, key_type: KeyType) -> Result<&Side, &CertifyError> {
        match key_type {
            KeyType::Ecdsa => Ok(&self.ecdsa),
            KeyType::Rsa => self.rsa.get_or_init(|| Side::create(KeyType::Rsa, self.made)).as_ref(),
        }
    }
}

impl Side {
    fn create(key_type: KeyType, now: Moment) -> Result<Self, CertifyError> {
        Ok(Self { leaf_key: key_type.generate()?, untrusted: Untrusted::create(key_type, now)? })
    }
}

/// Why nothing was minted.
#[derive(Debug, thiserror::Error)]
pub enum MintError<'p> {
    /// There is no key of this type.
    #[error("there is no key for it: {0}")]
    Key(&'p CertifyError),
    /// The certificate could not be made.
    #[error(transparent)]
    Make(CertifyError),
}

fn params(
    shown: &Shown,
    defect: Option<Defect>,
    half: &Half,
    validity: Validity,
) -> Result<CertificateParams, CertifyError> {
    let mut params = CertificateParams::default();
    params.not_before = validity.from.date_time();
    params.not_after = validity.until.date_time();
    params.serial_number = Some(serial()?);
    let names = shown.names.iter().filter(|name| half.may_issue_for(name));
    params.subject_alt_names = names.filter_map(Name::alternative_name).collect();
    let common_name = if params.subject_alt_names.is_empty() { Some(NO_NAME) } else { shown.common_name.as_deref() };
    let telling = defect.map(Defect::telling);
    params.distinguished_name = subject::of_leaf(telling.as_deref(), common_name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match defect {
        Some(Defect::WrongUsage) => ExtendedKeyUsagePurpose::CodeSigning,
        _ => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// For how long. A certificate that is expired, or not valid yet, is so by a day at least, even where the server's own
/// dates say otherwise because it is an authority above it that is.
fn validity(shown: &Shown, defect: Option<Defect>, half: &Half, now: Moment) -> Validity {
    let Validity { from, until } = shown.validity;
    match defect {
        Some(Defect::Expired) => {
            let until = until.min(now.plus(-CLEARLY));
            Validity { from: from.min(until.plus(-DAY)).max(until.plus(-LONGEST)), until }
        }
        Some(Defect::NotYetValid) => {
            let from = from.max(now.plus(CLEARLY));
            Validity { from, until: until.max(from.plus(DAY)).min(from.plus(LONGEST)) }
        }
        // Whether the client objects to its dates as well is for the client to say.
        Some(_) => shortened(shown.validity, now),
        None => {
            let validity = shortened(shown.validity, now);
            Validity { until: validity.until.min(half.validity.until), ..validity }
        }
    }
}

/// No longer than browsers bear, and on the same side of now, whatever was shown.
fn shortened(Validity { from, until }: Validity, now: Moment) -> Validity {
    if until < now {
        Validity { from: from.max(until.plus(-LONGEST)).min(until), until }
    } else if from > now {
        Validity { from, until: until.min(from.plus(LONGEST)).max(from) }
    } else {
        let from = from.max(now.plus(-BACKDATED));
        Validity { from, until: until.min(from.plus(LONGEST)) }
    }
}

#[cfg(test)]
mod tests;
