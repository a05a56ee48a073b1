//! Mistakes that take a file of their own.

use policy::Source;

use super::{
    BANKS_FILE, COUNTRIES_FILE, Case, PARTNER_FILE, PREFECTURE_FILE, SHIOMI_FILE, SHIRAKABA_FILE, THREATS_FILE, base,
    edit,
};

/// Cases that are not an edit of one text.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![Case { name: "nothing", code: "missing-file", source: Source::default() }];
    let mut add = |name, code, change: &dyn Fn(&mut Source)| {
        let mut source = base();
        change(&mut source);
        cases.push(Case { name, code, source });
    };
    add("nobody", "no-municipality", &|source| source.files.retain(|path, _| !path.starts_with("municipalities/")));
    add("countries_none", "missing-file", &|source| {
        source.files.remove(COUNTRIES_FILE);
    });
    add("prefecture_misnamed", "missing-file", &|source| {
        let text = source.files.remove(PREFECTURE_FILE).expect("it is in the base");
        source.files.insert("prefectures.toml".to_owned(), text);
    });
    add("shift_jis", "not-utf8", &|source| {
        let name = b"id = \"shirakaba\"\nname = \"\x94\x92\x8a\x92\x92\xac\"\n".to_vec();
        source.files.insert(SHIRAKABA_FILE.to_owned(), name);
    });
    // Two lists are never closed, and yet what comes after them is checked, in its right place.
    add("syntax_lists_and_more", "unknown-section", &|source| {
        edit(source, SHIOMI_FILE, "\"203.0.113.8/29\"]", "\"203.0.113.8/29\"");
        edit(source, SHIOMI_FILE, "[\"tcp/80\", \"tcp/443\"]", "[\"tcp/80\",");
        edit(source, SHIOMI_FILE, "from = [\"taxation\"]", "from = [\"taxaton\"]");
        edit(source, SHIOMI_FILE, "to = [\"203.0.113.10\"]", "to = [\"203.0.113.300\"]");
    });
    add("many_bad_lines", "bad-line", &|source| {
        let lines: String = (0..100).map(|line| format!("bad.example-{line}\n")).collect();
        source.files.insert(THREATS_FILE.to_owned(), lines.into_bytes());
    });
    add("too_many_rules", "capacity", &|source| {
        let rule = |number: usize| {
            format!("[[egress.rule]]\nname = \"r{number}\"\nports = [\"udp/{number}\"]\naction = \"deny\"\n")
        };
        edit(source, SHIRAKABA_FILE, "", &(0..16_384).map(rule).collect::<String>());
    });
    let crls = |source: &mut Source, contents: &[u8]| {
        edit(source, PREFECTURE_FILE, "roots = [", "crls = [\"crls/partner.crl\"]\nroots = [");
        source.files.insert("crls/partner.crl".to_owned(), contents.to_vec());
    };
    add("crls_none", "bad-revocation-list", &|source| crls(source, b"# later\n"));
    add("crls_cut_short", "bad-revocation-list", &|source| crls(source, b"\x30\x03\x02\x01"));
    add("crls_broken", "bad-revocation-list", &|source| {
        crls(source, b"-----BEGIN X509 CRL-----\n*\n-----END X509 CRL-----\n");
    });
    add("crls_certificate", "bad-revocation-list", &|source| {
        let roots = source.files[PARTNER_FILE].clone();
        crls(source, &roots);
    });
    add("crls_key", "bad-revocation-list", &|source| {
        crls(source, b"-----BEGIN EC PRIVATE KEY-----\nMAA=\n-----END EC PRIVATE KEY-----\n");
    });
    add("crls_missing", "missing-file", &|source| {
        crls(source, b"");
        source.files.remove("crls/partner.crl");
    });
    add("crls_too_large", "capacity", &|source| {
        let mut der = vec![0x30, 0x84, 0x00, 0x80, 0x00, 0x00];
        der.resize(der.len() + (8 << 20), 0);
        crls(source, &der);
    });
    add("roots_none", "bad-certificates", &|source| {
        source.files.insert(PARTNER_FILE.to_owned(), b"# later\n".to_vec());
    });
    add("too_many_resolvers", "capacity", &|source| {
        let many: String = (1..=9).map(|number| format!("\"192.0.2.{number}\", ")).collect();
        edit(source, PREFECTURE_FILE, "\"192.0.2.53\"", &many);
    });
    add("too_many_tls_rules", "capacity", &|source| {
        let rule = |number: usize| {
            format!("[[tls.rule]]\nname = \"r{number}\"\nports = [\"tcp/{number}\"]\naction = \"block\"\n")
        };
        edit(source, SHIOMI_FILE, "", &(1..=4_096).map(rule).collect::<String>());
    });
    add("too_many_http_rules", "capacity", &|source| {
        let rule = |number: usize| {
            format!("[[http.rule]]\nname = \"r{number}\"\npath = [\"/{number}\"]\naction = \"block\"\n")
        };
        edit(source, SHIOMI_FILE, "[http.tenants]", &((1..=4_096).map(rule).collect::<String>() + "[http.tenants]"));
    });
    add("too_many_names", "capacity", &|source| {
        let names: String = (0..1_000_000).map(|number| format!("n{number}.jp\n")).collect();
        source.files.insert(BANKS_FILE.to_owned(), names.into_bytes());
    });
    add("too_much_to_compare", "unchecked-rules", &|source| {
        // Each rule all but covers the next: a thousand addresses in common, one not.
        let many: String = (0..1000).map(|at| format!("\"198.18.{}.{}\", ", at / 100, at % 100 * 2)).collect();
        let rule = |number: usize| {
            let own = format!("\"198.19.{}.{}\"", number / 200, number % 200);
            format!("[[egress.rule]]\nname = \"r{number}\"\nto = [{many} {own}, \"198.20.0.0\"]\naction = \"deny\"\n")
        };
        edit(source, SHIRAKABA_FILE, "", &(0..120).map(rule).collect::<String>());
    });
    cases
}
