//! The prefecture's certificate authority, the municipalities' below it, and the certificates that these mint.
//!
//! Clients trust one certificate, the [`Root`]'s. The root issues a [`Municipal`] authority for each municipality, with
//! which the inspector of that municipality, and no other, mints: [`Press`] makes out of what a server has [`Shown`] a
//! certificate that says the same. A server whose certificate has a [`Defect`] gets one with a defect of the same class,
//! so that the browser shows its user the true error; never one that looks valid.
//!
//! Pure but for randomness: time is an argument, and certificates and keys come and go as text. Where the texts lie is
//! known to `bangasa ca`, and who verifies a server, and finds the defect, to `inspect`.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod authority;
mod defect;
mod error;
mod exclusion;
mod key;
mod moment;
mod municipal;
mod name;
mod press;
mod revocation;
mod root;
mod shown;
mod subject;
mod summary;
mod untrusted;

pub use authority::Authority;
pub use defect::Defect;
pub use error::CertifyError;
pub use exclusion::{Exclusion, NotAnExclusion};
pub use key::KeyType;
pub use moment::{DAY, Moment, Validity};
pub use municipal::{CURRENT, Municipal, Texts};
pub use name::Name;
pub use press::{MintError, Minted, Press};
pub use revocation::ListShown;
pub use root::{BACKDATED, Root};
pub use shown::{MAX_NAMES, Shown, ShownKey, Unreadable};
pub use summary::Summary;
