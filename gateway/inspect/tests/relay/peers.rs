//! curl, the relay and nginx, over loopback, by both versions without TLS.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use inspect::http::{Outcome, Protocol, relay};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use super::pipes::Test;

/// nginx with files and a place for uploads, ended when it is dropped.
struct Nginx {
    directory: TempDir,
    address: SocketAddr,
}

impl Nginx {
    fn start(protocol: Protocol) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().display();
        // A port that was free a moment ago; nginx says so if it is not any more.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let version = if protocol == Protocol::H2 { "http2" } else { "" };
        let config = format!(
            "pid {root}/pid; error_log {root}/error.log; worker_processes 1; user root;\n\
             events {{ worker_connections 256; }}\n\
             http {{ access_log {root}/access.log; client_body_temp_path {root}/body; proxy_temp_path {root}/proxy;\n\
             fastcgi_temp_path {root}/fastcgi; uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;\n\
             server {{ listen {address} {version}; root {root}/files; client_max_body_size 200m;\n\
             location /up/ {{ dav_methods PUT; }}\n\
             location = /host {{ return 200 \"$host $http_x_test\\n\"; }} }} }}\n"
        );
        fs::create_dir_all(directory.path().join("files/up")).unwrap();
        fs::write(directory.path().join("nginx.conf"), config).unwrap();
        // Returns when it listens.
        let status = std::process::Command::new("nginx")
            .arg("-e")
            .arg(directory.path().join("error.log"))
            .arg("-c")
            .arg(directory.path().join("nginx.conf"))
            .status()
            .expect("nginx is installed: `make setup`");
        assert!(status.success(), "nginx does not start");
        Self { directory, address }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join("files").join(name)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.directory.path().join("pid")).unwrap();
        let _ = std::process::Command::new("kill").arg(pid.trim()).status();
    }
}

/// A relay that listens, and what its connections came to.
struct Relay {
    address: SocketAddr,
    outcomes: Arc<Mutex<JoinSet<Outcome>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    async fn start(upstream: SocketAddr, protocol: Protocol) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let outcomes = Arc::new(Mutex::new(JoinSet::new()));
        let into = Arc::clone(&outcomes);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let upstream = TcpStream::connect(upstream).await.unwrap();
                into.lock().unwrap().spawn(relay(client, upstream, protocol, Test::nobody()));
            }
        });
        Self { address, outcomes, task }
    }

    /// What came of every connection, once all of them have ended.
    async fn outcomes(self) -> Vec<Outcome> {
        self.task.abort();
        let outcomes = std::mem::take(&mut *self.outcomes.lock().unwrap());
        outcomes.join_all().await
    }
}

/// What curl prints.
async fn curl(protocol: Protocol, arguments: &[&str]) -> String {
    let version = if protocol == Protocol::H2 { "--http2-prior-knowledge" } else { "--http1.1" };
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "120", "--noproxy", "*", version])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("curl is installed: `make setup`");
    assert!(output.status.success(), "curl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn random(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut data = Vec::with_capacity(bytes + 8);
    while data.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data.extend_from_slice(&state.to_le_bytes());
    }
    data.truncate(bytes);
    data
}

fn same(one: &Path, data: &[u8]) {
    assert!(fs::read(one).unwrap() == data, "`{}` came out different", one.display());
}

async fn everything(protocol: Protocol) {
    let nginx = Nginx::start(protocol);
    let relay = Relay::start(nginx.address, protocol).await;
    let url = format!("http://{}", relay.address);
    let large = random(100 << 20);
    fs::write(nginx.file("large"), &large).unwrap();
    fs::write(nginx.file("small"), "0123456789").unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let there = scratch.path().join("there");
    let back = scratch.path().join("back");
    fs::write(&there, &large).unwrap();
    let [there_text, back_text] = [&there, &back].map(|path| path.to_str().unwrap());

    let small = format!("{url}/small");
    many_at_once(&small, protocol).await;
    assert_eq!(curl(protocol, &[&small]).await, "0123456789");
    assert_eq!(curl(protocol, &["-r", "2-4", &small]).await, "234");
    let head = curl(protocol, &["-I", &small]).await.to_ascii_lowercase();
    assert_eq!(head.matches("content-length: 10").count(), 1, "{head}");
    let host = curl(protocol, &["-H", "Host: b.example", "-H", "X-Test: 東京", &format!("{url}/host")]).await;
    assert_eq!(host, "b.example 東京\n");
    assert!(curl(protocol, &["-w", "%{http_code}", "-o", "/dev/null", &format!("{url}/none")]).await == "404");

    curl(protocol, &["-o", back_text, &format!("{url}/large")]).await;
    same(&back, &large);
    // With its length, waiting for 100 where the version knows it; and without.
    curl(protocol, &["-H", "Expect: 100-continue", "-T", there_text, &format!("{url}/up/length")]).await;
    same(&nginx.file("up/length"), &large);
    curl(protocol, &["-H", "Transfer-Encoding: chunked", "-T", there_text, &format!("{url}/up/chunked")]).await;
    same(&nginx.file("up/chunked"), &large);
    // Slower than it comes.
    curl(protocol, &["--limit-rate", "8M", "-r", "0-4194303", "-o", back_text, &format!("{url}/large")]).await;
    same(&back, &large[..4 << 20]);

    let mut ends = BTreeMap::<String, u64>::new();
    for outcome in relay.outcomes().await {
        *ends.entry(format!("{:?}", outcome.end)).or_default() += outcome.requests;
    }
    assert_eq!(ends, BTreeMap::from([("ClientClosed".to_owned(), 2_009)]));
}

/// 2,000 requests of four connections, some of them at once.
/// nginx answers a body that it has no use for before it has it, and then takes no more of it.
async fn answers_early(protocol: Protocol) {
    let nginx = Nginx::start(protocol);
    let relay = Relay::start(nginx.address, protocol).await;
    let scratch = tempfile::tempdir().unwrap();
    let large = scratch.path().join("large");
    fs::write(&large, random(20 << 20)).unwrap();
    for _ in 0..5 {
        let url = format!("http://{}/nowhere", relay.address);
        let large = large.to_str().unwrap();
        let told = curl(protocol, &["-T", large, "-o", "/dev/null", "-w", "%{http_code}", &url]).await;
        assert_eq!(told, "405");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_by_http1() {
    answers_early(Protocol::H1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_by_http2() {
    answers_early(Protocol::H2).await;
}

async fn many_at_once(url: &str, protocol: Protocol) {
    let version: &[&str] = if protocol == Protocol::H2 { &["-m10"] } else { &["--h1"] };
    let output = Command::new("h2load").args(["-n2000", "-c4"]).args(version).arg(url).output().await;
    let output = output.expect("h2load is installed: `make setup`");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("status codes: 2000 2xx"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_and_nginx_by_http1() {
    everything(Protocol::H1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_and_nginx_by_http2() {
    everything(Protocol::H2).await;
}
