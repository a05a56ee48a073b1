//! Policies to measure under, written as text like any other and read by the same parser.

use std::collections::BTreeMap;
use std::fmt::Write;

use policy::{CompiledPolicy, Numbering, Policy, Source};

use crate::frame::TCP;
use crate::prefixes::{self, V4};
use crate::rules::{self, Rule, Rules, SECTIONS, Shape, To};

/// VLAN of the first municipality; the others follow.
pub const FIRST_VLAN: u16 = 101;
/// Block sets that the blocked prefixes are dealt out to, as from several feeds.
const FEEDS: usize = 8;

/// How large a policy is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Egress rules of each municipality.
    pub rules: usize,
    /// Of this kind.
    pub shape: Shape,
    /// IPv4 prefixes of the block sets.
    pub blocked: usize,
    /// Whether these are single addresses.
    pub exact: bool,
    /// IPv6 prefixes of the block sets.
    pub blocked_v6: usize,
    /// Municipalities, in a VLAN each; 0: one, untagged.
    pub vlans: u32,
    /// Whether their IPv4 addresses are translated.
    pub translated: bool,
    /// The municipality that has next to no budget, if one has.
    pub starved: Option<u32>,
}

/// Sixty municipalities in VLANs, and ten thousand blocked prefixes.
pub const TAGGED: Size = Size {
    rules: 100,
    shape: Shape::Mixed,
    blocked: 10_000,
    exact: false,
    blocked_v6: 0,
    vlans: 60,
    translated: false,
    starved: None,
};
/// One municipality without a VLAN, for peers that have none; the same otherwise.
pub const UNTAGGED: Size = Size { vlans: 0, ..TAGGED };

impl Size {
    /// VLAN of a municipality.
    pub fn vlan(self, municipality: u32) -> u16 {
        if self.vlans == 0 { 0 } else { FIRST_VLAN + municipality as u16 }
    }

    /// IPv4 prefixes of the block sets.
    pub fn blocked(self) -> Vec<V4> {
        if self.exact { prefixes::exact(self.blocked) } else { prefixes::v4(self.blocked) }
    }
}

/// A policy, or in one line why this gateway cannot hold it.
pub type Fit<T> = Result<T, String>;

/// A policy of this size, and its tables.
pub fn compiled(size: Size) -> Fit<(Policy, CompiledPolicy)> {
    let policy = checked(&source(size))?;
    let compiled = policy::compile(&policy, &Numbering::default()).map_err(|error| format!("does not fit: {error}"))?;
    Ok((policy, compiled))
}

/// The policy that a text means; otherwise its first error.
pub fn checked(source: &Source) -> Fit<Policy> {
    policy_of(&policy::check(source)).cloned()
}

/// Likewise, of a text that has been checked.
pub fn policy_of(checked: &policy::Checked) -> Fit<&Policy> {
    checked.policy.as_ref().ok_or_else(|| {
        let errors = checked.diagnostics.iter().filter(|one| one.severity == policy::Severity::Error);
        errors.map(|one| format!("does not fit: {}", one.message)).next().unwrap_or_else(|| "no policy".to_owned())
    })
}

/// The text.
pub fn source(size: Size) -> Source {
    let rules = Rules::new(size.shape, size.rules);
    let mut files = BTreeMap::new();
    files.insert("prefecture.toml".to_owned(), prefecture(size, &rules).into_bytes());
    for feed in 0..FEEDS {
        files.insert(feed_file(feed), Vec::new());
    }
    deal(&mut files, size.blocked().iter());
    deal(&mut files, prefixes::v6(size.blocked_v6).iter());
    for number in 0..size.vlans.max(1) {
        files.insert(format!("municipalities/m{number}.toml"), municipality(number, size, &rules).into_bytes());
    }
    Source { files }
}

fn feed_file(feed: usize) -> String {
    format!("sets/feed{feed}.netset")
}

fn deal<P: std::fmt::Display>(files: &mut BTreeMap<String, Vec<u8>>, prefixes: impl Iterator<Item = P>) {
    for (number, prefix) in prefixes.enumerate() {
        let file = files.entry(feed_file(number % FEEDS)).or_default();
        file.extend(format!("{prefix}\n").into_bytes());
    }
}

fn prefecture(size: Size, rules: &Rules) -> String {
    let mut text = "schema = 1\n[prefecture]\nid = \"bench\"\nname = \"計測県\"\n[ports]\nuplink = [\"wan0\"]\n\
                    access = [\"lan0\"]\n[sets]\n"
        .to_owned();
    let feeds = FEEDS.min(size.blocked + size.blocked_v6);
    for feed in 0..feeds {
        let _ = writeln!(text, "feed{feed} = {{ file = \"{}\" }}", feed_file(feed));
    }
    for (number, set) in rules.sets.iter().enumerate() {
        let prefixes: Vec<_> = set.iter().map(|prefix| format!("\"{prefix}\"")).collect();
        let _ = writeln!(text, "s{number} = {{ prefixes = [{}] }}", prefixes.join(", "));
    }
    let names: Vec<_> = (0..feeds).map(|feed| format!("\"feed{feed}\"")).collect();
    let _ = writeln!(text, "[block]\nsets = [{}]", names.join(", "));
    text
}

fn municipality(number: u32, size: Size, rules: &Rules) -> String {
    let vlan = match size.vlan(number) {
        0 => String::new(),
        vlan => format!("vlan = {vlan}, "),
    };
    let network = rules::network(number);
    let gateway = std::net::Ipv4Addr::from(u32::from(network) + 1);
    let mut text = format!(
        "id = \"m{number}\"\nname = \"第{number}市\"\n\
         attach = [{{ port = \"lan0\", {vlan}address = [\"{gateway}/19\", \"2001:db8:{number:x}::1/64\"] }}]\n\
         prefixes = [\"{network}/19\", \"2001:db8:{number:x}::/48\"]\n"
    );
    if size.translated {
        // Room for a block of every client.
        let _ = writeln!(text, "[nat]\npool = [\"203.0.{number}.0/28\"]\nblock = 64\nblocks_per_client = 8");
    }
    if size.starved == Some(number) {
        // Packets as well, so that the few flows that it begins stay quiet.
        text.push_str("[limits]\nnew_flows_per_second = 1\npackets_per_second = 1\n");
    }
    text.push_str("[sections]\n");
    for section in 0..SECTIONS {
        let _ = writeln!(text, "section{section} = [\"{}\"]", rules::section(number, section));
    }
    text.push_str("[egress]\ndefault = \"deny\"\n");
    for (number, rule) in rules.of(number).iter().enumerate() {
        write_rule(&mut text, number, rule);
    }
    text
}

fn write_rule(text: &mut String, number: usize, rule: &Rule) {
    let _ = writeln!(text, "[[egress.rule]]\nname = \"r{number}\"");
    if let Some(section) = rule.section {
        let _ = writeln!(text, "from = [\"section{section}\"]");
    }
    let _ = match rule.to {
        To::Anyone => Ok(()),
        To::Prefix(prefix) => writeln!(text, "to = [\"{prefix}\"]"),
        To::Set(set) => writeln!(text, "to = [\"@s{set}\"]"),
    };
    let services: Vec<_> = rule.services.iter().map(|service| format!("\"{}\"", written(*service, "/"))).collect();
    let action = if rule.allows { "allow" } else { "deny" };
    let _ = writeln!(text, "ports = [{}]\naction = \"{action}\"", services.join(", "));
}

/// A protocol and its ports, with this between them.
pub fn written((protocol, first, last): (u8, u16, u16), between: &str) -> String {
    let protocol = if protocol == TCP { "tcp" } else { "udp" };
    let last = if first == last { String::new() } else { format!("-{last}") };
    format!("{protocol}{between}{first}{last}")
}

/// Every `one_in`-th blocked prefix of a text is replaced by another, as when a feed has been fetched anew.
pub fn change_feeds(source: &mut Source, one_in: usize) {
    for (name, file) in &mut source.files {
        if !name.starts_with("sets/") {
            continue;
        }
        let text = String::from_utf8_lossy(file).into_owned();
        let changed = text.lines().enumerate().map(|(number, line)| match neighbour(line) {
            Some(neighbour) if number % one_in == 0 => format!("{neighbour}\n"),
            _ => format!("{line}\n"),
        });
        *file = changed.collect::<String>().into_bytes();
    }
}

/// The IPv4 prefix beside the one in a line of a feed.
fn neighbour(line: &str) -> Option<V4> {
    let (base, length) = line.split_once('/')?;
    let base: u32 = base.parse::<std::net::Ipv4Addr>().ok()?.into();
    let length = length.parse().ok().filter(|length| (1..=32).contains(length))?;
    Some(V4 { base: base ^ 1_u32 << (32 - length), length })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_are_policies() {
        for shape in [Shape::Mixed, Shape::Crossed] {
            let size = Size {
                rules: 40,
                shape,
                blocked: 100,
                exact: false,
                blocked_v6: 20,
                vlans: 3,
                translated: shape == Shape::Mixed,
                starved: Some(1),
            };
            assert!(compiled(size).map(|_| ()).is_ok(), "{shape:?}: {:?}", compiled(size).map(|_| ()));
        }
        assert!(compiled(Size { blocked: 10, ..UNTAGGED }).is_ok());
    }

    #[test]
    fn a_hundredth_of_the_feeds_changes() {
        let before = source(Size { blocked: 1_000, ..UNTAGGED });
        let mut after = before.clone();
        change_feeds(&mut after, 100);
        let lines = |source: &Source| -> Vec<String> {
            let sets = source.files.iter().filter(|(name, _)| name.starts_with("sets/"));
            sets.flat_map(|(_, file)| String::from_utf8_lossy(file).lines().map(str::to_owned).collect::<Vec<_>>())
                .collect()
        };
        let (before, after) = (lines(&before), lines(&after));
        assert_eq!(before.len(), after.len());
        assert_eq!(before.iter().zip(&after).filter(|(one, other)| one != other).count(), 16);
    }
}
