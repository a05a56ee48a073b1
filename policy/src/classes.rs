//! Prefixes → address classes: addresses in exactly the same prefixes, as far as the policy can tell, are one class.
//!
//! Prefixes are nested or disjoint, so they form a tree. One sweep in ascending order walks it: what holds inside a
//! prefix is what holds around it and what the prefix adds. Such states are interned, so the cost is that of sorting
//! the prefixes, whatever their number of members.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use abi::tables::class;
use ipnet::IpNet;

use crate::prefix_table::Run;

/// What a prefix says about its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tag {
    /// Of the municipality with this number. The most specific prefix decides, several there mean nobody.
    Owner(u16),
    /// In the block set of this rank; the lowest decides.
    Blocked(u16),
    /// On the essential-services list.
    Essential,
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

/// What is true of all addresses of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// Rank of the first block set.
    pub blocked: Option<u16>,
    /// Number of the municipality it is for; 0: none or several.
    pub owner: u16,
    /// Bits of [`abi::tables::class`].
    pub flags: u32,
    /// [`Tag::View`] and [`Tag::List`], ascending, each once.
    pub tags: Vec<Tag>,
}

impl State {
    fn with(&self, tags: &[Tag]) -> Self {
        let mut state = self.clone();
        let mut owners = None;
        for &tag in tags {
            match tag {
                Tag::Owner(number) => {
                    state.flags |= class::OURS;
                    state.owner = if owners.is_none_or(|owner| owner == number) { number } else { 0 };
                    owners = Some(state.owner);
                }
                Tag::Blocked(rank) => state.blocked = Some(state.blocked.map_or(rank, |other| other.min(rank))),
                Tag::Essential => state.flags |= class::ESSENTIAL,
                Tag::View(..) | Tag::List(_) => state.tags.push(tag),
            }
        }
        state.tags.sort_unstable();
        state.tags.dedup();
        state
    }
}

/// Where each class lies, and what it is.
pub(crate) struct Classes {
    /// IPv4, ascending and disjoint.
    pub v4: Vec<Run>,
    /// IPv6, ascending and disjoint.
    pub v6: Vec<Run>,
    /// By class number; class 0 is in no prefix.
    pub states: Vec<Rc<State>>,
}

/// Sorts out who is in what.
pub(crate) fn classes(marks: Marks) -> Classes {
    let mut interner = Interner::new();
    let v4 = sweep(marks.v4, &mut interner);
    let v6 = sweep(marks.v6, &mut interner);
    let states = interner.classes.iter().map(|&state| Rc::clone(&interner.states[state as usize])).collect();
    Classes { v4, v6, states }
}

fn sweep(mut marks: Vec<Mark>, interner: &mut Interner) -> Vec<Run> {
    // A stable sort: sets arrive sorted, and it makes use of that.
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
        around.push((last, interner.child(parent, &tags)));
    }
    while let Some((last, state)) = around.pop() {
        painter.paint(last, state, interner);
    }
    painter.runs
}

/// Turns states into runs, from the lowest address to the highest.
struct Painter {
    /// The first address that has no class yet; none after the last.
    at: Option<u128>,
    runs: Vec<Run>,
}

impl Painter {
    fn paint(&mut self, last: u128, state: u32, interner: &mut Interner) {
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

/// Numbers states, groups of tags and classes. State 0 and class 0 are "in no prefix".
struct Interner {
    states: Vec<Rc<State>>,
    numbers: HashMap<Rc<State>, u32>,
    groups: HashMap<Vec<Tag>, u32>,
    /// By state around and group of tags.
    children: HashMap<(u32, u32), u32>,
    /// By state: its class, once an address has it. A prefix filled up by smaller ones has none.
    class_of: Vec<Option<u32>>,
    /// By class: its state.
    classes: Vec<u32>,
}

impl Interner {
    fn new() -> Self {
        let nothing = Rc::new(State::default());
        Self {
            states: vec![Rc::clone(&nothing)],
            numbers: HashMap::from([(nothing, 0)]),
            groups: HashMap::new(),
            children: HashMap::new(),
            class_of: vec![Some(0)],
            classes: vec![0],
        }
    }

    fn child(&mut self, parent: u32, tags: &[Tag]) -> u32 {
        let group = match self.groups.get(tags) {
            Some(&group) => group,
            None => {
                let group = self.groups.len() as u32;
                self.groups.insert(tags.to_vec(), group);
                group
            }
        };
        if let Some(&state) = self.children.get(&(parent, group)) {
            return state;
        }
        let state = Rc::new(self.states[parent as usize].with(tags));
        let next = self.states.len() as u32;
        let number = *self.numbers.entry(Rc::clone(&state)).or_insert(next);
        if number == next {
            self.states.push(state);
            self.class_of.push(None);
        }
        self.children.insert((parent, group), number);
        number
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

    fn state_of(classes: &Classes, address: &str) -> State {
        let address: IpAddr = address.parse().expect("an address");
        let runs = if address.is_ipv4() { &classes.v4 } else { &classes.v6 };
        let at = left_aligned(address);
        let class = runs.iter().find(|run| run.first <= at && at <= run.last).map_or(0, |run| run.class);
        (*classes.states[class as usize]).clone()
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
        let classes = classes(marks);
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
            assert_eq!(state.tags, [Tag::List(7)], "{address}");
        }
    }

    #[test]
    fn the_first_block_set_names_the_drop_and_neighbours_merge() {
        let mut marks = Marks::default();
        marks.add(Tag::Blocked(1), &nets(&["192.0.2.0/25", "192.0.2.128/25"]));
        marks.add(Tag::Blocked(0), &nets(&["192.0.2.64/26"]));
        let classes = classes(marks);
        assert_eq!(state_of(&classes, "192.0.2.63").blocked, Some(1));
        assert_eq!(state_of(&classes, "192.0.2.64").blocked, Some(0));
        assert_eq!(state_of(&classes, "192.0.2.128").blocked, Some(1));
        assert_eq!(state_of(&classes, "192.0.3.0").blocked, None);
        assert_eq!(classes.v4.len(), 3);
        assert_eq!(classes.states.len(), 3);
    }

    #[test]
    fn a_prefix_filled_by_smaller_ones_has_no_class() {
        let mut marks = Marks::default();
        marks.add(Tag::List(0), &nets(&["10.0.0.0/8"]));
        marks.add(Tag::List(1), &nets(&["10.0.0.0/9", "10.128.0.0/9"]));
        let classes = classes(marks);
        assert_eq!(classes.states.len(), 2);
        assert_eq!(classes.v4.len(), 1);
    }
}
