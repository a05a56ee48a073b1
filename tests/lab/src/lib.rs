//! A prefecture made of network namespaces, as a library and a command.
//!
//! Owns the topology (gateway, VLAN switch, sites, Internet), the daemon's life inside it, and the means to prove what
//! happened: raw frames, counters at the far end, events. Everything is removed when the [`Lab`] is dropped, when its
//! process dies however it dies, or when the next lab starts. Not here: what a test demands.

pub mod authorities;
pub mod count;
pub mod daemon;
pub mod dns;
pub mod events;
pub mod frame;
pub mod http3;
pub mod internet;
pub mod link;
pub mod load;
pub mod names;
pub mod namespace;
pub mod pki;
pub mod prefecture;
pub mod process;
pub mod record;
pub mod responder;
pub mod server;
pub mod site;
pub mod stream;
pub mod switch;
pub mod visitor;
pub mod wire;

pub use count::Counter;
pub use events::Line;
pub use link::End;
pub use names::InstanceId;
pub use namespace::Namespace;
pub use prefecture::Lab;
pub use site::Site;
pub use stream::Stream;
