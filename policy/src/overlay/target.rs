//! Whom an isolation is of, as an operator names it: `all`, `shiomi`, `shiomi/taxation`, `shiomi/10.4.20.7`,
//! `10.4.20.0/28`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::check::ranges::Ranges;
use crate::checked::{Municipality, Policy};
use crate::diagnostic::did_you_mean;

/// A graduated cut: everybody, a municipality, a part of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Every municipality.
    All,
    /// One of them.
    Municipality {
        /// Its id.
        municipality: String,
    },
    /// A section.
    Section {
        /// Whose.
        municipality: String,
        /// Its name.
        section: String,
    },
    /// A terminal or a prefix.
    Part {
        /// Whose.
        municipality: String,
        /// Which.
        prefix: IpNet,
    },
}

/// Why a target cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// No such municipality.
    #[error("there is no municipality `{name}`{hint}")]
    Municipality {
        /// As written.
        name: String,
        /// What there is.
        hint: String,
    },
    /// No such section, and no address.
    #[error("municipality `{municipality}` has no section `{name}`, and that is no address{hint}")]
    Section {
        /// Of whom.
        municipality: String,
        /// As written.
        name: String,
        /// What there is.
        hint: String,
    },
    /// It has no such address.
    #[error("`{prefix}` is not within the addresses of `{municipality}`, which are {own}")]
    NotTheirs {
        /// Of whom.
        municipality: String,
        /// As written.
        prefix: IpNet,
        /// What it has.
        own: String,
    },
    /// Nobody has that address.
    #[error(
        "`{0}` is within the addresses of no municipality; to block an address on the Internet, use `bangasa block add`"
    )]
    Nobodys(IpNet),
    /// Several have it.
    #[error("`{prefix}` is an address of several municipalities; say which: {choices}")]
    Several {
        /// As written.
        prefix: IpNet,
        /// What to write instead.
        choices: String,
    },
}

impl Target {
    /// Finds out who is meant.
    ///
    /// # Errors
    /// Nobody, or that cannot be told.
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, BadTarget> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Some(prefix) = prefix(text) {
            return of_whom(prefix, policy);
        }
        let (id, part) = text.split_once('/').map_or((text, None), |(id, part)| (id, Some(part)));
        let Some(town) = policy.municipalities.iter().find(|town| town.id == id) else {
            let ids = policy.municipalities.iter().map(|town| town.id.as_str());
            return Err(BadTarget::Municipality { name: id.to_owned(), hint: hint(id, ids) });
        };
        let municipality = town.id.clone();
        match part {
            None => Ok(Self::Municipality { municipality }),
            Some(part) => match prefix(part) {
                Some(prefix) if has(town, prefix) => Ok(Self::Part { municipality, prefix }),
                Some(prefix) => {
                    let own: Vec<String> = town.prefixes.iter().map(ToString::to_string).collect();
                    Err(BadTarget::NotTheirs { municipality, prefix, own: own.join(", ") })
                }
                None if town.sections.contains_key(part) => {
                    Ok(Self::Section { municipality, section: part.to_owned() })
                }
                None => {
                    let hint = hint(part, town.sections.keys().map(String::as_str));
                    Err(BadTarget::Section { municipality, name: part.to_owned(), hint })
                }
            },
        }
    }

    /// The one of these that an operator means who wants it released: who left the policy can be named as well.
    ///
    /// # Errors
    /// None of them is meant, and the policy knows nobody of that name.
    pub fn parse_known(text: &str, known: impl IntoIterator<Item = Self>, policy: &Policy) -> Result<Self, BadTarget> {
        let named = known.into_iter().find(|target| target.to_string() == text);
        named.map_or_else(|| Self::parse(text, policy), Ok)
    }

    /// The one municipality that it is of; none: all of them.
    pub fn municipality(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Municipality { municipality }
            | Self::Section { municipality, .. }
            | Self::Part { municipality, .. } => Some(municipality),
        }
    }

    /// Whether it concerns this municipality.
    pub fn is_about(&self, municipality: &str) -> bool {
        self.municipality().is_none_or(|id| id == municipality)
    }

    /// The addresses of a part; none of what is whole.
    pub(super) fn prefixes<'a>(&'a self, policy: &'a Policy) -> &'a [IpNet] {
        match self {
            Self::All | Self::Municipality { .. } => &[],
            Self::Section { municipality, section } => {
                let town = policy.municipalities.iter().find(|town| town.id == *municipality);
                town.and_then(|town| town.sections.get(section)).map_or(&[], Vec::as_slice)
            }
            Self::Part { prefix, .. } => std::slice::from_ref(prefix),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Municipality { municipality } => f.write_str(municipality),
            Self::Section { municipality, section } => write!(f, "{municipality}/{section}"),
            Self::Part { municipality, prefix } => {
                write!(f, "{municipality}/")?;
                if prefix.prefix_len() == prefix.max_prefix_len() {
                    write!(f, "{}", prefix.addr())
                } else {
                    write!(f, "{prefix}")
                }
            }
        }
    }
}

/// A bare address: of the one municipality that has it. Two may have the same, and the other one must not be cut off.
fn of_whom(prefix: IpNet, policy: &Policy) -> Result<Target, BadTarget> {
    let towns: Vec<&Municipality> = policy.municipalities.iter().filter(|town| has(town, prefix)).collect();
    let target = |town: &&Municipality| Target::Part { municipality: town.id.clone(), prefix };
    match &towns[..] {
        [] => Err(BadTarget::Nobodys(prefix)),
        [town] => Ok(target(town)),
        several => {
            let choices: Vec<String> = several.iter().map(|town| format!("`{}`", target(town))).collect();
            Err(BadTarget::Several { prefix, choices: choices.join(", ") })
        }
    }
}

fn has(town: &Municipality, prefix: IpNet) -> bool {
    Ranges::of(town.prefixes.iter().chain(&town.published)).covers(&Ranges::of([&prefix]))
}

/// An address, or a prefix, of whose host bits nothing is made: an operator in a hurry means the network.
fn prefix(text: &str) -> Option<IpNet> {
    let address = |text: &str| text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>().ok().map(|prefix| prefix.trunc()).or_else(|| address(text))
}

fn hint<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    did_you_mean(written, "there are", known).map(|help| format!("; {help}")).unwrap_or_default()
}
