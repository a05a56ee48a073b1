//! Whom to trust: roots and revocation lists, out of bytes.

use certify::{ListShown, Moment};
use policy::tls::RevocationLists;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor};
use webpki::{CertRevocationList, OwnedCertRevocationList};

/// Roots and revocation lists.
pub struct Trust {
    pub(super) roots: Vec<TrustAnchor<'static>>,
    pub(super) revoked: Vec<CertRevocationList<'static>>,
}

/// Why there is nothing to trust by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// No root could be read.
    #[error("there is no root certificate to trust; install ca-certificates, or configure roots")]
    NoRoots,
    /// A revocation list could not be read.
    #[error("revocation list {number} cannot be read: {because}; remove it or fetch it again")]
    RevocationList {
        /// Which, counted from 1.
        number: usize,
        /// What is wrong.
        because: String,
    },
}

impl Trust {
    /// `roots` are PEM texts with any number of certificates: the platform's bundle and configured ones. `lists` are
    /// revocation lists, each one in DER or any number in PEM.
    ///
    /// Roots that cannot be read are passed over, as bundles hold old ones; the number of those is the second result.
    pub fn new(roots: &[&str], lists: &[&[u8]]) -> Result<(Self, usize), TrustError> {
        let mut store = RootCertStore::empty();
        let certificates = roots.iter().flat_map(|text| CertificateDer::pem_slice_iter(text.as_bytes()));
        let (mut good, mut bad) = (Vec::new(), 0);
        for certificate in certificates {
            match certificate {
                Ok(certificate) => good.push(certificate),
                Err(_) => bad += 1,
            }
        }
        let (_, ignored) = store.add_parsable_certificates(good);
        if store.is_empty() {
            return Err(TrustError::NoRoots);
        }
        let mut revoked = Vec::new();
        for (at, bytes) in lists.iter().enumerate() {
            let wrong = |because: String| TrustError::RevocationList { number: at + 1, because };
            for der in lists_in(bytes).map_err(wrong)? {
                let list = OwnedCertRevocationList::from_der(&der).map_err(|error| wrong(error.to_string()))?;
                revoked.push(CertRevocationList::Owned(list));
            }
        }
        Ok((Self { roots: store.roots, revoked }, bad + ignored))
    }
}

/// One list in DER, or any number in PEM.
fn lists_in(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'_>>, String> {
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(bytes).collect();
    let mut found = found.map_err(|error| error.to_string())?;
    if found.is_empty() {
        found.push(CertificateRevocationListDer::from(bytes));
    }
    Ok(found)
}

/// Keeps the lists that can be used, each with the file that it is from; of the others, and of those whose time is over,
/// the second result tells.
pub(crate) fn usable_lists(files: &[RevocationLists], now: Moment) -> (Vec<Vec<u8>>, Vec<String>) {
    let (mut usable, mut warnings) = (Vec::new(), Vec::new());
    for RevocationLists { file, pem } in files {
        let lists = lists_in(pem.as_bytes()).unwrap_or_default();
        for list in &lists {
            let shown = ListShown::read(list);
            let issuer = shown.as_ref().map_or("nobody", |shown| &shown.issuer);
            match OwnedCertRevocationList::from_der(list) {
                Ok(_) => usable.push(list.to_vec()),
                Err(error) => warnings.push(format!(
                    "the revocation list of `{issuer}` in `{file}` is not heeded: {error}; fetch a whole one again, not one \
                     of changes"
                )),
            }
            if shown.as_ref().and_then(|shown| shown.next_update).is_some_and(|next| next < now) {
                warnings.push(format!(
                    "the revocation list of `{issuer}` in `{file}` is out of date, and does not know what was revoked since; \
                     fetch it again and apply"
                ));
            }
        }
    }
    (usable, warnings)
}

#[cfg(test)]
mod tests {
    use certify::Root;

    use super::*;

    #[test]
    fn bundles_may_hold_what_cannot_be_read_and_lists_may_not() {
        let root = |name| Root::create(name, Moment(1_790_000_000)).unwrap().certificate_pem();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (trust, unread) = Trust::new(&[&format!("{}{broken}{}", root("a"), root("b")), &root("c")], &[]).unwrap();
        assert_eq!((trust.roots.len(), unread), (3, 1));
        for nothing in [&[][..], &[""], &["no PEM"], &[broken]] {
            assert_eq!(Trust::new(nothing, &[]).err(), Some(TrustError::NoRoots));
        }
        for bad in [&b""[..], b"nonsense", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"] {
            let error = Trust::new(&[&root("a")], &[bad]).err();
            assert!(matches!(error, Some(TrustError::RevocationList { number: 1, .. })), "{error:?}");
        }
    }
}
