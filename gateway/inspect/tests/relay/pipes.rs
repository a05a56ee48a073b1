//! A relay between two pipes, and inspectors of the tests' own.

use std::sync::{Arc, Mutex};

use inspect::http::{Outcome, Protocol, relay};
use inspect::seam::{Blocked, Connection, Inspection, Inspector};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

/// Bytes that a pipe holds.
pub const PIPE_BYTES: usize = 16 << 10;

/// Both ends of a relay.
pub struct Pipes {
    pub client: DuplexStream,
    pub server: DuplexStream,
    pub relay: JoinHandle<Outcome>,
}

impl Pipes {
    pub fn new(protocol: Protocol, inspector: Arc<dyn Inspector>) -> Self {
        let (client, from_client) = tokio::io::duplex(PIPE_BYTES);
        let (server, from_server) = tokio::io::duplex(PIPE_BYTES);
        let relay = tokio::spawn(relay(from_client, from_server, protocol, inspector));
        Self { client, server, relay }
    }

    /// HTTP/1 that nobody looks at.
    pub fn h1() -> Self {
        Self::new(Protocol::H1, Test::nobody())
    }

    /// The client sends this, and the server sees that.
    pub async fn up(&mut self, sent: impl AsRef<[u8]>, seen: impl AsRef<[u8]>) {
        self.client.write_all(sent.as_ref()).await.unwrap();
        expect(&mut self.server, seen.as_ref()).await;
    }

    /// The server sends this, and the client sees that.
    pub async fn down(&mut self, sent: impl AsRef<[u8]>, seen: impl AsRef<[u8]>) {
        self.server.write_all(sent.as_ref()).await.unwrap();
        expect(&mut self.client, seen.as_ref()).await;
    }

    /// What the client sees until its connection ends.
    pub async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.client.read_to_end(&mut rest).await.unwrap();
        String::from_utf8(rest).unwrap()
    }
}

/// These bytes come next.
pub async fn expect(stream: &mut DuplexStream, expected: &[u8]) {
    let mut seen = vec![0; expected.len()];
    let mut length = 0;
    while length < seen.len() {
        let read = stream.read(&mut seen[length..]).await.unwrap();
        length += read;
        assert_eq!(seen[..length].escape_ascii().to_string(), expected[..length].escape_ascii().to_string());
        assert!(read > 0, "the stream ends after `{}`", seen[..length].escape_ascii());
    }
}

type Make = Box<dyn Fn() -> Vec<Box<dyn Inspection>> + Send + Sync>;

/// An inspector that remembers what was blocked.
pub struct Test {
    connection: Connection,
    make: Make,
    pub blocked: Mutex<Vec<String>>,
}

impl Test {
    pub fn new(make: impl Fn() -> Vec<Box<dyn Inspection>> + Send + Sync + 'static) -> Arc<Self> {
        let connection = Connection {
            id: "c1".into(),
            municipality: "仙台市".into(),
            client: None,
            server_name: Some("a.example".into()),
        };
        Arc::new(Self { connection, make: Box::new(make), blocked: Mutex::default() })
    }

    pub fn nobody() -> Arc<Self> {
        Self::new(Vec::new)
    }
}

impl Inspector for Test {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn exchange(&self) -> Vec<Box<dyn Inspection>> {
        (self.make)()
    }

    fn blocked(&self, blocked: &Blocked<'_>) {
        let Blocked { id, side, host, path, why } = blocked;
        self.blocked.lock().unwrap().push(format!("{id} {side:?} {host}{path} {}", why.rule));
    }
}
