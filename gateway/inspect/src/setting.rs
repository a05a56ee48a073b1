//! A setting of the daemon, made ready for use.

use anyhow::bail;
use policy::tls::{Decider, Limits};

use crate::names::Names;
use crate::wire::{Setting, WIRE_VERSION};

/// What connections are decided by.
pub struct Active {
    /// Generation of the policy.
    pub generation: u64,
    /// The rules.
    pub decider: Decider,
    /// Budgets.
    pub limits: Limits,
    /// Which address a name belongs to.
    pub names: Names,
}

impl Active {
    /// Makes it ready, or says why it cannot be used.
    pub fn new(setting: Setting) -> anyhow::Result<Self> {
        if setting.version != WIRE_VERSION {
            bail!(
                "the daemon speaks version {} of the inspectors' language and this program {WIRE_VERSION}; install both \
                 of one version",
                setting.version
            );
        }
        let limits = setting.view.limits;
        let names = Names::new(&setting.view.resolvers)?;
        let decider = Decider::new(setting.view)?;
        Ok(Self { generation: setting.generation, decider, limits, names })
    }
}
