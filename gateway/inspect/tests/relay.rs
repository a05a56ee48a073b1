//! The relay between peers: scripted ones over pipes, and curl and nginx over loopback.
#![allow(clippy::unwrap_used)]

#[path = "relay/h1.rs"]
mod h1;
#[path = "relay/h2.rs"]
mod h2;
#[path = "relay/peers.rs"]
mod peers;
#[path = "relay/pipes.rs"]
mod pipes;
#[path = "relay/policy.rs"]
mod policy;
#[path = "relay/seam.rs"]
mod seam;
