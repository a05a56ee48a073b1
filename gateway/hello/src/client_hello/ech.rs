//! Encrypted ClientHello, RFC 9849 §5, and ESNI before it.
//!
//! A client that knows no key of the server sends GREASE instead (§6.2): a random configuration id, a true cipher suite,
//! and random bytes of a plausible length. It is made so that nobody but the server can tell, so [`Ech::Outer`] is told
//! for both. What the bytes do betray: a suite that is not registered, or no `enc` or payload.

use super::extension;
use crate::bytes::{Bytes, Short};

/// Whether and how the true ClientHello is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ech {
    /// No such extension.
    Absent,
    /// A ClientHello that hides another one, or GREASE.
    Outer {
        /// Which of the server's keys is meant; random in GREASE.
        config_id: u8,
        /// HPKE key derivation function.
        kdf: u16,
        /// HPKE cipher.
        aead: u16,
        /// Bytes of the encapsulated key; 0 in the second hello after a HelloRetryRequest.
        enc_bytes: usize,
        /// Bytes of the hidden ClientHello, padding and tag included.
        payload_bytes: usize,
    },
    /// The hidden one itself, which should never be seen in the clear.
    Inner,
    /// An encrypted name of the drafts before 07.
    Esni,
    /// The extension is there, but cannot be read.
    Malformed,
}

impl Ech {
    /// Whether the extension was sent, in whatever state.
    pub fn is_present(self) -> bool {
        self != Self::Absent
    }

    /// Whether it cannot be more than GREASE or a mistake: no server could open it.
    pub fn cannot_be_opened(self) -> bool {
        match self {
            Self::Outer { kdf, aead, payload_bytes, .. } => {
                const TAG_BYTES: usize = 16;
                !(1..=3).contains(&kdf) || !(1..=3).contains(&aead) || payload_bytes <= TAG_BYTES
            }
            Self::Malformed => true,
            Self::Absent | Self::Inner | Self::Esni => false,
        }
    }

    /// One word for it.
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Absent => None,
            Self::Outer { .. } => Some("outer"),
            Self::Inner => Some("inner"),
            Self::Esni => Some("esni"),
            Self::Malformed => Some("malformed"),
        }
    }
}

pub(super) fn parse(kind: u16, data: Bytes<'_>) -> Ech {
    if kind == extension::ESNI {
        return Ech::Esni;
    }
    client_hello(data).unwrap_or(Ech::Malformed)
}

fn client_hello(mut data: Bytes<'_>) -> Result<Ech, Short> {
    match data.u8()? {
        0 => {
            let kdf = data.u16()?;
            let aead = data.u16()?;
            let config_id = data.u8()?;
            let enc_bytes = data.vec16()?.rest().len();
            let payload_bytes = data.vec16()?.rest().len();
            Ok(Ech::Outer { config_id, kdf, aead, enc_bytes, payload_bytes })
        }
        1 => Ok(Ech::Inner),
        _ => Err(Short),
    }
}
