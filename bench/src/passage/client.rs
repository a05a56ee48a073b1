//! The load: connections of TLS 1.3 with one cipher and one key exchange, the same for everyone, that verify what they are
//! shown and never resume. It blocks, and has as many threads as connections at work.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use lab::Namespace;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{LOAD_CPU, NAME, Way};

/// For anything to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Read at a time.
const BUFFER: usize = 64 << 10;
/// Connections that are opened at a time where many are.
const AT_A_TIME: usize = 8;
/// Longest head of an answer.
const LONGEST_HEAD: usize = 8 << 10;

/// Opens connections.
pub struct Client {
    namespace: Namespace,
    config: Arc<ClientConfig>,
}

/// One that is open.
pub struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
    buffer: Vec<u8>,
}

impl Client {
    /// In a namespace, trusting these.
    pub fn new(namespace: Namespace, roots: &[String]) -> Result<Self> {
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
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(Self { namespace, config: Arc::new(config) })
    }

    /// One connection, over which one request has passed.
    pub fn open(&self, way: Way) -> Result<Connection> {
        self.inside(|| self.connect(way))
    }

    /// So many, which stay. Opened several at a time: Squid takes 40 ms for one, most of which it waits.
    pub fn open_many(&self, way: Way, count: usize) -> Result<Vec<Connection>> {
        let opened = Mutex::new(Vec::with_capacity(count));
        let open = |numbers: usize| {
            (0..numbers).try_for_each(|_| {
                let connection = self.connect(way)?;
                opened.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                Ok(())
            })
        };
        let open = &open;
        let shares = (0..AT_A_TIME).map(|thread| (count + thread) / AT_A_TIME);
        self.inside(|| together(shares.map(|share| move || open(share))))?;
        Ok(opened.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// New connections with one request each, made by so many threads.
    pub fn visit(&self, way: Way, threads: usize, each: usize) -> Result<()> {
        self.inside(|| together((0..threads).map(|_| || (0..each).try_for_each(|_| self.connect(way).map(drop)))))
    }

    /// In the namespace and on the CPU of the load, with all threads that come from there.
    fn inside<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.namespace.enter(|| {
            stay_on_load_cpu()?;
            action()
        })
    }

    fn connect(&self, way: Way) -> Result<Connection> {
        let tcp = TcpStream::connect(way.address()).context("no connection")?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(PATIENCE))?;
        let session = ClientConnection::new(Arc::clone(&self.config), ServerName::try_from(NAME)?)?;
        let mut connection = Connection { stream: StreamOwned::new(session, tcp), buffer: vec![0; LONGEST_HEAD] };
        connection.get("/small")?;
        Ok(connection)
    }
}

impl Connection {
    /// Asks for a file, and takes all of it; how many bytes it has.
    pub fn get(&mut self, path: &str) -> Result<usize> {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {NAME}\r\n\r\n").as_bytes())?;
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

/// Every connection asks so many times, all at once.
pub fn ask(connections: &mut [Connection], path: &str, each: usize) -> Result<()> {
    let ask = |connection: &mut Connection| {
        stay_on_load_cpu()?;
        (0..each).try_for_each(|_| connection.get(path).map(drop))
    };
    together(connections.iter_mut().map(|connection| move || ask(connection)))
}

/// Microseconds of each of so many requests, one after the other, sorted.
pub fn time(connection: &mut Connection, path: &str, count: usize) -> Result<Vec<f64>> {
    let mut times = thread::scope(|scope| {
        let timed = scope.spawn(|| {
            stay_on_load_cpu()?;
            let one = |_| {
                let begun = Instant::now();
                connection.get(path)?;
                Ok(begun.elapsed().as_secs_f64() * 1e6)
            };
            (0..count).map(one).collect::<Result<Vec<f64>>>()
        });
        timed.join().unwrap_or_else(|_| Err(anyhow!("a thread of the load panicked")))
    })?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// A thread each, to the end of all.
fn together<F: FnOnce() -> Result<()> + Send>(actions: impl Iterator<Item = F>) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = actions.map(|action| scope.spawn(action)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the load panicked"))))
    })
}

fn stay_on_load_cpu() -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(LOAD_CPU)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).context("the load cannot be bound to its CPU")
}
