//! The command line `bangasa`, one file a command in [`commands`].
//!
//! Policies are checked, explained and replayed here, without a daemon; what concerns the running gateway is asked of
//! the daemon over its socket ([`control`]). People's text and diagnostics go to the terminal, `--json` prints one
//! object a line on stdout, and the exit code ([`exit::Exit`]) tells scripts how it went.

pub mod ca_directory;
pub mod capture;
pub mod cli;
pub mod commands;
pub mod engine;
pub mod exit;
pub mod output;
pub mod packet_text;
pub mod policy_directory;
pub mod style;
pub mod who;
