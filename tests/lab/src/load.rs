//! Traffic that goes on while something else happens, and afterwards says exactly what got lost.

use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::internet::IPERF_PORT;
use crate::namespace::Namespace;
use crate::process::text;

/// A steady stream of echo requests.
#[derive(Debug)]
pub struct Pings {
    child: Option<Child>,
}

/// What became of echo requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Sent.
    pub sent: u64,
    /// Answered.
    pub received: u64,
}

impl Pings {
    /// One request every `interval`, from `source` to `destination`, until stopped.
    pub fn start(namespace: &Namespace, source: IpAddr, destination: IpAddr, interval: Duration) -> Result<Self> {
        let mut command = namespace.command("ping");
        command.args(["-n", "-q", "-W", "2", "-i", &interval.as_secs_f64().to_string()]);
        command.args(["-I", &source.to_string(), &destination.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Ok(Self { child: Some(child.context("cannot start ping; is it installed")?) })
    }

    /// Stops sending, and counts. ping waits for the answers that are still under way when it has sent its last.
    pub fn stop(mut self) -> Result<Answered> {
        let mut child = self.child.take().context("ping is not running")?;
        let pid = nix::unistd::Pid::from_raw(child.id().try_into()?);
        // Again until it heeds it: a signal that comes while ping still sets itself up is lost on it.
        while child.try_wait()?.is_none() {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
            thread::sleep(Duration::from_millis(100));
        }
        let output = child.wait_with_output()?;
        let report = text(&output.stdout);
        let line = report.lines().find(|line| line.contains("packets transmitted"));
        let line = line.with_context(|| format!("ping said nothing: {}", text(&output.stderr)))?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        match numbers[..] {
            [sent, received, ..] => Ok(Answered { sent, received }),
            _ => bail!("ping said `{line}`"),
        }
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A TCP transfer by iperf3.
#[derive(Debug)]
pub struct Transfer {
    child: Option<Child>,
}

/// What a transfer achieved.
#[derive(Clone, Copy, Debug)]
pub struct Transferred {
    /// Bytes that the sender handed to its stack.
    pub sent: u64,
    /// Bytes that the receiver read.
    pub received: u64,
    /// Bits a second at the receiver.
    pub bits_per_second: f64,
    /// The longest stretch without a byte, in tenths of a second.
    pub silent_tenths: usize,
}

impl Transfer {
    /// Sends as fast as a line of `bits_per_second` would, for a time, on one connection.
    pub fn start(
        namespace: &Namespace,
        source: IpAddr,
        server: IpAddr,
        lasting: Duration,
        bits_per_second: u64,
    ) -> Result<Self> {
        let mut command = namespace.command("iperf3");
        command.args(["--json", "--interval", "0.1", "--bind", &source.to_string()]);
        command.args(["--client", &server.to_string(), "--port", &IPERF_PORT.to_string()]);
        command.args(["--time", &lasting.as_secs().to_string(), "--bitrate", &bits_per_second.to_string()]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Ok(Self { child: Some(child.context("cannot start iperf3; is it installed")?) })
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Result<Transferred> {
        let child = self.child.take().context("iperf3 is not running")?;
        let output = child.wait_with_output()?;
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).context("iperf3 printed no JSON")?;
        if let Some(error) = report["error"].as_str() {
            bail!("iperf3: {error}");
        }
        let intervals = report["intervals"].as_array().cloned().unwrap_or_default();
        let is_silent = |interval: &serde_json::Value| interval["sum"]["bytes"].as_u64() == Some(0);
        let silent_tenths = intervals.split(|interval| !is_silent(interval)).map(<[_]>::len).max().unwrap_or(0);
        Ok(Transferred {
            sent: report["end"]["sum_sent"]["bytes"].as_u64().unwrap_or(0),
            received: report["end"]["sum_received"]["bytes"].as_u64().unwrap_or(0),
            bits_per_second: report["end"]["sum_received"]["bits_per_second"].as_f64().unwrap_or(0.0),
            silent_tenths,
        })
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
