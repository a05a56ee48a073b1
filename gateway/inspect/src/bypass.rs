//! Names that are passed on unopened because applications refuse the certificates minted for them: which connections that
//! rules want opened go by, and which may be learned from.
//!
//! The daemon learns and says which names; whether one may pass in this very connection is decided here, each time anew. A
//! rule that blocks still blocks, since nothing but `inspect` comes here.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use policy::tls::{Bypass, Ruling, TlsAction, canonical};

use crate::opening::TlsHello;
use crate::setting::Active;
use crate::wire::{Approver, BypassName};

/// Approved names.
#[derive(Debug, Default)]
pub struct Bypassed(HashMap<String, Approved>);

#[derive(Debug)]
struct Approved {
    until_seconds: u64,
    by: Approver,
}

impl Bypassed {
    /// These, and no others.
    pub fn new(names: Vec<BypassName>) -> Self {
        let approved = |name: BypassName| (name.name, Approved { until_seconds: name.until_seconds, by: name.by });
        Self(names.into_iter().map(approved).collect())
    }

    /// Whether a connection goes by unopened that this ruling wants opened.
    pub fn lets_by(&self, active: &Active, ruling: &Ruling<'_>, client: IpAddr, hello: Option<&TlsHello>) -> bool {
        let Some(hello) = hello.filter(|_| ruling.action == TlsAction::Inspect && !self.0.is_empty()) else {
            return false;
        };
        let Some(approved) = name(hello).and_then(|name| self.0.get(&name)) else { return false };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // Whoever wrote a rule for this very name has thought of it, and is overruled by a person alone.
        let is_meant = !ruling.names_server || approved.by == Approver::Person;
        is_meant && now < approved.until_seconds && may_pass(active, client, hello)
    }
}

/// Whether anything of a connection to this server may go by unopened at all.
pub fn may_pass(active: &Active, client: IpAddr, hello: &TlsHello) -> bool {
    // Behind a name in the clear another one may be hidden, of which nobody has heard.
    active.bypass.mode != Bypass::Off
        && !hello.ech
        && name(hello).is_some_and(|name| active.http.must_see(Some(client), &name).is_none())
}

fn name(hello: &TlsHello) -> Option<String> {
    let name = canonical(hello.sni.as_deref()?).ok()?;
    (!name.starts_with('.')).then(|| name.into_owned())
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use certify::KeyType;
    use policy::Source;
    use policy::tls::{Asked, Ech, Opening, Transport, View};

    use super::*;
    use crate::wire::{Setting, WIRE_VERSION};

    const PREFECTURE: &str = "schema = 1\n[prefecture]\nid = \"asagiri\"\nname = \"朝霧県\"\n[ports]\nuplink = [\"wan0\"]\n\
        access = [\"lan0\"]\n[[baseline]]\nname = \"web\"\ndirection = \"egress\"\nports = [\"tcp\"]\naction = \"inspect\"\n";
    const TOWN: &str = "id = \"shiomi\"\nname = \"潮見市\"\nprefixes = [\"10.10.0.0/16\"]\n\
        attach = [{ port = \"lan0\", vlan = 101, address = [\"10.10.0.1/16\"] }]\n";
    const RULES: &str = "[[tls.rule]]\nname = \"meant\"\nsni = [\"meant.example\"]\naction = \"inspect\"\n\
        [[tls.rule]]\nname = \"never\"\nsni = [\"never.example\"]\naction = \"block\"\n\
        [[http.rule]]\nname = \"seen\"\nhost = [\"seen.example\"]\npath = [\"/x/\"]\naction = \"block\"\n\
        [http.tenants]\nmicrosoft = { allowed = [\"a.example\"], context = \"72f988bf-86f1-41af-91ab-2d7cd011db47\" }\n";

    fn active(mode: &str) -> Active {
        let prefecture = format!("{PREFECTURE}[tls]\nresolvers = [\"192.0.2.53\"]\nbypass = \"{mode}\"\n{RULES}");
        let files = [("prefecture.toml", prefecture), ("municipalities/shiomi.toml", TOWN.to_owned())];
        let source = Source { files: files.map(|(name, text)| (name.to_owned(), text.into_bytes())).into() };
        let checked = policy::check(&source);
        let policy = checked.policy.unwrap_or_else(|| panic!("{:#?}", checked.diagnostics));
        let view = View::of(&policy, "shiomi").unwrap();
        let (platform_roots, authority) = (String::new(), None);
        Active::new(Setting { version: WIRE_VERSION, generation: 1, view, platform_roots, authority }, None).unwrap()
    }

    fn hello(name: &str, ech: bool) -> TlsHello {
        let (sni, ja4) = (Some(name.to_owned()), "t13d_a_b".to_owned());
        TlsHello { sni, alpn: Vec::new(), ja4, ech, key_type: KeyType::Ecdsa }
    }

    #[tokio::test]
    async fn only_what_would_be_opened_goes_by_and_only_where_nobody_must_see_it() {
        let name = |name: &str, by, until_seconds| BypassName { name: name.to_owned(), until_seconds, by };
        let never = ["never.example", "seen.example", "login.microsoft.com"];
        let mut all: Vec<_> = never.iter().map(|never| name(never, Approver::Person, u64::MAX)).collect();
        all.extend(["app.example", "meant.example"].map(|both| name(both, Approver::Machine, u64::MAX)));
        all.push(name("over.example", Approver::Person, 1));
        let by_machine = Bypassed::new(all);
        let by_person = Bypassed::new(vec![name("meant.example", Approver::Person, u64::MAX)]);
        let on = active("suggest");
        let goes = |active: &Active, bypassed: &Bypassed, hello: &TlsHello| {
            let client: IpAddr = [10, 10, 1, 7].into();
            let ruling = active.decider.decide(&Asked {
                client,
                destination: SocketAddr::from(([198, 51, 100, 4], 443)),
                transport: Transport::Tcp,
                opening: Opening::Tls,
                sni: hello.sni.as_deref(),
                ja4: None,
                alpn: &[],
                ech: if hello.ech { Ech::Offered } else { Ech::Absent },
            });
            bypassed.lets_by(active, &ruling, client, Some(hello))
        };
        for (sni, wanted) in [
            ("app.example", true),
            ("APP.example.", true),
            ("www.app.example", false),
            ("over.example", false),
            ("meant.example", false),
            ("never.example", false),
            ("seen.example", false),
            ("login.microsoft.com", false),
        ] {
            assert_eq!(goes(&on, &by_machine, &hello(sni, false)), wanted, "{sni}");
        }
        assert!(goes(&on, &by_person, &hello("meant.example", false)), "a person outweighs the rule");
        assert!(!goes(&on, &by_machine, &hello("app.example", true)), "another name may be hidden");
        assert!(!goes(&active("off"), &by_machine, &hello("app.example", false)));
        assert!(may_pass(&on, [10, 10, 1, 7].into(), &hello("other.example", false)));
        assert!(!may_pass(&on, [10, 10, 1, 7].into(), &hello("seen.example", false)));
    }
}
