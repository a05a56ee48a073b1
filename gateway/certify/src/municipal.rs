//! One municipality's authority: what its inspector mints with.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, NameConstraints};

use crate::error::CertifyError;
use crate::exclusion::Exclusion;
use crate::key::KeyType;
use crate::moment::{DAY, Moment, Validity};
use crate::root::{self, BACKDATED};
use crate::subject;

/// In a municipality's folder of a CA directory: the link to the authority that its inspector uses.
pub const CURRENT: &str = "current";

/// Two years. Nobody but the gateway has to learn of a new one, as clients trust the root; so the time is short enough
/// that rotating is practised.
const LIFETIME: i64 = 2 * 365 * DAY;

/// Certificate and key as text. The certificate is what a server sends: the authority's own, without the root.
#[derive(Clone, PartialEq, Eq)]
pub struct Texts {
    /// PEM of the certificate.
    pub chain: String,
    /// PEM of its key, PKCS #8.
    pub key: String,
}

/// One municipality's authority, of both key types.
///
/// It may sign certificates of servers and nothing below (path length 0, server authentication alone), and none for
/// what its [`Exclusion`]s say: then its key, once stolen, is worth nothing against an intranet.
#[derive(Clone, PartialEq, Eq)]
pub struct Municipal {
    /// With ECDSA P-256.
    pub ecdsa: Texts,
    /// With RSA 2048, for old clients.
    pub rsa: Texts,
}

impl Municipal {
    pub(crate) fn issue(
        root: &Issuer<'_, KeyPair>,
        root_until: Moment,
        id: &str,
        name: &str,
        exclude: &[Exclusion],
        now: Moment,
    ) -> Result<Self, CertifyError> {
        let validity = Validity { from: now.plus(-BACKDATED), until: now.plus(LIFETIME).min(root_until) };
        let one = |key_type: KeyType| {
            let key = key_type.generate()?;
            // Told apart by date and key: two of them are valid while one replaces the other.
            let day = now.to_string();
            let day = day.split('T').next().unwrap_or_default();
            let common_name = format!("TLS inspection {day} {} {id}", key_type.label().to_uppercase());
            let mut params = root::authority(validity)?;
            params.distinguished_name = subject::of_authority(name, &subject::shortened(&common_name))?;
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            params.use_authority_key_identifier_extension = true;
            params.name_constraints = constraints(exclude);
            let certificate = CertificateParams::signed_by(&params, &key, root).map_err(CertifyError::Make)?;
            Ok(Texts { chain: certificate.pem(), key: key.serialize_pem() })
        };
        Ok(Self { ecdsa: one(KeyType::Ecdsa)?, rsa: one(KeyType::Rsa)? })
    }

    /// The texts of one key type.
    pub fn texts(&self, key_type: KeyType) -> &Texts {
        match key_type {
            KeyType::Ecdsa => &self.ecdsa,
            KeyType::Rsa => &self.rsa,
        }
    }
}

fn constraints(exclude: &[Exclusion]) -> Option<NameConstraints> {
    (!exclude.is_empty()).then(|| NameConstraints {
        permitted_subtrees: Vec::new(),
        excluded_subtrees: exclude.iter().map(Exclusion::subtree).collect(),
    })
}
