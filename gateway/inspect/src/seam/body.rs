//! One body on its way past the inspections: gathers its start for those who want it, shows parts to those who want them,
//! and hands on the rest untouched.

use bytes::{Bytes, BytesMut};

use super::exchange::{Exchange, Interests};
use super::fields::Fields;
use super::verdict::Why;
use super::{Interest, Side};

/// Bytes of a body's start: enough for every type that is known by its first bytes (tar's are the farthest, at 257).
pub const START_BYTES: usize = policy::http::FileType::BYTES;

/// A body under inspection.
pub(crate) struct Sieve {
    side: Side,
    most: Interest,
    /// What has come of the start, while somebody waits for it.
    start: Option<BytesMut>,
}

/// Why a body goes no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// An inspection said so.
    Blocked(Why),
    /// An inspection changed the length of what had announced one.
    LengthChanged,
}

impl From<Why> for Stop {
    fn from(why: Why) -> Self {
        Self::Blocked(why)
    }
}

impl Sieve {
    pub(crate) fn new(side: Side, interests: Interests) -> Self {
        let start = interests.wants_start.then(BytesMut::new);
        Self { side, most: interests.most, start }
    }

    /// Whose body it is.
    pub(crate) const fn side(&self) -> Side {
        self.side
    }

    /// Whether parts pass without being looked at.
    pub(crate) fn is_open(&self) -> bool {
        self.start.is_none() && self.most < Interest::Parts
    }

    /// Whether the start is still awaited.
    pub(crate) fn is_gathering(&self) -> bool {
        self.start.is_some()
    }

    /// Whether what comes out may have another length.
    pub(crate) fn rewrites(&self) -> bool {
        self.most == Interest::Rewrite
    }

    /// A part came; what goes on instead, if anything does yet.
    pub(crate) async fn part(&mut self, exchange: &Exchange, part: Bytes) -> Result<Option<Bytes>, Stop> {
        let part = match self.start.take() {
            Some(gathered) if gathered.len() + part.len() < START_BYTES => {
                let mut gathered = gathered;
                gathered.extend_from_slice(&part);
                self.start = Some(gathered);
                return Ok(None);
            }
            Some(gathered) if gathered.is_empty() => return self.show(exchange, Interest::Start, part).await.map(Some),
            Some(mut gathered) => {
                gathered.extend_from_slice(&part);
                return self.show(exchange, Interest::Start, gathered.freeze()).await.map(Some);
            }
            None => part,
        };
        if self.most < Interest::Parts {
            return Ok(Some(part));
        }
        self.show(exchange, Interest::Parts, part).await.map(Some)
    }

    /// The body has ended; what goes before its end.
    pub(crate) async fn end(&mut self, exchange: &Exchange, trailers: &mut Fields) -> Result<Vec<Bytes>, Stop> {
        let mut rest = Vec::new();
        if let Some(gathered) = self.start.take().filter(|gathered| !gathered.is_empty()) {
            rest.push(self.show(exchange, Interest::Start, gathered.freeze()).await?);
        }
        if self.most >= Interest::Parts {
            let tail = exchange.end(self.side, trailers).await?;
            if !self.rewrites() && tail.iter().any(|part| !part.is_empty()) {
                return Err(Stop::LengthChanged);
            }
            rest.extend(tail);
        }
        Ok(rest)
    }

    async fn show(&mut self, exchange: &Exchange, from: Interest, part: Bytes) -> Result<Bytes, Stop> {
        let length = part.len();
        let part = exchange.part(self.side, from, part).await?;
        if part.len() != length && !self.rewrites() {
            return Err(Stop::LengthChanged);
        }
        Ok(part)
    }
}
