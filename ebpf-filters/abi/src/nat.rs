//! How a public address and port are chosen, so that every engine chooses the same.

/// Choices that are tried for a new flow before `nat_exhausted`.
pub const CANDIDATES: u32 = 8;
/// Ports below this are never used as translated ports, except to keep a flow's own.
pub const FIRST_PORT: u16 = 1_024;

/// A fixed mix of an inside IPv4 address (host order), so that one client keeps one public address.
#[inline(always)]
pub const fn client_hash(inside: u32) -> u32 {
    let mut h = inside;
    h ^= h >> 16;
    h = h.wrapping_mul(0x7feb_352d);
    h ^= h >> 15;
    h = h.wrapping_mul(0x846c_a68b);
    h ^ (h >> 16)
}

/// The `n`th candidate for a flow of the inside client: index in the pool, and public port in host order.
///
/// The client's address picks the pool address. Candidate 0 keeps the client's own port (or echo identifier); later
/// ones spread over the ports from [`FIRST_PORT`] up. A protocol without ports keeps 0 and walks the pool instead.
/// `pool_size` is at least 1.
#[inline(always)]
pub const fn candidate(inside: u32, inside_port: u16, has_ports: bool, n: u32, pool_size: u32) -> (u32, u16) {
    let hash = client_hash(inside);
    if !has_ports {
        return (reduce(hash, pool_size).wrapping_add(n) % at_least_one(pool_size), 0);
    }
    let address = reduce(hash, pool_size);
    if n == 0 {
        return (address, inside_port);
    }
    let mixed = client_hash(hash ^ ((inside_port as u32) << 8) ^ n.wrapping_mul(0x9e37_79b9));
    (address, FIRST_PORT + reduce(mixed, 65_536 - FIRST_PORT as u32) as u16)
}

/// Maps a hash evenly onto `0..size` without a division.
#[inline(always)]
const fn reduce(hash: u32, size: u32) -> u32 {
    ((hash as u64 * size as u64) >> 32) as u32
}

/// Keeps the verifier and the compiler sure that a divisor is not zero.
#[inline(always)]
const fn at_least_one(value: u32) -> u32 {
    if value == 0 { 1 } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_stay_in_pool_and_port_range() {
        for inside in (0..u32::MAX).step_by(9_999_991) {
            for n in 0..CANDIDATES {
                let (index, port) = candidate(inside, 40_000, true, n, 8);
                assert!(index < 8);
                assert!(port >= FIRST_PORT);
                assert_eq!(candidate(inside, 0, false, n, 3).1, 0);
                assert!(candidate(inside, 0, false, n, 3).0 < 3);
            }
        }
    }

    #[test]
    fn first_candidate_keeps_the_port() {
        assert_eq!(candidate(0x0a04_1407, 51_000, true, 0, 4).1, 51_000);
    }
}
