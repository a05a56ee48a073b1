//! Mistakes in `[dns]`.

/// Name, code, and the section.
pub const MISTAKES: [(&str, &str, &str); 5] = [
    ("dns_outside", "dns-outside-prefixes", r#"servers = ["203.0.113.10", "203.0.113.17", "198.51.100.53"]"#),
    (
        "dns_zone",
        "bad-name",
        r#"servers = ["203.0.113.10"]
zones = [".shiomi.example", "1.2.3.4.5.6.7.ip6.arpa"]"#,
    ),
    (
        "dns_number",
        "bad-limit",
        r#"servers = ["203.0.113.10"]
queries_per_source = 0
names = { enter = 64, leave = 64 }"#,
    ),
    (
        "dns_zones",
        "capacity",
        r#"servers = ["203.0.113.10"]
zones = ["a.jp", "b.jp", "c.jp", "d.jp", "e.jp", "f.jp", "g.jp", "h.jp", "i.jp", "j.jp", "k.jp", "l.jp", "m.jp", "n.jp", "o.jp", "p.jp"]"#,
    ),
    ("dns_nobody", "missing-key", "servers = []\nzone = \"a.jp\""),
];
