//! Microsoft's tenant restrictions: tells the login hosts which organisations may be signed in to from here. The services
//! enforce it, at the login that every session comes through.
//!
//! Whatever a client sends of these fields itself is removed, on these hosts and elsewhere.

use std::sync::Arc;

use super::Inspection;
use super::fields::{BadField, Fields};
use super::heads::RequestHead;
use super::verdict::Verdict;

/// Hosts where organisations' accounts sign in.
const WORK: [&str; 3] = ["login.microsoftonline.com", "login.microsoft.com", "login.windows.net"];
/// The host where private accounts sign in.
const PRIVATE: &str = "login.live.com";

const TENANTS: &str = "Restrict-Access-To-Tenants";
const CONTEXT: &str = "Restrict-Access-Context";
const POLICY: &str = "sec-Restrict-Tenant-Access-Policy";

/// A municipality's restrictions, checked.
#[derive(Clone, Debug, Default)]
pub struct Restrictions {
    tenants: Option<(String, String)>,
    policy: Option<String>,
    is_private_closed: bool,
}

impl Restrictions {
    /// The first version: organisations by domain or id, and the id of the one that restricts. An empty list allows no
    /// organisation but that one.
    pub fn tenants(mut self, allowed: &[String], context: &str) -> Result<Self, BadField> {
        let allowed = if allowed.is_empty() { context.to_owned() } else { allowed.join(",") };
        check(TENANTS, &allowed)?;
        check(CONTEXT, context)?;
        self.tenants = Some((allowed, context.to_owned()));
        Ok(self)
    }

    /// The second version: `tenant id:policy id`, whose lists are kept at Microsoft.
    pub fn policy(mut self, policy: &str) -> Result<Self, BadField> {
        check(POLICY, policy)?;
        self.policy = Some(policy.to_owned());
        Ok(self)
    }

    /// No sign-in with private accounts.
    pub fn no_private_accounts(mut self) -> Self {
        self.is_private_closed = true;
        self
    }
}

fn check(name: &str, value: &str) -> Result<(), BadField> {
    Fields::default().add(name, value)
}

/// The inspection.
pub struct Tenants {
    restrictions: Arc<Restrictions>,
}

impl Tenants {
    /// With these restrictions.
    pub fn new(restrictions: Arc<Restrictions>) -> Self {
        Self { restrictions }
    }
}

impl Inspection for Tenants {
    fn request_head(&mut self, head: &mut RequestHead) -> Verdict<RequestHead> {
        for name in [TENANTS, CONTEXT, POLICY] {
            head.fields.remove(name);
        }
        let Restrictions { tenants, policy, is_private_closed } = &*self.restrictions;
        let mut add = |name, value: &str| {
            // Checked when it was configured.
            let added = head.fields.add(name, value);
            debug_assert!(added.is_ok());
        };
        if WORK.contains(&head.host.as_str()) {
            if let Some((allowed, context)) = tenants {
                add(TENANTS, allowed);
                add(CONTEXT, context);
            }
            if let Some(policy) = policy {
                add(POLICY, policy);
            }
        } else if head.host == PRIVATE && *is_private_closed {
            add(POLICY, "restrict-msa");
        }
        Verdict::Pass
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::seam::heads::tests::get;

    fn seen(restrictions: Restrictions, host: &str) -> Fields {
        let mut head = get(host, "/common/oauth2/authorize");
        head.fields.add("restrict-access-to-tenants", "evil.example").unwrap();
        head.fields.add("SEC-restrict-tenant-access-policy", "evil").unwrap();
        head.fields.add("Accept", "*/*").unwrap();
        let verdict = Tenants::new(Arc::new(restrictions)).request_head(&mut head);
        assert!(matches!(verdict, Verdict::Pass));
        assert_eq!(head.fields.text("accept"), Some("*/*"));
        head.fields
    }

    fn both() -> Restrictions {
        let allowed = ["city.sendai.example".to_owned(), "pref.example".to_owned()];
        Restrictions::default().tenants(&allowed, "0b6c-1").unwrap().policy("0b6c-1:77").unwrap().no_private_accounts()
    }

    #[test]
    fn login_hosts_learn_who_may_sign_in() {
        for host in WORK {
            let fields = seen(both(), host);
            assert_eq!(fields.all(TENANTS).collect::<Vec<_>>(), [b"city.sendai.example,pref.example"]);
            assert_eq!(fields.all(CONTEXT).collect::<Vec<_>>(), [b"0b6c-1"]);
            assert_eq!(fields.all(POLICY).collect::<Vec<_>>(), [b"0b6c-1:77"]);
        }
        let fields = seen(both(), PRIVATE);
        assert_eq!(fields.all(POLICY).collect::<Vec<_>>(), [b"restrict-msa"]);
        assert_eq!(fields.get(TENANTS), None);
    }

    #[test]
    fn elsewhere_nothing_is_added_and_what_clients_say_goes() {
        for host in ["www.example.jp", "login.microsoftonline.com.evil.example"] {
            assert_eq!(seen(both(), host).len(), 1, "{host}");
        }
        assert_eq!(seen(Restrictions::default(), PRIVATE).len(), 1);
    }

    #[test]
    fn what_would_split_a_head_is_no_restriction() {
        assert!(Restrictions::default().policy("a\r\nHost: b").is_err());
        assert!(Restrictions::default().tenants(&["a\n".to_owned()], "b").is_err());
    }
}
