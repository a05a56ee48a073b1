//! Under what a certificate is kept: a digest of all that it is made of, so that servers that show the same share one.

use aws_lc_rs::digest::{Context, SHA256};
use certify::{Defect, KeyType, Name, Shown};

/// A digest, because names are many and long, and because nobody can make two meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

impl Key {
    pub(super) fn new(shown: &Shown, defect: Option<Defect>, key_type: KeyType) -> Self {
        let mut context = Context::new(&SHA256);
        let mut part = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        part(key_type.label().as_bytes());
        part(defect.map_or("", Defect::label).as_bytes());
        part(&shown.validity.from.0.to_be_bytes());
        part(&shown.validity.until.0.to_be_bytes());
        // A missing common name is not an empty one, but makes the same certificate.
        part(shown.common_name.as_deref().unwrap_or_default().as_bytes());
        for name in &shown.names {
            match name {
                Name::Host(host) => part(host.as_bytes()),
                Name::Address(address) => part(address.to_string().as_bytes()),
            }
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(context.finish().as_ref());
        Self(digest)
    }
}
