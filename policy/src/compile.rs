//! Turns a checked policy into table images. Pure: no IO, no clock. Installing them is `dataplane::install`.
//!
//! ```text
//! prefixes and what they say, block sets over them ─► classes ─► prefix tables (V4_ROOT, V6_ROOT, NODES, RECORDS)
//! rules ─► rulebooks ─► ROWS ◄─ classes, services ─► VIEW_ROOTS, VIEWS, SERVICE_VIEWS, PAIRS
//! attachments ─► VLANS, INNER_VLANS
//! ```
//! The same policy and the same numbering always make the same bytes, whatever they are built upon (see [`Ground`]).

mod attachments;
mod budgets;
pub(crate) mod capacity;
mod dns;
#[cfg(test)]
pub(crate) mod fixture;
mod ground;
mod inbound;
#[cfg(test)]
pub(crate) mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use abi::limits;
use abi::tables::{Class, Municipality, VIEW_BLOCK, municipality as municipality_flags, pool, view};
use ipnet::IpNet;

pub use capacity::CapacityError;
pub use ground::Ground;
use ground::Parts;

use crate::blocked::{Blocked, Numbered, Unblocked};
use crate::checked::{Action, Isolation, Policy, WhenDown};
use crate::classes::{Marks, Tag, classes};
use crate::describe::Glossary;
use crate::numbering::Numbering;
use crate::prefix_table;
use crate::rulebook::Rulebooks;
use crate::services::services;
use crate::source::Location;
use crate::tables::{Digest, Others, Tables};
use crate::views::Views;

/// Compiling fails in one way only.
pub type CompileError = CapacityError;

/// A policy ready to be installed, with what is needed to put its numbers into words again.
#[derive(Clone, Debug)]
pub struct CompiledPolicy {
    /// The table images.
    pub tables: Tables,
    /// What is still needed once the tables are installed.
    pub glossary: Arc<Glossary>,
    /// Of the images: what must be found when the maps are read back.
    pub digest: Digest,
    /// What the next compile may build upon; smaller than the tables, and shared where nothing new was made.
    pub ground: Arc<Ground>,
}

impl std::ops::Deref for CompiledPolicy {
    type Target = Glossary;

    fn deref(&self) -> &Glossary {
        &self.glossary
    }
}

/// What people need to know about a rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDoc {
    /// Its name.
    pub name: String,
    /// Id of the municipality it belongs to; none: the baseline.
    pub municipality: Option<String>,
    /// Directions it holds in.
    pub directions: Vec<abi::Direction>,
    /// What it says.
    pub action: Action,
    /// Where that is to inspect: what happens while nobody can.
    pub when_down: WhenDown,
    /// Where it stands.
    pub location: Location,
}

/// Compiles a policy; what is new in it gets numbers (see [`Numbering::extend`]).
///
/// # Errors
/// The policy needs more of something than the maps hold.
pub fn compile(policy: &Policy, numbering: &Numbering) -> Result<CompiledPolicy, CompileError> {
    let numbering = numbering.extend(policy)?;
    let mut rulebooks = Rulebooks::collect(policy)?;
    let marks = marks(policy, &numbering, &rulebooks.prefixes.lists);
    let mut views = Views::new(&mut rulebooks)?;
    let unblocked = Unblocked::from(classes(marks, &mut views)?);
    let (mut laid, mut classes) = unblocked.under(&Blocked::of(policy));
    let order = views.order(&classes);
    classes.renumber(&order, &mut laid);
    let views = views.lay_out(policy, &classes)?;
    few_enough(&classes, &rulebooks)?;

    let prefixes = prefix_table::build(&laid.v4, &laid.v6)?;

    let services = services(&mut rulebooks)?;
    let rules = std::mem::take(&mut rulebooks.docs);
    let layout = rulebooks.lay_out(&rules);
    let attached = attachments::lay_out(policy, &numbering)?;

    let blocks = classes.states.len().div_ceil(VIEW_BLOCK as usize);
    let mut municipalities = vec![Municipality::default(); limits::MUNICIPALITIES as usize];
    let mut pool_addresses = Vec::new();
    for (position, municipality) in policy.municipalities.iter().enumerate() {
        let mut books = [layout.rulebooks[2 * position], layout.rulebooks[2 * position + 1]];
        for (direction, book) in books.iter_mut().enumerate() {
            book.service_views = services.places[2 * position + direction];
            views.pairs.place(2 * position + direction, book);
        }
        let number = numbering.municipalities[&municipality.id];
        municipalities[usize::from(number)] = Municipality {
            rulebooks: books,
            views: [0, 1].map(|direction| ((2 * position + direction) * blocks) as u32),
            pool: pool_addresses.len() as u32,
            pool_shape: pool::shape(
                municipality.nat_pool.len() as u32,
                municipality.nat_blocks.shift(),
                municipality.nat_blocks.per_client,
            ),
            flags: municipality_flags::PRESENT
                | match municipality.isolation {
                    Isolation::None => 0,
                    Isolation::All => municipality_flags::ISOLATED,
                    Isolation::Parts(_) => municipality_flags::ISOLATED_PARTS,
                }
                | budgets::flags(&municipality.limits)
                | budgets::guard(policy, municipality)
                | if policy.flood.reflection { municipality_flags::NO_REFLECTION } else { 0 }
                | municipality.proxy.as_ref().map_or(0, |proxy| u32::from(proxy.port))
                    << municipality_flags::PROXY_PORT_SHIFT,
            attachment: attached.inward[position],
        };
        pool_addresses.extend(municipality.nat_pool.iter().map(|address| u32::from_ne_bytes(address.octets())));
    }
    capacity::fits("NAT pool addresses", pool_addresses.len(), limits::POOL_ADDRESSES)?;

    let others = Arc::new(Others {
        classes: class_entries(policy, &numbering, &classes),
        view_roots: views.roots,
        views: views.views,
        municipalities,
        attachments: attached.attachments,
        vlans: attached.vlans,
        inner_vlans: attached.inner_vlans,
        services: services.table,
        service_views: services.views,
        rows: layout.rows,
        pairs: views.pairs.into_words(),
        rules: layout.rules,
        pool_addresses,
        inbound: inbound::lay_out(policy)?,
        budgets: budgets::lay_out(policy, &numbering),
        dns_guards: dns::lay_out(policy, &numbering),
    });
    let tables = Tables::new(prefixes, Arc::clone(&others));
    let glossary = Arc::new(Glossary::new(numbering, rules));
    let ground = Ground {
        parts: Parts::of(policy),
        unblocked,
        numbers: classes.numbers,
        others,
        glossary: Arc::clone(&glossary),
    };
    let digest = tables.digest();
    Ok(CompiledPolicy { tables, glossary, digest, ground: Arc::new(ground) })
}

/// Refuses more address classes than there is room for, with the first rule, in the order of the policy, that is one of
/// them too many.
fn few_enough(classes: &Numbered, rulebooks: &Rulebooks<'_>) -> Result<(), CapacityError> {
    capacity::fits("address classes", classes.states.len(), limits::CLASSES).map_err(|error| {
        let mut last_lists = classes.last_lists.clone();
        last_lists.sort_unstable();
        let list = last_lists.get(limits::CLASSES as usize).copied().flatten();
        CapacityError { location: list.and_then(|list| rulebooks.first_use(list)), ..error }
    })
}

/// Every prefix of the policy but those of block sets, with what it says.
fn marks(policy: &Policy, numbering: &Numbering, lists: &[&[IpNet]]) -> Marks {
    let mut marks = Marks::default();
    marks.add(Tag::Essential, &policy.essential);
    for (position, municipality) in (0..).zip(&policy.municipalities) {
        let owner = Tag::Owner(numbering.municipalities[&municipality.id]);
        let sees = |flags: u32| Tag::View(position, flags as u16);
        let pool: Vec<_> = municipality.nat_pool.iter().map(|&address| single(address.into())).collect();
        let attachments = municipality.attachments.iter();
        let gateways: Vec<_> = attachments.flat_map(|it| &it.addresses).map(|it| single(it.addr())).collect();
        let mapped: Vec<_> = municipality.inbound.iter().map(|mapping| single(mapping.public.into())).collect();
        marks.add(Tag::Inbound, &mapped);
        marks.add(Tag::Public, &municipality.public());
        marks.add(owner, municipality.prefixes.iter().chain(&municipality.published).chain(&pool));
        marks.add(sees(view::MEMBER), municipality.prefixes.iter().chain(&municipality.published));
        marks.add(sees(view::PUBLISHED), &municipality.published);
        marks.add(sees(view::POOL), &pool);
        marks.add(sees(view::GATEWAY), &gateways);
        let servers = municipality.dns.iter().flat_map(|dns| &dns.servers);
        marks.add(Tag::DnsServer, &servers.map(|&server| single(server)).collect::<Vec<_>>());
        if let Isolation::Parts(parts) = &municipality.isolation {
            marks.add(sees(view::ISOLATED), parts);
        }
    }
    for (number, list) in (0..).zip(lists) {
        marks.add(Tag::List(number), *list);
    }
    marks
}

fn single(address: IpAddr) -> IpNet {
    IpNet::from(address)
}

fn class_entries(policy: &Policy, numbering: &Numbering, classes: &Numbered) -> Vec<Class> {
    let set = |rank: u16| numbering.sets.get(&policy.block[usize::from(rank)]).copied().unwrap_or(0);
    let entry = |state: &crate::classes::State| Class {
        blocked: state.blocked.map_or(0, set),
        owner: state.owner,
        flags: state.flags,
    };
    classes.states.iter().map(entry).collect()
}
