//! One file a command: its arguments, its help, what it prints.

pub mod apply;
pub mod block;
pub mod ca;
pub mod check;
pub mod events;
pub mod explain;
pub mod freeze;
pub mod hello;
pub mod isolate;
mod overlay;
pub mod plan;
pub mod release;
pub mod replay;
pub mod status;
