//! Policies to measure under, written as text like any other and read by the same parser.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

use anyhow::{Result, bail};
use policy::{CompiledPolicy, Numbering, Policy, Source};

/// VLAN of the first; the others follow.
pub const FIRST_VLAN: u16 = 101;

/// How large a policy is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Egress rules of each municipality.
    pub rules: u32,
    /// Prefixes of the block set.
    pub blocked: u32,
    /// Municipalities, in a VLAN each; 0: one, untagged.
    pub vlans: u32,
}

/// Municipalities in VLANs, and ten thousand blocked prefixes.
pub const TAGGED: Size = Size { rules: 10, blocked: 10_000, vlans: 60 };
/// One municipality without a VLAN, for peers that have none; the same otherwise.
pub const UNTAGGED: Size = Size { vlans: 0, ..TAGGED };

/// A policy of this size, and its tables.
pub fn compiled(size: Size) -> Result<(Policy, CompiledPolicy)> {
    let source = source(size);
    let checked = policy::check(&source);
    let Some(policy) = checked.policy else {
        bail!("the benchmark's own policy is wrong\n{}", policy::render(&source, &checked.diagnostics, false));
    };
    let compiled = policy::compile(&policy, &Numbering::default())?;
    Ok((policy, compiled))
}

/// Destination of a rule: /28 networks below 198.18.0.0/15, shared by all municipalities.
pub fn destination(rule: u32) -> Ipv4Addr {
    Ipv4Addr::from(0xc612_0000 + (rule << 4))
}

/// A prefix of the block set: /24 networks spread over 1.0.0.0 to 9.255.255.255.
pub fn blocked(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0100_0000 + ((number.wrapping_mul(0x9e3b) % 0x0009_0000) << 8))
}

fn source(size: Size) -> Source {
    let mut files = BTreeMap::new();
    files.insert("prefecture.toml".to_owned(), PREFECTURE.as_bytes().to_vec());
    let set: String = (0..size.blocked.max(1)).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}/24", blocked(number));
        text
    });
    files.insert("sets/blocked.txt".to_owned(), set.into_bytes());
    for number in 0..size.vlans.max(1) {
        files.insert(format!("municipalities/m{number}.toml"), municipality(number, size).into_bytes());
    }
    Source { files }
}

const PREFECTURE: &str = r#"schema = 1
[prefecture]
id = "bench"
name = "計測県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
[sets]
blocked = { file = "sets/blocked.txt" }
[block]
sets = ["blocked"]
"#;

/// Rules that all differ, of which the last matches what comes after the others.
fn municipality(number: u32, size: Size) -> String {
    let vlan = match size.vlans {
        0 => String::new(),
        _ => format!("vlan = {}, ", u32::from(FIRST_VLAN) + number),
    };
    let mut text = format!(
        "id = \"m{number}\"\nname = \"第{number}市\"\n\
         attach = [{{ port = \"lan0\", {vlan}address = [\"10.{number}.0.1/16\"] }}]\n\
         prefixes = [\"10.{number}.0.0/16\"]\n[egress]\ndefault = \"deny\"\n"
    );
    for rule in 0..size.rules {
        let _ = write!(
            text,
            "[[egress.rule]]\nname = \"r{rule}\"\nto = [\"{}/28\"]\nports = [\"udp/{}\"]\naction = \"allow\"\n",
            destination(rule),
            service(rule),
        );
    }
    text
}

/// Destination port of a rule.
pub fn service(rule: u32) -> u16 {
    1_024 + (rule % 500) as u16
}

/// The same policy for nftables: connections known, sets, rules in order, deny.
pub fn nftables(size: Size) -> String {
    let elements: Vec<_> = (0..size.blocked).map(|number| format!("{}/24", blocked(number))).collect();
    let mut text = format!(
        "table ip bench {{\n set blocked {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {} }}; }}\n \
         chain forward {{ type filter hook forward priority 0; policy drop;\n  \
         ip saddr @blocked drop\n  ip daddr @blocked drop\n  ct state established,related accept\n  \
         iifname != \"lan0\" drop\n  ip saddr != 10.0.0.0/16 drop\n",
        elements.join(", ")
    );
    for rule in 0..size.rules {
        let _ = writeln!(text, "  ip daddr {}/28 udp dport {} accept", destination(rule), service(rule));
    }
    text.push_str(" }\n}\n");
    text
}
