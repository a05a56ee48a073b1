//! Chromium without a screen, with a profile of its own, and what it notes of the network.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::process::{self, text};

/// A browser that trusts some roots besides those it comes with.
#[derive(Debug)]
pub struct Browser<'n> {
    namespace: &'n Namespace,
    home: PathBuf,
    quic: Quic,
}

/// Whether it may speak QUIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quic {
    /// As browsers do: to servers that have said that they speak it.
    Tried,
    /// Not at all.
    Off,
}

/// A page that was opened.
#[derive(Debug)]
pub struct Visit {
    /// What stands in it.
    pub page: String,
    log: String,
}

impl<'n> Browser<'n> {
    /// One in this namespace whose home is made, or made anew.
    pub fn new(namespace: &'n Namespace, home: &Path, roots: &[&Path], quic: Quic) -> Result<Self> {
        let _ = fs::remove_dir_all(home);
        let database = home.join(".pki/nssdb");
        fs::create_dir_all(&database)?;
        let database = format!("sql:{}", database.display());
        process::run(Command::new("certutil").args(["-N", "--empty-password", "-d", &database]))?;
        for (number, root) in roots.iter().enumerate() {
            let mut trust = Command::new("certutil");
            trust.args(["-A", "-n", &format!("root {number}"), "-t", "C,,", "-d", &database, "-i"]).arg(root);
            process::run(&mut trust)?;
        }
        Ok(Self { namespace, home: home.to_owned(), quic })
    }

    /// What it remembers from visit to visit.
    pub fn profile(&self) -> PathBuf {
        self.home.join("profile")
    }

    /// Opens a page of `example.jp`, whose hosts are all at `server`.
    ///
    /// # Errors
    /// It did not even start. What became of the page is for the caller to see.
    pub fn open(&self, url: &str, server: IpAddr) -> Result<Visit> {
        let log = self.home.join("net.json");
        let _ = fs::remove_file(&log);
        let server = if server.is_ipv4() { server.to_string() } else { format!("[{server}]") };
        let mut chromium = self.namespace.command("timeout");
        chromium.args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu"]);
        chromium.arg(if self.quic == Quic::Tried { "--enable-quic" } else { "--disable-quic" });
        chromium.args(["--no-first-run", "--disable-background-networking", "--disable-component-update"]);
        chromium.args(["--disable-sync", "--disable-dev-shm-usage"]);
        chromium.arg(format!("--user-data-dir={}", self.profile().display()));
        chromium.arg(format!("--host-resolver-rules=MAP *.example.jp {server}"));
        chromium.arg(format!("--log-net-log={}", log.display()));
        chromium.args(["--dump-dom", url]).env("HOME", &self.home);
        let page = text(&chromium.output().context("chromium cannot be run")?.stdout);
        let log = fs::read_to_string(&log).context("chromium has left no log of the network")?;
        Ok(Visit { page, log })
    }

    /// Makes it take QUIC to work where it has this address, for those servers that have said that they speak it. By itself it
    /// learns so from servers whose certificates are of roots that it came with, and from no others.
    ///
    /// # Errors
    /// No server has said so.
    pub fn believe_in_quic(&self, here: IpAddr) -> Result<()> {
        let file = self.profile().join("Default/Network Persistent State");
        let mut known: Value = serde_json::from_slice(&fs::read(&file).context("the browser remembers nothing")?)?;
        let servers = known["net"]["http_server_properties"].as_object_mut().context("it remembers no server")?;
        ensure!(servers["servers"].to_string().contains("\"quic\""), "nobody has told it of HTTP/3: {servers:?}");
        servers.remove("broken_alternative_services");
        servers.insert("supports_quic".into(), json!({ "address": here.to_string(), "used_quic": true }));
        fs::write(file, serde_json::to_vec(&known)?)?;
        Ok(())
    }
}

impl Visit {
    /// The browser's number for what is wrong with the server's certificate: the first of those that Chromium keeps for
    /// certificates (net_error_list.h: -200 to -219).
    pub fn certificate_error(&self) -> Option<i64> {
        let numbers = self.log.split("\"net_error\":").skip(1).filter_map(|rest| {
            let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit())?;
            rest[..end].parse().ok()
        });
        numbers.into_iter().find(|number| (-219..=-200).contains(number))
    }

    /// From the request for this address to the end of its answer.
    pub fn duration(&self, url: &str) -> Result<Duration> {
        let log = self.parsed()?;
        let events = log["events"].as_array().context("the log has no events")?;
        let asks = |event: &&Value| event["params"]["url"] == url && event["params"]["method"] == "GET";
        let source = &events.iter().find(asks).context("the page was never asked for")?["source"]["id"];
        let times: Vec<u64> = events
            .iter()
            .filter(|event| event["source"]["id"] == *source)
            .filter_map(|event| event["time"].as_str()?.parse().ok())
            .collect();
        let (first, last) = (times.iter().min(), times.iter().max());
        let (first, last) = first.zip(last).context("the request has no times")?;
        ensure!(last > first || times.len() > 2, "the request has not ended");
        Ok(Duration::from_millis(last - first))
    }

    /// Sessions of QUIC that it began.
    pub fn quic_sessions(&self) -> Result<usize> {
        let log = self.parsed()?;
        let kind = &log["constants"]["logEventTypes"]["QUIC_SESSION"];
        let events = log["events"].as_array().context("the log has no events")?;
        // Each begins and ends.
        Ok(events.iter().filter(|event| event["type"] == *kind && event["phase"] == 1).count())
    }

    fn parsed(&self) -> Result<Value> {
        serde_json::from_str(&self.log).context("the browser's log of the network is not whole")
    }
}
