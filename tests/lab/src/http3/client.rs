//! One request over HTTP/3.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Buf;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{ALPN, block_on};
use crate::namespace::Namespace;

/// For all of it.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The body.
    pub body: Vec<u8>,
    /// Datagrams that arrived.
    pub datagrams: u64,
}

/// Asks `server` for `path`, calling it `name` and trusting one root and nobody else.
///
/// # Errors
/// No answer, or no connection: the message is the client's.
pub fn fetch(namespace: &Namespace, server: SocketAddr, name: &str, root: &Path, path: &str) -> Result<Fetched> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(root)?)?;
    let mut tls = rustls::ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    namespace.enter(|| {
        block_on(async {
            let endpoint = Endpoint::client((any, 0).into())?;
            let connecting = endpoint.connect_with(config, server, name)?;
            let asking = async { ask(connecting.await?, name, path).await };
            tokio::time::timeout(PATIENCE, asking).await.context("it took too long")?
        })
    })
}

async fn ask(connection: Connection, name: &str, path: &str) -> Result<Fetched> {
    let (mut driver, mut requests) = h3::client::new(h3_quinn::Connection::new(connection.clone())).await?;
    let driven = tokio::spawn(async move { poll_fn(|context| driver.poll_close(context)).await });
    let request = http::Request::get(format!("https://{name}{path}")).body(())?;
    let mut stream = requests.send_request(request).await?;
    stream.finish().await?;
    stream.recv_response().await?;
    let mut body = Vec::new();
    while let Some(mut part) = stream.recv_data().await? {
        body.extend_from_slice(&part.copy_to_bytes(part.remaining()));
    }
    let datagrams = connection.stats().udp_rx.datagrams;
    drop(requests);
    driven.await?;
    Ok(Fetched { body, datagrams })
}
