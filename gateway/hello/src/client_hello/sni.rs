//! The server name indication, RFC 6066 §3.

use crate::bytes::Bytes;

/// Why there is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoSni {
    /// The extension is missing.
    NotSent,
    /// The extension, or the name in it, has no bytes.
    Empty,
    /// Names of other types only.
    NotAHostName,
    /// Lengths that lead outside.
    Malformed,
}

impl NoSni {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Empty => "empty",
            Self::NotAHostName => "not_a_host_name",
            Self::Malformed => "malformed",
        }
    }
}

/// The first host name. Bytes that are no UTF-8 are replaced: a name is ASCII.
pub(super) fn parse(mut data: Bytes<'_>) -> Result<String, NoSni> {
    const HOST_NAME: u8 = 0;
    if data.is_empty() {
        return Err(NoSni::Empty);
    }
    let mut list = data.vec16().map_err(|_| NoSni::Malformed)?;
    if list.is_empty() {
        return Err(NoSni::Empty);
    }
    while !list.is_empty() {
        let kind = list.u8().map_err(|_| NoSni::Malformed)?;
        let name = list.vec16().map_err(|_| NoSni::Malformed)?.rest();
        if kind == HOST_NAME {
            return if name.is_empty() { Err(NoSni::Empty) } else { Ok(String::from_utf8_lossy(name).into_owned()) };
        }
    }
    Err(NoSni::NotAHostName)
}
