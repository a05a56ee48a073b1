//! Services under attack, as the kernel counts their SYNs.

use std::mem::size_of;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use abi::flood::{Cell, is_attacked};

use super::Gateway;
use crate::clock;

/// A service that answers with SYN cookies now. Others that share its cell may do so as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attacked {
    /// Municipality number.
    pub municipality: u16,
    /// Address and TCP port.
    pub service: SocketAddr,
}

impl Gateway {
    /// Every service under attack, in order.
    pub fn attacked(&self) -> Vec<Attacked> {
        let now_s = clock::coarse_seconds();
        let cells = (0..self.syn_cells.entries()).map(|index| self.syn_cells.get::<Cell>(index * size_of::<Cell>()));
        let mut attacked: Vec<_> = cells.filter(|cell| is_attacked(cell.busy_s, now_s)).map(of).collect();
        attacked.sort_unstable();
        attacked
    }
}

fn of(cell: Cell) -> Attacked {
    let address = Ipv6Addr::from(cell.address.octets());
    let address = address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4);
    Attacked { municipality: cell.municipality, service: SocketAddr::new(address, cell.port) }
}
