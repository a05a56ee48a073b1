//! What is known of a connection once its client has spoken, and what a policy says of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use policy::tls::{Asked, Ech, Opening as Speaks, Ruling, TlsAction, Transport};
use tokio::sync::watch;

use crate::bypass::Bypassed;
use crate::opening::TlsHello;
use crate::setting::Active;
use crate::wire::{Rule, Session};

/// A question to the rules that can be asked again.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) client: IpAddr,
    pub(crate) destination: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) speaks: Speaks,
    pub(crate) hello: Option<Arc<TlsHello>>,
}

impl Question {
    /// Of a connection whose client has spoken like this.
    pub(crate) fn of(session: &Session, speaks: Speaks, hello: Option<Arc<TlsHello>>) -> Self {
        let (client, destination) = (session.client.ip(), session.destination);
        Self { client, destination, transport: session.transport, speaks, hello }
    }

    /// What a policy says of it.
    pub(crate) fn ruling<'a>(&self, active: &'a Active) -> Ruling<'a> {
        self.ruling_for(active, self.hello.as_ref().and_then(|hello| hello.sni.as_deref()))
    }

    /// The same, had the client called its server so.
    pub(crate) fn ruling_for<'a>(&self, active: &'a Active, sni: Option<&str>) -> Ruling<'a> {
        let hello = self.hello.as_deref();
        let alpn: Vec<&[u8]> = hello.iter().flat_map(|hello| &hello.alpn).map(Vec::as_slice).collect();
        active.decider.decide(&Asked {
            client: self.client,
            destination: self.destination,
            transport: self.transport,
            opening: self.speaks,
            sni,
            ja4: hello.map(|hello| hello.ja4.as_str()),
            alpn: &alpn,
            ech: if hello.is_some_and(|hello| hello.ech) { Ech::Offered } else { Ech::Absent },
        })
    }

    /// Notes question and answer in what will be told of the connection.
    pub(crate) fn note(&self, session: &mut Session, ruling: &Ruling<'_>) {
        session.opening = Some(self.speaks);
        session.action = ruling.action;
        session.rule = ruling.rule.map(Rule::from);
        if let Some(hello) = &self.hello {
            session.sni.clone_from(&hello.sni);
            session.alpn = hello.alpn.iter().map(|name| name.escape_ascii().to_string()).collect();
            session.ja4 = Some(hello.ja4.clone());
            session.ech = hello.ech;
        }
    }

    /// Waits for a policy that answers otherwise; or, of a connection that goes by unopened, for its name not to be let by
    /// any more.
    pub(crate) async fn overruled(
        self,
        mut settings: watch::Receiver<Option<Arc<Active>>>,
        action: TlsAction,
        mut goes_by: Option<watch::Receiver<Arc<Bypassed>>>,
    ) {
        loop {
            let changed = match &mut goes_by {
                None => settings.changed().await,
                Some(names) => tokio::select! {
                    changed = settings.changed() => changed,
                    changed = names.changed() => changed,
                },
            };
            if changed.is_err() {
                return std::future::pending().await;
            }
            let Some(active) = settings.borrow_and_update().clone() else { continue };
            let ruling = self.ruling(&active);
            let lets_by = |names: &mut watch::Receiver<Arc<Bypassed>>| {
                names.borrow_and_update().lets_by(&active, &ruling, self.client, self.hello.as_deref())
            };
            if ruling.action != action || !goes_by.as_mut().is_none_or(lets_by) {
                return;
            }
        }
    }
}
