//! The load of tests and benchmarks: connections of TLS 1.3 with one cipher and one key exchange, the same for everyone, that
//! verify what they are shown and never resume. It blocks, so that whoever loads has as many threads as connections at work.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};

/// For anything to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Read at a time.
const BUFFER: usize = 64 << 10;
/// Longest head of an answer.
const LONGEST_HEAD: usize = 8 << 10;

/// Opens connections.
#[derive(Clone, Debug)]
pub struct Visitor {
    config: Arc<ClientConfig>,
}

/// One that is open, in which HTTP/1.1 is spoken.
#[derive(Debug)]
pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    host: String,
    buffer: Vec<u8>,
}

impl Visitor {
    /// Speaks this protocol, and trusts these roots, in PEM.
    pub fn new(protocol: &str, roots: &[String]) -> Result<Self> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(CertificateDer::from_pem_slice(root.as_bytes())?)?;
        }
        let mut provider = aws_lc_rs::default_provider();
        provider.cipher_suites = vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256];
        // The first is common to all but SSLsplit, which asks for the second.
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519, aws_lc_rs::kx_group::SECP256R1];
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }

    /// Speaks TLS to the server of this name over a connection; the handshake comes with the first word.
    pub fn begin(&self, tcp: TcpStream, name: &str) -> Result<Connection> {
        let session = ClientConnection::new(Arc::clone(&self.config), ServerName::try_from(name.to_owned())?)?;
        let stream = StreamOwned::new(session, tcp);
        Ok(Connection { stream, host: name.to_owned(), buffer: vec![0; LONGEST_HEAD] })
    }
}

/// A connection without delays, from one of one's own addresses where that matters.
pub fn connect(from: Option<IpAddr>, to: SocketAddr) -> Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(from) = from {
        // With a port for every server, not one for all of them.
        socket2::SockRef::from(&socket).set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    socket.connect_timeout(&to.into(), PATIENCE).with_context(|| format!("no connection to {to}"))?;
    let tcp = TcpStream::from(socket);
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(PATIENCE))?;
    Ok(tcp)
}

impl Connection {
    /// Asks for a file, and takes all of it; how many bytes it has.
    pub fn get(&mut self, path: &str) -> Result<usize> {
        self.ask(path)?;
        let mut filled = 0;
        let head = loop {
            let read = self.stream.read(&mut self.buffer[filled..]).context("no answer")?;
            if read == 0 {
                bail!("the answer ends in its head, of which {filled} bytes came");
            }
            filled += read;
            if let Some(head) = self.buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
                break head + 4;
            }
        };
        let length = length(&self.buffer[..head])?;
        let mut missing = length.checked_sub(filled - head).context("more came than was announced")?;
        if missing > self.buffer.len() {
            self.buffer.resize(BUFFER, 0);
        }
        while missing > 0 {
            let most = missing.min(self.buffer.len());
            match self.stream.read(&mut self.buffer[..most])? {
                0 => bail!("the answer ends {missing} bytes early"),
                read => missing -= read,
            }
        }
        Ok(length)
    }

    /// Asks for a file, and takes nothing of it.
    pub fn ask(&mut self, path: &str) -> Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        Ok(self.stream.write_all(request.as_bytes())?)
    }

    /// Ends it by a reset, whatever is under way.
    pub fn break_off(self) -> Result<()> {
        Ok(socket2::SockRef::from(&self.stream.sock).set_linger(Some(Duration::ZERO))?)
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // As browsers end them; whether it arrives is the other side's concern.
        self.stream.conn.send_close_notify();
        let _ = self.stream.flush();
    }
}

/// What a successful answer announces.
fn length(head: &[u8]) -> Result<usize> {
    let text = String::from_utf8_lossy(head);
    if !text.starts_with("HTTP/1.1 200") {
        bail!("the answer is `{}`", text.lines().next().unwrap_or_default());
    }
    let field = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    field.context("an answer without its length")
}
