//! Text → checked policy → table images, and the reference model that explains them. No IO, no clock, no kernel.
//!
//! ```text
//! Source ─► parse ─► check ─► Policy ─► compile ─► CompiledPolicy (Tables, RuleDoc, digest)
//!                               ├────► model   (judges packets, apart from compile)
//!                               ├────► explain (every stage in words)
//!                               ├────► plan    (what would change)
//!                               ├────► overlay (policy and what operators lay over it ─► Policy)
//!                               ├────► tls     (what becomes of inspected connections; http: and of requests in them)
//!                               └────► proxy   (what clients reach by their proxy, and when they call it)
//! ```
//! Installing tables is `dataplane::install`; reading directories is the caller's.

mod blocked;
pub mod cases;
mod check;
pub mod checked;
mod classes;
pub mod compile;
mod cut_off;
mod describe;
pub mod diagnostic;
pub mod explain;
pub mod http;
pub mod judgement;
pub mod model;
pub mod numbering;
pub mod overlay;
mod pairs;
mod parse;
pub mod plan;
mod pool;
mod prefix_table;
pub mod proxy;
mod rulebook;
mod services;
pub mod source;
pub mod tables;
pub mod tls;
mod views;
mod words;

pub use check::{Basis, Checked, Feeds, check};
pub use checked::Policy;
pub use compile::{CompileError, CompiledPolicy, Ground, RuleDoc, compile};
pub use cut_off::CutOff;
pub use describe::Glossary;
pub use diagnostic::{Diagnostic, Severity, render};
pub use explain::{Explanation, explain};
pub use judgement::Judgement;
pub use model::Model;
pub use numbering::Numbering;
pub use overlay::Overlays;
pub use plan::{Plan, plan};
pub use source::Source;
pub use tables::{Digest, Tables};
