//! The table of mistakes: a small policy without fault, and what is done to it.

mod dns;
mod whole_files;

use policy::Source;

/// One mistake.
pub struct Case {
    /// Of the file that records what is said about it.
    pub name: &'static str,
    /// What must be among it.
    pub code: &'static str,
    /// The policy with the mistake in it.
    pub source: Source,
}

const PREFECTURE: &str = r#"schema = 1
[prefecture]
id = "asagiri"
name = "朝霧県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
[sets]
threats = { file = "sets/threats.netset" }
abroad = { countries = { not = ["JP"] } }
offices = { prefixes = ["198.51.100.0/24"] }
[block]
sets = ["threats"]
[isolation]
essential = ["@offices"]
[[baseline]]
name = "no-smtp"
direction = "egress"
ports = ["tcp/25"]
action = "deny"
[names]
banks = { file = "names/banks.txt" }
gov = { names = [".go.jp", ".lg.jp"] }
[tls]
resolvers = ["192.0.2.53"]
roots = ["roots/partner.pem"]
[[tls.rule]]
name = "銀行"
ports = ["tcp/443"]
sni = ["@banks", "www.example.jp"]
action = "splice"
"#;

const SHIOMI: &str = r#"id = "shiomi"
name = "潮見市"
attach = [
    { port = "lan0", vlan = 101, address = ["10.10.0.1/16"], router = ["10.10.0.254"] },
]
prefixes = ["10.10.0.0/16", "203.0.113.8/29"]
[nat]
pool = ["203.0.113.16/29"]
[sections]
taxation = ["10.10.20.0/24"]
[limits]
flows = 1000
[egress]
default = "deny"
[[egress.rule]]
name = "税務課"
from = ["taxation"]
to = ["@abroad"]
action = "deny"
[[egress.rule]]
name = "web"
ports = ["tcp/80", "tcp/443"]
action = "inspect"
[[ingress.rule]]
name = "公式サイト"
to = ["203.0.113.10"]
ports = ["tcp/443"]
action = "allow"
[tls]
default = "inspect"
limits = { sessions = 500 }
[[tls.rule]]
name = "役所"
from = ["taxation"]
speaks = ["tls"]
sni = ["@gov", ".example.jp", "none"]
action = "inspect"
[[tls.rule]]
name = "tool"
ja4 = ["t13d1516h2_8daaf6152771_b186095e22b6"]
alpn = ["h2"]
ech = "absent"
action = "block"
[[http.rule]]
name = "庁内便"
from = ["taxation"]
host = ["@gov", "up.example.jp"]
path = ["/upload/", "/files/*/raw"]
methods = ["POST", "PUT"]
upload_limit = "20 MiB"
action = "allow"
[[http.rule]]
name = "programs"
types = ["pe", "elf"]
action = "block"
[http.tenants]
microsoft = { allowed = ["shiomi.example.jp"], context = "72f988bf-86f1-41af-91ab-2d7cd011db47" }
"#;

const SHIRAKABA: &str = r#"id = "shirakaba"
name = "白樺町"
attach = [{ port = "lan0", vlan = [200, 104], address = ["10.10.0.1/16"] }]
prefixes = ["10.10.0.0/16"]
[nat]
pool = ["203.0.113.32/30"]
[egress]
default = "allow"
"#;

const PREFECTURE_FILE: &str = "prefecture.toml";
const SHIOMI_FILE: &str = "municipalities/shiomi.toml";
const SHIRAKABA_FILE: &str = "municipalities/shirakaba.toml";
const THREATS_FILE: &str = "sets/threats.netset";
const COUNTRIES_FILE: &str = "countries.csv";
const BANKS_FILE: &str = "names/banks.txt";
const PARTNER_FILE: &str = "roots/partner.pem";

/// A policy without fault.
pub fn base() -> Source {
    let files = [
        (PREFECTURE_FILE, PREFECTURE),
        (SHIOMI_FILE, SHIOMI),
        (SHIRAKABA_FILE, SHIRAKABA),
        (THREATS_FILE, "# 脅威\r\n\r\n198.51.100.66   # 指令サーバー\r\n2001:db8:bad::/48\r\n"),
        (COUNTRIES_FILE, "192.0.2.0/24,JP\n198.18.0.0,198.18.255.255,XA\n"),
        (BANKS_FILE, "# 銀行\r\n.bank.example.jp\r\nwww.銀行.example   # 本店\r\n"),
        (PARTNER_FILE, "取引先\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"),
    ];
    Source { files: files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).into() }
}

const POOL: &str = "pool = [\"203.0.113.16/29\"]\n";

/// The pool of Shiomi, and a mapping.
fn inbound(public: &str, ports: &str, to: &str) -> String {
    POOL.to_owned() + &mapping(public, ports, to)
}

fn mapping(public: &str, ports: &str, to: &str) -> String {
    format!("[[nat.inbound]]\nname = \"site\"\npublic = \"{public}\"\nports = [\"{ports}\"]\nto = \"{to}\"\n")
}

/// The base with one piece of text replaced by another; no text stands for the end of the file.
fn edit(source: &mut Source, path: &str, from: &str, to: &str) {
    let bytes = source.files.entry(path.to_owned()).or_default();
    let text = String::from_utf8(std::mem::take(bytes)).expect("edits come before damage");
    assert!(text.contains(from), "{path} has no `{from}`");
    *bytes = if from.is_empty() { text + to } else { text.replacen(from, to, 1) }.into_bytes();
}

fn edited(name: &'static str, code: &'static str, path: &str, from: &str, to: &str) -> Case {
    let mut source = base();
    edit(&mut source, path, from, to);
    Case { name, code, source }
}

/// Every case there is.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // Alternating: the file, then rows of name, code, text, replacement.
    let in_prefecture = [
        ("schema", "unsupported-schema", "schema = 1", "schema = 2"),
        ("schema_missing", "missing-key", "schema = 1\n", ""),
        ("key_unknown", "unknown-key", "uplink = ", "uplinks = "),
        ("table_unknown", "unknown-key", "[isolation]", "[isolations]"),
        ("slug", "bad-slug", "id = \"asagiri\"", "id = \"Asagiri Ken\""),
        ("slug_japanese", "bad-slug", "id = \"asagiri\"", "id = \"朝霧\""),
        ("name_empty", "empty-name", "name = \"朝霧県\"", "name = \" \""),
        ("port_name", "bad-port-name", "[\"lan0\"]", "[\"lan0\", \"lan0.101\"]"),
        ("port_twice", "duplicate-port", "[\"lan0\"]", "[\"lan0\", \"wan0\"]"),
        ("port_none", "no-port", "[\"wan0\"]", "[]"),
        ("set_file_missing", "missing-file", "sets/threats.netset", "sets/threat.netset"),
        ("set_file_outside", "missing-file", "sets/threats.netset", "/etc/threats"),
        ("set_of_nothing", "missing-key", "{ prefixes = [\"198.51.100.0/24\"] }", "{}"),
        ("set_empty", "empty-set", "[\"198.51.100.0/24\"]", "[]"),
        ("set_unused", "unused-set", "[block]", "lgwan = { prefixes = [\"10.254.0.0/16\"] }\n[block]"),
        ("set_unknown", "unknown-set", "sets = [\"threats\"]", "sets = [\"threads\"]"),
        ("set_with_at", "bad-reference", "sets = [\"threats\"]", "sets = [\"@threats\"]"),
        ("country_code", "bad-country", "[\"JP\"]", "[\"jp\", \"Japan\"]"),
        ("country_unknown", "unknown-country", "[\"JP\"]", "[\"JP\", \"XZ\"]"),
        ("countries_file_missing", "missing-file", "[block]", "[countries]\nfiles = [\"country.csv\"]\n[block]"),
        ("countries_wrong_type", "wrong-type", "{ not = [\"JP\"] }", "\"JP\""),
        ("prefix_host_bits", "host-bits", "198.51.100.0/24", "198.51.100.7/24"),
        ("prefix_words", "bad-prefix", "198.51.100.0/24", "役所"),
        ("prefix_octet", "bad-prefix", "198.51.100.0/24", "198.51.256.0/24"),
        ("prefix_short", "bad-prefix", "198.51.100.0/24", "198.51.100/24"),
        ("prefix_zeros", "bad-prefix", "198.51.100.0/24", "198.051.100.0/24"),
        ("prefix_length", "bad-prefix", "198.51.100.0/24", "198.51.100.0/33"),
        ("prefix_mapped", "bad-prefix", "198.51.100.0/24", "::ffff:198.51.100.7"),
        ("section_in_baseline", "section-in-baseline", "ports = [\"tcp/25\"]", "from = [\"taxation\"]"),
        ("direction", "bad-value", "direction = \"egress\"", "direction = \"egres\""),
        (
            "inspect_both",
            "inspect-ingress",
            "direction = \"egress\"\nports = [\"tcp/25\"]\naction = \"deny\"",
            "ports = [\"tcp/25\"]\naction = \"inspect\"",
        ),
        ("baseline_table", "wrong-type", "[[baseline]]", "[baseline]"),
        (
            "unreachable_baseline",
            "unreachable-rule",
            "",
            "[[baseline]]\nname = \"smtp-again\"\ndirection = \"egress\"\nports = [\"tcp/25\"]\nfrom = [\"10.0.0.0/8\"]\naction = \"allow\"\n",
        ),
        ("names_file_missing", "missing-file", "names/banks.txt", "names/bank.txt"),
        ("names_of_nothing", "missing-key", "{ names = [\".go.jp\", \".lg.jp\"] }", "{}"),
        ("names_empty", "empty-names", "[\".go.jp\", \".lg.jp\"]", "[]"),
        ("names_unused", "unused-names", "[tls]", "games = { names = [\".game.example\"] }\n[tls]"),
        ("names_unknown", "unknown-names", "\"@banks\"", "\"@bank\""),
        ("names_is_set", "unknown-names", "\"@banks\"", "\"@banks\", \"@offices\""),
        ("name_wildcard", "bad-name", "\".lg.jp\"", "\"*.lg.jp\", \"www.*.jp\""),
        ("name_address", "bad-name", "\".lg.jp\"", "\"192.0.2.7\""),
        ("name_url", "bad-name", "\".lg.jp\"", "\"https://www.lg.jp/map\", \"www.lg.jp:443\", \"a b\""),
        ("name_labels", "bad-name", "\".lg.jp\"", "\"www..lg.jp\", \".\""),
        ("resolver", "bad-resolver", "\"192.0.2.53\"", "\"dns.example.jp\", \"192.0.2.53:0\", \"0.0.0.0\""),
        ("resolver_none", "no-resolver", "resolvers = [\"192.0.2.53\"]\n", ""),
        (
            "resolver_none_default",
            "no-resolver",
            "resolvers = [\"192.0.2.53\"]\nroots = [\"roots/partner.pem\"]\n[[tls.rule]]\nname = \"銀行\"",
            "default = \"splice\"\n[[tls.rule]]\nname = \"銀行\"\ntrust_sni = true",
        ),
        ("bypass_no_resolver", "no-resolver", "resolvers = [\"192.0.2.53\"]\n", "bypass = \"automatic\"\n"),
        ("bypass_type", "wrong-type", "resolvers = ", "bypass = true\nresolvers = "),
        ("bypass_word", "bad-value", "resolvers = ", "bypass = \"automatc\"\nresolvers = "),
        ("bypass_limit", "bad-limit", "resolvers = ", "bypass = { clients = 1 }\nresolvers = "),
        (
            "bypass_table",
            "bad-span",
            "resolvers = ",
            "bypass = { mode = \"on\", clients = \"3\", within = \"a day\", for = \"500d\", until = 1 }\nresolvers = ",
        ),
        ("proxy_no_resolver", "no-resolver", "[tls]\nresolvers = [\"192.0.2.53\"]\n", "[proxy]\nport = 8080\n[tls]\n"),
        (
            "proxy_port",
            "bad-proxy-port",
            "[names]\n",
            "[proxy]\nport = 80\nbypass = [\"*.lg.jp\", \"10.0.0.0/33\"]\n[names]\n",
        ),
        ("proxy_type", "wrong-type", "[names]\n", "[proxy]\nport = \"8080\"\nbypas = []\n[names]\n"),
        ("flood_word", "wrong-type", "[names]\n", "[flood]\nreflection = \"on\"\n[names]\n"),
        ("roots_missing", "missing-file", "roots/partner.pem", "roots/partners.pem"),
        ("tls_table", "wrong-type", "[[tls.rule]]", "[tls.rule]"),
        ("tls_limits_above", "unknown-key", "resolvers = ", "limits = { sessions = 7 }\nresolvers = "),
        ("tls_section_above", "section-in-baseline", "name = \"銀行\"", "name = \"銀行\"\nfrom = [\"taxation\"]"),
        ("tls_trust_block", "misplaced-key", "action = \"splice\"", "action = \"block\"\ntrust_sni = true"),
        (
            "tls_certificates_splice",
            "misplaced-key",
            "action = \"splice\"",
            "action = \"splice\"\nclient_certificates = \"splice\"",
        ),
        ("tls_trust_word", "wrong-type", "action = \"splice\"", "action = \"splice\"\ntrust_sni = \"yes\""),
        ("syntax_value", "syntax", "name = \"朝霧県\"", "name = 朝霧県"),
        ("syntax_twice", "syntax", "[block]", "[ports]\nuplink = [\"wan1\"]\n[block]"),
        ("syntax_list", "syntax", "access = [\"lan0\"]", "access = [\"lan0\"   # 閉じ忘れ"),
        ("syntax_table", "syntax", "[block]", "[block"),
        ("syntax_no_value", "syntax", "id = \"asagiri\"", "id ="),
        ("syntax_key", "syntax", "id = \"asagiri\"", "識別子 = \"asagiri\""),
        ("syntax_prose", "syntax", "[ports]", "これは説明\n[ports]"),
    ];
    let in_shiomi = [
        ("key_missing", "missing-key", "prefixes = [\"10.10.0.0/16\", \"203.0.113.8/29\"]\n", ""),
        ("key_misspelt", "unknown-key", "prefixes = ", "prefixs = "),
        ("wrong_type_text", "wrong-type", "flows = 1000", "flows = \"1000\""),
        ("wrong_type_list", "wrong-type", "from = [\"taxation\"]", "from = \"taxation\""),
        ("wrong_type_name", "wrong-type", "name = \"潮見市\"", "name = 5"),
        ("limit", "bad-limit", "flows = 1000", "flows = 0"),
        ("limit_small", "bad-limit", "flows = 1000", "bits_per_second = { in = 1_000_000, out = 56_000 }"),
        ("limit_ways", "unknown-key", "flows = 1000", "packets_per_second = { in = 5, uot = 5 }"),
        ("limit_one_way", "wrong-type", "flows = 1000", "flows = { in = 5, out = 5 }"),
        ("limit_text", "wrong-type", "flows = 1000", "per_source.packets_per_second = \"many\""),
        ("limit_unknown", "unknown-key", "flows = 1000", "per_source.flows = 10"),
        (
            "syn_cookies",
            "bad-syn-cookies",
            "flows = 1000",
            "flows = 1000\n[flood]\nsyn_cookies = { enter = 0, leave = 0 }",
        ),
        (
            "syn_cookies_order",
            "bad-syn-cookies",
            "flows = 1000",
            "flows = 1000\n[flood]\nsyn_cookies = { enter = 500, leave = 2000 }",
        ),
        ("syn_cookies_type", "wrong-type", "flows = 1000", "flows = 1000\n[flood]\nsyn_cookies = 2000"),
        ("syn_cookies_half", "missing-key", "flows = 1000", "flows = 1000\n[flood]\nsyn_cookies = { enter = 2000 }"),
        (
            "limit_idle",
            "idle-limit",
            "flows = 1000",
            "new_flows_per_second = { in = 50, out = 500 }\nsmtp_connections_per_second = 600\nper_source.new_flows_per_second = 100",
        ),
        (
            "attach_nowhere",
            "no-attachment",
            "    { port = \"lan0\", vlan = 101, address = [\"10.10.0.1/16\"], router = [\"10.10.0.254\"] },\n",
            "",
        ),
        ("attach_port", "unknown-port", "port = \"lan0\"", "port = \"lan1\""),
        ("attach_port_vlan", "unknown-port", "port = \"lan0\", vlan = 101", "port = \"lan0.101\""),
        ("attach_uplink", "unknown-port", "port = \"lan0\"", "port = \"wan0\""),
        ("attach_twice", "duplicate-attachment", "vlan = 101", "vlan = [200, 104]"),
        ("attach_no_address", "no-address", "[\"10.10.0.1/16\"]", "[]"),
        ("syntax_comma", "syntax", "\"10.10.0.0/16\", \"203", "\n\"10.10.0.0/16\" # と\n\"203"),
        ("vlan_range", "bad-vlan", "vlan = 101", "vlan = 4095"),
        ("vlan_three", "bad-vlan", "vlan = 101", "vlan = [1, 2, 3]"),
        ("gateway_segment", "bad-address", "10.10.0.1/16", "10.10.0.0/16"),
        ("gateway_no_length", "bad-prefix", "10.10.0.1/16", "10.10.0.1"),
        ("gateway_outside", "gateway-outside-prefixes", "10.10.0.1/16", "10.11.0.1/16"),
        ("router_off", "router-off-segment", "10.10.0.254", "10.11.0.254"),
        ("router_gateway", "router-is-gateway", "10.10.0.254", "10.10.0.1"),
        ("router_prefix", "bad-address", "10.10.0.254", "10.10.0.254/16"),
        (
            "segments",
            "overlapping-segments",
            "    { port",
            "    { port = \"lan0\", vlan = 105, address = [\"10.10.128.1/17\"] },\n    { port",
        ),
        ("prefixes_none", "no-prefix", "[\"10.10.0.0/16\", \"203.0.113.8/29\"]", "[]"),
        ("pool_v6", "nat-not-ipv4", "203.0.113.16/29", "2001:db8::/64"),
        (
            "nat_block",
            "bad-block",
            "pool = [\"203.0.113.16/29\"]",
            "pool = [\"203.0.113.16/29\"]\nblock = 500\nblocks_per_client = 9",
        ),
        ("pool_overlap", "nat-pool-overlap", "203.0.113.16/29", "203.0.113.32/29"),
        ("pool_published", "published-in-pool", "203.0.113.16/29", "203.0.113.10"),
        ("pool_too_large", "capacity", "203.0.113.16/29", "203.0.0.0/8"),
        ("owner", "ambiguous-owner", "\"203.0.113.8/29\"", "\"203.0.113.8/29\", \"203.0.113.32/30\""),
        ("section_outside", "section-outside-prefixes", "10.10.20.0/24", "10.20.20.0/24"),
        ("section_unknown", "unknown-section", "from = [\"taxation\"]", "from = [\"taxaton\"]"),
        ("section_is_set", "unknown-section", "from = [\"taxation\"]", "from = [\"offices\"]"),
        ("set_in_rule", "unknown-set", "\"@abroad\"", "\"@abraod\""),
        ("reference", "bad-reference", "from = [\"taxation\"]", "from = [\"税務課\"]"),
        ("isolated_elsewhere", "isolated-elsewhere", "[nat]", "isolated = [\"10.20.0.9\"]\n[nat]"),
        ("rule_twice", "duplicate-rule", "name = \"web\"", "name = \"税務課\""),
        ("rule_no_action", "missing-key", "action = \"allow\"\n", ""),
        ("action", "bad-value", "action = \"inspect\"", "action = \"inspekt\""),
        ("default", "bad-value", "default = \"deny\"", "default = \"inspect\""),
        ("when_down", "bad-value", "action = \"inspect\"", "action = \"inspect\"\nwhen_down = \"open\""),
        ("when_down_allow", "misplaced-key", "action = \"allow\"", "action = \"allow\"\nwhen_down = \"splice\""),
        ("inspect_udp", "not-inspectable", "\"tcp/80\", \"tcp/443\"", "\"tcp/443\", \"udp/443\", \"udp\""),
        ("inspect_gre", "not-inspectable", "ports = [\"tcp/80\", \"tcp/443\"]\n", "protocols = [47]\n"),
        ("inspect_ports", "capacity", "\"tcp/80\", \"tcp/443\"", "\"udp/443\", \"udp/440-460\""),
        ("inspect_any", "not-inspectable", "ports = [\"tcp/80\", \"tcp/443\"]\n", ""),
        ("inspect_ingress", "inspect-ingress", "action = \"allow\"", "action = \"inspect\""),
        ("port_bare", "bad-port", "\"tcp/80\"", "\"80\""),
        ("port_number", "bad-port", "\"tcp/80\"", "80"),
        ("port_protocol", "bad-port", "\"tcp/80\"", "\"tpc/80\""),
        ("port_swapped", "bad-port", "\"tcp/80\"", "\"80/tcp\""),
        ("port_range", "bad-port", "\"tcp/80\"", "\"tcp/90-80\""),
        ("port_high", "bad-port", "\"tcp/80\"", "\"tcp/70000\""),
        (
            "protocol",
            "bad-protocol",
            "ports = [\"tcp/80\", \"tcp/443\"]",
            "protocols = [\"gre\", 300, \"tcp/80\", \"icmp6\"]",
        ),
        ("empty_list", "never-matches", "from = [\"taxation\"]", "from = []"),
        ("empty_ports", "never-matches", "ports = [\"tcp/443\"]", "ports = []"),
        ("families", "never-matches", "to = [\"@abroad\"]", "to = [\"2001:db8::/32\"]"),
        ("strangers", "never-matches", "from = [\"taxation\"]", "from = [\"10.99.0.0/16\"]"),
        (
            "unreachable",
            "unreachable-rule",
            "[[ingress.rule]]",
            "[[egress.rule]]\nname = \"銀行\"\nto = [\"198.51.100.7\"]\nports = [\"tcp/443\"]\naction = \"allow\"\n[[ingress.rule]]",
        ),
        (
            "unreachable_by_baseline",
            "unreachable-rule",
            "[[ingress.rule]]",
            "[[egress.rule]]\nname = \"mail\"\nfrom = [\"taxation\"]\nports = [\"tcp/25\"]\naction = \"allow\"\n[[ingress.rule]]",
        ),
        ("publication", "wide-publication", "203.0.113.10", "0.0.0.0/0"),
        ("tls_default", "bad-value", "default = \"inspect\"", "default = \"deny\""),
        (
            "tls_limit",
            "bad-limit",
            "sessions = 500",
            "sessions = 0, memory_mib = 1000000, handshakes_per_second = \"9\"",
        ),
        (
            "proxy_no_port",
            "missing-key",
            "limits = { sessions = 500 }",
            "limits = { sessions = 500 }\n[proxy]\nbypass = [\".lg.jp\"]",
        ),
        ("tls_limit_unknown", "unknown-key", "sessions = 500", "session = 500"),
        ("tls_resolvers_below", "unknown-key", "limits = { sessions = 500 }", "resolvers = [\"192.0.2.53\"]"),
        ("tls_rule_twice", "duplicate-rule", "name = \"tool\"", "name = \"役所\""),
        ("tls_speaks", "bad-value", "speaks = [\"tls\"]", "speaks = [\"tsl\", \"smtp\"]"),
        ("tls_speaks_no_hello", "never-matches", "speaks = [\"tls\"]", "speaks = [\"http\", \"silence\"]"),
        ("tls_ports_quic", "never-matches", "speaks = [\"tls\"]", "speaks = [\"tls\"]\nports = [\"udp/443\"]"),
        ("tls_empty_sni", "never-matches", "[\"@gov\", \".example.jp\", \"none\"]", "[]"),
        ("tls_strangers", "never-matches", "from = [\"taxation\"]\nspeaks", "from = [\"10.99.0.0/16\"]\nspeaks"),
        ("tls_families", "never-matches", "speaks = [\"tls\"]", "to = [\"2001:db8::/32\"]"),
        ("tls_ja4", "bad-ja4", "t13d1516h2_8daaf6152771_b186095e22b6", "t13d1516h2_8daaf6152771"),
        ("tls_ja4_case", "bad-ja4", "8daaf6152771", "8DAAF6152771"),
        ("tls_alpn", "bad-alpn", "[\"h2\"]", "[\"h2\", \"http 1.1\"]"),
        ("tls_ech", "bad-value", "ech = \"absent\"", "ech = \"true\""),
        (
            "tls_unreachable",
            "unreachable-rule",
            "[\"@gov\", \".example.jp\", \"none\"]\naction = \"inspect\"",
            "[\".example.jp\"]\naction = \"inspect\"\n[[tls.rule]]\nname = \"city\"\nfrom = [\"10.10.20.8/29\"]\nspeaks = [\"tls\"]\nsni = [\"WWW.City.Example.JP\", \".town.example.jp\"]\naction = \"block\"",
        ),
        (
            "tls_unreachable_by_prefecture",
            "unreachable-rule",
            "sni = [\"@gov\", \".example.jp\", \"none\"]",
            "ports = [\"tcp/443\"]\nsni = [\"@banks\"]\nech = \"offered\"",
        ),
        ("tls_uninspected", "never-inspected", "action = \"inspect\"\n[[ingress", "action = \"allow\"\n[[ingress"),
        ("http_path", "bad-path", "\"/upload/\"", "\"upload\", \"/x?y\", \"/a/../b\", \"/a%2fb\", \"/a;b\""),
        ("http_path_stars", "bad-path", "\"/upload/\"", "\"/*/*/*/*/*/*/*/*/*\""),
        ("http_method", "bad-method", "\"POST\"", "\"post\", \"投稿\""),
        ("http_size", "bad-size", "\"20 MiB\"", "\"20 MB\""),
        ("http_size_bare", "bad-size", "\"20 MiB\"", "\"20\""),
        ("http_size_number", "wrong-type", "\"20 MiB\"", "20"),
        ("http_size_huge", "bad-size", "\"20 MiB\"", "\"99999999999999999999 GiB\""),
        ("http_type", "bad-value", "\"pe\"", "\"exe\", \"elv\""),
        (
            "http_limit_block",
            "misplaced-key",
            "upload_limit = \"20 MiB\"\naction = \"allow\"",
            "upload_limit = \"20 MiB\"\naction = \"block\"",
        ),
        (
            "http_action",
            "bad-value",
            "types = [\"pe\", \"elf\"]\naction = \"block\"",
            "types = [\"pe\", \"elf\"]\naction = \"deny\"",
        ),
        ("http_empty", "never-matches", "types = [\"pe\", \"elf\"]", "types = []"),
        ("http_strangers", "never-matches", "from = [\"taxation\"]\nhost", "from = [\"10.99.0.0/16\"]\nhost"),
        ("http_names_unknown", "unknown-names", "host = [\"@gov\"", "host = [\"@gob\""),
        ("http_rule_twice", "duplicate-rule", "name = \"programs\"", "name = \"庁内便\""),
        (
            "http_unreachable",
            "unreachable-rule",
            "[http.tenants]",
            "[[http.rule]]\nname = \"again\"\nhost = [\"a.example.jp\"]\npath = [\"/x\"]\ntypes = [\"elf\"]\naction = \"allow\"\n[http.tenants]",
        ),
        ("tenant", "bad-tenant", "\"shiomi.example.jp\"", "\".example.jp\", \"潮見市\""),
        ("tenant_none", "bad-tenant", "[\"shiomi.example.jp\"]", "[]"),
        ("tenant_context", "bad-tenant", "72f988bf-86f1-41af-91ab-2d7cd011db47", "directory-id"),
        ("tenant_service", "unknown-key", "microsoft = {", "micosoft = {"),
        ("syntax_quote", "syntax", "name = \"税務課\"", "name = \"税務課"),
        ("syntax_unquoted", "syntax", "prefixes = [\"10.10.0.0/16\"", "prefixes = [10.10.0.0/16"),
    ];
    let in_others = [
        ("id_twice", "duplicate-id", SHIRAKABA_FILE, "id = \"shirakaba\"", "id = \"shiomi\""),
        ("names_line", "bad-line", BANKS_FILE, ".bank.example.jp", "*.bank.example.jp\r\n.bank.example.jp"),
        ("roots_key", "bad-certificates", PARTNER_FILE, "取引先", "-----BEGIN RSA PRIVATE KEY-----"),
        ("roots_request", "bad-certificates", PARTNER_FILE, "取引先", "-----BEGIN CERTIFICATE REQUEST-----"),
        ("roots_open", "bad-certificates", PARTNER_FILE, "-----END CERTIFICATE-----\n", ""),
        ("roots_nested", "bad-certificates", PARTNER_FILE, "取引先", "-----BEGIN CERTIFICATE-----"),
        ("roots_closed", "bad-certificates", PARTNER_FILE, "取引先", "-----END CERTIFICATE-----"),
        ("line", "bad-line", THREATS_FILE, "2001:db8:bad::/48", "  10.0.0.1/8  # 桁違い\r\n宮城\r\n2001:db8:bad::/48"),
        (
            "country_line",
            "bad-line",
            COUNTRIES_FILE,
            "192.0.2.0/24,JP",
            "192.0.2.0/24\n192.0.2.0/24,jp\n9.9.9.9,8.8.8.8,XA\n192.0.2.0/24,JP",
        ),
    ];
    cases.extend(in_prefecture.map(|(name, code, from, to)| edited(name, code, PREFECTURE_FILE, from, to)));
    let pool = "203.0.113.16";
    let with_mapping = [
        ("inbound_server", "bad-inbound", inbound(pool, "tcp/443", "10.10.1.10:70000")),
        ("inbound_no_port", "bad-inbound", inbound(pool, "tcp/443", "10.10.1.10:0")),
        ("inbound_run", "bad-inbound", inbound(pool, "tcp/440-443", "10.10.1.10:8443")),
        ("inbound_nothing", "bad-inbound", inbound(pool, "", "10.10.1.10").replace("\"\"", "")),
        ("inbound_v6", "nat-not-ipv4", inbound("2001:db8:101::80", "tcp/443", "2001:db8:101::8")),
        ("inbound_lent", "inbound-lent", inbound(pool, "tcp/8443", "10.10.1.10")),
        ("inbound_elsewhere", "inbound-not-ours", inbound("203.0.113.99", "tcp/443", "10.10.1.10")),
        (
            "inbound_other_town",
            "inbound-not-ours",
            inbound("203.0.113.33", "tcp/443", "10.10.1.10").replace("16/29", "32/29"),
        ),
        ("inbound_outside", "inbound-outside-prefixes", inbound(pool, "tcp/443", "10.11.1.10")),
        ("inbound_gateway", "inbound-outside-prefixes", inbound(pool, "tcp/443", "10.10.0.1")),
        (
            "inbound_overlap",
            "inbound-overlap",
            inbound(pool, "tcp/400-450", "10.10.1.10")
                + &mapping(pool, "tcp/443", "10.10.1.11")
                + &mapping(pool, "tcp/450", "10.10.1.12").replace("site", "tables"),
        ),
        (
            "inbound_table",
            "wrong-type",
            inbound(pool, "tcp/443", "10.10.1.10").replace("[[nat.inbound]]", "[nat.inbound]"),
        ),
    ];
    cases.extend(with_mapping.map(|(name, code, to)| edited(name, code, SHIOMI_FILE, POOL, &to)));
    cases.extend(in_shiomi.map(|(name, code, from, to)| edited(name, code, SHIOMI_FILE, from, to)));
    cases.extend(in_others.map(|(name, code, path, from, to)| edited(name, code, path, from, to)));
    let in_dns = |text: &str| format!("flows = 1000\n[dns]\n{text}");
    let of_dns = |(name, code, text)| edited(name, code, SHIOMI_FILE, "flows = 1000", &in_dns(text));
    cases.extend(dns::MISTAKES.map(of_dns));
    cases.extend(whole_files::cases());
    cases
}

/// Ten mistakes, with the file, code and line of each.
pub fn ten_mistakes() -> (Source, Vec<(&'static str, &'static str, u32)>) {
    let mut source = base();
    edit(&mut source, PREFECTURE_FILE, "access = [\"lan0\"]", "acces = [\"lan0\"]");
    edit(&mut source, PREFECTURE_FILE, "[\"JP\"]", "[\"JPN\"]");
    edit(&mut source, PREFECTURE_FILE, "sets = [\"threats\"]", "sets = [\"threads\"]");
    edit(&mut source, SHIOMI_FILE, "name = \"潮見市\"", "name = 潮見市");
    edit(&mut source, SHIOMI_FILE, "\"10.10.20.0/24\"", "\"10.10.20.1/24\"");
    edit(&mut source, SHIOMI_FILE, "from = [\"taxation\"]", "from = [\"taxaton\"]");
    edit(&mut source, SHIOMI_FILE, "\"tcp/443\"]\naction = \"inspect\"", "\"udp\"]\naction = \"inspect\"");
    edit(&mut source, SHIRAKABA_FILE, "vlan = [200, 104]", "vlan = [200, 5000]");
    edit(&mut source, SHIRAKABA_FILE, "\"203.0.113.32/30\"", "\"203.0.113.16/30\"");
    edit(&mut source, THREATS_FILE, "2001:db8:bad::/48", "2001:db8:bad::/148");
    let expected = vec![
        (SHIOMI_FILE, "syntax", 2),
        (SHIOMI_FILE, "host-bits", 10),
        (SHIOMI_FILE, "unknown-section", 17),
        (SHIOMI_FILE, "not-inspectable", 23),
        (SHIRAKABA_FILE, "bad-vlan", 3),
        (SHIRAKABA_FILE, "nat-pool-overlap", 6),
        (PREFECTURE_FILE, "unknown-key", 7),
        (PREFECTURE_FILE, "bad-country", 10),
        (PREFECTURE_FILE, "unknown-set", 13),
        (THREATS_FILE, "bad-line", 4),
    ];
    (source, expected)
}
