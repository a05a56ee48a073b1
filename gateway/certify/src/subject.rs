//! Subjects: who a certificate says it is, in the lengths that X.520 allows.

use rcgen::string::PrintableString;
use rcgen::{DistinguishedName, DnType, DnValue};

use crate::error::CertifyError;

/// The longest common name and the longest organisation, in characters (X.520, `ub-common-name`, `ub-organization-name`).
pub(crate) const MAX_CHARACTERS: usize = 64;

/// Of an authority: in Japan, of this organisation. Names are UTF-8 and may be Japanese.
pub(crate) fn of_authority(organisation: &str, common_name: &str) -> Result<DistinguishedName, CertifyError> {
    let mut subject = DistinguishedName::new();
    if let Ok(japan) = PrintableString::try_from("JP") {
        subject.push(DnType::CountryName, DnValue::PrintableString(japan));
    }
    subject.push(DnType::OrganizationName, checked(organisation)?);
    subject.push(DnType::CommonName, checked(common_name)?);
    Ok(subject)
}

/// Of a minted certificate: what there is.
pub(crate) fn of_leaf(organisation: Option<&str>, common_name: Option<&str>) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    if let Some(organisation) = organisation {
        subject.push(DnType::OrganizationName, shortened(organisation));
    }
    if let Some(common_name) = common_name {
        subject.push(DnType::CommonName, shortened(common_name));
    }
    subject
}

fn checked(name: &str) -> Result<&str, CertifyError> {
    let fits = (1..=MAX_CHARACTERS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    fits.then_some(name).ok_or_else(|| CertifyError::NameLength { name: name.to_owned(), max: MAX_CHARACTERS })
}

/// What a stranger wrote, without what a viewer could stumble over.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(MAX_CHARACTERS).collect()
}
