//! The policy tables of one generation, as the maps hold them: one image a map, for one half of it.
//!
//! Owns the bytes and their digest. What the entries mean is [`abi::tables`]; writing them is `dataplane::install`.

mod look_up;

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use abi::Plain;
use abi::budget::Budgets;
use abi::dns::Guard;
use abi::nat::Inbound;
use abi::prefixes::Record;
use abi::tables::{Attachment, Class, Municipality, Row, View};

pub use look_up::Match;

use crate::prefix_table::PrefixTables;

/// Every policy table. Tables that are indexed by what packets carry or by lasting numbers are whole; the others end
/// with the last entry in use.
#[derive(Clone, PartialEq, Eq)]
pub struct Tables {
    pub(crate) v4_root: Vec<u32>,
    pub(crate) v6_root: Vec<u32>,
    pub(crate) nodes: Vec<u32>,
    pub(crate) records: Vec<Record>,
    others: Arc<Others>,
}

/// The tables that the prefixes of a policy have no part in: policies that differ in no more share them.
#[derive(PartialEq, Eq)]
pub struct Others {
    pub(crate) classes: Vec<Class>,
    pub(crate) view_roots: Vec<u32>,
    pub(crate) views: Vec<View>,
    pub(crate) municipalities: Vec<Municipality>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) vlans: Vec<u32>,
    pub(crate) inner_vlans: Vec<u32>,
    pub(crate) services: Vec<u32>,
    pub(crate) service_views: Vec<Row>,
    pub(crate) rows: Vec<u64>,
    pub(crate) pairs: Vec<u64>,
    pub(crate) rules: Vec<u32>,
    pub(crate) pool_addresses: Vec<u32>,
    pub(crate) inbound: Vec<Inbound>,
    pub(crate) budgets: Vec<Budgets>,
    pub(crate) dns_guards: Vec<Guard>,
}

impl Deref for Tables {
    type Target = Others;

    fn deref(&self) -> &Others {
        &self.others
    }
}

/// The first bytes of one half of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// Name of the map.
    pub map: &'static str,
    /// Entries one after another at the map's stride, a multiple of 8 bytes. Tables of `u32` are consecutive words.
    pub entries: Cow<'a, [u8]>,
}

impl Tables {
    pub(crate) fn new(prefixes: PrefixTables, others: Arc<Others>) -> Self {
        let PrefixTables { v4_root, v6_root, nodes, records } = prefixes;
        Self { v4_root, v6_root, nodes, records, others }
    }

    /// One image for each policy map, always in the same order.
    pub fn images(&self) -> Vec<Image<'_>> {
        vec![
            image("V4_ROOT", &self.v4_root),
            image("V6_ROOT", &self.v6_root),
            image("NODES", &self.nodes),
            image("RECORDS", &self.records),
            image("CLASSES", &self.classes),
            image("VIEW_ROOTS", &self.view_roots),
            image("VIEWS", &self.views),
            image("MUNICIPALITIES", &self.municipalities),
            image("ATTACHMENTS", &self.attachments),
            image("VLANS", &self.vlans),
            image("INNER_VLANS", &self.inner_vlans),
            image("SERVICES", &self.services),
            image("SERVICE_VIEWS", &self.service_views),
            image("ROWS", &self.rows),
            image("PAIRS", &self.pairs),
            image("RULES", &self.rules),
            image("POOL_ADDRESSES", &self.pool_addresses),
            image("INBOUND", &self.inbound),
            image("BUDGETS", &self.budgets),
            image("DNS_GUARDS", &self.dns_guards),
        ]
    }

    /// Every address of a NAT pool, in network order.
    pub fn pool_addresses(&self) -> &[u32] {
        &self.pool_addresses
    }

    /// Whose number of flows is limited: municipality numbers, and how many there may be.
    pub fn flow_budgets(&self) -> impl Iterator<Item = (u32, u64)> {
        (0..)
            .zip(&self.budgets)
            .filter(|(_, budgets)| budgets.flows != 0)
            .map(|(number, budgets)| (number, budgets.flows))
    }

    /// The digest of the images.
    pub fn digest(&self) -> Digest {
        let images = self.images();
        digest_of(images.iter().map(|image| (image.map, &*image.entries)))
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.images().into_iter().map(|image| (image.map, image.entries.len()));
        f.debug_map().entries(lengths).finish()
    }
}

/// BPF arrays place entries at multiples of 8 bytes.
const STRIDE: usize = 8;

fn image<'a, T: Plain>(map: &'static str, entries: &'a [T]) -> Image<'a> {
    let size = size_of::<T>();
    // Two words share an entry of the map.
    let stride = if size == size_of::<u32>() { size } else { size.next_multiple_of(STRIDE) };
    if stride == size && size_of_val(entries).is_multiple_of(STRIDE) {
        return Image { map, entries: Cow::Borrowed(bytes_of(entries)) };
    }
    let mut bytes = Vec::with_capacity((entries.len() * stride).next_multiple_of(STRIDE));
    for entry in entries {
        bytes.extend_from_slice(bytes_of(std::slice::from_ref(entry)));
        bytes.resize(bytes.len() + stride - size, 0);
    }
    bytes.resize(bytes.len().next_multiple_of(STRIDE), 0);
    Image { map, entries: Cow::Owned(bytes) }
}

#[expect(unsafe_code, reason = "64 MiB are not copied for the sake of a cast")]
fn bytes_of<T: Plain>(entries: &[T]) -> &[u8] {
    // SAFETY: `Plain` has no padding, so all `size_of_val` bytes are initialised; they live as long as `entries`.
    unsafe { std::slice::from_raw_parts(entries.as_ptr().cast(), size_of_val(entries)) }
}

/// BLAKE3 over the name, the length and the bytes of every image.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// The digest of images given by map name and bytes, in the order of [`Tables::images`].
pub fn digest_of<'a>(images: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for (map, entries) in images {
        hasher.update(map.as_bytes());
        hasher.update(&[0]);
        hasher.update(&(entries.len() as u64).to_le_bytes());
        hasher.update(entries);
    }
    Digest(hasher.finalize().into())
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
