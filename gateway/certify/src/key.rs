//! Keys: two types, and how each is made.

use aws_lc_rs::rand;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, PublicKeyData, RsaKeySize, SerialNumber};

use crate::error::CertifyError;

/// With which kind of key a certificate is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// ECDSA P-256: small and fast; everything of the last ten years.
    Ecdsa,
    /// RSA 2048, for clients that offer nothing else.
    Rsa,
}

impl KeyType {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ecdsa, Self::Rsa];

    /// The word in files, metrics and on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ecdsa => "ecdsa",
            Self::Rsa => "rsa",
        }
    }

    /// Names of the files that an authority's certificate and key are kept in.
    pub fn files(self) -> (&'static str, &'static str) {
        match self {
            Self::Ecdsa => ("chain.pem", "key.pem"),
            Self::Rsa => ("rsa-chain.pem", "rsa-key.pem"),
        }
    }

    pub(crate) fn generate(self) -> Result<KeyPair, CertifyError> {
        match self {
            Self::Ecdsa => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        }
        .map_err(CertifyError::Make)
    }

    /// Whether this is such a key.
    pub(crate) fn is_of(self, key: &KeyPair) -> bool {
        let algorithm = key.algorithm();
        match self {
            Self::Ecdsa => algorithm == &PKCS_ECDSA_P256_SHA256,
            Self::Rsa => algorithm == &PKCS_RSA_SHA256,
        }
    }
}

/// 126 random bits: nobody can foresee what will be signed.
pub(crate) fn serial() -> Result<SerialNumber, CertifyError> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| CertifyError::NoRandomness)?;
    // Positive, and of one length.
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// The key as a certificate holds it.
pub(crate) fn public_key(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}
