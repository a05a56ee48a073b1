//! A TCP server that says who called and whom they meant.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, bind, listen, setsockopt, socket, sockopt,
};

use crate::namespace::Namespace;

/// One connection that reached the responder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who called.
    pub client: SocketAddr,
    /// Whom they meant.
    pub destination: SocketAddr,
}

/// A responder on threads of this process; its sockets live in the namespace.
#[derive(Debug)]
pub struct Responder {
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    stop: Arc<AtomicBool>,
}

impl Responder {
    /// Listens on `port` for both families.
    pub fn start(namespace: &Namespace, port: u16) -> Result<Self> {
        let arrivals = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        for any in [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)] {
            let listener = namespace.enter(|| listener(SocketAddr::new(any, port)))?;
            listener.set_nonblocking(true)?;
            let (arrivals, stop) = (Arc::clone(&arrivals), Arc::clone(&stop));
            thread::spawn(move || accept(&listener, &arrivals, &stop));
        }
        Ok(Self { arrivals, stop })
    }

    /// Connections so far.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn accept(listener: &TcpListener, arrivals: &Mutex<Vec<Arrival>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, client)) => {
                if let Ok(destination) = stream.local_addr() {
                    let arrival = Arrival { client, destination };
                    arrivals.lock().unwrap_or_else(PoisonError::into_inner).push(arrival);
                    // One client that hangs must not keep the others waiting; what a client does is its own affair.
                    thread::spawn(move || answer(stream, arrival));
                }
            }
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Reads one request, of whatever protocol, and answers in a way that HTTP clients understand.
fn answer(mut stream: TcpStream, arrival: Arrival) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let _ = stream.read(&mut [0; 4096])?;
    let body = format!("{} wanted {}\n", arrival.client, arrival.destination);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes())?;
    Ok(())
}

/// For one family: the other has a socket of its own.
fn listener(address: SocketAddr) -> Result<TcpListener> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let descriptor: OwnedFd = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&descriptor, sockopt::ReuseAddr, &true)?;
    if address.is_ipv6() {
        setsockopt(&descriptor, sockopt::Ipv6V6Only, &true)?;
    }
    bind(descriptor.as_raw_fd(), &SockaddrStorage::from(address)).with_context(|| format!("cannot bind {address}"))?;
    listen(&descriptor, Backlog::new(128)?)?;
    Ok(TcpListener::from(descriptor))
}
