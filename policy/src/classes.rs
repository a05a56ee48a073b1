//! Prefixes → address classes: addresses in exactly the same prefixes, as far as the policy can tell, are one class.
//!
//! Prefixes are nested or disjoint, so they form a tree. One sweep in ascending order walks it: what holds inside a
//! prefix is what holds around it and what the prefix adds. Such states are interned, so the cost is that of sorting
//! the prefixes, whatever their number of members. What municipalities make of an address is [`Sight`]'s to know; block
//! sets are laid over the result by [`crate::blocked`].

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::net::IpAddr;

use abi::tables::class;
use ipnet::IpNet;

use crate::compile::CapacityError;
use crate::pool::Fingerprinted;
use crate::prefix_table::Run;

/// What a prefix says about its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tag {
    /// Of the municipality with this number. The most specific prefix decides, several there mean nobody.
    Owner(u16),
    /// On the essential-services list.
    Essential,
    /// Some of its ports stand for inside servers'.
    Inbound,
    /// Shown to the Internet.
    Public,
    /// A published DNS server that is guarded.
    DnsServer,
    /// One municipality (by position) sees it with these bits of [`abi::tables::view`].
    View(u16, u16),
    /// In this list of a rule.
    List(u32),
}

/// Collects prefixes and what they say.
#[derive(Default)]
pub(crate) struct Marks {
    v4: Vec<Mark>,
    v6: Vec<Mark>,
}

/// Aligned to the left: IPv4 in the highest 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    first: u128,
    length: u8,
    tag: Tag,
}

impl Marks {
    pub fn add<'a>(&mut self, tag: Tag, prefixes: impl IntoIterator<Item = &'a IpNet>) {
        for prefix in prefixes {
            match prefix {
                IpNet::V4(prefix) => self.v4.push(Mark {
                    first: left_aligned(prefix.network().into()),
                    length: prefix.prefix_len(),
                    tag,
                }),
                IpNet::V6(prefix) => self.v6.push(Mark {
                    first: left_aligned(prefix.network().into()),
                    length: prefix.prefix_len(),
                    tag,
                }),
            }
        }
    }
}

/// An address as the prefix tables order it.
pub(crate) fn left_aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    }
}

/// What all municipalities together see, by number: equal numbers, equal sight. 0 is what they see in no prefix.
pub(crate) trait Sight {
    /// What is seen within a prefix with these tags, of which [`Tag::View`] and [`Tag::List`] matter here, where
    /// `around` is what is seen around it.
    ///
    /// # Errors
    /// The tables have no room for it.
    fn within(&mut self, around: u32, tags: &[Tag]) -> Result<u32, CapacityError>;
}

/// What is true of all addresses of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Rank of the first block set, which [`crate::blocked`] knows.
    pub blocked: Option<u16>,
    /// Number of the municipality it is for; 0: none or several.
    pub owner: u16,
    /// Bits of [`abi::tables::class`].
    pub flags: u32,
    /// What municipalities see.
    pub sight: u32,
}

impl State {
    fn with(mut self, tags: &[Tag], sight: u32) -> Self {
        let mut owners = None;
        for &tag in tags {
            match tag {
                Tag::Owner(number) => {
                    self.flags |= class::OURS;
                    self.owner = if owners.is_none_or(|owner| owner == number) { number } else { 0 };
                    owners = Some(self.owner);
                }
                Tag::Essential => self.flags |= class::ESSENTIAL,
                Tag::Inbound => self.flags |= class::INBOUND,
                Tag::Public => self.flags |= class::PUBLIC,
                Tag::DnsServer => self.flags |= class::DNS_SERVER,
                Tag::View(..) | Tag::List(_) => {}
            }
        }
        self.sight = sight;
        self
    }
}

/// Where each class lies, and what it is.
pub(crate) struct Classes {
    /// IPv4, ascending and disjoint.
    pub v4: Vec<Run>,
    /// IPv6, ascending and disjoint.
    pub v6: Vec<Run>,
    /// By class number; class 0 is in no prefix.
    pub states: Vec<State>,
    /// By class: the last list, in the order of their numbers, without which it would not be; none: it is no list's.
    pub last_lists: Vec<Option<u32>>,
}

/// Sorts out who is in what.
///
/// # Errors
/// [`Sight`]'s.
pub(crate) fn classes(marks: Marks, sight: &mut impl Sight) -> Result<Classes, CapacityError> {
    let mut interner = Interner::new(sight);
    let v4 = sweep(marks.v4, &mut interner)?;
    let v6 = sweep(marks.v6, &mut interner)?;
    let states = interner.classes.iter().map(|&state| interner.states[state as usize]).collect();
    let last_lists = interner.classes.iter().map(|&state| interner.last_lists[state as usize]).collect();
    Ok(Classes { v4, v6, states, last_lists })
}

fn sweep(mut marks: Vec<Mark>, interner: &mut Interner<'_, impl Sight>) -> Result<Vec<Run>, CapacityError> {
    // A stable sort: lists arrive sorted, and it makes use of that.
    marks.sort();
    let mut painter = Painter { at: Some(0), runs: Vec::new() };
    // The prefixes around the present place, outermost first: last address and state.
    let mut around: Vec<(u128, u32)> = Vec::new();
    let mut tags = Vec::new();
    for group in marks.chunk_by(|a, b| (a.first, a.length) == (b.first, b.length)) {
        let Mark { first, length, .. } = group[0];
        while let Some((last, state)) = around.pop_if(|(last, _)| *last < first) {
            painter.paint(last, state, interner);
        }
        let parent = around.last().map_or(0, |&(_, state)| state);
        if let Some(before) = first.checked_sub(1) {
            painter.paint(before, parent, interner);
        }
        tags.clear();
        tags.extend(group.iter().map(|mark| mark.tag));
        let last = first | u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        around.push((last, interner.child(parent, &tags)?));
    }
    while let Some((last, state)) = around.pop() {
        painter.paint(last, state, interner);
    }
    Ok(painter.runs)
}

/// Turns states into runs, from the lowest address to the highest.
struct Painter {
    /// The first address that has no class yet; none after the last.
    at: Option<u128>,
    runs: Vec<Run>,
}

impl Painter {
    fn paint(&mut self, last: u128, state: u32, interner: &mut Interner<'_, impl Sight>) {
        let Some(first) = self.at.filter(|&first| first <= last) else {
            return;
        };
        self.at = last.checked_add(1);
        let class = interner.class(state);
        match self.runs.last_mut() {
            _ if class == 0 => {}
            Some(run) if run.class == class && run.last + 1 == first => run.last = last,
            _ => self.runs.push(Run { first, last, class }),
        }
    }
}

type Quick = BuildHasherDefault<Fingerprinted>;

/// Numbers states, groups of tags and classes. State 0 and class 0 are "in no prefix".
struct Interner<'a, S> {
    sight: &'a mut S,
    states: Vec<State>,
    numbers: HashMap<State, u32>,
    /// By state.
    last_lists: Vec<Option<u32>>,
    groups: HashMap<Vec<Tag>, u32>,
    /// By state around and group of tags.
    children: HashMap<u64, u32, Quick>,
    /// By state: its class, once an address has it. A prefix filled up by smaller ones has none.
    class_of: Vec<Option<u32>>,
    /// By class: its state.
    classes: Vec<u32>,
}

impl<'a, S: Sight> Interner<'a, S> {
    fn new(sight: &'a mut S) -> Self {
        Self {
            sight,
            states: vec![State::default()],
            numbers: HashMap::from([(State::default(), 0)]),
            last_lists: vec![None],
            groups: HashMap::new(),
            children: HashMap::default(),
            class_of: vec![Some(0)],
            classes: vec![0],
        }
    }

    fn child(&mut self, parent: u32, tags: &[Tag]) -> Result<u32, CapacityError> {
        let group = match self.groups.get(tags) {
            Some(&group) => group,
            None => {
                let group = self.groups.len() as u32;
                self.groups.insert(tags.to_vec(), group);
                group
            }
        };
        let key = u64::from(parent) << 32 | u64::from(group);
        if let Some(&state) = self.children.get(&key) {
            return Ok(state);
        }
        let around = self.states[parent as usize];
        let state = around.with(tags, self.sight.within(around.sight, tags)?);
        let next = self.states.len() as u32;
        let number = *self.numbers.entry(state).or_insert(next);
        if number == next {
            let last = tags.iter().filter_map(|tag| if let Tag::List(list) = tag { Some(*list) } else { None }).max();
            self.states.push(state);
            self.last_lists.push(last.max(self.last_lists[parent as usize]));
            self.class_of.push(None);
        }
        self.children.insert(key, number);
        Ok(number)
    }

    fn class(&mut self, state: u32) -> u32 {
        let class_of = &mut self.class_of[state as usize];
        *class_of.get_or_insert_with(|| {
            self.classes.push(state);
            self.classes.len() as u32 - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(text: &[&str]) -> Vec<IpNet> {
        text.iter().map(|it| it.parse().expect("a prefix")).collect()
    }

    /// Sees the tags themselves.
    #[derive(Default)]
    struct Plain(Vec<Vec<Tag>>);

    impl Sight for Plain {
        fn within(&mut self, around: u32, tags: &[Tag]) -> Result<u32, CapacityError> {
            if self.0.is_empty() {
                self.0.push(Vec::new());
            }
            let mut seen = self.0[around as usize].clone();
            seen.extend(tags.iter().filter(|tag| matches!(tag, Tag::View(..) | Tag::List(_))));
            seen.sort_unstable();
            seen.dedup();
            let number = self.0.iter().position(|it| *it == seen).unwrap_or(self.0.len());
            if number == self.0.len() {
                self.0.push(seen);
            }
            Ok(number as u32)
        }
    }

    fn classes(marks: Marks) -> (Classes, Plain) {
        let mut sight = Plain::default();
        (super::classes(marks, &mut sight).expect("room"), sight)
    }

    fn state_of(classes: &Classes, address: &str) -> State {
        let address: IpAddr = address.parse().expect("an address");
        let runs = if address.is_ipv4() { &classes.v4 } else { &classes.v6 };
        let at = left_aligned(address);
        let class = runs.iter().find(|run| run.first <= at && at <= run.last).map_or(0, |run| run.class);
        classes.states[class as usize]
    }

    #[test]
    fn nested_prefixes_add_up_and_the_most_specific_owns() {
        let mut marks = Marks::default();
        marks.add(Tag::Owner(1), &nets(&["10.0.0.0/8", "2001:db8::/32"]));
        marks.add(Tag::Owner(2), &nets(&["10.4.0.0/16"]));
        marks.add(Tag::Owner(3), &nets(&["10.4.20.0/24"]));
        marks.add(Tag::Owner(2), &nets(&["10.4.20.0/24"]));
        marks.add(Tag::Owner(2), &nets(&["10.4.20.9/32"]));
        marks.add(Tag::List(7), &nets(&["0.0.0.0/0", "10.4.20.0/25", "::/0"]));
        let (classes, sight) = classes(marks);
        for (address, owner, flags) in [
            ("10.3.255.255", 1, class::OURS),
            ("10.4.0.0", 2, class::OURS),
            ("10.4.20.8", 0, class::OURS),
            ("10.4.20.9", 2, class::OURS),
            ("10.4.21.0", 2, class::OURS),
            ("11.0.0.0", 0, 0),
            ("255.255.255.255", 0, 0),
            ("2001:db8::1", 1, class::OURS),
            ("2001:db9::", 0, 0),
        ] {
            let state = state_of(&classes, address);
            assert_eq!((state.owner, state.flags), (owner, flags), "{address}");
            assert_eq!(sight.0[state.sight as usize], [Tag::List(7)], "{address}");
        }
    }

    #[test]
    fn a_prefix_filled_by_smaller_ones_has_no_class() {
        let mut marks = Marks::default();
        marks.add(Tag::List(0), &nets(&["10.0.0.0/8"]));
        marks.add(Tag::List(1), &nets(&["10.0.0.0/9", "10.128.0.0/9"]));
        let (classes, _) = classes(marks);
        assert_eq!(classes.states.len(), 2);
        assert_eq!(classes.last_lists, [None, Some(1)]);
        assert_eq!(classes.v4.len(), 1);
    }
}
