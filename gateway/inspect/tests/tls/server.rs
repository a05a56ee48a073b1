//! `openssl s_server` with a certificate, on a port of loopback that the kernel chooses.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// What it presents.
#[derive(Clone)]
pub struct Presents {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Intermediates.
    pub chain: Option<PathBuf>,
    /// A stapled OCSP response.
    pub staple: Option<PathBuf>,
}

impl Presents {
    /// The files `NAME.pem` and `NAME.key`.
    pub fn named(folder: &Path, name: &str) -> Self {
        let file = |ending| folder.join(format!("{name}.{ending}"));
        Self { certificate: file("pem"), key: file("key"), chain: None, staple: None }
    }
}

/// A running server; ends when dropped.
pub struct Server {
    _child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts one that answers to anything with a page. `more` are options of `openssl s_server`.
    pub async fn start(presents: &Presents, more: &[&str]) -> Self {
        let mut command = Command::new("openssl");
        command.args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cipher", "ALL:@SECLEVEL=0", "-cert"]);
        command.arg(&presents.certificate).arg("-key").arg(&presents.key).args(more);
        if let Some(chain) = &presents.chain {
            command.arg("-cert_chain").arg(chain);
        }
        if let Some(staple) = &presents.staple {
            command.arg("-status_file").arg(staple);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl is installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("the server says where it listens");
            if let Some(address) = line.strip_prefix("ACCEPT ") {
                break address.parse().unwrap();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { _child: child, address }
    }
}
