//! Answers every request with a page, or with a file at `/large`, and notes who asked for what.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use bytes::Bytes;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, Incoming, ServerConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::oneshot;

use super::{ALPN, block_on};
use crate::namespace::Namespace;
use crate::pki::Identity;

/// What is answered where nothing else is.
pub const PAGE: &str = "番傘: this page came over HTTP/3\n";

/// A server in a thread of its own; it ends with this.
#[derive(Debug)]
pub struct Http3 {
    requests: Requests,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Result<()>>>,
}

type Requests = Arc<Mutex<Vec<String>>>;

impl Http3 {
    /// Serves at these addresses of a namespace.
    pub fn start(namespace: &Namespace, at: Vec<SocketAddr>, identity: &Identity, large: &Path) -> Result<Self> {
        let chain = CertificateDer::pem_file_iter(&identity.chain)?.collect::<Result<Vec<_>, _>>()?;
        let mut tls = rustls::ServerConfig::builder_with_protocol_versions(&[&rustls::version::TLS13])
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&identity.key)?)?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
        let large = Bytes::from(fs::read(large).context("there is nothing to serve")?);
        let (requests, namespace) = (Requests::default(), namespace.clone());
        let (stop, stopped) = oneshot::channel();
        let (is_ready, ready) = mpsc::channel();
        let noted = Arc::clone(&requests);
        let thread = thread::spawn(move || {
            namespace.join()?;
            block_on(serve(at, config, Page { large, requests: noted }, is_ready, stopped))
        });
        let mut server = Self { requests, stop: Some(stop), thread: Some(thread) };
        match ready.recv() {
            Ok(()) => Ok(server),
            Err(_) => Err(server.end().err().unwrap_or_else(|| anyhow::anyhow!("the HTTP/3 server ended at once"))),
        }
    }

    /// One line a request: client address, and what it asked for.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&mut self) -> Result<()> {
        drop(self.stop.take());
        self.thread
            .take()
            .map_or(Ok(()), |thread| thread.join().unwrap_or_else(|_| anyhow::bail!("the server panicked")))
    }
}

impl Drop for Http3 {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("the HTTP/3 server failed: {error:#}");
        }
    }
}

#[derive(Clone)]
struct Page {
    large: Bytes,
    requests: Requests,
}

async fn serve(
    at: Vec<SocketAddr>,
    config: ServerConfig,
    page: Page,
    is_ready: Sender<()>,
    stopped: oneshot::Receiver<()>,
) -> Result<()> {
    let mut endpoints = Vec::new();
    for address in at {
        let endpoint = Endpoint::server(config.clone(), address).context("HTTP/3 cannot be served")?;
        let (accepting, page) = (endpoint.clone(), page.clone());
        tokio::spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                let page = page.clone();
                // A client that breaks off is its own affair.
                tokio::spawn(async move { page.connection(incoming).await });
            }
        });
        endpoints.push(endpoint);
    }
    let _ = is_ready.send(());
    let _ = stopped.await;
    Ok(())
}

impl Page {
    async fn connection(self, incoming: Incoming) -> Result<()> {
        let connection = incoming.await?;
        let client = connection.remote_address().ip();
        let mut http = h3::server::Connection::new(h3_quinn::Connection::new(connection)).await?;
        while let Some(asked) = http.accept().await? {
            let (request, mut stream) = asked.resolve_request().await?;
            let path = request.uri().path().to_owned();
            let body = if path == "/large" { self.large.clone() } else { Bytes::from(PAGE) };
            let line = format!("{client} {} {path}", request.method());
            self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            let response = http::Response::builder().header("content-type", "text/plain; charset=utf-8").body(())?;
            stream.send_response(response).await?;
            stream.send_data(body).await?;
            stream.finish().await?;
        }
        Ok(())
    }
}
