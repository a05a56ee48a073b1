//! Ordinary sockets towards the Internet. The kernel chooses the source, the gateway's address of this municipality; the
//! fast path judges and translates what they send like everybody's.

use std::io;
use std::net::{SocketAddr, TcpListener};
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
    // No waiting for more to send.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Lets a connection end when the other side is gone without a word. Four calls, so only what lasts is given it.
pub fn keep_alive(stream: &TcpStream) -> io::Result<()> {
    SockRef::from(stream).set_tcp_keepalive(&patience())
}

/// Gives a listening socket what every connection wants: what is accepted there has it from the first, without a call.
pub fn settle(listener: &TcpListener) -> io::Result<()> {
    let socket = SockRef::from(listener);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&patience())
}

fn patience() -> TcpKeepalive {
    TcpKeepalive::new().with_time(Duration::from_secs(120)).with_interval(Duration::from_secs(30)).with_retries(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_accepted_has_what_its_listener_has() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        settle(&listener).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (far, near) = tokio::join!(connect(listener.local_addr().unwrap()), listener.accept());
        let (far, (near, _)) = (far.unwrap(), near.unwrap());
        let has = |stream: &TcpStream| {
            let socket = SockRef::from(stream);
            (socket.tcp_nodelay().unwrap(), socket.keepalive().unwrap(), socket.tcp_keepalive_time().unwrap().as_secs())
        };
        assert_eq!(has(&near), (true, true, 120));
        assert!(!has(&far).1);
        keep_alive(&far).unwrap();
        assert_eq!(has(&far), (true, true, 120));
    }
}
