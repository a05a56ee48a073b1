//! The inspector of one municipality: looks at each connection that the gateway hands over, decides by the
//! municipality's TLS rules, and copies, opens or refuses it.
//!
//! ```text
//! listening socket ─► opening (what does the client say?) ─► decide (policy::tls) ─┬► splice
//!                                                                                  ├► open (both ends' TLS, HTTP)
//! daemon ─► link ─► setting                             sessions, totals ─► daemon └► refuse
//! ```
//! A process of its own, in the municipality's network namespace, without privilege ([`sandbox`]). It keeps nothing on
//! disk, knows nothing of maps, and what it needs to know it is told over one Unix socket ([`wire`]).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may panic"))]

mod account;
mod budget;
pub mod http;
mod link;
mod names;
mod opening;
pub mod options;
pub mod run;
pub mod sandbox;
pub mod seam;
mod session;
mod setting;
mod splice;
mod tell;
mod upstream_socket;
pub mod wire;
mod worker;
