//! How large the policy tables are that differ most between policies: maps are allocated whole when they are loaded, so
//! the loader makes them as large as somebody needs them.
//!
//! At their largest, both halves: `V4_ROOT` 128 MiB, `RECORDS` 192 MiB and `NODES` 128 MiB for prefixes; `ROWS` 256 MiB,
//! `SERVICE_VIEWS` 128 MiB, `VIEWS` 96 MiB, `VIEW_ROOTS` and `PAIRS` 64 MiB each and `CLASSES` 16 MiB for rules. With the flow table's
//! 128 MiB, 256 MiB of port blocks and 50 MiB of all others, a gateway takes about 1.5 GiB.

use abi::limits;
use abi::tables::VIEW_BLOCK;
use policy::CompiledPolicy;

/// A table whose room the loader chooses.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its map.
    pub map: &'static str,
    /// The programs' constant for [`Capacities::per_half`].
    pub global: &'static str,
    /// What the policy's limit allows.
    largest: u32,
    /// Enough for any small policy.
    small: u32,
    /// Bytes of one of what is counted.
    bytes: u32,
    /// Bytes of a value of the map: two words, or one entry.
    value_bytes: u32,
}

/// Every table whose room the loader chooses.
pub(crate) const TABLES: [Table; 8] = [
    table("NODES", "NODES_PER_HALF", limits::NODES, 1 << 12, [4 * limits::NODE_ENTRIES, 8]),
    table("RECORDS", "RECORDS_PER_HALF", limits::RECORDS, 1 << 14, [64, 64]),
    table("CLASSES", "CLASSES_PER_HALF", limits::CLASSES, 1 << 12, [8, 8]),
    table("VIEW_ROOTS", "VIEW_ROOTS_PER_HALF", limits::VIEW_ROOTS, 1 << 12, [4, 8]),
    table("VIEWS", "VIEWS_PER_HALF", limits::VIEW_BLOCKS * VIEW_BLOCK, 1 << 14, [24, 24]),
    table("SERVICE_VIEWS", "SERVICE_VIEWS_PER_HALF", limits::SERVICE_VIEWS, 1 << 14, [8, 8]),
    table("ROWS", "ROWS_PER_HALF", limits::ROW_WORDS, 1 << 16, [8, 8]),
    table("PAIRS", "PAIRS_PER_HALF", limits::PAIR_WORDS, 1 << 14, [8, 8]),
];

const fn table(map: &'static str, global: &'static str, largest: u32, small: u32, bytes: [u32; 2]) -> Table {
    Table { map, global, largest, small, bytes: bytes[0], value_bytes: bytes[1] }
}

/// How many there is room for in one half of each of [`TABLES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacities([u32; TABLES.len()]);

impl Capacities {
    /// Every policy that the limits allow.
    pub fn largest() -> Self {
        Self(TABLES.map(|table| table.largest))
    }

    /// Small policies, such as tests have.
    pub fn small() -> Self {
        Self(TABLES.map(|table| table.small))
    }

    /// Enough for this policy, and for others not much larger.
    pub fn fitting(policy: &CompiledPolicy) -> Self {
        let images = policy.tables.images();
        Self(TABLES.map(|table| {
            let bytes = images.iter().find(|image| image.map == table.map).map_or(0, |image| image.entries.len());
            let needed = (bytes / table.bytes as usize + 1).next_power_of_two() as u32;
            needed.max(64).min(table.largest)
        }))
    }

    /// Of maps that exist, given how many values one has.
    pub fn found<E>(values: impl Fn(&str) -> Result<u32, E>) -> Result<Self, E> {
        let mut capacities = Self::small();
        for (capacity, table) in capacities.0.iter_mut().zip(&TABLES) {
            *capacity =
                (u64::from(values(table.map)?) * u64::from(table.value_bytes) / u64::from(table.bytes) / 2) as u32;
        }
        Ok(capacities)
    }

    /// The same with another room for one table, by the name of its map.
    pub fn with(mut self, map: &str, per_half: u32) -> Self {
        let table = TABLES.iter().zip(&mut self.0).find(|(table, _)| table.map == map);
        if let Some((_, capacity)) = table {
            *capacity = per_half;
        }
        self
    }

    /// Every table with its room.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&'static Table, &u32)> {
        TABLES.iter().zip(&self.0)
    }
}

impl Table {
    /// Values of a map with this room in each half.
    pub fn values(&self, per_half: u32) -> u32 {
        (u64::from(per_half) * 2 * u64::from(self.bytes) / u64::from(self.value_bytes)) as u32
    }
}
