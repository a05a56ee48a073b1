//! Every map and every constant that the loader sets. Names are a contract with the loader and with what it pins.
//!
//! Policy tables hold two halves; the generation's parity selects one. User space writes the other through mmap and
//! flips `CONTROL.generation`; the kernel side only ever reads them. Tables of `u32` have values of eight bytes, two
//! entries each, because the kernel pads every value to eight.

use abi::budget::{BudgetUse, Budgets, Pool};
use abi::control::{Control, CounterRow, EventLosses};
use abi::dns;
use abi::event::Event;
use abi::flood::{self, Cell};
use abi::flow::{Bucket, FragmentKey, FragmentOwner};
use abi::limits;
use abi::nat::{self, Block, ClientBlocks, ClientKey, Inbound, PublicAddress};
use abi::ports::{self, Port, SlowPath, Trunk, Way};
use abi::prefixes::Record;
use abi::tables::{self, Attachment, Class, Municipality, Row, View};
use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::{Array, DevMap, HashMap, LruHashMap, PerCpuArray, RingBuf};
use aya_ebpf::{Global, macros::btf_map};

use crate::dns_query::Query;
use crate::packet::Packet;

const MMAP: usize = BPF_F_MMAPABLE as usize;

/// Values of a two-half table of `T`.
const fn halves(capacity: u32) -> usize {
    2 * capacity as usize
}

/// Values of a two-half table of `u32`, two entries to a value.
const fn paired_halves(capacity: u32) -> usize {
    capacity as usize
}

/// Two entries of a table of `u32`.
pub type Pair = [u32; 2];

/// The generation that judges, the replay clock, and what the maps were made for. 40 bytes, for the gateway's life.
#[btf_map]
pub static CONTROL: Array<Control, 1, MMAP> = Array::new();

/// IPv4 prefixes to classes, first level: one entry a /24, 64 MiB a half.
#[btf_map]
pub static V4_ROOT: Array<Pair, { paired_halves(limits::V4_ROOT) }, MMAP> = Array::new();
/// IPv6 prefixes to classes, first level: one entry a /24 or a /16, 8.25 MiB a half.
#[btf_map]
pub static V6_ROOT: Array<Pair, { paired_halves(limits::V6_ROOT) }, MMAP> = Array::new();
/// Further levels of both, 1 KiB a node; the loader sets the size with `NODES_PER_HALF`.
#[btf_map]
pub static NODES: Array<Pair, { paired_halves(limits::NODES * limits::NODE_ENTRIES) }, MMAP> = Array::new();
/// Likewise where few classes meet, a cache line each; the loader sets the size with `RECORDS_PER_HALF`.
#[btf_map]
pub static RECORDS: Array<Record, { halves(limits::RECORDS) }, MMAP> = Array::new();
/// What is true of an address class for everyone; the loader sets the size with `CLASSES_PER_HALF`.
#[btf_map]
pub static CLASSES: Array<Class, { halves(limits::CLASSES) }, MMAP> = Array::new();
/// By municipality, direction and block of address classes: a block of `VIEWS`; the loader sets the size with
/// `VIEW_ROOTS_PER_HALF`.
#[btf_map]
pub static VIEW_ROOTS: Array<Pair, { paired_halves(limits::VIEW_ROOTS) }, MMAP> = Array::new();
/// What is true of an address class for one municipality in one direction, by block; the loader sets the size with
/// `VIEWS_PER_HALF`.
#[btf_map]
pub static VIEWS: Array<View, { halves(limits::VIEW_BLOCKS * tables::VIEW_BLOCK) }, MMAP> = Array::new();
/// By municipality number: where its views and rules are.
#[btf_map]
pub static MUNICIPALITIES: Array<Municipality, { halves(limits::MUNICIPALITIES) }, MMAP> = Array::new();
/// By attachment number: whose it is.
#[btf_map]
pub static ATTACHMENTS: Array<Attachment, { halves(limits::ATTACHMENTS) }, MMAP> = Array::new();
/// Port and outer VLAN to attachment.
#[btf_map]
pub static VLANS: Array<Pair, { paired_halves(limits::PORTS * limits::VLANS) }, MMAP> = Array::new();
/// Block and inner VLAN to attachment.
#[btf_map]
pub static INNER_VLANS: Array<Pair, { paired_halves(limits::QINQ_BLOCKS * limits::VLANS) }, MMAP> = Array::new();
/// Protocol and destination port to service class.
#[btf_map]
pub static SERVICES: Array<Pair, { paired_halves(tables::SERVICES) }, MMAP> = Array::new();
/// Service class to row, by rulebook; the loader sets the size with `SERVICE_VIEWS_PER_HALF`.
#[btf_map]
pub static SERVICE_VIEWS: Array<Row, { halves(limits::SERVICE_VIEWS) }, MMAP> = Array::new();
/// Records of the rows of all rulebooks; the loader sets the size with `ROWS_PER_HALF`.
#[btf_map]
pub static ROWS: Array<u64, { halves(limits::ROW_WORDS) }, MMAP> = Array::new();
/// Pairs of sources and destinations, by rulebook; the loader sets the size with `PAIRS_PER_HALF`.
#[btf_map]
pub static PAIRS: Array<u64, { halves(limits::PAIR_WORDS) }, MMAP> = Array::new();
/// What each rule says, by rule number.
#[btf_map]
pub static RULES: Array<Pair, { paired_halves(limits::RULES / tables::RULES_A_WORD) }, MMAP> = Array::new();
/// IPv4 addresses of all NAT pools, in network order.
#[btf_map]
pub static POOL_ADDRESSES: Array<Pair, { paired_halves(limits::POOL_ADDRESSES) }, MMAP> = Array::new();
/// Ports of public addresses that stand for inside servers', ascending. 64 KiB a half.
#[btf_map]
pub static INBOUND: Array<Inbound, { halves(limits::INBOUND) }, MMAP> = Array::new();

/// By interface index: the ports that the program is attached to. 1 MiB.
#[btf_map]
pub static PORTS: Array<Port, { limits::INTERFACES as usize }, MMAP> = Array::new();
/// Next hops that flows remember, by the number that they keep.
#[btf_map]
pub static WAYS: Array<Way, { limits::WAYS as usize }> = Array::new();
/// By port number, and after them the hairpin's: the interface that frames leave by.
#[btf_map]
pub static EXITS: DevMap<{ ports::EXITS as usize }> = DevMap::new();
/// By attachment number: the way into the municipality's namespace.
#[btf_map]
pub static SLOW_PATHS: Array<SlowPath, { limits::ATTACHMENTS as usize }> = Array::new();
/// By the interface index of a VLAN veth: the trunk and tags for what comes out of the namespace.
#[btf_map]
pub static TRUNKS: HashMap<u32, Trunk, { limits::ATTACHMENTS as usize }> = HashMap::new();

/// By municipality number: not 0 while its inspector serves. Of no generation, because it is about a process; user space
/// stores to it through mmap, and it keeps what the last daemon knew.
#[btf_map]
pub static INSPECTORS: Array<u64, { limits::MUNICIPALITIES as usize }, MMAP> = Array::new();

/// Flows and aliases, 512 bytes a bucket; the loader sets the size with `FLOW_MASK`. Mapped by user space to list them.
#[btf_map]
pub static FLOWS: Array<Bucket, { limits::FLOW_BUCKETS as usize }, MMAP> = Array::new();
/// By municipality number: what its units cost.
#[btf_map]
pub static BUDGETS: Array<Budgets, { halves(limits::MUNICIPALITIES) }, MMAP> = Array::new();
/// By municipality number: the buckets that CPUs share, and its entries in `FLOWS`. Never emptied by an apply.
#[btf_map]
pub static POOLS: Array<Pool, { limits::MUNICIPALITIES as usize }, MMAP> = Array::new();
/// By municipality number: what a CPU has drawn out of the buckets, and what it dropped for want of budget.
#[btf_map]
pub static BUDGET_USE: PerCpuArray<BudgetUse, { limits::MUNICIPALITIES as usize }> = PerCpuArray::new();
/// Buckets of sources, a cache line a set: 4 MiB for half a million that send at one time.
#[btf_map]
pub static SOURCES: Array<[u64; limits::SOURCE_WAYS as usize], { limits::SOURCE_SETS as usize }, MMAP> = Array::new();
/// Services and the SYNs that they get: 160 KiB.
#[btf_map]
pub static SYN_CELLS: Array<Cell, { flood::CELLS as usize }, MMAP> = Array::new();

/// By municipality number: zones of its published DNS servers, and what their guard admits.
#[btf_map]
pub static DNS_GUARDS: Array<dns::Guard, { halves(limits::MUNICIPALITIES) }, MMAP> = Array::new();
/// By municipality number and zone: what it is asked for. 9 KiB a municipality; never emptied by an apply.
#[btf_map]
pub static DNS_ZONES: Array<dns::Zone, { limits::MUNICIPALITIES as usize * dns::ZONES }, MMAP> = Array::new();

/// Datagrams whose first fragment was passed; the oldest give way.
#[btf_map]
pub static FRAGMENTS: LruHashMap<FragmentKey, FragmentOwner, { limits::FRAGMENTS as usize }> = LruHashMap::new();

/// Public addresses to their numbers, which user space gives before a policy names them.
#[btf_map]
pub static NAT_NUMBERS: HashMap<u32, u32, { limits::NAT_ADDRESSES_AT_MOST as usize }> = HashMap::new();
/// By a public address's number: which of its ports are in blocks; the loader sets the size of these three.
#[btf_map]
pub static NAT_ADDRESSES: Array<PublicAddress, { limits::NAT_ADDRESSES as usize }, MMAP> = Array::new();
/// By number and unit: whose block begins there. 24 KiB an address.
#[btf_map]
pub static NAT_BLOCKS: Array<Block, { (limits::NAT_ADDRESSES * nat::UNITS) as usize }, MMAP> = Array::new();
/// By number and public port: what it stands for, a word of [`nat::Cell`]. 1 MiB an address.
#[btf_map]
pub static NAT_CELLS: Array<u64, { (limits::NAT_ADDRESSES * nat::CELLS) as usize }, MMAP> = Array::new();
/// By municipality and inside address: the client's blocks.
#[btf_map]
pub static NAT_CLIENTS: HashMap<ClientKey, ClientBlocks, { limits::NAT_CLIENTS as usize }> = HashMap::new();

/// By municipality number: every exit of the program, 8 KiB a municipality and CPU.
#[btf_map]
pub static COUNTERS: PerCpuArray<CounterRow, { limits::MUNICIPALITIES as usize }> = PerCpuArray::new();
/// By set number: packets that it blocked.
#[btf_map]
pub static SET_HITS: PerCpuArray<u64, { limits::SETS as usize }> = PerCpuArray::new();
/// By municipality number: events that were not sent, and this second's budget.
#[btf_map]
pub static EVENT_LOSSES: PerCpuArray<EventLosses, { limits::MUNICIPALITIES as usize }> = PerCpuArray::new();
/// Drops and new flows, for the daemon to read.
#[btf_map]
pub static EVENTS: RingBuf<Event, { limits::EVENT_RING_BYTES as usize }> = RingBuf::new();
/// The last packet's event, in a replay.
#[btf_map]
pub static JUDGEMENT: Array<Event, 1, MMAP> = Array::new();
/// Frames that the guard dropped because nothing had judged them.
#[btf_map]
pub static GUARD_DROPS: PerCpuArray<u64, 1> = PerCpuArray::new();

/// The packet that this CPU is judging: more than the stack has room for beside the subprograms' frames.
#[btf_map]
pub static SCRATCH: PerCpuArray<Packet, 1> = PerCpuArray::new();
/// The DNS query that this CPU is judging.
#[btf_map]
pub static DNS_QUERY: PerCpuArray<Query, 1> = PerCpuArray::new();

/// 1: the clock is `CONTROL.replay_clock_ns`, every packet's event goes to `JUDGEMENT`, and nothing is forwarded.
#[unsafe(no_mangle)]
pub static REPLAY: Global<u8> = Global::new(0);
/// Nodes in one half of `NODES`.
#[unsafe(no_mangle)]
pub static NODES_PER_HALF: Global<u32> = Global::new(limits::NODES);
/// Records in one half of `RECORDS`.
#[unsafe(no_mangle)]
pub static RECORDS_PER_HALF: Global<u32> = Global::new(limits::RECORDS);
/// Entries in one half of `CLASSES`.
#[unsafe(no_mangle)]
pub static CLASSES_PER_HALF: Global<u32> = Global::new(limits::CLASSES);
/// Entries in one half of `VIEW_ROOTS`.
#[unsafe(no_mangle)]
pub static VIEW_ROOTS_PER_HALF: Global<u32> = Global::new(limits::VIEW_ROOTS);
/// Views in one half of `VIEWS`.
#[unsafe(no_mangle)]
pub static VIEWS_PER_HALF: Global<u32> = Global::new(limits::VIEW_BLOCKS * tables::VIEW_BLOCK);
/// Entries in one half of `SERVICE_VIEWS`.
#[unsafe(no_mangle)]
pub static SERVICE_VIEWS_PER_HALF: Global<u32> = Global::new(limits::SERVICE_VIEWS);
/// Words in one half of `ROWS`.
#[unsafe(no_mangle)]
pub static ROWS_PER_HALF: Global<u32> = Global::new(limits::ROW_WORDS);
/// Words in one half of `PAIRS`.
#[unsafe(no_mangle)]
pub static PAIRS_PER_HALF: Global<u32> = Global::new(limits::PAIR_WORDS);
/// Buckets of `FLOWS`, a power of two, minus 1.
#[unsafe(no_mangle)]
pub static FLOW_MASK: Global<u32> = Global::new(limits::FLOW_BUCKETS - 1);
/// Random, so that nobody outside can choose flows that meet in one bucket.
#[unsafe(no_mangle)]
pub static HASH_SEED: Global<u32> = Global::new(0);

/// Entry `index` of half `half` of a table of `u32` with `capacity` entries a half; 0 beyond its end.
#[inline(always)]
pub fn word<const N: usize>(table: &Array<Pair, N, MMAP>, half: u32, capacity: u32, index: u32) -> u32 {
    let index = half.wrapping_mul(capacity).wrapping_add(index);
    match table.get(index >> 1) {
        Some(pair) if index & 1 == 0 => pair[0],
        Some(pair) => pair[1],
        None => 0,
    }
}
