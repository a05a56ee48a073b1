//! Slices stored once: equal ones have one place.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::compile::CapacityError;

/// Items one after another, and where each slice among them begins.
pub(crate) struct Pool<T> {
    /// Everything, as maps hold it.
    pub items: Vec<T>,
    by_fingerprint: HashMap<u64, u32, BuildHasherDefault<Fingerprinted>>,
    what: &'static str,
    limit: u32,
}

impl<T: Copy + Default + Eq + Into<u64>> Pool<T> {
    /// Room for `limit` items; `what` they are, in the plural.
    pub fn new(what: &'static str, limit: u32) -> Self {
        Self { items: Vec::new(), by_fingerprint: HashMap::default(), what, limit }
    }

    /// Where this slice begins.
    ///
    /// # Errors
    /// It is new, and there is no room.
    pub fn intern(&mut self, slice: &[T]) -> Result<u32, CapacityError> {
        self.intern_aligned(slice, 1)
    }

    /// Likewise, at a multiple of `alignment`.
    pub fn intern_aligned(&mut self, slice: &[T], alignment: usize) -> Result<u32, CapacityError> {
        let mut key = fingerprint(slice);
        let next = self.items.len().next_multiple_of(alignment);
        loop {
            let place = *self.by_fingerprint.entry(key).or_insert(next as u32) as usize;
            if place == next {
                let needed = next + slice.len();
                if needed > self.limit as usize {
                    let (needed, limit) = (needed as u64, self.limit.into());
                    return Err(CapacityError { what: self.what, needed, limit, location: None });
                }
                self.items.resize(next, T::default());
                self.items.extend_from_slice(slice);
                return Ok(place as u32);
            }
            if self.items.get(place..place + slice.len()) == Some(slice) {
                return Ok(place as u32);
            }
            key = key.wrapping_add(1);
        }
    }
}

const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Four independent lanes, because one chain of multiplications would wait for each of them.
fn fingerprint<T: Copy + Into<u64>>(slice: &[T]) -> u64 {
    let mut lanes = [1_u64, 2, 3, slice.len() as u64];
    for items in slice.chunks(lanes.len()) {
        for (lane, &item) in lanes.iter_mut().zip(items) {
            *lane = (lane.rotate_left(29) ^ item.into()).wrapping_mul(FACTOR);
        }
    }
    lanes.iter().fold(0, |all: u64, lane| (all.rotate_left(23) ^ lane ^ (lane >> 32)).wrapping_mul(FACTOR))
}

/// For keys that are spread over all 64 bits, and for small ones made of numbers.
#[derive(Default)]
pub(crate) struct Fingerprinted(u64);

impl Hasher for Fingerprinted {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0.rotate_left(29) ^ number).wrapping_mul(FACTOR);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_slices_are_one_and_lie_where_they_should() {
        let mut pool = Pool::<u32>::new("numbers", 14);
        let mut intern = |slice: &[u32], alignment| pool.intern_aligned(slice, alignment).map_err(|error| error.needed);
        assert_eq!(intern(&[1, 2, 3], 1), Ok(0));
        assert_eq!(intern(&[1, 2, 3, 4], 4), Ok(4));
        assert_eq!(intern(&[1, 2, 3], 1), Ok(0));
        assert_eq!(intern(&[1, 2, 3, 4], 4), Ok(4));
        assert_eq!(intern(&[5; 7], 1), Err(15));
        assert_eq!(intern(&[5; 6], 1), Ok(8));
        assert_eq!(pool.items, [1, 2, 3, 0, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5]);
    }
}
