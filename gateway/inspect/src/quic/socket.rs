//! A UDP socket with all that a datagram has besides its bytes: the address that it was sent to, or is to come from, and ECN.
//! Many are received and sent in one call. What is too large for the way is not cut into fragments: its sender finds the
//! way's size by that.

use std::cell::RefCell;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket as StdSocket};

use quinn_udp::{EcnCodepoint, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// As many datagrams of one sender as the kernel hands over in one piece.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces received in one call.
const PIECES: usize = 8;

thread_local! {
    static ROOM: RefCell<Vec<u8>> = RefCell::new(vec![0; PIECES * PIECE_BYTES]);
}

/// A socket that no thread waits at yet.
pub struct Datagrams {
    socket: StdSocket,
    state: UdpSocketState,
    port: u16,
}

/// A socket of this thread.
pub struct Socket {
    socket: UdpSocket,
    state: UdpSocketState,
    port: u16,
}

/// Datagrams of one sender: each of `size` bytes, the last of what is left.
pub struct Received<'a> {
    pub from: SocketAddr,
    /// Whom they were sent to.
    pub to: Option<IpAddr>,
    pub ecn: Option<EcnCodepoint>,
    pub size: usize,
    pub bytes: &'a [u8],
}

impl Datagrams {
    /// Asks the kernel for all it can tell. What it can do at all is found out here, before the sandbox.
    pub fn new(socket: StdSocket) -> io::Result<Self> {
        let port = socket.local_addr()?.port();
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket, state, port })
    }

    /// Where it is bound.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits at it in this thread's runtime.
    pub fn ready(self) -> io::Result<Socket> {
        let Self { socket, state, port } = self;
        Ok(Socket { socket: UdpSocket::from_std(socket)?, state, port })
    }
}

impl Socket {
    /// An ordinary one towards a server, from the gateway's own address; only its datagrams arrive.
    pub fn connect(server: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = StdSocket::bind((any, 0))?;
        socket.connect(server)?;
        Datagrams::new(socket)?.ready()
    }

    /// Where it is bound.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for datagrams.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Hands over what has arrived, as much as fits into one call.
    pub fn receive(&self, mut each: impl FnMut(&Received<'_>)) -> io::Result<()> {
        ROOM.with_borrow_mut(|room| {
            let mut metas = [RecvMeta::default(); PIECES];
            let count = {
                let mut pieces = room.chunks_mut(PIECE_BYTES).map(IoSliceMut::new);
                let mut pieces: [IoSliceMut<'_>; PIECES] =
                    std::array::from_fn(|_| pieces.next().unwrap_or(IoSliceMut::new(&mut [])));
                let receive = || self.state.recv((&self.socket).into(), &mut pieces, &mut metas);
                self.socket.try_io(Interest::READABLE, receive)?
            };
            for (meta, piece) in metas.iter().take(count).zip(room.chunks(PIECE_BYTES)) {
                let bytes = &piece[..meta.len];
                let size = meta.stride.max(1);
                each(&Received { from: meta.addr, to: meta.dst_ip, ecn: meta.ecn, size, bytes });
            }
            Ok(())
        })
    }

    /// Sends datagrams on, now or never: a network that is busy loses some.
    ///
    /// # Errors
    /// They, or some of them, were lost.
    pub fn send(&self, to: SocketAddr, from: Option<IpAddr>, datagrams: &Received<'_>) -> io::Result<()> {
        let Received { ecn, size, bytes, .. } = *datagrams;
        let send = |contents: &[u8], segment_size| {
            let transmit = Transmit { destination: to, ecn, contents, segment_size, src_ip: from };
            // Not by way of the runtime, which takes a socket that it has just met for one that cannot be written to yet.
            self.state.try_send((&self.socket).into(), &transmit)
        };
        if size >= bytes.len() {
            return send(bytes, None);
        }
        // As many in one call as the kernel cuts apart; where it does not, one by one.
        let most = self.state.max_gso_segments();
        let batch = size * most.min(PIECE_BYTES.saturating_sub(1_024) / size).max(1);
        for datagrams in bytes.chunks(batch) {
            if most > 1 && send(datagrams, Some(size)).is_ok() {
                continue;
            }
            for datagram in datagrams.chunks(size) {
                send(datagram, None)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Socket {
        Datagrams::new(StdSocket::bind("127.0.0.1:0").unwrap()).unwrap().ready().unwrap()
    }

    #[tokio::test]
    async fn datagrams_keep_their_sizes_and_marks() {
        let here = socket();
        let address = SocketAddr::from(([127, 0, 0, 1], here.port()));
        let there = Socket::connect(address).unwrap();
        let bytes: Vec<u8> = (0..150_u32).flat_map(|n| vec![n as u8; if n == 149 { 70 } else { 1_200 }]).collect();
        let mut sizes = Vec::new();
        let mut sent = 0;
        while sizes.len() < 150 {
            // A few at a time: the kernel's buffers are small.
            if sizes.len() == sent {
                let piece = &bytes[sent * 1_200..bytes.len().min((sent + 10) * 1_200)];
                sent += piece.len().div_ceil(1_200);
                let ecn = Some(EcnCodepoint::Ect0);
                let piece = Received { from: address, to: None, ecn, size: 1_200, bytes: piece };
                there.send(address, None, &piece).unwrap();
            }
            here.readable().await.unwrap();
            let received = here.receive(|received| {
                assert_eq!(
                    (received.from.port(), received.to),
                    (there.socket.local_addr().unwrap().port(), Some(address.ip()))
                );
                assert_eq!(received.ecn, Some(EcnCodepoint::Ect0));
                for datagram in received.bytes.chunks(received.size) {
                    assert!(datagram.iter().all(|byte| usize::from(*byte) == sizes.len()));
                    sizes.push(datagram.len());
                }
            });
            assert!(received.is_ok_or_would_block());
        }
        assert!(sizes[..149].iter().all(|size| *size == 1_200) && sizes[149] == 70, "{sizes:?}");
    }

    trait OrWouldBlock {
        fn is_ok_or_would_block(&self) -> bool;
    }

    impl OrWouldBlock for io::Result<()> {
        fn is_ok_or_would_block(&self) -> bool {
            self.as_ref().err().is_none_or(|error| error.kind() == io::ErrorKind::WouldBlock)
        }
    }
}
