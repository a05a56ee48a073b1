//! The prefecture's authority: the one certificate that clients are told to trust.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RsaKeySize};
use rustls_pki_types::CertificateDer;

use crate::error::CertifyError;
use crate::exclusion::Exclusion;
use crate::key::{self, serial};
use crate::moment::{DAY, Moment, Validity};
use crate::municipal::Municipal;
use crate::subject;
use crate::summary;

/// Twenty years: longer than any terminal is kept, because whoever replaces it visits every one of them.
const LIFETIME: i64 = 20 * 365 * DAY;

/// Seconds by which certificates are dated back: clocks of clients may be a week late.
pub const BACKDATED: i64 = 7 * DAY;

/// The prefecture's authority. It signs municipalities' authorities and nothing else, and its key stays where `bangasa
/// ca` runs.
///
/// RSA, so that a client that knows no ECDSA can follow a chain up to it and there is one certificate to distribute and
/// not two; 3,072 bits, which are as strong as the P-256 below.
pub struct Root {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
}

impl Root {
    /// A new one. `name` is the prefecture's, such as `宮城県`.
    pub fn create(name: &str, now: Moment) -> Result<Self, CertifyError> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_3072).map_err(CertifyError::Make)?;
        let validity = Validity { from: now.plus(-BACKDATED), until: now.plus(LIFETIME) };
        let mut params = authority(validity)?;
        params.distinguished_name = subject::of_authority(name, &format!("{name} Bangasa root"))?;
        // Below it: a municipality's authority, and no further one.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        let certificate = params.self_signed(&key).map_err(CertifyError::Make)?;
        Ok(Self { certificate: certificate.into(), issuer: Issuer::new(params, key), validity })
    }

    /// Out of the texts of [`certificate_pem`](Self::certificate_pem) and [`key_pem`](Self::key_pem).
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, CertifyError> {
        let what = "root certificate";
        let der = summary::first_certificate(certificate, what)?;
        let parsed = summary::parse(&der, what)?;
        if !parsed.is_ca() {
            return Err(CertifyError::NoAuthority { what });
        }
        let key = KeyPair::from_pem(key).map_err(|_| CertifyError::NoKey { what: "root key" })?;
        if parsed.public_key().raw != key::public_key(&key) {
            return Err(CertifyError::OtherKey { what: "root key" });
        }
        let validity = summary::validity(&parsed);
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(CertifyError::Make)?;
        Ok(Self { certificate: der, issuer, validity })
    }

    /// The certificate, for everybody.
    pub fn certificate_pem(&self) -> String {
        summary::to_pem(&self.certificate)
    }

    /// The certificate in DER.
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }

    /// The key, for nobody.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A municipality's authority. `id` is its slug, `name` what people call it, such as `潮見市`.
    pub fn issue(&self, id: &str, name: &str, exclude: &[Exclusion], now: Moment) -> Result<Municipal, CertifyError> {
        if !self.validity.contains(now) {
            return Err(CertifyError::RootNotValid { until: self.validity.until });
        }
        Municipal::issue(&self.issuer, self.validity.until, id, name, exclude, now)
    }
}

/// What all certificates of authorities have in common.
pub(crate) fn authority(validity: Validity) -> Result<CertificateParams, CertifyError> {
    let mut params = CertificateParams::default();
    params.not_before = validity.from.date_time();
    params.not_after = validity.until.date_time();
    params.serial_number = Some(serial()?);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}
