//! A port where datagrams arrive, and what is going on there: by client and server, whose connection each belongs to.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hello::quic::{Begins, begins};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_local;

use super::connection;
use super::hearing::Datagram;
use super::socket::{Received, Socket};
use crate::run::{Shared, Stage};

/// Pairs of ends at a time, those included that were refused a moment ago.
const MOST_FLOWS: usize = 1 << 16;
/// Datagrams of one of them that wait for its connection to look at them. Those that need no look do not wait.
const MOST_WAITING: usize = 32;
/// The longest that is looked at. A path to the Internet has room for 1,500 bytes.
const LONGEST: usize = 4_096;
/// Refusals in a second.
const REFUSALS: u32 = 2_000;

/// Client and server.
pub type Ends = (SocketAddr, IpAddr);

/// The port.
pub struct Place {
    pub socket: Socket,
    pub shared: Arc<Shared>,
    /// Connections whose hello is not whole.
    pub undecided: Cell<usize>,
    flows: RefCell<HashMap<Ends, Rc<Flow>>>,
    refusals: Cell<(Instant, u32)>,
}

/// What arrives between two ends.
pub struct Flow {
    inbox: Sender<Datagram>,
    /// Whereto what needs no look goes; none: nothing is decided.
    pub upstream: RefCell<Option<Rc<Socket>>>,
    /// Bytes from the client that were passed on.
    pub sent: Cell<u64>,
    /// When something passed, either way.
    pub used_at: Cell<Instant>,
}

/// Serves a port until the process ends.
pub async fn listen(socket: Socket, shared: Arc<Shared>) {
    let _door = shared.account.door();
    let (mut setting, mut stage) = (shared.setting.subscribe(), shared.stage.subscribe());
    // Before there is a setting datagrams wait in the kernel, which drops what is too much.
    tokio::select! {
        _ = setting.wait_for(Option::is_some) => {}
        _ = stage.wait_for(|stage| *stage >= Stage::Retiring) => return,
    }
    let place = Rc::new(Place {
        socket,
        shared,
        undecided: Cell::new(0),
        flows: RefCell::default(),
        refusals: Cell::new((Instant::now(), 0)),
    });
    loop {
        tokio::select! {
            _ = place.socket.readable() => {}
            _ = stage.wait_for(|stage| *stage >= Stage::Retiring) => return,
        }
        // An error is about some datagram that was sent, and nobody's business here.
        let _ = place.socket.receive(|received| take(&place, received));
    }
}

/// What has arrived from one client for one server.
fn take(place: &Rc<Place>, received: &Received<'_>) {
    let Some(to) = received.to else { return };
    let ends = (received.from, to);
    let known = place.flows.borrow().get(&ends).map(Rc::clone);
    let flow = match known {
        Some(flow) => flow,
        None if place.flows.borrow().len() >= MOST_FLOWS => return place.lost(1),
        None => begin(place, ends),
    };
    let datagrams = || received.bytes.chunks(received.size);
    let upstream = flow.upstream.borrow().as_ref().map(Rc::clone);
    if let Some(upstream) = upstream.filter(|_| datagrams().all(|datagram| begins(datagram) == Begins::Short)) {
        return flow.pass(place, ends, &upstream, received);
    }
    for datagram in datagrams() {
        let (bytes, ecn) = (datagram.to_vec(), received.ecn);
        if datagram.len() > LONGEST || flow.inbox.try_send(Datagram { bytes, ecn }).is_err() {
            place.lost(1);
        }
    }
}

fn begin(place: &Rc<Place>, ends: Ends) -> Rc<Flow> {
    let (inbox, datagrams) = channel(MOST_WAITING);
    let (upstream, sent, used_at) = (RefCell::default(), Cell::new(0), Cell::new(Instant::now()));
    let flow = Rc::new(Flow { inbox, upstream, sent, used_at });
    place.flows.borrow_mut().insert(ends, Rc::clone(&flow));
    spawn_local(connection::serve(Rc::clone(place), ends, Rc::clone(&flow), datagrams));
    flow
}

impl Flow {
    /// Passes on what the client sent.
    pub fn pass(&self, place: &Place, ends: Ends, upstream: &Socket, received: &Received<'_>) {
        self.used_at.set(Instant::now());
        match upstream.send(place.server(ends), None, received) {
            Ok(()) => self.sent.set(self.sent.get() + received.bytes.len() as u64),
            Err(_) => place.lost(received.bytes.len().div_ceil(received.size)),
        }
    }
}

impl Place {
    /// Whom the client of these ends calls.
    pub fn server(&self, ends: Ends) -> SocketAddr {
        SocketAddr::new(ends.1, self.socket.port())
    }

    /// Nothing is going on between these ends any more.
    pub fn forget(&self, ends: Ends) {
        self.flows.borrow_mut().remove(&ends);
    }

    /// Answers a client in the server's place: whether what it sent is something to be refused like that, and there was
    /// not too much of it lately.
    pub fn refuse(&self, ends: Ends, datagram: &[u8]) {
        let (since, count) = self.refusals.get();
        let (since, count) =
            if since.elapsed() > Duration::from_secs(1) { (Instant::now(), 0) } else { (since, count) };
        self.refusals.set((since, count + 1));
        if count >= REFUSALS {
            return;
        }
        if let Some(answer) = hello::quic::refusal(datagram) {
            let (client, server) = ends;
            let whole = Received { from: client, to: None, ecn: None, size: answer.len(), bytes: &answer };
            // A client that is not reached falls back a little later.
            let _ = self.socket.send(client, Some(server), &whole);
        }
    }

    /// So many datagrams were lost here.
    pub fn lost(&self, count: usize) {
        self.shared.account.lost_datagrams(count as u64);
    }
}
