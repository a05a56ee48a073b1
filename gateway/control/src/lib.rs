//! What the command line and the daemon say to each other over the Unix socket: one JSON object a line, one request
//! a connection, then its answer; an answer to `events` is followed by one line per event until either side hangs up.
//!
//! Owns the words of that conversation, the blocking client, the line that `replay` and `events` print, and the
//! reading of a policy directory. Not here: what the daemon does with a request, how the command line shows an answer.

pub mod audit;
pub mod bypass;
pub mod change;
pub mod client;
pub mod directory;
mod files;
pub mod history;
pub mod line;
pub mod request;
pub mod response;
pub mod status;
pub mod who;

pub use audit::{Audit, Who};
pub use change::Change;
pub use client::{Client, ClientError, EventStream};
pub use directory::{DirectoryError, read_directory};
pub use history::{HistoryRow, Trial};
pub use line::Line;
pub use request::{OverlayChange, Request};
pub use response::{Applied, Diagnostic, Overlaid, Response};
pub use status::Status;
pub use who::Holder;

/// Where the daemon listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/bangasa/control.sock";

/// Who asks where the command line cannot tell.
pub const NOBODY: &str = "unknown";

/// Longest line either side accepts: a policy of the largest size, with room for the JSON around it.
pub const LONGEST_LINE: u64 = 2 * directory::TOTAL_BYTES + (1 << 20);
