//! The page that Prometheus reads.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Makes the text of a scrape; may take a while, and runs where that holds up nobody.
pub type Scrape = Arc<dyn Fn() -> anyhow::Result<String> + Send + Sync>;

/// Connections at one time; more wait.
const CONNECTIONS: usize = 16;
/// Patience with a client that does not finish its request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest life of a connection, for clients that do not read the page.
const LIFETIME: Duration = Duration::from_secs(60);

/// Serves `/metrics` until the task is dropped.
pub async fn serve(listener: TcpListener, scrape: Scrape) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // Out of file descriptors, most likely; it passes.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let scrape = Arc::clone(&scrape);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&scrape)));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(PATIENCE)
                // Nobody who is idle takes the place of another.
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // The client's own trouble, if anything.
            let _ = tokio::time::timeout(LIFETIME, connection).await;
            drop(permit);
        });
    }
}

async fn answer(request: Request<Incoming>, scrape: Scrape) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read || request.uri().path() != "/metrics" {
        return Ok(page(StatusCode::NOT_FOUND, "metrics are at /metrics\n".into()));
    }
    let text = tokio::task::spawn_blocking(move || scrape()).await;
    Ok(match text {
        Ok(Ok(text)) => page(StatusCode::OK, text),
        Ok(Err(error)) => page(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")),
        Err(error) => page(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    })
}

fn page(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
