//! The inspector of one municipality: looks at each connection that the gateway hands over, decides by the
//! municipality's TLS rules, and copies, opens or refuses it.
//!
//! ```text
//! listening socket ─► opening (what does the client say?) ─► decide (policy::tls) ─┬► splice
//!                                                                                  ├► open (both ends' TLS, HTTP)
//! daemon ─► link ─► setting                             sessions, totals ─► daemon └► refuse
//! ```
//! What comes over QUIC is heard, decided and copied by [`quic`], which opens nothing.
//!
//! A connection arrives by itself, its destination kept, or by what its client asks of the municipality's proxy
//! ([`explicit`]), and is then treated the same. To open a connection, [`upstream`] speaks to the server and verifies it, [`mint`] has a certificate for what the server
//! has shown, [`serve`] speaks to the client with it, and [`http`] relays between the two, past the inspections of [`seam`].
//!
//! A process of its own, in the municipality's network namespace, without privilege ([`sandbox`]). It keeps nothing on
//! disk, knows nothing of maps, and what it needs to know it is told over one Unix socket ([`wire`]).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod account;
mod ahead;
mod budget;
mod bypass;
mod explicit;
pub mod http;
mod link;
pub mod mint;
mod names;
mod open;
mod opening;
pub mod options;
mod pulse;
mod question;
pub mod quic;
pub mod rewind;
pub mod run;
pub mod sandbox;
pub mod seam;
pub mod serve;
mod session;
mod setting;
mod splice;
mod tell;
pub mod upstream;
mod upstream_socket;
pub mod wire;
mod worker;
