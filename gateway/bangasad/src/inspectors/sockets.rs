//! The listening sockets of one municipality's inspectors. The daemon keeps them: every inspector listens at the same ones,
//! and what waits there to be accepted waits for whoever is next.
//!
//! A daemon that starts takes them from the inspector that it finds. That one reads strangers' bytes and is not believed: it
//! says numbers, and what is behind them the kernel says.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;

use socket2::{Domain, Protocol, Socket, Type};

use super::namespace::Namespace;
use super::places::{Place, Places};
use super::process::Process;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1_024;
/// Numbers that are looked at: a proxy has as many addresses as the municipality has attachments.
const MOST_NUMBERS: usize = 1_024;

/// By where they listen.
#[derive(Clone, Debug, Default)]
pub struct Sockets(BTreeMap<Place, Arc<Socket>>);

impl Sockets {
    /// Those that a process has under these numbers. What is not one of ours is left to it.
    pub fn taken_from(process: &Process, numbers: &[RawFd], namespace: Namespace) -> Self {
        let taken = numbers.iter().take(MOST_NUMBERS).filter_map(|number| {
            let socket = Socket::from(process.descriptor(*number).ok()?);
            let place = place(&socket).filter(|_| Namespace::of_socket(&socket).ok() == Some(namespace));
            if place.is_none() {
                // Something else, whose end would be awaited here if it were the last.
                let _ = socket.set_linger(None);
            }
            Some((place?, Arc::new(socket)))
        });
        Self(taken.collect())
    }

    /// Keeps those that are wanted.
    pub fn retain(&mut self, wanted: &Places) {
        self.0.retain(|place, _| wanted.all().any(|wanted| wanted == *place));
    }

    /// Keeps others besides.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Makes those that are missing, in this thread's network namespace.
    ///
    /// # Errors
    /// An address is taken, or the kernel gives no socket.
    pub fn make_missing(&mut self, wanted: &Places) -> io::Result<()> {
        for place in wanted.all() {
            if let Entry::Vacant(missing) = self.0.entry(place) {
                missing.insert(Arc::new(listen(place)?));
            }
        }
        Ok(())
    }

    /// Options of the program's command line, with this process' numbers.
    pub fn options(&self) -> impl Iterator<Item = (&'static str, RawFd)> {
        self.0.iter().map(|(place, socket)| (place.option(), socket.as_raw_fd()))
    }
}

fn listen(place: Place) -> io::Result<Socket> {
    let address = place.address();
    let kind = if matches!(place, Place::Datagrams(_)) { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    match (place, address.is_ipv4()) {
        // An address that an apply is about to give to the namespace will do.
        (Place::Proxy(_), true) => socket.set_freebind_v4(true)?,
        (Place::Proxy(_), false) => socket.set_freebind_v6(true)?,
        (_, true) => socket.set_ip_transparent_v4(true)?,
        (_, false) => socket.set_ip_transparent_v6(true)?,
    }
    if kind == Type::DGRAM {
        // Two of them at one address would share it, and this one be heard of no more.
        socket.bind(&address.into())?;
        return Ok(socket);
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

/// Where a socket listens; none: nowhere that an inspector should.
fn place(socket: &Socket) -> Option<Place> {
    // Of files that are no sockets this fails.
    let kind = socket.r#type().ok()?;
    let address = socket.local_addr().ok()?.as_socket()?;
    let is_transparent =
        if address.is_ipv4() { socket.ip_transparent_v4() } else { socket.ip_transparent_v6() }.ok()?;
    let protocol = socket.protocol().ok()?;
    if kind == Type::DGRAM {
        let is_ours = protocol == Some(Protocol::UDP) && is_transparent && socket.peer_addr().is_err();
        return is_ours.then_some(Place::Datagrams(address));
    }
    let is_ours = kind == Type::STREAM && protocol == Some(Protocol::TCP) && socket.is_listener().ok()?;
    is_ours.then_some(if is_transparent { Place::Transparent(address) } else { Place::Proxy(address) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::net::SocketAddr;

    use super::*;

    fn proxy(port: u16) -> Places {
        Places { proxy: vec![SocketAddr::from(([127, 0, 0, 1], port))], udp: Vec::new() }
    }

    #[test]
    fn only_what_listens_is_taken_from_a_process() {
        let this = Process::of(std::process::id()).unwrap();
        let listener = listen(proxy(0).all().last().unwrap()).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let client = std::net::TcpStream::connect(address).unwrap();
        let (served, _) = listener.accept().unwrap();
        let idle = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let (unix, _) = std::os::unix::net::UnixStream::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let numbers = [
            listener.as_raw_fd(),
            client.as_raw_fd(),
            served.as_raw_fd(),
            idle.as_raw_fd(),
            datagrams.as_raw_fd(),
            unix.as_raw_fd(),
            file.as_raw_fd(),
            -1,
            9_999,
        ];
        let Ok(here) = Namespace::of_socket(&listener) else {
            eprintln!("only root may ask for a socket's namespace");
            return;
        };
        let taken = Sockets::taken_from(&this, &numbers, here);
        assert_eq!(taken.0.keys().collect::<Vec<_>>(), [&Place::Proxy(address)]);
        let elsewhere = Namespace::named("../../dev/null").unwrap();
        assert!(Sockets::taken_from(&this, &numbers, elsewhere).0.is_empty());
        // It is the same socket: what comes to the one can be accepted at the other.
        drop(listener);
        let client = std::net::TcpStream::connect(address).unwrap();
        let (_, from) = taken.0[&Place::Proxy(address)].accept().unwrap();
        assert_eq!(from.as_socket(), Some(client.local_addr().unwrap()));
    }

    #[test]
    fn sockets_that_are_not_wanted_any_more_are_let_go() {
        let place = proxy(0).all().last().unwrap();
        let mut sockets = Sockets(BTreeMap::from([(place, Arc::new(listen(place).unwrap()))]));
        sockets.retain(&proxy(0));
        assert_eq!(sockets.options().map(|(option, _)| option).collect::<Vec<_>>(), ["--proxy"]);
        sockets.retain(&proxy(1));
        assert_eq!(sockets.options().count(), 0);
    }
}
