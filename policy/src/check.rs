//! [`RawPolicy`] → [`Policy`]: names resolved, promises between the parts kept, and everything that is wrong or
//! suspicious said at once. Pure. What needs the tables to judge (classes, views, nodes) is `compile`'s to refuse.

mod across;
mod again;
mod attachments;
mod capacity;
mod dns;
mod http;
mod inbound;
mod inspected;
mod limits;
mod lists;
mod municipality;
mod names;
mod proxy;
pub(crate) mod ranges;
mod rules;
mod sets;
mod tls;
mod unreachable;

pub use again::{Basis, Feeds};

use crate::checked::{Policy, Set};
use crate::diagnostic::{Diagnostic, Problem, Report, Span, did_you_mean};
use crate::parse;
use crate::parse::raw::{RawPolicy, RawPrefecture};
use crate::source::Source;
use crate::tls::{RevocationLists, Root};
use http::ResolvedHttp;
use municipality::Town;
use names::NameLists;
use rules::{Home, ResolvedRule};
use sets::Sets;
use tls::ResolvedTls;

/// What [`check`] found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The policy, unless there is an error among the diagnostics.
    pub policy: Option<Policy>,
    /// Everything that is wrong or suspicious, by file and place.
    pub diagnostics: Vec<Diagnostic>,
    /// What a check of the same files with other feeds need not ask again; see [`Basis`].
    pub feeds: Feeds,
}

/// Checks a policy directory.
pub fn check(source: &Source) -> Checked {
    let mut report = Report::default();
    let prefecture = parse::prefecture(source, &mut report);
    let (municipalities, (mut sets, mut names)) = parse::municipalities(source, &mut report, |report| {
        let prefecture = prefecture.as_ref();
        (sets::resolve(source, prefecture, report), names::resolve(source, prefecture, report))
    });
    let raw = RawPolicy { prefecture, municipalities };

    let block = raw.prefecture.as_ref().map_or_else(Vec::new, |prefecture| block(prefecture, &mut sets, &mut report));
    let mut essential = Vec::new();
    let mut baseline = Vec::new();
    let mut above = None;
    let (mut roots, mut crls) = (Vec::new(), Vec::new());
    if let Some(prefecture) = &raw.prefecture {
        ports(prefecture, &mut report);
        essential = sets.resolve_items(&prefecture.essential, Home::Prefecture, &mut report).ranges().prefixes();
        baseline = rules::baseline(&prefecture.baseline, &mut sets, &mut report);
        let tls = tls::resolve(&prefecture.tls, Home::Prefecture, None, &mut sets, &mut names, &mut report);
        let http = http::resolve(&prefecture.http, Home::Prefecture, None, &mut sets, &mut names, &mut report);
        above = Some((prefecture, tls, http));
        roots = tls::roots(source, prefecture, &mut report);
        crls = tls::crls(source, prefecture, &mut report);
    }
    let above_all = raw.prefecture.as_ref();
    let town = |raw| municipality::municipality(raw, above_all, &mut sets, &mut names, &mut report);
    let towns: Vec<Town<'_>> = raw.municipalities.iter().map(town).collect();
    attachments::check(&raw, &mut report);
    across::check(&raw, &towns, &mut report);
    capacity::check(&raw, &baseline, &towns, &mut report);
    unreachable::check(&baseline, &towns, &mut report);
    if let Some((prefecture, tls, http)) = &above {
        tls::across(prefecture, tls, &towns, &mut report);
        http::unreachable(&http.rules, &towns, &mut report);
        inspected::check(&baseline, tls, http, &towns, &mut report);
        proxy::looks_names_up(prefecture, &raw.municipalities, &mut report);
    }
    names.finish(&mut report);
    sets.report_unused(&mut report);
    if raw.municipalities.is_empty() && report.errors() == 0 {
        nobody(&raw, &mut report);
    }

    let feeds = sets.feeds(&raw);
    let parts = || {
        let (prefecture, tls, http) = above?;
        let (baseline, towns) = (&*baseline, &*towns);
        let parts = Parts { prefecture, sets, names, block, essential, baseline, tls, http, roots, crls, towns };
        parts.assemble(&report)
    };
    let policy = if report.errors() == 0 { parts() } else { None };
    Checked { policy, diagnostics: report.finish(), feeds }
}

/// A rule that may be out of reach behind an earlier one.
trait Judged {
    /// Where to point at.
    fn at(&self) -> Span;
    /// "tls rule `banks`".
    fn called(&self) -> String;
    /// Whether all of it could be read, and nothing has been said yet about its matching nothing.
    fn is_judged(&self) -> bool;
    /// Whether it matches everything that the other does, as far as that is cheap to tell.
    fn covers(&self, other: &Self) -> bool;
}

/// What a policy is made of.
struct Parts<'p, 'r> {
    prefecture: &'p RawPrefecture,
    sets: Sets,
    names: NameLists,
    block: Vec<String>,
    essential: Vec<ipnet::IpNet>,
    baseline: &'p [ResolvedRule<'r>],
    tls: ResolvedTls<'r>,
    http: ResolvedHttp<'r>,
    roots: Vec<Root>,
    crls: Vec<RevocationLists>,
    towns: &'p [Town<'r>],
}

impl Parts<'_, '_> {
    /// None only if a part is missing without an error having been reported, which would be a fault of this module.
    fn assemble(self, report: &Report<'_>) -> Option<Policy> {
        let prefecture = self.prefecture;
        let names = |list: &[crate::diagnostic::Spanned<String>]| list.iter().map(|name| name.value.clone()).collect();
        let mut municipalities = self.towns.iter().map(|town| town.finish(report)).collect::<Option<Vec<_>>>()?;
        municipalities.sort_by(|one, other| one.id.cmp(&other.id));
        Some(Policy {
            id: prefecture.id.as_ref()?.value.clone(),
            name: prefecture.name.as_ref()?.value.clone(),
            uplinks: names(&prefecture.uplinks.items),
            accesses: names(&prefecture.accesses.items),
            baseline: self.baseline.iter().map(|rule| rule.finish(report)).collect::<Option<Vec<_>>>()?,
            block: self.block,
            essential: self.essential,
            flood: prefecture.flood,
            names: self.names.into_checked(report),
            tls: self.tls.finish(report)?,
            http: self.http.finish(report)?,
            resolvers: prefecture.tls.resolvers.items.iter().map(|resolver| resolver.value).collect(),
            roots: self.roots,
            crls: self.crls,
            municipalities: municipalities.into(),
            sets: self
                .sets
                .into_resolved()
                .map(|(name, set)| (name, Set { location: report.location(set.span), prefixes: set.list.prefixes() }))
                .collect(),
        })
    }
}

fn block(prefecture: &RawPrefecture, sets: &mut Sets, report: &mut Report<'_>) -> Vec<String> {
    let mut block: Vec<String> = Vec::new();
    for name in &prefecture.block.items {
        if let Some(bare) = name.value.strip_prefix('@') {
            let problem = Problem::error("bad-reference", name.span, "`[block]` names sets without `@`");
            report.push(problem.help(format!("write `{bare}`")));
            sets.touch(bare);
            continue;
        }
        if sets.find("", &name.value, name.span, report).is_some() && !block.contains(&name.value) {
            block.push(name.value.clone());
        }
    }
    block
}

/// Every network interface plays one part.
fn ports(prefecture: &RawPrefecture, report: &mut Report<'_>) {
    let mut seen: Vec<&crate::diagnostic::Spanned<String>> = Vec::new();
    for port in prefecture.uplinks.items.iter().chain(&prefecture.accesses.items) {
        if let Some(first) = seen.iter().find(|other| other.value == port.value) {
            let problem =
                Problem::error("duplicate-port", port.span, format!("the port `{}` is named twice", port.value));
            let problem = problem.related(first.span, "named here first");
            report.push(problem.help("a port is either an uplink or an access port".to_owned()));
        } else {
            seen.push(port);
        }
    }
}

/// Reports the name of something that does not exist.
fn unknown<'c>(
    code: &'static str,
    what: &str,
    name: &str,
    span: Span,
    candidates: impl IntoIterator<Item = &'c str>,
    report: &mut Report<'_>,
) {
    let help = did_you_mean(name, "there are", candidates);
    let help = help.or_else(|| Some("define it first".to_owned()));
    report.push(Problem::error(code, span, format!("there is no {what} `{name}`")).help(help));
}

fn nobody(raw: &RawPolicy, report: &mut Report<'_>) {
    let Some(prefecture) = &raw.prefecture else { return };
    let span = Span { file: prefecture.file, start: 0, end: 0 };
    let problem = Problem::warning("no-municipality", span, "this policy has no municipality, so nothing passes");
    report.push(problem.help("add a file to `municipalities/`; its name ends in `.toml`".to_owned()));
}
