//! Exit codes.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed; stderr says why.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The policy has mistakes.
    Invalid = 3,
    /// There are differences.
    Differences = 4,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An argument that only the policy, or a grammar of our own, could prove wrong: ends with [`Exit::Usage`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct WrongUsage(pub String);
