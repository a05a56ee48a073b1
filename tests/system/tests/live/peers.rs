//! What the tests of real kernels share: plain sockets at both ends, and a host behind a second router. No tests here.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use lab::daemon::counted;
use lab::link::{self, End};
use lab::{Lab, Namespace, Site};
use nix::sys::socket::{setsockopt, sockopt};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// Says so when the one who holds it is done, by a panic too: what waits in the same scope must not wait for ever.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A host that the lab's router reaches over a link of its own.
pub struct Far {
    pub namespace: Namespace,
}

impl Far {
    pub const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 201);
    pub const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xfffd, 0, 0, 0, 0, 0x201);

    /// Behind a link of `mtu` bytes. The router routes from now on.
    pub fn behind(lab: &Lab, mtu: u32) -> Self {
        let namespace = Namespace::create(&lab.id().namespace("far")).unwrap();
        let router = lab.internet().namespace();
        let there = End { namespace: &namespace, device: "eth0" };
        link::connect(End { namespace: router, device: "far0" }, there, mtu).unwrap();
        router
            .ip("addr add 192.0.2.202/30 dev far0\naddr add 2001:db8:fffd::1/64 dev far0 nodad\n")
            .and_then(|()| {
                router.sysctl(&[("net.ipv4.conf.all.forwarding", "1"), ("net.ipv6.conf.all.forwarding", "1")])
            })
            .unwrap();
        let (v4, v6) = (Self::V4, Self::V6);
        namespace
            .ip(&format!(
                "addr add {v4}/30 dev eth0\naddr add {v6}/64 dev eth0 nodad\n\
                 route add default via 192.0.2.202\nroute add default via 2001:db8:fffd::1\n"
            ))
            .unwrap();
        Self { namespace }
    }
}

/// A service on threads of this process, until dropped.
pub struct Service {
    stop: Arc<AtomicBool>,
}

impl Service {
    /// Sends every datagram back.
    pub fn echo(namespace: &Namespace, address: SocketAddr) -> Self {
        let socket = namespace.enter(|| Ok(UdpSocket::bind(address)?)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    // What cannot be sent, for want of a way, its asker will miss.
                    let _ = socket.send_to(&buffer[..length], from);
                }
            }
        });
        Self { stop }
    }

    /// Reads every connection to its end, then sends `greeting` and all of it back.
    pub fn mirror(namespace: &Namespace, address: SocketAddr, greeting: &str) -> Self {
        let listener = namespace.enter(|| Ok(TcpListener::bind(address)?)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let greeting = greeting.as_bytes().to_vec();
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        let mut bytes = greeting.clone();
                        thread::spawn(move || reflect(stream, &mut bytes));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self { stop }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn reflect(mut stream: TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.read_to_end(bytes)?;
    stream.write_all(bytes)
}

/// A datagram there and back; the kernel's error if that is what came back.
pub fn ask(site: &Namespace, from: IpAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    ask_within(site, (from, 0).into(), to, bytes, 64)
}

/// Likewise from a port and with a hop limit. Every ICMP error counts, as it does for traceroute.
pub fn ask_within(site: &Namespace, from: SocketAddr, to: SocketAddr, bytes: &[u8], hops: u8) -> io::Result<Vec<u8>> {
    let ask = || -> io::Result<Vec<u8>> {
        let socket = UdpSocket::bind(from)?;
        if from.is_ipv4() {
            setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
            setsockopt(&socket, sockopt::Ipv4Ttl, &i32::from(hops))?;
        } else {
            setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
            setsockopt(&socket, sockopt::Ipv6Ttl, &i32::from(hops))?;
        }
        socket.connect(to)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.send(bytes)?;
        let mut buffer = vec![0; 1 << 16];
        let length = socket.recv(&mut buffer)?;
        buffer.truncate(length);
        Ok(buffer)
    };
    site.enter(|| Ok(ask())).unwrap()
}

/// Sends `bytes` over one connection and returns what comes back until its end.
pub fn converse(client: &Namespace, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let converse = || -> io::Result<Vec<u8>> {
        let mut stream = connect(from, to)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(bytes)?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    client.enter(|| Ok(converse())).unwrap()
}

/// A connection from a chosen address and port.
pub fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, socket};
    use std::os::fd::AsRawFd;
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let descriptor = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&descriptor, sockopt::ReuseAddr, &true)?;
    setsockopt(&descriptor, sockopt::SendTimeout, &nix::sys::time::TimeVal::new(5, 0))?;
    bind(descriptor.as_raw_fd(), &SockaddrStorage::from(from))?;
    connect(descriptor.as_raw_fd(), &SockaddrStorage::from(to))?;
    Ok(TcpStream::from(descriptor))
}

/// Bytes that no two places of share.
pub fn noise(length: usize) -> Vec<u8> {
    (0_u32..).flat_map(|word| word.wrapping_mul(0x9e37_79b9).rotate_left(11).to_be_bytes()).take(length).collect()
}

/// Both of a site's own addresses.
pub fn addresses(site: &Site) -> [IpAddr; 2] {
    [site.v4().unwrap(), site.v6().unwrap()]
}

/// Packets counted under a verdict and reason so far.
pub fn count(lab: &Lab, municipality: &str, direction: &str, verdict: &str, reason: &str) -> u64 {
    counted(&lab.daemon().unwrap().status().unwrap(), Some(municipality), direction, verdict, reason)
}

/// Frames for the gateway from a site.
pub fn from_site(lab: &Lab, site: &Site, packets: &[Vec<u8>]) {
    let (source, destination) = (link::mac(site.device()).unwrap(), link::mac(lab.trunk()).unwrap());
    let frames: Vec<_> = packets.iter().map(|packet| lab::frame::ethernet(source, destination, &[], packet)).collect();
    send(site.device(), &frames);
}

/// Frames for the gateway from the Internet's router.
pub fn from_outside(lab: &Lab, packets: &[Vec<u8>]) {
    let (source, destination) = (link::mac(lab.internet().uplink()).unwrap(), link::mac(lab.uplink()).unwrap());
    let frames: Vec<_> = packets.iter().map(|packet| lab::frame::ethernet(source, destination, &[], packet)).collect();
    send(lab.internet().uplink(), &frames);
}

/// A few at a time: a veth's queue holds 256 frames, and drops what comes while it is full.
fn send(end: End<'_>, frames: &[Vec<u8>]) {
    for some in frames.chunks(64) {
        lab::wire::send(end, some).unwrap();
        if frames.len() > 64 {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Time for frames that are under way.
pub fn settle() {
    thread::sleep(Duration::from_millis(400));
}
