//! What the system tests share: random policies and packets aimed at their edges, and cargo's view of the crates. The
//! tests stand in `tests/`.

pub mod entry;
pub mod frame;
pub mod generate;
pub mod metadata;
