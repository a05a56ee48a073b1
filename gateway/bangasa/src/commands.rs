//! One file a command: its arguments, its help, what it prints.

pub mod apply;
pub mod bypass;
pub mod ca;
pub mod check;
pub mod events;
pub mod explain;
pub mod hello;
pub mod plan;
pub mod replay;
pub mod status;
