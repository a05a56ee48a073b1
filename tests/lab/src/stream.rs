//! A TCP connection that goes on and on, as the upload of a leak does, and whose bytes are counted at the far end.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};
use std::os::fd::AsRawFd;

use crate::namespace::Namespace;
use crate::wire::wait_until;

/// Between two writes.
const INTERVAL: Duration = Duration::from_millis(5);
/// Bytes in one.
const CHUNK: usize = 512;
/// How long a read or a write may take before the end is looked for.
const PATIENCE: Duration = Duration::from_millis(100);
/// For the first bytes to arrive.
const FIRST: Duration = Duration::from_secs(10);

/// A connection; ended with its guard.
#[derive(Debug)]
pub struct Stream {
    stop: Arc<AtomicBool>,
    received: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Stream {
    /// Connects from an address in one namespace to a server of its own in another, and sends without end. Its first bytes
    /// have arrived.
    pub fn start(client: &Namespace, source: IpAddr, server: &Namespace, destination: SocketAddr) -> Result<Self> {
        let (stop, received) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let listener = server.enter(|| TcpListener::bind(destination).context("nobody can listen there"))?;
        listener.set_nonblocking(true)?;
        let receiving = {
            let (stop, received) = (Arc::clone(&stop), Arc::clone(&received));
            thread::spawn(move || receive(&listener, &stop, &received))
        };
        let sending = {
            let (stop, client) = (Arc::clone(&stop), client.clone());
            thread::spawn(move || client.enter(|| send(source, destination, &stop)))
        };
        let stream = Self { stop, received, threads: vec![receiving, sending] };
        let arrives = wait_until(FIRST, || Ok(stream.received() > 0))?;
        ensure!(arrives, "nothing from {source} arrives at {destination}");
        Ok(stream)
    }

    /// Bytes that have arrived at the far end.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Bytes that arrive at the far end during so long.
    pub fn arriving_during(&self, time: Duration) -> u64 {
        let before = self.received();
        thread::sleep(time);
        self.received() - before
    }

    /// Whether more arrives within so long.
    pub fn goes_on(&self, within: Duration) -> Result<bool> {
        let before = self.received();
        wait_until(within, || Ok(self.received() > before))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // What became of them was counted.
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn receive(listener: &TcpListener, stop: &AtomicBool, received: &AtomicU64) -> Result<()> {
    let mut connection = loop {
        match listener.accept() {
            Ok((connection, _)) => break connection,
            Err(_) if stop.load(Ordering::Relaxed) => return Ok(()),
            Err(_) => thread::sleep(INTERVAL),
        }
    };
    connection.set_nonblocking(false)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = [0; 16 << 10];
    while !stop.load(Ordering::Relaxed) {
        match connection.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => drop(received.fetch_add(count as u64, Ordering::Relaxed)),
            Err(error) if is_patient(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn send(source: IpAddr, destination: SocketAddr, stop: &AtomicBool) -> Result<()> {
    let family = if source.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    bind(socket.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(source, 0)))?;
    connect(socket.as_raw_fd(), &SockaddrStorage::from(destination)).context("the server cannot be reached")?;
    let mut connection = std::net::TcpStream::from(socket);
    connection.set_write_timeout(Some(PATIENCE))?;
    while !stop.load(Ordering::Relaxed) {
        match connection.write(&[0x6d; CHUNK]) {
            Ok(_) => thread::sleep(INTERVAL),
            Err(error) if is_patient(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_patient(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
