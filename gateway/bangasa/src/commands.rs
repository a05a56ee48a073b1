//! One file a command: its arguments, its help, what it prints.

pub mod apply;
pub mod audit;
pub mod block;
pub mod bypass;
pub mod ca;
pub mod check;
pub mod confirm;
pub mod diff;
pub mod events;
pub mod explain;
pub mod freeze;
pub mod hello;
pub mod history;
pub mod isolate;
mod overlay;
pub mod plan;
pub mod release;
pub mod replay;
pub mod rollback;
pub mod status;
pub mod who;
