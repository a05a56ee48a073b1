//! The server: nginx with a certificate of ECDSA P-256, TLS 1.3 alone, nothing resumed.

use std::fs;

use anyhow::Result;
use lab::Namespace;
use lab::server::Server;

use super::{LOAD_CPU, NAME, Passage, Way};

/// Bytes of `/small`.
pub const SMALL_BYTES: usize = 1 << 10;
/// Bytes of `/large`.
pub const LARGE_BYTES: usize = 32 << 20;

/// Starts it, and waits until it answers who asks directly.
pub fn start(passage: &Passage, namespace: &Namespace) -> Result<Server> {
    let www = passage.file("www");
    fs::create_dir_all(&www)?;
    fs::write(www.join("small"), noise(SMALL_BYTES))?;
    fs::write(www.join("large"), noise(LARGE_BYTES))?;
    let identity = passage.origins.issue(&[NAME])?;
    let (chain, key, directory) = (identity.chain.display(), identity.key.display(), passage.directory.display());
    let configuration = format!(
        "daemon off; master_process off; user root; pid {directory}/nginx.pid; error_log {directory}/nginx.log;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n\
           access_log off; keepalive_requests 10000000; keepalive_timeout 600s; default_type text/plain;\n\
           client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy;\n\
           fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;\n\
           server {{ listen 443 ssl backlog=4096; root {directory}/www;\n\
             ssl_certificate {chain}; ssl_certificate_key {key};\n\
             ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n\
             ssl_session_tickets off; ssl_session_cache off; }}\n\
         }}\n"
    );
    let file = passage.file("nginx.conf");
    fs::write(&file, configuration)?;
    let mut nginx = namespace.command("taskset");
    nginx.args(["--cpu-list", &LOAD_CPU.to_string(), "nginx", "-e"]).arg(passage.file("nginx.log"));
    nginx.arg("-c").arg(&file);
    passage.start_server("nginx", &mut nginx, Way::Direct)
}

/// Bytes that nobody compresses.
fn noise(count: usize) -> Vec<u8> {
    use rand::RngCore;

    let mut bytes = vec![0; count];
    crate::prefixes::random(43).fill_bytes(&mut bytes);
    bytes
}
