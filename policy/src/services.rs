//! Protocols and destination ports → service classes: what every rulebook treats alike is one class.
//!
//! One sweep upwards over the ports of a protocol: where a list begins or ends, the rows of the rulebooks that use it
//! change, and the rows of all rulebooks together are the class. The cost is that of the changes, however many lists
//! lie over a port.

use std::collections::BTreeMap;

use abi::limits::{SERVICE_CLASSES, SERVICE_VIEWS};
use abi::tables::{Row, SERVICES, service_index};

use crate::checked::Service;
use crate::compile::CapacityError;
use crate::pool::Pool;
use crate::rulebook::{Bits, Place, Rulebooks, Use};

/// `SERVICES`, and what each class is in each rulebook.
pub(crate) struct Services {
    /// Service class by [`service_index`].
    pub table: Vec<u32>,
    /// `SERVICE_VIEWS`.
    pub views: Vec<Row>,
    /// By rulebook: where its view of service class 0 is. Rulebooks with the same views share them.
    pub places: Vec<u32>,
}

/// A list begins to cover a port, or ceases to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Change {
    /// 65,536 for the end of the last port.
    port: u32,
    list: u32,
    by: i32,
}

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Classes of all lists of services.
///
/// # Errors
/// There are more classes, rows or views than the tables hold.
pub(crate) fn services(rulebooks: &mut Rulebooks<'_>) -> Result<Services, CapacityError> {
    let mut by_protocol: BTreeMap<u8, Vec<Change>> = BTreeMap::new();
    for (list, services) in (0..).zip(&rulebooks.services.lists) {
        for service in *services {
            let (first, last) = match service {
                Service { protocol: TCP | UDP, ports } => ports.unwrap_or((0, u16::MAX)),
                _ => (0, u16::MAX),
            };
            let changes = by_protocol.entry(service.protocol).or_default();
            changes.push(Change { port: u32::from(first), list, by: 1 });
            changes.push(Change { port: u32::from(last) + 1, list, by: -1 });
        }
    }
    let books = rulebooks.books();
    let mut rows = Pool::new("rows of services", u32::MAX);
    let bases = (0..books).map(|book| {
        let [.., service] = Place::of_book(book);
        intern(&mut rows, rulebooks.base(service))
    });
    let mut sweep = Sweep {
        open: vec![0; rulebooks.services.lists.len()],
        bits: (0..books).map(|_| Bits::default()).collect(),
        seen: bases.collect::<Result<_, _>>()?,
        rows,
        classes: Pool::new("rows of service classes, by rulebook", u32::MAX),
        table: vec![0; SERVICES as usize],
        rulebooks,
    };
    sweep.class(None)?;
    for (protocol, changes) in by_protocol {
        sweep.protocol(protocol, changes)?;
    }
    let classes = sweep.classes.items;
    let mut views = Pool::new("service views (service classes times different rulebooks)", SERVICE_VIEWS);
    let places = (0..books).map(|book| {
        let column: Vec<u32> = classes.iter().skip(book).step_by(books).copied().collect();
        views.intern(&column)
    });
    let places = places.collect::<Result<_, _>>()?;
    let row = |&row: &u32| Row { base: sweep.rows.items[row as usize], own: sweep.rows.items[row as usize + 1] };
    Ok(Services { table: sweep.table, views: views.items.iter().map(row).collect(), places })
}

/// A row's name: where its two numbers are.
fn intern(rows: &mut Pool<u32>, row: Row) -> Result<u32, CapacityError> {
    rows.intern(&[row.base, row.own])
}

struct Sweep<'r, 'a> {
    rulebooks: &'r mut Rulebooks<'a>,
    /// By list: how many of its services cover the port in hand. A list may cover one several times over.
    open: Vec<i32>,
    /// By rulebook: the rules that ask for the port in hand, beside those that ask for none.
    bits: Vec<Bits>,
    /// By rulebook: the row of the port in hand, by name.
    seen: Vec<u32>,
    rows: Pool<u32>,
    /// By class: the rows of all rulebooks.
    classes: Pool<u32>,
    table: Vec<u32>,
}

impl Sweep<'_, '_> {
    fn protocol(&mut self, protocol: u8, mut changes: Vec<Change>) -> Result<(), CapacityError> {
        changes.sort_unstable();
        let size = if matches!(protocol, TCP | UDP) { 1 << 16 } else { 1 };
        let region = service_index(protocol, 0) as usize;
        let mut uses = Vec::new();
        let mut ports = changes.chunk_by(|a, b| a.port == b.port).peekable();
        while let Some(changes) = ports.next() {
            uses.clear();
            for changes in changes.chunk_by(|a, b| a.list == b.list) {
                let list = changes[0].list;
                let open = &mut self.open[list as usize];
                let before = *open > 0;
                *open += changes.iter().map(|change| change.by).sum::<i32>();
                if before != (*open > 0) {
                    uses.extend_from_slice(self.rulebooks.service_uses(list));
                }
            }
            uses.sort_unstable();
            for uses in uses.chunk_by(|a, b| a.place == b.place) {
                let book = uses[0].place.book();
                uses.iter().for_each(|it| self.bits[book].flip(it.bit));
                let row = self.rulebooks.beside_base(&self.bits[book], &uses[uses.len() - 1])?;
                self.seen[book] = intern(&mut self.rows, row)?;
            }
            let from = (changes[0].port as usize).min(size);
            let to = ports.peek().map_or(size, |next| size.min(next[0].port as usize));
            if from < to {
                let class = self.class(uses.last())?;
                self.table[region + from..region + to].fill(class);
            }
        }
        Ok(())
    }

    /// The class of the rows in hand, which a use brought about.
    fn class(&mut self, it: Option<&Use>) -> Result<u32, CapacityError> {
        let class = self.classes.intern(&self.seen)?.checked_div(self.seen.len() as u32).unwrap_or(0);
        if class < SERVICE_CLASSES {
            return Ok(class);
        }
        let (needed, limit) = (u64::from(class) + 1, u64::from(SERVICE_CLASSES));
        let location = it.map(|it| self.rulebooks.location(it));
        Err(CapacityError { what: "service classes", needed, limit, location })
    }
}

#[cfg(test)]
mod tests {
    use abi::Direction;
    use abi::tables::ONE_RULE;

    use super::*;
    use crate::checked::{Action, Rule};
    use crate::compile::fixture::{municipality, prefecture, rule, tcp};

    #[test]
    fn ports_fall_into_the_lists_that_cover_them() {
        let any = Service { protocol: TCP, ports: None };
        let icmp = Service { protocol: 1, ports: None };
        let lists = [
            vec![tcp(80, 80), tcp(80, 443)],
            vec![tcp(443, 65_535), icmp],
            vec![any],
            vec![Service { protocol: UDP, ..tcp(0, 53) }],
        ];
        let mut natori = municipality("natori", 102);
        natori.egress.rules =
            lists.map(|list| Rule { services: Some(list), ..rule("rule", Action::Allow) }).into_iter().collect();
        natori.egress.rules.iter_mut().for_each(|it| it.directions = vec![Direction::Egress]);
        let policy = prefecture(vec![natori, municipality("sendai", 101)]);
        let mut rulebooks = Rulebooks::collect(&policy).expect("room");
        let services = services(&mut rulebooks).expect("room");
        let layout = rulebooks.lay_out(&[]);
        // The lists are the rules.
        let members = |protocol, port| {
            let class = services.table[service_index(protocol, port) as usize];
            let Row { base, own } = services.views[(services.places[0] + class) as usize];
            assert_eq!(layout.rows[base as usize], 0, "no rule is for every service");
            match own & !ONE_RULE {
                rule if own != rule => vec![rule],
                record => {
                    let record = &layout.rows[record as usize..];
                    let word = if record[0] == 0 { 0 } else { record[1] };
                    (0..64).filter(|bit| word >> bit & 1 == 1).collect()
                }
            }
        };
        assert_eq!(members(TCP, 0), [2]);
        assert_eq!(members(TCP, 79), [2]);
        assert_eq!(members(TCP, 80), [0, 2]);
        assert_eq!(members(TCP, 442), [0, 2]);
        assert_eq!(members(TCP, 443), [0, 1, 2]);
        assert_eq!(members(TCP, 444), [1, 2]);
        assert_eq!(members(TCP, 65_535), [1, 2]);
        assert_eq!(members(UDP, 0), [3]);
        assert_eq!(members(UDP, 53), [3]);
        assert!(members(UDP, 54).is_empty());
        assert_eq!(members(1, 0), [1]);
        assert!(members(47, 0).is_empty());
        assert_eq!(services.table.iter().max(), Some(&6));
        assert_eq!(services.places[1..], [7; 3], "the three rulebooks without rules share their views");
        assert_eq!(services.views.len(), 14);
    }
}
