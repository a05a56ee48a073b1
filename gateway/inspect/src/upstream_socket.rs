//! Ordinary sockets towards the Internet. The kernel chooses the source, the gateway's address of this municipality; the
//! fast path judges and translates what they send like everybody's.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// For the three-way handshake. A kernel's own patience is minutes, and a user's is not.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection to where the client wanted to go.
pub async fn connect(destination: SocketAddr) -> io::Result<TcpStream> {
    let socket = if destination.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    let stream = timeout(PATIENCE, socket.connect(destination)).await??;
    settle(&stream)?;
    Ok(stream)
}

/// What every connection wants, on either side: no waiting for more to send, and an end when the other side is gone.
pub fn settle(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_secs(120)).with_interval(Duration::from_secs(30)).with_retries(4);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
