//! What is wrong with a chain, as one defect: that of which a browser would tell its user.
//!
//! webpki says the first thing that it stumbles over, which for an expired certificate may hide that nobody trusts it:
//! such a chain is judged once more at a time when it was valid.

use std::time::Duration;

use certify::{Defect, Moment, Shown};
use rustls_pki_types::{CertificateDer, DnsName, ServerName, SignatureVerificationAlgorithm, UnixTime};
use webpki::{
    EndEntityCert, Error, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptions,
    RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use super::outcome::{Defective, Seen};
use super::staple;
use super::trust::Trust;

/// At how many moments a chain is tried that is not valid now: edges of the leaf and of three above it.
const MAX_MOMENTS: usize = 8;

impl Trust {
    /// Judges what a server presents, for `host` if the client named one: its certificate, what it sent along, and the
    /// stapled OCSP response, which is empty if there is none.
    ///
    /// # Errors
    /// What was seen, and what is wrong with it.
    pub fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: Option<&str>,
        staple: &[u8],
        now: UnixTime,
        algorithms: &[&'static dyn SignatureVerificationAlgorithm],
    ) -> Result<(), Box<Defective>> {
        let shown = Shown::read(leaf, host).map_err(|_| Defect::Malformed);
        let question = Question { trust: self, algorithms, leaf, intermediates, host, staple, now };
        let judged = shown.as_ref().map_err(|defect| *defect).and_then(|shown| judge(&question, shown));
        judged.map_err(|defect| {
            let second = Moment(i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
            let shown = shown.unwrap_or_else(|_| Shown::of_host(host, second));
            let all = std::iter::once(leaf).chain(intermediates);
            let chain = all.map(|certificate| certificate.clone().into_owned()).collect();
            Box::new(Defective { seen: Seen { shown, chain }, defect })
        })
    }
}

/// What there is to judge by.
struct Question<'q> {
    trust: &'q Trust,
    algorithms: &'q [&'static dyn SignatureVerificationAlgorithm],
    leaf: &'q CertificateDer<'q>,
    intermediates: &'q [CertificateDer<'q>],
    /// The name that was asked for, if it is known.
    host: Option<&'q str>,
    /// The stapled OCSP response; empty if there is none.
    staple: &'q [u8],
    now: UnixTime,
}

/// Judges.
fn judge(question: &Question<'_>, shown: &Shown) -> Result<(), Defect> {
    let leaf = EndEntityCert::try_from(question.leaf).map_err(|error| of_error(&error, question, shown))?;
    match question.path(&leaf, question.now) {
        Ok(path) => judge_trusted(question, shown, &leaf, &path),
        Err(Error::CertExpired { .. }) => Err(beside_its_time(question, shown, &leaf, Defect::Expired)),
        Err(Error::CertNotValidYet { .. }) => Err(beside_its_time(question, shown, &leaf, Defect::NotYetValid)),
        Err(error) => Err(of_error(&error, question, shown)),
    }
}

/// A chain that leads to a root: what else there may be.
fn judge_trusted(
    question: &Question<'_>,
    shown: &Shown,
    leaf: &EndEntityCert<'_>,
    path: &VerifiedPath<'_>,
) -> Result<(), Defect> {
    if !question.staple.is_empty() && staple::revokes(question.staple, path, question.algorithms, question.now) {
        return Err(Defect::Revoked);
    }
    if shown.is_weak() {
        return Err(Defect::Weak);
    }
    let Some(host) = question.host else {
        return Ok(());
    };
    // A name that DNS cannot have is in no certificate.
    let host = DnsName::try_from(host).map_err(|_| Defect::WrongName)?;
    leaf.verify_is_valid_for_subject_name(&ServerName::DnsName(host)).map_err(|_| Defect::WrongName)
}

/// The worse of two: that the time is over, or what is wrong with it apart from that.
///
/// Tried are the moments at which something presented begins or ends while the server's certificate is valid. Where the
/// chain was never valid as a whole, the names have to say whether it is of a root that is trusted.
fn beside_its_time(question: &Question<'_>, shown: &Shown, leaf: &EndEntityCert<'_>, time: Defect) -> Defect {
    if shown.is_weak() {
        return Defect::Weak;
    }
    let above: Vec<_> = question.intermediates.iter().filter_map(|above| Shown::read(above, None).ok()).collect();
    let edges = std::iter::once(shown).chain(&above).flat_map(|one| [one.validity.from, one.validity.until]);
    for edge in edges.filter(|edge| shown.validity.contains(*edge)).take(MAX_MOMENTS) {
        let seconds = u64::try_from(edge.0).unwrap_or(0);
        match question.path(leaf, UnixTime::since_unix_epoch(Duration::from_secs(seconds))) {
            Ok(_) => return time,
            Err(Error::CertExpired { .. } | Error::CertNotValidYet { .. }) => {}
            Err(error) => return of_error(&error, question, shown),
        }
    }
    let is_of_a_root = |issuer: &[u8]| question.trust.roots.iter().any(|root| root.subject.as_ref() == issuer);
    let mut issuers = question.intermediates.iter().filter_map(|above| EndEntityCert::try_from(above).ok());
    if is_of_a_root(leaf.issuer()) || issuers.any(|above| is_of_a_root(above.issuer())) {
        time
    } else {
        of_unknown_issuer(question, shown)
    }
}

impl Question<'_> {
    /// The way to a root at that time. A list that does not hold for its authority says nothing; browsers take it so.
    fn path<'p>(&'p self, leaf: &'p EndEntityCert<'p>, at: UnixTime) -> Result<VerifiedPath<'p>, Error> {
        let lists: Vec<_> = self.trust.revoked.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|builder| {
            builder
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Allow)
                // Whoever is in an old list is not in good standing again because nobody fetched a new one.
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        match self.path_by(leaf, at, revocation) {
            Err(
                Error::InvalidCrlSignatureForPublicKey
                | Error::IssuerNotCrlSigner
                | Error::UnsupportedCrlSignatureAlgorithmContext(_)
                | Error::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_),
            ) => self.path_by(leaf, at, None),
            other => other,
        }
    }

    fn path_by<'p>(
        &'p self,
        leaf: &'p EndEntityCert<'p>,
        at: UnixTime,
        revocation: Option<RevocationOptions<'_>>,
    ) -> Result<VerifiedPath<'p>, Error> {
        let (roots, usage) = (&self.trust.roots, KeyUsage::server_auth());
        leaf.verify_for_usage(self.algorithms, roots, self.intermediates, at, usage, revocation, None)
    }

    /// Whether a key or signature on the way is too weak, which webpki tells as a signature that does not fit.
    fn has_weak_part(&self, shown: &Shown) -> bool {
        let is_weak = |certificate: &CertificateDer<'_>| {
            Shown::read(certificate, None).is_ok_and(|shown| shown.is_weak() && !shown.is_self_issued)
        };
        shown.is_weak() || self.intermediates.iter().any(is_weak)
    }
}

/// The defect that an error of webpki stands for.
fn of_error(error: &Error, question: &Question<'_>, shown: &Shown) -> Defect {
    match error {
        Error::CertExpired { .. } | Error::InvalidCertValidity => Defect::Expired,
        Error::CertNotValidYet { .. } => Defect::NotYetValid,
        Error::CertNotValidForName(_) => Defect::WrongName,
        Error::CertRevoked => Defect::Revoked,
        Error::UnknownIssuer | Error::CertDistrusted => of_unknown_issuer(question, shown),
        // Certificates that sign themselves often say that they are authorities.
        Error::CaUsedAsEndEntity if shown.is_self_issued => of_unknown_issuer(question, shown),
        Error::CaUsedAsEndEntity | Error::EmptyEkuExtension | Error::RequiredEkuNotFoundContext(_) => {
            Defect::WrongUsage
        }
        // Nobody vouches for it whose word we can check; where that is for weakness, it is told so.
        Error::InvalidSignatureForPublicKey
        | Error::SignatureAlgorithmMismatch
        | Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => of_unknown_issuer(question, shown),
        Error::EndEntityUsedAsCa | Error::NameConstraintViolation | Error::PathLenConstraintViolated => {
            Defect::Constrained
        }
        // However it is made: nobody else vouches for it.
        _ if shown.is_self_issued => of_unknown_issuer(question, shown),
        _ => Defect::Malformed,
    }
}

fn of_unknown_issuer(question: &Question<'_>, shown: &Shown) -> Defect {
    if question.has_weak_part(shown) {
        Defect::Weak
    } else if shown.is_self_issued {
        Defect::SelfSigned
    } else {
        Defect::UntrustedRoot
    }
}
