//! `[flood]` of the prefecture, and of a municipality.

use std::fmt;

use abi::flood::Rates;

/// What is held to be a flood, for every municipality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flood {
    /// Whether answers of amplifiers that nobody has asked are dropped.
    pub reflection: bool,
    /// When services answer with SYN cookies, unless a municipality says otherwise.
    pub syn_cookies: SynCookies,
}

/// When a service is under attack, by the SYNs that it gets in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SynCookies {
    /// It never is.
    Off,
    /// From so many on, until they are fewer.
    On {
        /// So many begin it.
        enter: u32,
        /// So many make it last; at most as many as begin it.
        leave: u32,
    },
}

impl Default for SynCookies {
    /// A service of a town has tens of new connections a second, in a disaster some hundreds; a server that holds 4,096
    /// half-open ones for a minute is full after two seconds of the higher rate. Connections that a cookie began lack
    /// nothing but timestamps, so that too early costs little.
    fn default() -> Self {
        Self::On { enter: 2_000, leave: 500 }
    }
}

impl SynCookies {
    /// As tables have it.
    pub(crate) const fn rates(self) -> Rates {
        match self {
            Self::Off => Rates { enter: 0, leave: 0 },
            Self::On { enter, leave } => Rates { enter, leave },
        }
    }
}

impl fmt::Display for SynCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::On { enter, leave } => write!(f, "from {enter} SYNs a second until fewer than {leave}"),
        }
    }
}
