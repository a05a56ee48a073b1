//! Loads, pins and feeds the eBPF programs; the only crate that knows aya.
//!
//! [`Gateway`] is the data path of a machine: pinned, attached to ports, surviving its daemon. [`Engine`] is the same
//! program in a vacuum, for `replay` and for tests. Both get their policy from [`install`].

pub mod capacities;
pub mod clock;
mod command;
pub mod engine;
pub mod error;
pub mod events;
pub mod gateway;
pub mod inspector_words;
pub mod install;
pub mod links;
mod load;
pub mod mmap;
pub mod namespaces;
pub mod nat;
pub mod object;
mod port_table;
pub mod readings;
pub mod sweep;

pub use capacities::Capacities;
pub use engine::{Engine, EngineSize, Entry};
pub use error::Error;
pub use gateway::Gateway;
pub use install::{Generation, Installed};
