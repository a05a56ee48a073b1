//! The note that the XDP program hands to the guard at tc ingress, in packet metadata.
//!
//! A packet without a valid note was never judged (the program is detached) and the guard drops it.

use crate::plain;

/// Packet metadata, directly before the Ethernet header.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handover {
    /// [`MAGIC`].
    pub magic: u32,
    /// One of [`TO_HOST`], [`TO_INTERFACE`], [`TO_NEIGHBOUR`].
    pub action: u32,
    /// The interface for [`TO_INTERFACE`] and [`TO_NEIGHBOUR`].
    pub ifindex: u32,
}
plain!(Handover, 12);

/// "BGS1": this packet was judged.
pub const MAGIC: u32 = 0x4247_5331;
/// The host's own stack takes it.
pub const TO_HOST: u32 = 1;
/// Redirect it out of `ifindex`, a veth into a municipality's namespace; tags are already popped.
pub const TO_INTERFACE: u32 = 2;
/// Send it out of `ifindex`, an uplink, resolving the next hop first; already translated, hop limit already lowered.
pub const TO_NEIGHBOUR: u32 = 3;
