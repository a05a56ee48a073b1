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
    /// A public address of which some ports stand for an inside server's: see [`crate::nat::inbound`].
    pub const INBOUND: u32 = 4;
    /// Of what municipalities show each other, as they show it to the Internet.
    pub const PUBLIC: u32 = 8;
    /// A municipality's published DNS server, which is guarded.
    pub const DNS_SERVER: u32 = 16;
}

/// The rules of a rulebook that a class satisfies in one dimension, one bit each: those of two records together.
///
/// A record in `ROWS` has [`Rulebook::summaries`] words with a bit for every word of 64 rules that is not empty, then
/// those words. Equal records are one. The rules that many classes satisfy are in a record that these share.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Where the shared record begins.
    pub base: u32,
    /// Where the class's own begins; 0: the empty one; [`ONE_RULE`] with the number of a bit: that rule alone.
    pub own: u32,
}
plain!(Row, 8);

/// In [`Row::own`].
pub const ONE_RULE: u32 = 1 << 31;

/// In [`Row::base`] of a service's row: before the record are the number of the destinations' base record, and
/// [`Rulebook::summaries`] words with a bit for every word of 64 rules in which both records have a rule in common.
/// [`Row::own`] is 0. Rules for any destination and rules for a service are often in the same words without being the
/// same; where a destination's own rules are few, these words tell.
pub const JOINED: u32 = 1 << 31;

/// Address classes in one block of `VIEWS`. Entry of `VIEW_ROOTS`: number of a block. Index: `Municipality::views +
/// class / VIEW_BLOCK`. Rulebooks to which a block of classes is the same share its block of views.
pub const VIEW_BLOCK: u32 = 64;

/// Entry of `VIEWS`: an address class as one municipality sees it in one direction. Index: `block * VIEW_BLOCK + class %
/// VIEW_BLOCK`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The address as source.
    pub source: Row,
    /// The address as destination.
    pub destination: Row,
    /// Bits of [`view`].
    pub flags: u32,
    /// The source among those that the rulebook tells apart; 0 where it has no pairs.
    pub source_number: u16,
    /// Likewise the destination.
    pub destination_number: u16,
}
plain!(View, 24);

/// Bits of [`View::flags`].
pub mod view {
    /// Inside the municipality's prefixes or published addresses: may be a source on its attachments, unless it is the
    /// [gateway](GATEWAY)'s.
    pub const MEMBER: u32 = 1;
    /// Cut off: in an isolated section or an isolated terminal. What is the [gateway](GATEWAY)'s is not meant.
    pub const ISOLATED: u32 = 2;
    /// One of the gateway's own addresses on this municipality's attachments: the inspector's, and nobody else's.
    pub const GATEWAY: u32 = 4;
    /// A published address: never translated.
    pub const PUBLISHED: u32 = 8;
    /// In the municipality's NAT pool.
    pub const POOL: u32 = 16;

    /// Whether an address with these flags may be a source on the municipality's attachments.
    #[inline(always)]
    pub const fn is_clients(flags: u32) -> bool {
        flags & (MEMBER | GATEWAY) == MEMBER
    }

    /// Whether an address with these flags is cut off. A section's segment may hold the gateway's own address, by which
    /// the inspector goes on serving the others.
    #[inline(always)]
    pub const fn is_isolated(flags: u32) -> bool {
        flags & (ISOLATED | GATEWAY) == ISOLATED
    }
}

/// The rules of one municipality in one direction, one bit each: the baseline, then its own. A rule matches where its bit
/// is set in the source row, the destination row and the service row; the lowest such bit wins. Where there are few
/// pairs of sources and destinations, [`crate::pairs`] says the same, and the rows are asked only where it says so.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rulebook {
    /// Index in `SERVICE_VIEWS` of service class 0; the entry is a [`Row`].
    pub service_views: u32,
    /// Rules of the baseline: the bits below this. Rule `bit + 1` is theirs.
    pub baseline: u32,
    /// Rule of the first bit after the baseline, as events carry it.
    pub own_rules: u32,
    /// Index in `PAIRS` of the first source with the first destination; 0: there are none.
    pub pairs: u32,
    /// Destinations that are told apart in `PAIRS`.
    pub destinations: u16,
    /// Summary words of each record, at most [`crate::limits::ROW_SUMMARIES`]; 0: there are no rules.
    pub summaries: u8,
    /// [`action`] when no rule matches: `ALLOW` or `DENY`.
    pub default_action: u8,
}
plain!(Rulebook, 20);

/// Entry of `MUNICIPALITIES`, by municipality number.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Municipality {
    /// By direction number.
    pub rulebooks: [Rulebook; 2],
    /// By direction number: index in `VIEW_ROOTS` of the block of class 0.
    pub views: [u32; 2],
    /// Index in `POOL_ADDRESSES` of the first pool address.
    pub pool: u32,
    /// Number of pool addresses, and above them the [shape](pool::shape) of blocks; 0: IPv4 is routed untranslated.
    pub pool_shape: u32,
    /// Bits of [`municipality`].
    pub flags: u32,
    /// Attachment whose namespace routes packets inwards where no flow remembers the way; 0: none.
    pub attachment: u32,
}
plain!(Municipality, 64);

/// Parts of [`Municipality::pool_shape`].
pub mod pool {
    const ADDRESSES: u32 = (1 << 20) - 1;

    /// So many addresses, whose blocks have this size, as a shift of units, and of which a client gets so many.
    #[inline(always)]
    pub const fn shape(addresses: u32, block_shift: u32, client_blocks: u32) -> u32 {
        addresses & ADDRESSES | (block_shift & 7) << 20 | (client_blocks & 15) << 24
    }

    /// Number of addresses.
    #[inline(always)]
    pub const fn size(shape: u32) -> u32 {
        shape & ADDRESSES
    }

    /// Size of a block.
    #[inline(always)]
    pub const fn block_shift(shape: u32) -> u32 {
        (shape >> 20) & 7
    }

    /// Blocks that a client gets at most.
    #[inline(always)]
    pub const fn client_blocks(shape: u32) -> u32 {
        (shape >> 24) & 15
    }
}

/// Bits of [`Municipality::flags`].
pub mod municipality {
    /// The number is in use in this generation.
    pub const PRESENT: u32 = 1;
    /// Wholly cut off.
    pub const ISOLATED: u32 = 2;
    /// Some of its sections or terminals are cut off: inside addresses found by NAT are looked up as well.
    pub const ISOLATED_PARTS: u32 = 4;
    /// Packets or bits of it are limited, its own or those of a source.
    pub const METERED: u32 = 8;
    /// Something else of its new flows is limited.
    pub const LIMITED: u32 = 16;
    /// What looks like a reflected flood is dropped.
    pub const NO_REFLECTION: u32 = 32;
    /// Its services that are under attack answer with SYN cookies.
    pub const SYN_COOKIES: u32 = 64;
    /// Above this bit: the TCP port of its proxy on the gateway's own addresses; 0: it has none.
    pub const PROXY_PORT_SHIFT: u32 = 16;
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

/// Rules in an entry (u32) of `RULES`: an [`action`] of two bits each, the first lowest, from rule 0, which does not exist.
pub const RULES_A_WORD: u32 = 16;

/// What a rule says.
pub mod action {
    /// Drop.
    pub const DENY: u32 = 0;
    /// Forward.
    pub const ALLOW: u32 = 1;
    /// Hand to the inspector.
    pub const INSPECT: u32 = 2;
    /// Hand to the inspector; forward while it does not serve.
    pub const INSPECT_OR_FORWARD: u32 = 3;
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
