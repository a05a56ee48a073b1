//! Sizes of everything. A policy beyond one of these is refused by `check`, with the number.

/// Municipality numbers are `1..MUNICIPALITIES`; 0 means "none".
pub const MUNICIPALITIES: u32 = 512;
/// Physical ports (trunks and uplinks) of one gateway.
pub const PORTS: u32 = 16;
/// Interface indexes that a port may have are below this.
pub const INTERFACES: u32 = 1 << 16;
/// Next hops that flows remember; number 0 means "none".
pub const WAYS: u32 = 256;
/// Values of a VLAN id, 0 standing for "untagged".
pub const VLANS: u32 = 4096;
/// Outer VLANs that carry an inner tag (802.1ad).
pub const QINQ_BLOCKS: u32 = 64;
/// Attachments (port and VLAN of a municipality); number 0 means "none".
pub const ATTACHMENTS: u32 = 4096;
/// Address classes of one generation: 60 municipalities with 10,000 prefixes of their own each, and as many again for
/// what overlaps.
pub const CLASSES: u32 = 1 << 20;
/// Entries of `VIEW_ROOTS` in one generation: rulebooks times blocks of classes.
pub const VIEW_ROOTS: u32 = 1 << 23;
/// Different blocks of views of one generation: where each class concerns one municipality, one or two for 64 classes.
pub const VIEW_BLOCKS: u32 = 1 << 15;
/// Service classes (protocol and destination port) of one generation.
pub const SERVICE_CLASSES: u32 = 1 << 16;
/// Entries of all service views of one generation: 120 rulebooks times all 65,536 service classes, or 600 times 13,000.
pub const SERVICE_VIEWS: u32 = 1 << 23;
/// 64-bit words of all records of rule rows of one generation: a row in which any of 10,000 rules may be satisfied
/// takes 160, one with few takes two or three more than it has rules.
pub const ROW_WORDS: u32 = 1 << 24;
/// Summary words of one record: 64 * 64 rules each.
pub const ROW_SUMMARIES: u32 = 4;
/// Rules of one rulebook, baseline included.
pub const RULEBOOK_RULES: u32 = ROW_SUMMARIES * 64 * 64;
/// Pairs of sources and destinations of one rulebook, beyond which it has rows only: 20 sections and 700 destinations.
pub const RULEBOOK_PAIRS: u32 = 1 << 14;
/// Words of all pairs of one generation: 256 rulebooks as large as they can be. Those after them have rows only.
pub const PAIR_WORDS: u32 = 1 << 22;
/// Rules of one generation, plus 1.
pub const RULES: u32 = 1 << 21;
/// First level of the IPv4 prefix table: one entry a /24.
pub const V4_ROOT: u32 = 1 << 24;
/// First level of the IPv6 prefix table for 2000::/3: one entry a /24.
pub const V6_ROOT_GLOBAL: u32 = 1 << 21;
/// First level of the IPv6 prefix table: that of 2000::/3, then one entry a /16 for the whole.
pub const V6_ROOT: u32 = V6_ROOT_GLOBAL + (1 << 16);
/// Fan-out of a node of the prefix tables.
pub const NODE_ENTRIES: u32 = 256;
/// Nodes of one generation, both families together (1 KiB each): 300,000 IPv6 prefixes as registries hand them out take
/// 7,000, a million single IPv4 addresses that crowd in 64,000 networks 34,000.
pub const NODES: u32 = 1 << 16;
/// Records of one generation, both families together (64 bytes each): a million single IPv4 addresses at random take
/// 970,000 where each is a class of its own, 300,000 random IPv6 prefixes 290,000.
pub const RECORDS: u32 = 3 << 19;
/// Pointers that a look-up follows at most: from the second octet of an IPv6 address to its end.
pub const PREFIX_STEPS: usize = 14;
/// NAT pool addresses of one generation.
pub const POOL_ADDRESSES: u32 = 1 << 16;
/// Runs of ports of one generation that stand for inside servers', plus 1; a power of two.
pub const INBOUND: u32 = 1 << 12;
/// Public addresses whose port blocks are kept, unless configured: about 1 MiB each.
pub const NAT_ADDRESSES: u32 = 256;
/// Public addresses that this may be configured to.
pub const NAT_ADDRESSES_AT_MOST: u32 = 4_096;
/// Inside clients that have port blocks at one time.
pub const NAT_CLIENTS: u32 = 1 << 18;
/// Named sets; number 0 means "none".
pub const SETS: u32 = 1024;
/// Flows in one bucket of the flow table.
pub const BUCKET_FLOWS: u32 = 4;
/// Buckets of the flow table unless configured: room for about a million flows.
pub const FLOW_BUCKETS: u32 = 1 << 18;
/// Datagrams whose fragments are followed at one time.
pub const FRAGMENTS: u32 = 1 << 15;
/// Sets of sources whose rates are followed.
pub const SOURCE_SETS: u32 = 1 << 16;
/// Sources in a set.
pub const SOURCE_WAYS: u32 = 8;
/// Seed of hashes in a replay, by which the reference model reckons as well.
pub const REPLAY_HASH_SEED: u32 = 0x6267_7331;
/// Bytes of the event ring buffer.
pub const EVENT_RING_BYTES: u32 = 1 << 22;
/// Events a second of a municipality, beyond which events are counted but not sent, unless its policy says otherwise.
pub const EVENTS_PER_SECOND: u64 = 4_000;

/// 802.1Q/ad tags that are parsed; a third is `unsupported`.
pub const VLAN_DEPTH: usize = 2;
/// IPv6 extension headers that are followed; a longer chain is `unsupported`.
pub const EXTENSION_HEADERS: usize = 8;

/// Instructions that the verifier walks through before it admits program `gateway`, as Linux 6.18 counts them; other
/// kernels prune a little differently. A test fails when the count leaves this by more than a tenth, in either direction:
/// whoever moves it says here what it is now, and in the commit what for.
pub const VERIFIED_INSTRUCTIONS: u32 = 193_300;
