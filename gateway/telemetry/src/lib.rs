//! Metrics and events on their way out of the gateway. Bounded everywhere: what does not fit is counted and dropped,
//! and nothing here can make the data path wait.
//!
//! Not here: reading the kernel's maps (`dataplane`), deciding what to do about what they say.

pub mod http;
pub mod journal;
pub mod line;
pub mod metrics;
pub mod time;

pub use journal::{Journal, Output};
pub use line::Words;
pub use metrics::Snapshot;
