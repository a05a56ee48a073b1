//! What a certificate of ours says, for people, and the way from text to DER and back.

use aws_lc_rs::digest;
use pem::{EncodeConfig, LineEnding, Pem};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::error::CertifyError;
use crate::exclusion::Exclusion;
use crate::moment::{Moment, Validity};

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Subject, as RFC 4514 writes it, most specific part last.
    pub subject: String,
    /// Organisation of the subject: of a municipality's authority, the municipality's name.
    pub organisation: Option<String>,
    /// For what it cannot be used.
    pub exclusions: Vec<Exclusion>,
    /// Serial number in hexadecimal.
    pub serial: String,
    /// From when until when.
    pub validity: Validity,
    /// SHA-256 of the DER, in pairs of hexadecimal digits with colons, as browsers and operating systems show it.
    pub sha256: String,
}

impl Summary {
    /// Of the first certificate in a text.
    pub fn of_pem(text: &str) -> Result<Self, CertifyError> {
        let what = "certificate";
        let der = first_certificate(text, what)?;
        let parsed = parse(&der, what)?;
        let organisation = parsed.subject().iter_organization().next();
        Ok(Self {
            subject: parsed.subject().to_string(),
            organisation: organisation.and_then(|text| text.as_str().ok()).map(str::to_owned),
            exclusions: exclusions(&parsed).ok_or(CertifyError::NoCertificate { what })?,
            serial: hexadecimal(parsed.raw_serial(), ""),
            validity: validity(&parsed),
            sha256: hexadecimal(digest::digest(&digest::SHA256, &der).as_ref(), ":"),
        })
    }

    /// DER of the first certificate in a text.
    pub fn der_of_pem(text: &str) -> Result<Vec<u8>, CertifyError> {
        first_certificate(text, "certificate").map(|der| der.to_vec())
    }
}

fn hexadecimal(bytes: &[u8], between: &str) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(between)
}

pub(crate) fn first_certificate(text: &str, what: &'static str) -> Result<CertificateDer<'static>, CertifyError> {
    CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| CertifyError::NoCertificate { what })
}

pub(crate) fn parse<'d>(der: &'d [u8], what: &'static str) -> Result<X509Certificate<'d>, CertifyError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertifyError::NoCertificate { what }),
    }
}

pub(crate) fn validity(certificate: &X509Certificate<'_>) -> Validity {
    let validity = certificate.validity();
    Validity { from: Moment(validity.not_before.timestamp()), until: Moment(validity.not_after.timestamp()) }
}

/// What its name constraints exclude; `None` where they cannot be read.
pub(crate) fn exclusions(certificate: &X509Certificate<'_>) -> Option<Vec<Exclusion>> {
    let constraints = certificate.name_constraints().ok()?;
    let subtrees = constraints.and_then(|extension| extension.value.excluded_subtrees.as_ref());
    Some(subtrees.into_iter().flatten().filter_map(|subtree| Exclusion::read(&subtree.base)).collect())
}

pub(crate) fn to_pem(der: &CertificateDer<'_>) -> String {
    let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
    pem::encode_config(&Pem::new("CERTIFICATE", der.as_ref()), config)
}
