//! Protocols and destination ports → service classes: what every rule of the prefecture treats alike is one class.

use std::collections::{BTreeMap, HashMap};

use abi::tables::{SERVICES, service_index};

use crate::checked::Service;

/// `SERVICES`, and what each class is in.
pub(crate) struct Services {
    /// Service class by [`service_index`].
    pub table: Vec<u32>,
    /// By class: the lists that contain it, ascending. Class 0 is in none.
    pub members: Vec<Vec<u32>>,
}

/// A list and the ports it asks for.
type Use = (u32, (u16, u16));

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Classes of all lists of services.
pub(crate) fn services(lists: &[&[Service]]) -> Services {
    let mut interner =
        Interner { table: vec![0; SERVICES as usize], numbers: HashMap::from([(Vec::new(), 0)]), next: 1 };
    let mut by_protocol: BTreeMap<u8, Vec<Use>> = BTreeMap::new();
    for (list, services) in (0..).zip(lists) {
        for service in *services {
            let ports = service.ports.unwrap_or((0, u16::MAX));
            by_protocol.entry(service.protocol).or_default().push((list, ports));
        }
    }
    for (protocol, uses) in by_protocol {
        match protocol {
            TCP | UDP => interner.ports(protocol, &uses),
            _ => interner.whole(protocol, &uses),
        }
    }
    let mut members = vec![Vec::new(); interner.numbers.len()];
    for (lists, class) in interner.numbers {
        members[class as usize] = lists;
    }
    Services { table: interner.table, members }
}

struct Interner {
    table: Vec<u32>,
    numbers: HashMap<Vec<u32>, u32>,
    next: u32,
}

impl Interner {
    fn class(&mut self, lists: Vec<u32>) -> u32 {
        let class = *self.numbers.entry(lists).or_insert(self.next);
        self.next = self.next.max(class + 1);
        class
    }

    fn whole(&mut self, protocol: u8, uses: &[Use]) {
        let mut lists: Vec<u32> = uses.iter().map(|&(list, _)| list).collect();
        lists.dedup();
        self.table[service_index(protocol, 0) as usize] = self.class(lists);
    }

    /// Sweeps the ports upwards. A list may cover a port several times over, hence the counts.
    fn ports(&mut self, protocol: u8, uses: &[Use]) {
        let mut changes: BTreeMap<u32, Vec<(u32, i32)>> = BTreeMap::new();
        for &(list, (first, last)) in uses {
            changes.entry(u32::from(first)).or_default().push((list, 1));
            changes.entry(u32::from(last) + 1).or_default().push((list, -1));
        }
        let region = service_index(protocol, 0) as usize;
        let mut open: BTreeMap<u32, i32> = BTreeMap::new();
        let mut from = 0;
        for (port, changes) in changes {
            let class = self.class(open.keys().copied().collect());
            self.table[region + from..region + port as usize].fill(class);
            from = port as usize;
            for (list, change) in changes {
                let count = open.entry(list).or_default();
                *count += change;
                if *count == 0 {
                    open.remove(&list);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(first: u16, last: u16) -> Service {
        Service { protocol: TCP, ports: Some((first, last)) }
    }

    #[test]
    fn ports_fall_into_the_lists_that_cover_them() {
        let any = Service { protocol: TCP, ports: None };
        let icmp = Service { protocol: 1, ports: None };
        let lists: [&[Service]; 4] = [
            &[tcp(80, 80), tcp(80, 443)],
            &[tcp(443, 65_535), icmp],
            &[any],
            &[Service { protocol: UDP, ..tcp(0, 53) }],
        ];
        let services = services(&lists);
        let members =
            |protocol, port| &services.members[services.table[service_index(protocol, port) as usize] as usize];
        assert_eq!(members(TCP, 0), &[2]);
        assert_eq!(members(TCP, 79), &[2]);
        assert_eq!(members(TCP, 80), &[0, 2]);
        assert_eq!(members(TCP, 442), &[0, 2]);
        assert_eq!(members(TCP, 443), &[0, 1, 2]);
        assert_eq!(members(TCP, 444), &[1, 2]);
        assert_eq!(members(TCP, 65_535), &[1, 2]);
        assert_eq!(members(UDP, 0), &[3]);
        assert_eq!(members(UDP, 53), &[3]);
        assert!(members(UDP, 54).is_empty());
        assert_eq!(members(1, 0), &[1]);
        assert!(members(47, 0).is_empty());
        assert_eq!(services.members.len(), 7);
    }
}
