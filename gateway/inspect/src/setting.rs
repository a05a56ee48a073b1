//! A setting of the daemon, made ready for use.

use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail};
use certify::{Authority, Moment};
use policy::CutOff;
use policy::http::HttpDecider;
use policy::proxy::{Reach, pac};
use policy::tls::{Decider, Limits, OnBadCertificate};
use rustls::crypto::{CryptoProvider, aws_lc_rs};

use crate::mint::Mint;
use crate::names::Names;
use crate::serve::Serve;
use crate::upstream::{Trust, Upstream};
use crate::wire::{AuthorityText, Setting, WIRE_VERSION};

/// What connections are decided by.
pub struct Active {
    /// Generation of the policy.
    pub generation: u64,
    /// The municipality's name, for pages.
    pub municipality: String,
    /// The rules.
    pub decider: Decider,
    /// The rules on what opened connections carry.
    pub http: Arc<HttpDecider>,
    /// Budgets.
    pub limits: Limits,
    /// What a client is shown instead of a bad certificate.
    pub on_bad_certificate: OnBadCertificate,
    /// Which address a name belongs to.
    pub names: Arc<Names>,
    /// What of the setting cannot be used.
    pub warning: Option<String>,
    /// Who is cut off.
    pub cut_off: CutOff,
    /// What clients may reach by the proxy; none: there is no proxy.
    pub reach: Option<Reach>,
    /// The file by which browsers find the proxy, but for its first line.
    pub pac: String,
    /// What opens connections; none: there is no authority to mint with.
    pub opener: Option<Arc<Opener>>,
}

/// TLS towards both sides.
pub struct Opener {
    /// Towards servers; none: there is no root to trust.
    pub upstream: Option<Upstream>,
    /// Certificates for clients.
    pub mint: Mint,
    /// Towards clients.
    pub serve: Serve,
    made_of: (AuthorityText, String),
}

impl Active {
    /// Makes it ready, or says why it cannot be used. What has not changed since `before` is kept, sessions that clients
    /// may resume and certificates that were minted included.
    pub fn new(setting: Setting, before: Option<&Self>) -> anyhow::Result<Self> {
        if setting.version != WIRE_VERSION {
            bail!(
                "the daemon speaks version {} of the inspectors' language and this program {WIRE_VERSION}; install both \
                 of one version",
                setting.version
            );
        }
        let view = setting.view;
        let mut roots = setting.platform_roots;
        for root in &view.roots {
            roots.push('\n');
            roots.push_str(&root.pem);
        }
        let opener = setting.authority.map(|authority| {
            let made_of = (authority, roots);
            let known = before.and_then(|before| before.opener.clone()).filter(|known| known.made_of == made_of);
            known.map_or_else(|| Opener::new(made_of).map(Arc::new), Ok)
        });
        // Rules are in force whatever becomes of the authority.
        let (opener, warning) = match opener.transpose() {
            Ok(opener) => (opener, None),
            Err(error) => (None, Some(format!("{error:#}"))),
        };
        let names = before.map(|before| Arc::clone(&before.names)).filter(|names| names.asks(&view.resolvers));
        let names = names.map_or_else(|| Names::new(&view.resolvers).map(Arc::new), Ok)?;
        Ok(Self {
            generation: setting.generation,
            municipality: view.name.clone(),
            limits: view.limits,
            on_bad_certificate: view.on_bad_certificate,
            names,
            warning,
            http: Arc::new(HttpDecider::new(view.clone())?),
            cut_off: CutOff::of(&view),
            reach: Reach::new(&view)?,
            pac: pac::script(&view).unwrap_or_default(),
            decider: Decider::new(view)?,
            opener,
        })
    }
}

impl Opener {
    fn new(made_of: (AuthorityText, String)) -> anyhow::Result<Self> {
        let (text, roots) = &made_of;
        let authority = Authority::from_pem(&text.chain, &text.key, &text.rsa_chain, &text.rsa_key).context(
            "the municipality's certificate authority cannot be used; issue another with `bangasa ca issue`",
        )?;
        let provider: Arc<CryptoProvider> = Arc::new(aws_lc_rs::default_provider());
        // Without any root no server can be verified, and no connection be opened; the rest goes on.
        let upstream = match Trust::new(&[roots.as_str()], &[]) {
            Ok((trust, _)) => Some(Upstream::new(Arc::clone(&provider), trust)?),
            Err(_) => None,
        };
        let mint = Mint::new(authority, Moment::from(SystemTime::now()))?;
        let serve = Serve::new(provider)?;
        Ok(Self { upstream, mint, serve, made_of })
    }
}
