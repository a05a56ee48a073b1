//! What somebody did to the gateway: a line of the audit file, and an event beside those about packets.

pub mod chain;

use std::fmt;

use policy::overlay::Moment;
use serde::{Deserialize, Serialize};

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// User, by the kernel's account.
    pub uid: u32,
    /// Group, likewise.
    pub gid: u32,
    /// Process, likewise; none: the daemon itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The user's name on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Who that is by their own account: the person behind sudo.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.clone().unwrap_or_else(|| format!("uid {}", self.uid));
        match &self.says {
            Some(says) if *says != user => write!(f, "{says}, as {user}"),
            _ => f.write_str(&user),
        }
    }
}

/// One deed. The time stands beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// Who.
    pub who: Who,
    /// What, in a word: that of the command.
    pub did: String,
    /// To whom or what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Moment>,
    /// The generation that came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// `done`, or why not.
    pub result: String,
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.did, self.who)?;
        if let Some(target) = &self.target {
            write!(f, ": {target}")?;
        }
        if let Some(until) = self.until {
            write!(f, ", until {until}")?;
        }
        if let Some(because) = &self.because {
            write!(f, ", because: {because}")?;
        }
        write!(f, " → {}", self.result)
    }
}
