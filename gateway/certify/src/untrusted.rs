//! An authority that nobody trusts, to sign what mirrors a certificate that must not be trusted.

use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls_pki_types::CertificateDer;

use crate::error::CertifyError;
use crate::key::KeyType;
use crate::moment::{DAY, Moment, Validity};
use crate::root::{self, BACKDATED};
use crate::subject;

/// What a browser shows as the issuer.
const NAME: &str = "Bangasa: certificate of the server is NOT trusted";

/// It lives as long as a process does; clients remember exceptions for longer than they should.
const LIFETIME: i64 = 365 * DAY;

/// Made anew by every process and never written anywhere, so that nobody can be talked into importing it for good.
pub(crate) struct Untrusted {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
}

impl Untrusted {
    pub(crate) fn create(key_type: KeyType, now: Moment) -> Result<Self, CertifyError> {
        let key = key_type.generate()?;
        let mut params = root::authority(Validity { from: now.plus(-BACKDATED), until: now.plus(LIFETIME) })?;
        params.distinguished_name = subject::of_authority("Bangasa", NAME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.self_signed(&key).map_err(CertifyError::Make)?;
        Ok(Self { certificate: certificate.into(), issuer: Issuer::new(params, key) })
    }
}
