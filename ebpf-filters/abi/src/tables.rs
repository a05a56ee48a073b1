//! Layout of the policy tables. Each map holds two halves; `generation & 1` selects one. Index of entry `i`:
//! `half * capacity + i`, capacities from [`crate::limits`] or, where the loader sizes a table, from its `…_PER_HALF`.
//! The tables from addresses to classes are [`crate::prefixes`].

use crate::plain;

/// Entry of `VLANS` and `INNER_VLANS`: an attachment number, 0 for none, or [`QINQ`] with the number of a block of
/// `INNER_VLANS`. Index in `VLANS`: `port * 4096 + outer VLAN`; in `INNER_VLANS`: `block * 4096 + inner VLAN`.
pub const QINQ: u32 = 1 << 31;

/// Entry of `CLASSES`, by address class: what is true of an address for everyone. Class 0 is every address that no
/// prefix of the policy names.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// Number of the first block set that contains it; 0: none.
    pub blocked: u16,
    /// Municipality that a packet from the uplink to this address is for; 0: none, or several.
    pub owner: u16,
    /// Bits of [`class`].
    pub flags: u32,
}
plain!(Class, 8);

/// Bits of [`Class::flags`].
pub mod class {
    /// Inside some municipality's prefixes, NAT pool or published addresses.
    pub const OURS: u32 = 1;
    /// On the essential-services list: stays reachable under isolation.
    pub const ESSENTIAL: u32 = 2;
}

/// Address classes in one block of `VIEWS`. Entry of `VIEW_ROOTS`: number of a block. Index: `Municipality::views +
/// class / VIEW_BLOCK`. Municipalities that see a block of classes alike share its block of views.
pub const VIEW_BLOCK: u32 = 64;

/// Entry of `VIEWS`: an address class as one municipality sees it. Index: `block * VIEW_BLOCK + class % VIEW_BLOCK`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Row for the address as source, by direction: where its record begins in `ROWS`.
    pub source_row: [u32; 2],
    /// Row for the address as destination, by direction.
    pub destination_row: [u32; 2],
    /// Bits of [`view`].
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
}
plain!(View, 24);

/// Bits of [`View::flags`].
pub mod view {
    /// Inside the municipality's prefixes or published addresses: may be a source on its attachments.
    pub const MEMBER: u32 = 1;
    /// Cut off: in an isolated section or an isolated terminal.
    pub const ISOLATED: u32 = 2;
    /// One of the gateway's own addresses on this municipality's attachments.
    pub const GATEWAY: u32 = 4;
    /// A published address: never translated.
    pub const PUBLISHED: u32 = 8;
}

/// Words of a chunk: [`ROW_CHUNK`] times 64 rules, 128 bytes.
pub const ROW_CHUNK: u32 = 16;

/// The rules of one municipality in one direction, the baseline first, one bit each. A rule matches where its bit is set
/// in the source row, the destination row and the service row; the lowest such bit wins.
///
/// A row is a record in `ROWS`: [`Rulebook::summaries`] words with a bit for every word of the row that is not empty,
/// then the numbers of the row's chunks in `CHUNKS`, two to a word, the lower half first. Word `w` of a row is word
/// `w % ROW_CHUNK` of its chunk `w / ROW_CHUNK`. Chunk 0 is empty. Equal records and equal chunks are one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// Summary words of each row, at most [`crate::limits::ROW_SUMMARIES`]; 0: there are no rules.
    pub summaries: u32,
    /// Index in `SERVICE_VIEWS` of service class 0; the entry says where a record begins in `ROWS`.
    pub service_views: u32,
    /// Rules of the baseline: the bits below this.
    pub baseline: u32,
    /// Index in `RULES` of the rule of bit 0, of the baseline.
    pub baseline_rules: u32,
    /// Index in `RULES` of the municipality's first own rule, that of bit `baseline`.
    pub own_rules: u32,
    /// [`action`] when no rule matches: `ALLOW` or `DENY`.
    pub default_action: u32,
}
plain!(Rulebook, 24);

/// Entry of `MUNICIPALITIES`, by municipality number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Municipality {
    /// By direction number.
    pub rulebooks: [Rulebook; 2],
    /// Index in `VIEW_ROOTS` of the block of class 0.
    pub views: u32,
    /// Index in `POOL_ADDRESSES` of the first pool address.
    pub pool: u32,
    /// Number of pool addresses; 0: IPv4 is routed untranslated.
    pub pool_size: u32,
    /// Bits of [`municipality`].
    pub flags: u32,
    /// Attachment whose namespace routes packets inwards where no flow remembers the way; 0: none.
    pub attachment: u32,
}
plain!(Municipality, 68);

/// Bits of [`Municipality::flags`].
pub mod municipality {
    /// The number is in use in this generation.
    pub const PRESENT: u32 = 1;
    /// Wholly cut off.
    pub const ISOLATED: u32 = 2;
    /// Some of its sections or terminals are cut off: inside addresses found by NAT are looked up as well.
    pub const ISOLATED_PARTS: u32 = 4;
}

/// Entry of `ATTACHMENTS`, by attachment number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// VLAN ids from the outside in.
    pub vlans: [u16; 2],
    /// The municipality.
    pub municipality: u16,
    /// Port number.
    pub port: u8,
    /// Number of `vlans`.
    pub vlan_count: u8,
}
plain!(Attachment, 8);

/// Entry of `RULES`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleEntry {
    /// Rule index within the generation, plus 1, as events carry it.
    pub rule: u32,
    /// One of [`action`].
    pub action: u16,
    /// 1 for a rule of the baseline, 0 for one of the municipality.
    pub baseline: u16,
}
plain!(RuleEntry, 8);

/// What a rule says.
pub mod action {
    /// Drop.
    pub const DENY: u16 = 0;
    /// Forward.
    pub const ALLOW: u16 = 1;
    /// Hand to the inspector.
    pub const INSPECT: u16 = 2;
}

/// Index in `SERVICES` of a protocol and destination port (host order). TCP and UDP have a region each, one entry a
/// port; every other protocol has one entry. The entry (u32) is a service class number.
#[inline(always)]
pub const fn service_index(protocol: u8, destination_port: u16) -> u32 {
    match protocol {
        6 => destination_port as u32,
        17 => 65_536 + destination_port as u32,
        other => 131_072 + other as u32,
    }
}

/// Entries of one half of `SERVICES`.
pub const SERVICES: u32 = 131_072 + 256;
