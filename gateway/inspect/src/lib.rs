//! The inspector of one municipality: looks at each connection, decides by the municipality's TLS rules, and copies,
//! opens or refuses it.
//!
//! To open a connection, [`upstream`] speaks to the server and verifies it, [`mint`] has a certificate for what the server
//! has shown, and [`serve`] speaks to the client with it, which reads its hello again through [`rewind`].

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

pub mod mint;
pub mod rewind;
pub mod serve;
pub mod upstream;
