//! Inspections by the rules of a policy that a test writes.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::policy::Source;
use ::policy::http::HttpDecider;
use ::policy::tls::View;
use inspect::seam::rules::ByRules;
use inspect::seam::{Connection, Inspector};

use super::pipes::Test;

const PREFECTURE: &str =
    "schema = 1\n[prefecture]\nid = \"miyagi\"\nname = \"宮城県\"\n[ports]\nuplink = [\"wan0\"]\naccess = [\"lan0\"]\n";
const TOWN: &str = "id = \"sendai\"\nname = \"仙台市\"\nprefixes = [\"10.4.0.0/16\"]\n\
    attach = [{ port = \"lan0\", vlan = 101, address = [\"10.4.0.1/24\"] }]\n\
    [egress]\ndefault = \"deny\"\n[[egress.rule]]\nname = \"web\"\nports = [\"tcp/443\"]\naction = \"inspect\"\n";

/// What a connection to `a.example`, whose certificate is for `other.example` too, may carry by these HTTP rules.
pub fn by_rules(http: &str) -> Arc<Test> {
    let files = [("prefecture.toml", format!("{PREFECTURE}{http}")), ("municipalities/sendai.toml", TOWN.to_owned())];
    let files: BTreeMap<_, _> = files.map(|(name, text)| (name.to_owned(), text.into_bytes())).into();
    let source = Source { files };
    let checked = ::policy::check(&source);
    let policy = checked.policy.unwrap_or_else(|| panic!("{}", ::policy::render(&source, &checked.diagnostics, false)));
    let decider = Arc::new(HttpDecider::new(View::of(&policy, "sendai").unwrap()).unwrap());
    let connection = Connection { server_name: Some("a.example".into()), ..Connection::default() };
    let opens = Box::new(|host: &str| host != "closed.example");
    let rules = ByRules::new(connection, [10, 4, 0, 7].into(), decider, opens);
    rules.prove(Box::new(|host| host != "uncovered.example"));
    Test::new(move || rules.exchange())
}
