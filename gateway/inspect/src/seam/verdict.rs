//! What an inspection says, and why.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// What becomes of a head or a part.
#[must_use]
pub enum Verdict<T> {
    /// As it is.
    Pass,
    /// This goes on instead.
    Change(T),
    /// Neither this nor what follows.
    Block(Why),
    /// The verdict comes later. What it is about stays with the relay, which reads no further meanwhile.
    Wait(Later<T>),
}

/// A verdict that somebody else has to make.
pub type Later<T> = Pin<Box<dyn Future<Output = Verdict<T>> + Send>>;

impl<T: fmt::Debug> fmt::Debug for Verdict<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("Pass"),
            Self::Change(to) => f.debug_tuple("Change").field(to).finish(),
            Self::Block(why) => f.debug_tuple("Block").field(why).finish(),
            Self::Wait(_) => f.write_str("Wait"),
        }
    }
}

/// Why something was blocked. All of it is shown to the client: no secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// The status of the page.
    pub status: Status,
    /// The rule that decided.
    pub rule: String,
    /// The reason in Japanese.
    pub japanese: Cow<'static, str>,
    /// The reason in English.
    pub english: Cow<'static, str>,
}

/// The statuses of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 403.
    Forbidden,
    /// 413.
    ContentTooLarge,
    /// 421: a client asks again over a connection of its own.
    Misdirected,
}

impl Status {
    /// Its number.
    pub fn number(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::ContentTooLarge => 413,
            Self::Misdirected => 421,
        }
    }

    /// Its phrase in HTTP/1.1.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Forbidden => "Forbidden",
            Self::ContentTooLarge => "Content Too Large",
            Self::Misdirected => "Misdirected Request",
        }
    }
}
