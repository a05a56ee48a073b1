//! What can be wrong with a server's certificate: a closed list, from which texts, metrics and mirrored certificates
//! are made.

/// What is wrong. One word for a class of errors that a browser tells its user apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// Its time, or that of an authority above it, is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// It is for other names than the one that was asked for.
    WrongName,
    /// It vouches for itself.
    SelfSigned,
    /// No authority that is trusted has issued it.
    UntrustedRoot,
    /// Its authority has taken it back.
    Revoked,
    /// Its key or a signature is too weak to prove anything.
    Weak,
    /// It is for something else than a web server.
    WrongUsage,
    /// An authority above it may not issue it.
    Constrained,
    /// It cannot be read.
    Malformed,
}

impl Defect {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Expired,
        Self::NotYetValid,
        Self::WrongName,
        Self::SelfSigned,
        Self::UntrustedRoot,
        Self::Revoked,
        Self::Weak,
        Self::WrongUsage,
        Self::Constrained,
        Self::Malformed,
    ];

    /// The word in events, metrics and on the command line.
    pub fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongName => "wrong_name",
            Self::SelfSigned => "self_signed",
            Self::UntrustedRoot => "untrusted_root",
            Self::Revoked => "revoked",
            Self::Weak => "weak",
            Self::WrongUsage => "wrong_usage",
            Self::Constrained => "constrained",
            Self::Malformed => "malformed",
        }
    }

    /// For people, after "the server's certificate".
    pub fn text(self) -> &'static str {
        match self {
            Self::Expired => "is expired",
            Self::NotYetValid => "is not valid yet",
            Self::WrongName => "is for another name",
            Self::SelfSigned => "is signed by itself",
            Self::UntrustedRoot => "is of an authority that is not trusted",
            Self::Revoked => "is revoked",
            Self::Weak => "is too weak",
            Self::WrongUsage => "is not for a server",
            Self::Constrained => "breaks a limit of its authority",
            Self::Malformed => "cannot be read",
        }
    }

    /// What whoever runs the server can do about it.
    pub fn doc(self) -> &'static str {
        match self {
            Self::Expired => "renew the certificate, or the one of the authority above it that has expired",
            Self::NotYetValid => "wait, or set the clock of the server's authority",
            Self::WrongName => "ask for the name that the certificate has, or have the name added to it",
            Self::SelfSigned => "have the certificate issued by an authority; or add it to the roots of the prefecture",
            Self::UntrustedRoot => {
                "have the server send its intermediates, or add its authority to the roots of the prefecture"
            }
            Self::Revoked => "do not use the server: its authority says that the certificate must not be believed",
            Self::Weak => "have the certificate issued with RSA 2048 or ECDSA, and SHA-256",
            Self::WrongUsage => "have the certificate issued for server authentication, and not as an authority's",
            Self::Constrained => "have it issued by an authority that may issue for this name",
            Self::Malformed => "have it issued by software that follows RFC 5280",
        }
    }

    /// The longer sentence that a mirrored certificate carries where its class alone does not tell.
    pub(crate) fn telling(self) -> String {
        format!("Bangasa: certificate {}", self.text())
    }

    /// Who signs the mirrored certificate.
    pub(crate) fn signer(self) -> Signer {
        match self {
            // The chain is good but for this, and the leaf itself shows it: browsers tell of an untrusted authority
            // before they tell of dates and names, and then the class would be another.
            Self::Expired | Self::NotYetValid | Self::WrongName | Self::WrongUsage => Signer::Municipality,
            Self::SelfSigned => Signer::Itself,
            // "Revoked" needs a CRL or an OCSP answer that clients ask for; "weak" needs a key that we do not make. Not
            // trusted is the nearest that is honest and cannot be overlooked.
            Self::UntrustedRoot | Self::Revoked | Self::Weak | Self::Constrained | Self::Malformed => Signer::Untrusted,
        }
    }
}

/// Who signs a minted certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// The municipality's authority, which clients trust.
    Municipality,
    /// The leaf's own key.
    Itself,
    /// An authority that nobody trusts.
    Untrusted,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_defect_has_a_label_and_a_text_of_its_own() {
        let labels: BTreeSet<_> = Defect::ALL.iter().map(|defect| defect.label()).collect();
        let texts: BTreeSet<_> = Defect::ALL.iter().map(|defect| defect.text()).collect();
        assert_eq!((labels.len(), texts.len()), (Defect::ALL.len(), Defect::ALL.len()));
        for defect in Defect::ALL {
            assert!(defect.label().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
            assert!(!defect.doc().is_empty() && defect.telling().len() <= 64, "{}", defect.telling());
        }
    }
}
