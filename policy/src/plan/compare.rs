//! Two policies side by side.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use ipnet::IpNet;

use super::http;
use super::rules::{self, action};
use super::tls;
use super::{Change, Entries, Fate, MunicipalityPlan, Plan, SHOWN};
use crate::checked::{Budgets, Dns, Http, Isolation, Municipality, Policy, Prefixes, Proxy, Rules, Set, Tls};

pub(super) fn policies(old: Option<&Policy>, new: &Policy) -> Plan {
    let nothing = Policy::default();
    let mut compared = Compared::default();
    let mut prefecture = Changes::default();
    prefecture.option("id", old.map(|it| &it.id), Some(&new.id));
    prefecture.option("name", old.map(|it| &it.name), Some(&new.name));
    let old = old.unwrap_or(&nothing);
    prefecture.list("uplink ports", &old.uplinks, &new.uplinks);
    prefecture.list("access ports", &old.accesses, &new.accesses);
    prefecture.names("sets", &old.sets, &new.sets);
    let empty = Set { prefixes: Default::default(), location: Default::default() };
    for (name, set) in &new.sets {
        let before = old.sets.get(name).unwrap_or(&empty);
        prefecture.list(&format!("prefixes of set `{name}`"), &before.prefixes, &set.prefixes);
    }
    // Its order counts: the first set that contains an address names the drop.
    prefecture.value("block sets", &or_none(&old.block), &or_none(&new.block));
    prefecture.list("essential services", &old.essential, &new.essential);
    let word = |policy: &Policy| if policy.flood.reflection { "dropped" } else { "left to the rules" };
    prefecture.value("what looks like reflection", word(old), word(new));
    let cookies = |policy: &Policy| policy.flood.syn_cookies.to_string();
    prefecture.value("syn cookies", &cookies(old), &cookies(new));
    prefecture.0.extend(rules::compare("baseline", &old.baseline, &new.baseline, &mut compared));
    tls::prefecture(&mut prefecture, old, new, &mut compared);
    http::http(&mut prefecture, &old.http, &new.http, &mut compared);
    Plan { prefecture: prefecture.0, municipalities: municipalities(old, new, &mut compared) }
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn municipalities(old: &Policy, new: &Policy, compared: &mut Compared) -> Vec<MunicipalityPlan> {
    let mut pairs: BTreeMap<&str, [Option<&Municipality>; 2]> = BTreeMap::new();
    for (side, policy) in [old, new].into_iter().enumerate() {
        for municipality in &policy.municipalities {
            pairs.entry(&municipality.id).or_default()[side] = Some(municipality);
        }
    }
    let plans = pairs.into_values().filter_map(|pair| {
        let (shown, fate, changes) = match pair {
            [None, None] => return None,
            [None, Some(new)] => (new, Fate::Added, whole(&absent(new), new)),
            [Some(old), None] => (old, Fate::Removed, whole(old, &absent(old))),
            [Some(old), Some(new)] => (new, Fate::Changed, municipality(old, new, compared)),
        };
        let plan = MunicipalityPlan { id: shown.id.clone(), name: shown.name.clone(), fate, changes };
        (fate != Fate::Changed || !plan.changes.is_empty()).then_some(plan)
    });
    plans.collect()
}

/// A municipality of that name with nothing in it.
fn absent(municipality: &Municipality) -> Municipality {
    let closed = |rules: &Rules| Rules { default: rules.default, rules: Vec::new() };
    Municipality {
        id: municipality.id.clone(),
        name: municipality.name.clone(),
        attachments: Vec::new(),
        prefixes: Vec::new(),
        published: Vec::new(),
        nat_pool: Vec::new(),
        nat_blocks: municipality.nat_blocks,
        inbound: Vec::new(),
        sections: BTreeMap::new(),
        isolation: Isolation::None,
        proxy: None,
        limits: Budgets::default(),
        syn_cookies: None,
        dns: None,
        egress: closed(&municipality.egress),
        ingress: closed(&municipality.ingress),
        tls: Tls { rules: Vec::new(), ..municipality.tls.clone() },
        tls_limits: municipality.tls_limits,
        http: Http { rules: Vec::new(), ..municipality.http.clone() },
        location: municipality.location.clone(),
    }
}

/// What a municipality brings or takes with it: its rules by name only.
fn whole(old: &Municipality, new: &Municipality) -> Vec<Change> {
    let mut changes = Changes::default();
    changes.inventory(old, new);
    let names = |rules: &Rules| rules.rules.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    changes.list("egress rules", &names(&old.egress), &names(&new.egress));
    changes.list("ingress rules", &names(&old.ingress), &names(&new.ingress));
    let names = |tls: &Tls| tls.rules.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    changes.list("tls rules", &names(&old.tls), &names(&new.tls));
    let names = |http: &Http| http.rules.iter().map(|it| it.name.clone()).collect::<Vec<_>>();
    changes.list("http rules", &names(&old.http), &names(&new.http));
    changes.0
}

fn municipality(old: &Municipality, new: &Municipality, compared: &mut Compared) -> Vec<Change> {
    let mut changes = Changes::default();
    changes.value("name", &old.name, &new.name);
    changes.inventory(old, new);
    for (direction, old, new) in [("egress", &old.egress, &new.egress), ("ingress", &old.ingress, &new.ingress)] {
        changes.value(&format!("{direction} default"), action(old.default), action(new.default));
        changes.0.extend(rules::compare(direction, &old.rules, &new.rules, compared));
    }
    tls::municipality(&mut changes, old, new, compared);
    http::http(&mut changes, &old.http, &new.http, compared);
    changes.0
}

/// Changes found so far.
#[derive(Default)]
pub(super) struct Changes(pub Vec<Change>);

impl Changes {
    /// All of a municipality but its name and rules.
    fn inventory(&mut self, old: &Municipality, new: &Municipality) {
        let attachments = |it: &Municipality| it.attachments.iter().map(|it| it.name()).collect::<Vec<_>>();
        self.list("attachments", &attachments(old), &attachments(new));
        for attachment in &new.attachments {
            let name = attachment.name();
            let Some(before) = old.attachments.iter().find(|it| it.name() == name) else {
                continue;
            };
            self.list(&format!("addresses at {name}"), &before.addresses, &attachment.addresses);
            self.list(&format!("routers at {name}"), &before.routers, &attachment.routers);
        }
        self.list("prefixes", &old.prefixes, &new.prefixes);
        self.list("published addresses", &old.published, &new.published);
        self.list("nat pool", &old.nat_pool, &new.nat_pool);
        let blocks =
            |it: &Municipality| format!("{} ports, {} a client", it.nat_blocks.ports, it.nat_blocks.per_client);
        self.value("nat blocks", &blocks(old), &blocks(new));
        let mappings = |it: &Municipality| it.inbound.iter().map(ToString::to_string).collect::<Vec<_>>();
        self.list("inbound mappings", &mappings(old), &mappings(new));
        self.names("sections", &old.sections, &new.sections);
        for (name, prefixes) in &new.sections {
            if let Some(before) = old.sections.get(name) {
                self.list(&format!("section `{name}`"), before, prefixes);
            }
        }
        self.isolation(&old.isolation, &new.isolation);
        self.proxy(old.proxy.as_ref(), new.proxy.as_ref());
        self.dns(old.dns.as_ref(), new.dns.as_ref());
        let budgets: BTreeMap<_, _> = old.limits.0.iter().chain(&new.limits.0).collect();
        for budget in budgets.into_keys() {
            self.option(&format!("limit {budget}"), old.limits.0.get(budget), new.limits.0.get(budget));
        }
        self.option("syn cookies", old.syn_cookies, new.syn_cookies);
    }

    fn dns(&mut self, old: Option<&Dns>, new: Option<&Dns>) {
        let list = |it: Option<&Dns>, of: fn(&Dns) -> Vec<String>| it.map(of).unwrap_or_default();
        let servers: fn(&Dns) -> Vec<String> = |it| it.servers.iter().map(ToString::to_string).collect();
        self.list("guarded dns servers", &list(old, servers), &list(new, servers));
        let zones: fn(&Dns) -> Vec<String> = |it| it.zones.clone();
        self.list("dns zones", &list(old, zones), &list(new, zones));
        self.option("dns queries per source", old.map(|it| it.queries_per_source), new.map(|it| it.queries_per_source));
        let names = |it: &Dns| format!("{} to {}", it.enter, it.leave);
        self.option("dns names", old.map(names), new.map(names));
    }

    fn isolation(&mut self, old: &Isolation, new: &Isolation) {
        let word = |it: &Isolation| match it {
            Isolation::None => "nobody",
            Isolation::All => "everybody",
            Isolation::Parts(_) => "parts",
        };
        self.value("isolated", word(old), word(new));
        let parts = |it: &Isolation| match it {
            Isolation::Parts(parts) => parts.clone(),
            Isolation::None | Isolation::All => Vec::new(),
        };
        self.list("isolated parts", &parts(old), &parts(new));
    }

    fn proxy(&mut self, old: Option<&Proxy>, new: Option<&Proxy>) {
        self.option("proxy port", old.map(|it| it.port), new.map(|it| it.port));
        let direct = |it: Option<&Proxy>| {
            let names = it.into_iter().flat_map(|it| it.direct_names.iter().cloned());
            names.chain(it.into_iter().flat_map(|it| it.direct_prefixes.iter().map(ToString::to_string))).collect()
        };
        let [old, new]: [Vec<String>; 2] = [direct(old), direct(new)];
        self.list("proxy bypass", &old, &new);
    }

    pub fn value(&mut self, what: &str, old: &str, new: &str) {
        self.option(what, Some(old), Some(new));
    }

    pub fn option<T: PartialEq + Display>(&mut self, what: &str, old: Option<T>, new: Option<T>) {
        if old != new {
            let [from, to] = [old, new].map(|it| it.map(|it| it.to_string()));
            self.0.push(Change::Value { what: what.to_owned(), from, to });
        }
    }

    /// A change without values.
    pub fn note(&mut self, what: &str) {
        self.0.push(Change::Value { what: what.to_owned(), from: None, to: None });
    }

    pub fn names<T>(&mut self, what: &str, old: &BTreeMap<String, T>, new: &BTreeMap<String, T>) {
        let names = |map: &BTreeMap<String, T>| map.keys().cloned().collect::<Vec<_>>();
        self.list(what, &names(old), &names(new));
    }

    pub fn list<T: Ord + Display>(&mut self, what: &str, old: &[T], new: &[T]) {
        self.entries(what, differences(old, new));
    }

    pub fn entries(&mut self, what: &str, (removed, added): (Entries, Entries)) {
        if added.count + removed.count > 0 {
            self.0.push(Change::List { what: what.to_owned(), added, removed });
        }
    }
}

/// Lists of prefixes that have been compared, by their places in memory: thousands of rules may share two of them.
#[derive(Default)]
pub(super) struct Compared(HashMap<[*const IpNet; 2], (Entries, Entries)>);

impl Compared {
    /// What only the left has, and what only the right has.
    pub fn differences(&mut self, left: &Prefixes, right: &Prefixes) -> (Entries, Entries) {
        if left.is_same(right) {
            return Default::default();
        }
        self.0.entry([left.as_ptr(), right.as_ptr()]).or_insert_with(|| differences(left, right)).clone()
    }
}

/// What only the left has, and what only the right has. One merge, because sets are large.
pub(super) fn differences<T: Ord + Display>(left: &[T], right: &[T]) -> (Entries, Entries) {
    if left == right {
        return Default::default();
    }
    let (left, right) = (ascending(left), ascending(right));
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    let (mut only_left, mut only_right) = (Entries::default(), Entries::default());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return (only_left, only_right),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(left), Some(right)) => left.cmp(right),
        };
        let one = if order.is_le() { left.next() } else { None };
        let other = if order.is_ge() { right.next() } else { None };
        match (one, other) {
            (Some(one), None) => only_left.add(one),
            (None, Some(other)) => only_right.add(other),
            _ => {}
        }
    }
}

fn ascending<T: Ord>(list: &[T]) -> Vec<&T> {
    let mut list: Vec<&T> = list.iter().collect();
    list.sort();
    list.dedup();
    list
}

impl Entries {
    pub(super) fn of<T: Ord + Display>(list: &[T]) -> Self {
        let mut entries = Self::default();
        ascending(list).into_iter().for_each(|entry| entries.add(entry));
        entries
    }

    fn add(&mut self, entry: &impl Display) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(entry.to_string());
        }
    }
}
