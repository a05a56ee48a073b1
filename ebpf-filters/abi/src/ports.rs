//! Ports, attachments at run time: what the daemon knows and no policy contains.
//!
//! The root side of each veth on which an inspector sends is a port as well: what enters there is the inspector's own.

use crate::plain;

/// Entry of array `PORTS`, by interface index: a port that the program is attached to; all zeros elsewhere.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Port {
    /// Stable port number, below [`crate::limits::PORTS`]; [`INSPECTOR`] for all inspectors, [`HAIRPIN`] for the hairpin.
    pub number: u8,
    /// [`ROLE_ACCESS`], [`ROLE_UPLINK`], [`ROLE_INSPECTOR`] or [`ROLE_HAIRPIN`].
    pub role: u8,
    /// The interface's own MAC address.
    pub mac: [u8; 6],
    /// The interface's MTU in bytes.
    pub mtu: u16,
    /// The municipality whose inspector sends here; 0 for the other roles.
    pub municipality: u16,
    /// Its interface index.
    pub ifindex: u32,
}
plain!(Port, 16);

/// Entry of array `WAYS`: a next hop towards the Internet. Written once, a word at a time, and never changed.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Way {
    /// Our MAC address in the lower 48 bits, first byte lowest; then the port's number, and 1 in the uppermost byte.
    pub ours: u64,
    /// The next hop's MAC address likewise, and the route's MTU in the uppermost 16 bits.
    pub peer: u64,
}
plain!(Way, 16);

/// A trunk towards municipalities.
pub const ROLE_ACCESS: u8 = 0;
/// The Internet.
pub const ROLE_UPLINK: u8 = 1;
/// The inspector of one municipality, with connections of its own.
pub const ROLE_INSPECTOR: u8 = 2;
/// The hairpin: what one municipality sends to a public address of another's, or of its own, arrives there as if from the
/// Internet.
pub const ROLE_HAIRPIN: u8 = 3;

/// Port number of all inspectors, as events carry it: which one it was, their municipality says.
pub const INSPECTOR: u8 = u8::MAX;
/// Number of the hairpin, and of the exit that leads into it: the one after those of ports.
pub const HAIRPIN: u8 = crate::limits::PORTS as u8;
/// Exits: the ports', and the hairpin's.
pub const EXITS: u32 = crate::limits::PORTS + 1;
const _: () = assert!(EXITS <= INSPECTOR as u32);
/// MAC address of the hairpin's far end.
pub const HAIRPIN_MAC: [u8; 6] = [0x02, b'b', b'g', b's', 0, 1];

/// Value of array `SLOW_PATHS`, indexed by attachment number: the way into the municipality's namespace.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SlowPath {
    /// Root-side interface of the veth whose peer stands for this VLAN; 0: none.
    pub vlan_ifindex: u32,
    /// Root-side interface of the veth on which the inspector receives what is inspected; 0: none.
    pub inspect_ifindex: u32,
    /// MAC address of the namespace-side end of the VLAN veth (equal to the port's).
    pub vlan_mac: [u8; 6],
    /// MAC address of the namespace-side end of the inspection veth.
    pub inspect_mac: [u8; 6],
    /// Zero.
    pub reserved: u32,
}
plain!(SlowPath, 24);

/// Value of hash map `TRUNKS`, keyed by the root-side interface index of a VLAN veth: where what comes out of the
/// namespace goes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Trunk {
    /// Interface index of the access port.
    pub ifindex: u32,
    /// VLAN ids from the outside in.
    pub vlans: [u16; 2],
    /// Number of `vlans`.
    pub vlan_count: u8,
    /// Zero.
    pub reserved: [u8; 3],
}
plain!(Trunk, 12);
