//! The policies of the tables. Sendai and Ishinomaki use the same addresses; Osaki's outer VLAN carries Ishinomaki's
//! inner one; Shiroishi is cut off; a section of Tome is, and Tome has a single public address.

use crate::source::Source;

/// The policy that most tables use.
pub(super) fn usual() -> Source {
    source(&[
        ("prefecture.toml", PREFECTURE),
        ("municipalities/sendai.toml", SENDAI),
        ("municipalities/ishinomaki.toml", ISHINOMAKI),
        ("municipalities/osaki.toml", OSAKI),
        ("municipalities/shiroishi.toml", SHIROISHI),
        ("municipalities/tome.toml", TOME),
    ])
}

/// The usual policy with one text changed in it.
pub(super) fn usual_but(from: &str, to: &str) -> Source {
    let mut policy = usual();
    let mut changed = 0;
    for text in policy.files.values_mut() {
        let old = String::from_utf8(text.clone()).expect("the tables' own text");
        changed += old.matches(from).count();
        *text = old.replace(from, to).into_bytes();
    }
    assert!(changed == 1, "`{from}` stands {changed} times in the policy");
    policy
}

fn source(files: &[(&str, &str)]) -> Source {
    Source { files: files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect() }
}

const PREFECTURE: &str = r#"
schema = 1
[prefecture]
id = "miyagi"
name = "宮城県"
[ports]
uplink = ["wan0"]
access = ["lan0", "lan1"]
[sets]
threats = { prefixes = ["198.51.100.128/25", "2001:db8:bad::/48"] }
scanners = { prefixes = ["198.51.100.200/32", "192.0.2.66/32"] }
lgwan = { prefixes = ["10.254.0.0/16"] }
partners = { prefixes = ["192.0.2.0/26"] }
[block]
sets = ["threats", "scanners"]
[isolation]
essential = ["192.0.2.53"]
[[baseline]]
name = "lgwan-never-routes"
to = ["@lgwan"]
action = "deny"
[[baseline]]
name = "no-smb"
direction = "both"
ports = ["tcp/445"]
action = "deny"
"#;

const SENDAI: &str = r#"
id = "sendai"
name = "仙台市"
attach = [{ port = "lan0", vlan = 101, address = ["10.4.0.1/24", "2001:db8:4::1/64"] }]
prefixes = ["10.4.0.0/16", "2001:db8:4::/48"]
[nat]
pool = ["203.0.113.16/30"]
[sections]
taxation = ["10.4.20.0/24"]
[egress]
default = "deny"
[[egress.rule]]
name = "no-gambling"
to = ["198.51.100.77"]
action = "deny"
[[egress.rule]]
name = "mail"
ports = ["tcp/993"]
action = "inspect"
[[egress.rule]]
name = "quic"
ports = ["udp/8443"]
action = "inspect"
[[egress.rule]]
name = "taxation-partners"
from = ["taxation"]
to = ["@partners"]
ports = ["tcp/8000-8010"]
action = "allow"
[[egress.rule]]
name = "web"
ports = ["tcp/80", "tcp/443"]
action = "allow"
[[egress.rule]]
name = "dns"
ports = ["udp/53"]
action = "allow"
[[egress.rule]]
name = "tools"
protocols = ["icmp", "icmpv6", 47]
action = "allow"
[ingress]
default = "deny"
[[ingress.rule]]
name = "city-site"
to = ["203.0.113.10"]
ports = ["tcp/443"]
action = "allow"
[[ingress.rule]]
name = "city-site-v6"
to = ["2001:db8:4::80"]
ports = ["tcp/443"]
action = "allow"
[[ingress.rule]]
name = "ping-us"
protocols = ["icmp"]
action = "allow"
"#;

const ISHINOMAKI: &str = r#"
id = "ishinomaki"
name = "石巻市"
attach = [{ port = "lan0", vlan = [200, 102], address = ["10.4.0.1/24"] }]
prefixes = ["10.4.0.0/16"]
[nat]
pool = ["203.0.113.32/30"]
[egress]
default = "allow"
[ingress]
default = "deny"
"#;

const OSAKI: &str = r#"
id = "osaki"
name = "大崎市"
attach = [{ port = "lan0", vlan = 200, address = ["10.5.0.1/24"] }]
prefixes = ["10.5.0.0/16"]
[egress]
default = "allow"
[ingress]
default = "allow"
"#;

const SHIROISHI: &str = r#"
id = "shiroishi"
name = "白石市"
attach = [{ port = "lan1", address = ["10.9.0.1/24"] }]
prefixes = ["10.9.0.0/16"]
isolated = true
[egress]
default = "allow"
[ingress]
default = "allow"
"#;

const TOME: &str = r#"
id = "tome"
name = "登米市"
attach = [{ port = "lan0", vlan = 103, address = ["10.8.0.1/24", "2001:db8:8::1/64"] }]
prefixes = ["10.8.0.0/16", "2001:db8:8::/48"]
isolated = ["ward"]
[nat]
pool = ["203.0.113.64"]
[sections]
ward = ["10.8.1.0/24"]
[egress]
default = "allow"
[ingress]
default = "allow"
"#;
