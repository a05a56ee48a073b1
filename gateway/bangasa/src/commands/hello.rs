//! `bangasa hello`: the TLS ClientHellos of a capture.

mod line;

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::Context;
use hello::{Hello, Watch};

use crate::capture::{self, Capture, CaptureError, LinkType};
use crate::exit::Exit;
use crate::output::Output;
use crate::style::{Colour, STRONG};

pub use line::{HEADING, Line};

/// List the TLS ClientHellos of a capture: host name, protocols, fingerprint
#[derive(Debug, clap::Args)]
#[command(
    long_about = "List the TLS ClientHellos of a capture, in the order in which they are complete: over TCP on any port, \
        segments put in order, after plain text too (STARTTLS, CONNECT, SOCKS); in QUIC (v1, v2, drafts from 21 on), Initial packets decrypted. \
        VLANs, PPPoE, MPLS, IP in IP, GRE, VXLAN, Geneve, GTP, Teredo, L2TP and IP \
        fragments are seen through. Nothing is sent anywhere, and neither a policy nor a daemon is needed.\n\n\
        Frames may be of Ethernet, raw IP, loopback, PPP, HDLC or Linux's \"cooked\" link types; others are counted, told \
        on stderr, and skipped. A truncated or corrupt capture is read up to the damage; then the last whole packet is named, and the \
        command ends with 1.",
    after_help = "Keys of --json: `packet` completed the hello; `transport` is tcp or quic; `sni`, `alpn`, `ja4` are null \
        where there is none, and `no_sni` says why (not_sent, empty, not_a_host_name, malformed). `ech` is true where the client \
        hides the true name, or pretends to (GREASE looks the same on purpose); `ech_kind` is outer, inner, esni or \
        malformed, and `ech_config` the id of the server's key. `malformed` says what is wrong with a hello; what can be read of it is told.\n\n\
        Examples:\n  \
        bangasa hello --pcap office.pcapng\n  \
        bangasa hello --pcap office.pcap --json | jq -r 'select(.ech) | .sni'\n  \
        gunzip < office.pcap.gz | bangasa hello --pcap - --json"
)]
pub struct Arguments {
    /// pcap or pcapng file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// Print one JSON object a hello
    #[arg(long)]
    json: bool,
}

/// What was not looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Packets of link types that cannot be taken apart, by the number of the type.
    pub links: BTreeMap<u16, u64>,
    /// Packets of the others.
    pub read: u64,
    /// Directions of connections that were given up for lack of room.
    pub given_up: u64,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let pcap = capture::open(&arguments.pcap)?;
    let mut output = Output::stdout();
    if !arguments.json {
        output.line(Colour::of_stdout().paint(STRONG, HEADING, 0))?;
    }
    let mut told = Ok(());
    let (passed_over, end) = each_hello(pcap, &mut |hello| {
        let line = Line::new(&hello);
        told = if arguments.json { output.json(&line) } else { output.line(&line) };
        if told.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    told?;
    // The reader gets every line before stderr tells of damage.
    output.flush()?;
    let name = arguments.pcap.display();
    for (link, packets) in &passed_over.links {
        let link = LinkType(*link);
        eprintln!("bangasa: `{name}`: {packets} packets skipped: link type {link} cannot be taken apart");
    }
    if passed_over.given_up > 0 {
        let directions = passed_over.given_up;
        eprintln!(
            "bangasa: `{name}`: {directions} directions of connections given up for lack of room; split the capture"
        );
    }
    end.with_context(|| format!("`{name}`"))?;
    let nothing = passed_over.read == 0 && !passed_over.links.is_empty();
    Ok(if nothing { Exit::Failed } else { Exit::Done })
}

/// Reads a capture; `tell` gets every hello and says whether to go on. What was found before damage is told.
pub fn each_hello(
    pcap: impl Read,
    tell: &mut dyn FnMut(Hello) -> ControlFlow<()>,
) -> (PassedOver, Result<(), CaptureError>) {
    let mut passed_over = PassedOver::default();
    let mut watch = Watch::default();
    let end = each_frame(pcap, &mut watch, &mut passed_over, tell);
    passed_over.given_up = watch.given_up();
    (passed_over, end)
}

fn each_frame(
    pcap: impl Read,
    watch: &mut Watch,
    passed_over: &mut PassedOver,
    tell: &mut dyn FnMut(Hello) -> ControlFlow<()>,
) -> Result<(), CaptureError> {
    let mut flow = ControlFlow::Continue(());
    let mut while_wanted = |hello| {
        if flow.is_continue() {
            flow = tell(hello);
        }
    };
    let mut capture = Capture::new(pcap)?;
    let end = loop {
        match capture.next_of_any_link() {
            Ok(Some(packet)) if hello::frame::can_walk(packet.link.0) => {
                passed_over.read += 1;
                watch.frame(packet.number, packet.link.0, packet.frame, &mut while_wanted);
            }
            Ok(Some(packet)) => *passed_over.links.entry(packet.link.0).or_default() += 1,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    watch.end(&mut while_wanted);
    end
}
