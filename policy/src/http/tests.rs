//! Rulings over whole policies: those of a reading of the rules without any index, whatever a path is written like.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::*;
use crate::Policy;
use crate::checked::HttpRule;
use crate::source::Source;
use crate::tls::{Names, View};

const PREFECTURE: &str = r#"schema = 1
[prefecture]
id = "asagiri"
name = "朝霧県"
[ports]
uplink = ["wan0"]
access = ["lan0"]
[[baseline]]
name = "web"
direction = "egress"
ports = ["tcp"]
action = "inspect"
[names]
storage = { names = [".drive.example", "up.example"] }
updates = { names = ["updates.example"] }
"#;

const SHIOMI: &str = r#"id = "shiomi"
name = "潮見市"
attach = [{ port = "lan0", vlan = 101, address = ["10.10.0.1/16"] }]
prefixes = ["10.10.0.0/16"]
[sections]
schools = ["10.10.64.0/18"]
"#;

const HOSTS: [&str; 6] =
    ["a.drive.example", "DRIVE.example:8443", "up.example.", "x.up.example", "updates.example", "other.example"];
const PATHS: [&str; 7] = ["/", "/files", "/files/", "/files/x/raw", "/files/x/y.exe", "/Files/x", "/other/files/x"];
const PATTERNS: [&str; 6] = ["/files/", "/files", "/files/*/raw", "*.exe", "/", "/other/"];
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "post"];

fn policy(prefectural: &str, municipal: &str) -> Policy {
    let files = [
        ("prefecture.toml", PREFECTURE.to_owned() + prefectural),
        ("municipalities/shiomi.toml", SHIOMI.to_owned() + municipal),
    ];
    let checked =
        crate::check(&Source { files: files.map(|(path, text)| (path.to_owned(), text.into_bytes())).into() });
    checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics))
}

fn decider(policy: &Policy) -> HttpDecider {
    // As it arrives in another process.
    let sent = serde_json::to_string(&View::of(policy, "shiomi").expect("it is there")).expect("it is data");
    HttpDecider::new(serde_json::from_str(&sent).expect("as sent")).expect("sound")
}

fn asked<'a>(client: &str, host: Option<&'a str>, path: &'a str, method: &'a str) -> HttpAsked<'a> {
    HttpAsked { client: client.parse().expect("an address"), host, path, method }
}

fn rules(rng: &mut StdRng) -> String {
    let mut text = String::new();
    for number in 0..rng.random_range(0..7) {
        let _ = write!(text, "[[http.rule]]\nname = \"r{number}\"\n");
        let list = |rng: &mut StdRng, words: &[&str]| {
            let word = |rng: &mut StdRng| format!("\"{}\"", words.choose(rng).expect("some"));
            let some: Vec<String> = (0..rng.random_range(1..3)).map(|_| word(rng)).collect();
            some.join(", ")
        };
        if rng.random_ratio(2, 3) {
            let names = ["@storage", "@updates", ".example", "other.example", "none"];
            let _ = writeln!(text, "host = [{}]", list(rng, &names));
        }
        if rng.random() {
            let _ = writeln!(text, "path = [{}]", list(rng, &PATTERNS));
        }
        if rng.random_ratio(1, 3) {
            let _ = writeln!(text, "methods = [{}]", list(rng, &METHODS[..3]));
        }
        if rng.random_ratio(1, 3) {
            let _ = writeln!(text, "types = [{}]", list(rng, &["pe", "elf", "zip"]));
        }
        let action = ["allow\"\nupload_limit = \"1 MiB", "allow", "block"].choose(rng).expect("some");
        let _ = writeln!(text, "action = \"{action}\"");
    }
    text
}

fn naive<'p>(policy: &'p Policy, asked: &HttpAsked<'_>, kind: Option<FileType>) -> Option<&'p HttpRule> {
    let blocks = |rule: &HttpRule| rule.action == HttpAction::Block;
    let named = |rule: &HttpRule| {
        let Some(host) = &rule.host else { return true };
        let Some(name) = asked.host else { return host.none };
        let name = name.trim_end_matches(":8443").trim_end_matches('.').to_lowercase();
        let same =
            |listed: &str| name == listed.trim_start_matches('.') || listed.starts_with('.') && name.ends_with(listed);
        host.lists().flat_map(Names::iter).any(same)
    };
    let pathed = |rule: &HttpRule| {
        let fold = |text: &str| if blocks(rule) { text.to_lowercase() } else { text.to_owned() };
        let path = fold(asked.path);
        let one = |pattern: &String| match pattern.as_str() {
            "/" => true,
            "*.exe" => path.ends_with(".exe"),
            "/files/*/raw" => path.starts_with("/files/") && path.ends_with("/raw"),
            "/files" => path == "/files",
            below => path.starts_with(below) || format!("{path}/") == below,
        };
        rule.path.as_ref().is_none_or(|patterns| patterns.iter().any(one))
    };
    let asks = |rule: &HttpRule| {
        let fold = |text: &str| if blocks(rule) { text.to_uppercase() } else { text.to_owned() };
        rule.methods.as_ref().is_none_or(|methods| methods.contains(&fold(asked.method)))
    };
    let typed = |rule: &HttpRule| rule.types.as_ref().is_none_or(|it| kind.is_some_and(|kind| it.contains(&kind)));
    let mut rules = policy.http.rules.iter().chain(&policy.municipalities[0].http.rules);
    rules.find(|rule| named(rule) && pathed(rule) && asks(rule) && typed(rule))
}

#[test]
fn rulings_are_those_of_reading_rule_after_rule() {
    let mut rng = StdRng::seed_from_u64(5);
    let (mut decided, mut by_type) = (0, 0);
    for round in 0..300 {
        let policy = policy(&rules(&mut rng), &rules(&mut rng));
        let decider = decider(&policy);
        for _ in 0..40 {
            let host = rng.random_ratio(7, 8).then(|| *HOSTS.choose(&mut rng).expect("some"));
            let (path, method) = (PATHS.choose(&mut rng).expect("some"), METHODS.choose(&mut rng).expect("some"));
            let kind =
                *[None, Some(FileType::Pe), Some(FileType::Zip), Some(FileType::Pdf)].choose(&mut rng).expect("some");
            let asked = asked("10.10.7.7", host, path, method);
            let expected = naive(&policy, &asked, kind);
            let ruling = decider.decide(&asked);
            let verdict = ruling.of_type(kind);
            let found = verdict.rule.map(|rule| (rule.name.as_str(), rule.line));
            let wanted = expected.map(|rule| (rule.name.as_str(), rule.location.line));
            assert_eq!(found, wanted, "round {round}: {asked:?} {kind:?}\n{policy:#?}");
            assert_eq!(verdict.action, expected.map_or(HttpAction::Allow, |rule| rule.action));
            assert_eq!(verdict.upload_limit, expected.and_then(|rule| rule.upload_limit));
            let may_go_on = [None].into_iter().chain(FileType::WORDS.iter().map(|&(_, kind)| Some(kind)));
            let never = may_go_on.into_iter().all(|kind| ruling.of_type(kind).action == HttpAction::Block);
            assert!(!ruling.blocks_at_once() || never, "round {round}: {asked:?}\n{policy:#?}");
            decided += usize::from(expected.is_some());
            by_type += usize::from(expected.is_some_and(|rule| rule.types.is_some()));
        }
    }
    assert!(decided > 4_000 && by_type > 300, "of all: {decided}, {by_type}");
}

/// The same place in many words: none gets past a rule that blocks it, or in by one that allows another.
#[test]
fn no_way_of_writing_a_path_is_a_way_around_a_rule() {
    let rule = |name: &str, path: &str, action: &str| {
        format!("[[http.rule]]\nname = \"{name}\"\npath = [\"{path}\"]\naction = \"{action}\"\n")
    };
    let blocks = decider(&policy(&rule("no", "/private/", "block"), ""));
    let only = decider(&policy(&rule("public", "/public/", "allow"), &rule("rest", "*", "block")));
    let action = |decider: &HttpDecider, path: &str| {
        decider.decide(&asked("10.10.7.7", Some("a.example"), path, "GET")).verdict.action
    };
    for path in [
        "/private",
        "/private/x",
        "/Private/x",
        "/%70rivate/x",
        "/%2570rivate/x",
        "//private/x",
        "/.//private/x",
        "/./private/x",
        "/public/../private/x",
        "/public/%2e%2E/private/x",
        "/public%2f..%2Fprivate/x",
        "/public/..%5cprivate/x",
        "/public\\..\\private\\x",
        "/public/..;a=b/private/x",
        "/private;a=b/x",
        "/private%00.html",
        "/private?x",
        "/private#x",
        "https://a.example/private/x",
        "HTTP://a.example:80//private/x",
        "/public/%252e%252e/private/x",
    ] {
        assert_eq!(action(&blocks, path), HttpAction::Block, "{path}");
        assert_eq!(action(&only, path), HttpAction::Block, "{path}");
    }
    for path in ["/public/x", "/public", "/public/private/x", "/%70ublic/a%20b?c=/private/", "/public/a//b/./c"] {
        assert_eq!(action(&blocks, path), HttpAction::Allow, "{path}");
        assert_eq!(action(&only, path), HttpAction::Allow, "{path}");
    }
    // Some servers read this as private, some do not: neither rule lets it through.
    for path in ["/private/..%2fpublic/x", "/private/..\\public", "/private/..;/public"] {
        assert_eq!((action(&blocks, path), action(&only, path)), (HttpAction::Block, HttpAction::Block), "{path}");
    }
    let long = "/a".repeat(limits::PATH_BYTES);
    assert_eq!((action(&blocks, &long), action(&only, &long)), (HttpAction::Block, HttpAction::Block));
}

#[test]
fn types_are_waited_for_and_the_first_rule_decides() {
    let rules = "[[http.rule]]\nname = \"updates\"\nhost = [\"@updates\"]\ntypes = [\"pe\"]\naction = \"allow\"\n\
                 [[http.rule]]\nname = \"programs\"\ntypes = [\"pe\", \"elf\"]\naction = \"block\"\n\
                 [[http.rule]]\nname = \"uploads\"\nhost = [\"@storage\"]\nmethods = [\"PUT\"]\nupload_limit = \"20 MiB\"\naction = \"allow\"\n\
                 [[http.rule]]\nname = \"closed\"\nhost = [\"@storage\"]\naction = \"block\"\n";
    let policy = policy(rules, "");
    let decider = decider(&policy);
    let named = |verdict: HttpVerdict<'_>| (verdict.action, verdict.rule.map(|rule| rule.name.clone()));
    let rule = |action, name: &str| (action, Some(name.to_owned()));
    let updates = decider.decide(&asked("10.10.7.7", Some("updates.example"), "/", "GET"));
    assert!(updates.heeds_types() && !updates.blocks_at_once());
    assert_eq!(named(updates.of_type(Some(FileType::Pe))), rule(HttpAction::Allow, "updates"));
    assert_eq!(named(updates.of_type(Some(FileType::Elf))), rule(HttpAction::Block, "programs"));
    assert_eq!(named(updates.of_type(None)), (HttpAction::Allow, None));
    let up = decider.decide(&asked("10.10.7.7", Some("up.example"), "/", "PUT"));
    assert_eq!((up.verdict.upload_limit, up.blocks_at_once()), (Some(20 << 20), false));
    assert!(decider.decide(&asked("10.10.7.7", Some("up.example"), "/", "GET")).blocks_at_once());
}

#[test]
fn login_servers_are_told_whose_accounts_may_be_used() {
    let directory = "72f988bf-86f1-41af-91ab-2d7cd011db47";
    let tenants = |allowed: &str| {
        format!("[http.tenants]\nmicrosoft = {{ allowed = [{allowed}], context = \"{}\" }}\n", directory.to_uppercase())
    };
    let both = policy(&tenants("\"Contoso.Example\""), &tenants(&format!("\"city.example\", \"{directory}\"")));
    let own = decider(&both);
    let expected = [
        ("Restrict-Access-To-Tenants", format!("city.example,{directory}")),
        ("Restrict-Access-Context", directory.to_owned()),
    ];
    for host in ["login.microsoftonline.com", "Login.Microsoft.COM:443", "login.windows.net."] {
        assert_eq!(own.headers(host), expected, "{host}");
    }
    for host in ["www.microsoft.com", "login.microsoftonline.com.example", "x.login.windows.net", ""] {
        assert!(own.headers(host).is_empty(), "{host}");
    }
    let above = decider(&policy(&tenants("\"Contoso.Example\""), ""));
    assert_eq!(above.headers("login.windows.net")[0].1, "contoso.example");
    assert!(decider(&policy("", "")).headers("login.windows.net").is_empty());
}

#[test]
fn what_must_be_seen_is_told_from_what_may_pass_unopened() {
    let tenants = "[http.tenants]\nmicrosoft = { allowed = [\"a.example\"], context = \"72f988bf-86f1-41af-91ab-2d7cd011db47\" }\n";
    let restricting = decider(&policy(tenants, ""));
    assert_eq!(restricting.must_see(None, "LOGIN.microsoft.com"), Some(MustSee::Tenants));
    assert_eq!(restricting.must_see(None, "www.microsoft.com"), None);
    assert_eq!(restricting.restricted(), MICROSOFT_LOGINS);
    let rule = |name: &str, rest: &str| format!("[[http.rule]]\nname = \"{name}\"\n{rest}\n");
    let policy = policy(
        &[
            rule("schools", "from = [\"10.10.64.0/18\"]\nhost = [\"games.example\"]\naction = \"block\""),
            rule("uploads", "host = [\"@storage\"]\nupload_limit = \"20 MiB\"\naction = \"allow\""),
            rule("secret", "host = [\"updates.example\"]\npath = [\"/secret/\"]\naction = \"block\""),
            rule("programs", "types = [\"pe\"]\naction = \"block\""),
            rule("open", "host = [\".open.example\"]\naction = \"allow\""),
        ]
        .concat(),
        &rule("rest", "from = [\"schools\"]\naction = \"block\""),
    );
    let decider = decider(&policy);
    for (client, host, by) in [
        (Some("10.10.64.7"), "games.example", Some("schools")),
        (Some("10.10.7.7"), "games.example", None),
        (None, "games.example", Some("schools")),
        (Some("10.10.7.7"), "a.drive.example", Some("uploads")),
        (Some("10.10.7.7"), "Updates.example.", Some("secret")),
        // What is said of all hosts does not keep one from passing.
        (Some("10.10.7.7"), "other.example", None),
        (Some("10.10.64.7"), "other.example", Some("rest")),
        (Some("10.10.64.7"), "www.open.example", None),
        (None, "www.open.example", None),
    ] {
        let found = decider.must_see(client.map(|client| client.parse().expect("an address")), host);
        let wanted = |found: &MustSee<'_>| matches!(found, MustSee::Rule(rule) if Some(rule.name.as_str()) == by);
        assert!(found.as_ref().map_or(by.is_none(), wanted), "{client:?} {host}: {found:?}");
    }
    assert!(decider.restricted().is_empty());
}
