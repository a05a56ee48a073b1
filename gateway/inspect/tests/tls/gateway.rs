//! The smallest gateway: it looks at the hello, speaks to the server, mints, and answers the client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use certify::{Authority, Defect, Exclusion, Moment, Root};
use hello::ClientHello;
use hello::records::Records;
use inspect::mint::Mint;
use inspect::rewind::Rewind;
use inspect::serve::{self, Serve};
use inspect::upstream::{Connected, Refused, Target, Trust, Upstream};
use rustls::crypto::aws_lc_rs::default_provider;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const LIMIT: Duration = Duration::from_secs(20);

/// What the gateway found, for the table.
#[derive(Debug)]
pub enum Found {
    Verified,
    Defect(Defect),
    Refused(Refused),
}

/// What lives as long as the process.
pub struct Gateway {
    /// PEM of the root that clients trust.
    pub root: String,
    upstream: Upstream,
    mint: Mint,
    serve: Serve,
}

impl Gateway {
    pub fn new(trust: Trust) -> Self {
        let now = Moment::from(SystemTime::now());
        let provider = Arc::new(default_provider());
        let root = Root::create("見本県", now).unwrap();
        let municipal = root.issue("shiomi", "潮見市", &Exclusion::by_default(), now).unwrap();
        Self {
            root: root.certificate_pem(),
            upstream: Upstream::new(provider.clone(), trust).unwrap(),
            mint: Mint::new(Authority::try_from(&municipal).unwrap(), now).unwrap(),
            serve: Serve::new(provider).unwrap(),
        }
    }

    /// Listens for clients of one server.
    pub async fn listen(self: Arc<Self>, server: SocketAddr) -> (SocketAddr, mpsc::UnboundedReceiver<Found>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(self.clone().relay(client, server, tell.clone()));
            }
        });
        (address, told)
    }

    async fn relay(self: Arc<Self>, mut client: TcpStream, server: SocketAddr, tell: mpsc::UnboundedSender<Found>) {
        let Some((hello, read)) = read_hello(&mut client).await else {
            return;
        };
        let target = Target::new(hello.sni.as_deref().ok(), server.ip());
        let stream = TcpStream::connect(server).await.unwrap();
        let alpn = hello.alpn.clone().unwrap_or_default();
        let (shown, defect, verified) = match self.upstream.connect(stream, &target, alpn, LIMIT).await {
            Connected::Verified(verified) => (verified.seen().shown.clone(), None, Some(verified)),
            Connected::ClientCertificateAsked(_) => unreachable!("no server here asks"),
            Connected::Defective(defective) => (defective.seen.shown, Some(defective.defect), None),
            Connected::Refused(refused) => {
                let _ = tell.send(Found::Refused(refused));
                return;
            }
        };
        let _ = tell.send(defect.map_or(Found::Verified, Found::Defect));
        let now = Moment::from(SystemTime::now());
        let presented = self.mint.certificate(&shown, defect, serve::key_type(&hello), now).unwrap();
        let alpn: Vec<_> = verified.iter().filter_map(|verified| verified.alpn()).map(<[u8]>::to_vec).collect();
        let client = Rewind::new(Bytes::from(read), client);
        let Ok(mut client) = self.serve.accept(client, &presented, &alpn, LIMIT).await else {
            return;
        };
        match verified {
            Some(verified) => {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut verified.into_stream()).await;
            }
            None => {
                let _ = client.write_all(b"HTTP/1.1 502 \r\ncontent-length: 0\r\n\r\n").await;
                let _ = client.shutdown().await;
            }
        }
    }
}

async fn read_hello(client: &mut TcpStream) -> Option<(ClientHello, Vec<u8>)> {
    let (mut records, mut read, mut hello) = (Records::default(), Vec::new(), None);
    while hello.is_none() {
        let at = read.len();
        if client.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        records.push(&read[at..], &mut |found| hello = found.ok());
    }
    Some((hello?, read))
}
