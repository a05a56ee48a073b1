//! Why a certificate could not be made or read.

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// The library refused.
    #[error("a certificate cannot be made: {0}")]
    Make(rcgen::Error),
    /// The system has no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// A text holds no certificate.
    #[error("the {what} holds no certificate that can be read; it should be PEM, as `bangasa ca` writes it")]
    NoCertificate {
        /// Which text.
        what: &'static str,
    },
    /// A text holds no key.
    #[error("the {what} holds no private key that can be read; it should be PEM, as `bangasa ca` writes it")]
    NoKey {
        /// Which text.
        what: &'static str,
    },
    /// A key of another kind than expected.
    #[error("the {what} is not a key for {wanted}")]
    WrongKeyType {
        /// Which text.
        what: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The key is another one's.
    #[error("the {what} is not the key of its certificate; were files of two authorities mixed?")]
    OtherKey {
        /// Which text.
        what: &'static str,
    },
    /// Not the certificate of an authority.
    #[error("the {what} is not the certificate of an authority")]
    NoAuthority {
        /// Which text.
        what: &'static str,
    },
    /// A name that does not fit into a certificate.
    #[error("the name `{name}` is empty or longer than {max} characters; give a shorter one")]
    NameLength {
        /// The name.
        name: String,
        /// The most.
        max: usize,
    },
    /// A root whose time is over.
    #[error("the root certificate is not valid now (until {until}); issue a new root by `bangasa ca init`")]
    RootNotValid {
        /// Its last second.
        until: crate::Moment,
    },
}
