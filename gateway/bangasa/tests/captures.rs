//! Every capture of the corpora, sound and broken, through the reader and both engines. Captures are looked for in
//! `BANGASA_CORPORA`, by default beside the repository; the kernel engine needs root.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[path = "captures/agree.rs"]
mod agree;
#[path = "captures/corpora.rs"]
mod corpora;
#[path = "captures/damage.rs"]
mod damage;
#[path = "captures/files.rs"]
mod files;
