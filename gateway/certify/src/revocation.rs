//! What a revocation list says about itself; what it says about certificates is for whoever verifies.

use x509_parser::parse_x509_crl;

use crate::Moment;

/// Whose it is, and until when its authority stands by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListShown {
    /// The authority's name, for people.
    pub issuer: String,
    /// When there should be a newer one; none: it does not say.
    pub next_update: Option<Moment>,
}

impl ListShown {
    /// Reads a list in DER; none: it is none.
    pub fn read(list: &[u8]) -> Option<Self> {
        let (_, list) = parse_x509_crl(list).ok()?;
        let next_update = list.next_update().map(|time| Moment(time.timestamp()));
        Some(Self { issuer: list.issuer().to_string(), next_update })
    }
}
