//! A municipality's authority where it is used: both keys, ready to sign.

use rcgen::{Issuer, KeyPair};
use rustls_pki_types::CertificateDer;

use crate::error::CertifyError;
use crate::exclusion::Exclusion;
use crate::key::{self, KeyType};
use crate::moment::Validity;
use crate::municipal::Municipal;
use crate::name::Name;
use crate::summary;

/// A municipality's authority, checked: certificates are those of authorities, and keys are theirs.
pub struct Authority {
    pub(crate) ecdsa: Half,
    pub(crate) rsa: Half,
}

/// One key type of it.
pub(crate) struct Half {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) issuer: Issuer<'static, KeyPair>,
    pub(crate) validity: Validity,
    excluded: Vec<Exclusion>,
}

impl Authority {
    /// Out of the texts of a municipality's folder: `chain.pem`, `key.pem`, `rsa-chain.pem`, `rsa-key.pem`.
    pub fn from_pem(chain: &str, key: &str, rsa_chain: &str, rsa_key: &str) -> Result<Self, CertifyError> {
        Ok(Self {
            ecdsa: Half::read(KeyType::Ecdsa, (chain, "ECDSA chain"), (key, "ECDSA key"))?,
            rsa: Half::read(KeyType::Rsa, (rsa_chain, "RSA chain"), (rsa_key, "RSA key"))?,
        })
    }

    pub(crate) fn half(&self, key_type: KeyType) -> &Half {
        match key_type {
            KeyType::Ecdsa => &self.ecdsa,
            KeyType::Rsa => &self.rsa,
        }
    }
}

impl TryFrom<&Municipal> for Authority {
    type Error = CertifyError;

    fn try_from(municipal: &Municipal) -> Result<Self, CertifyError> {
        let (ecdsa, rsa) = (&municipal.ecdsa, &municipal.rsa);
        Self::from_pem(&ecdsa.chain, &ecdsa.key, &rsa.chain, &rsa.key)
    }
}

impl Half {
    fn read(
        key_type: KeyType,
        (chain, chain_name): (&str, &'static str),
        (key, key_name): (&str, &'static str),
    ) -> Result<Self, CertifyError> {
        let certificate = summary::first_certificate(chain, chain_name)?;
        let parsed = summary::parse(&certificate, chain_name)?;
        if !parsed.is_ca() {
            return Err(CertifyError::NoAuthority { what: chain_name });
        }
        let key = KeyPair::from_pem(key).map_err(|_| CertifyError::NoKey { what: key_name })?;
        if !key_type.is_of(&key) {
            return Err(CertifyError::WrongKeyType { what: key_name, wanted: key_type.label() });
        }
        if parsed.public_key().raw != key::public_key(&key) {
            return Err(CertifyError::OtherKey { what: key_name });
        }
        let excluded = summary::exclusions(&parsed).ok_or(CertifyError::NoCertificate { what: chain_name })?;
        let validity = summary::validity(&parsed);
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(CertifyError::Make)?;
        Ok(Self { certificate, issuer, validity, excluded })
    }

    /// Whether it may issue for this name. One that it may not would make the whole certificate worthless.
    pub(crate) fn may_issue_for(&self, name: &Name) -> bool {
        !self.excluded.iter().any(|exclusion| exclusion.covers(name))
    }
}
