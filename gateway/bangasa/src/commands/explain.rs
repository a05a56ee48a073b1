//! `bangasa explain`: every stage's word about one packet.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::builder::PossibleValuesParser;
use control::{Client, Response};
use policy::explain::{Hello, HelloError, Request, explain_installed};
use policy::http::FileType;
use policy::tls::{Ech, Opening};
use policy::{Overlays, Policy};

use crate::exit::{Exit, WrongUsage};
use crate::output::Output;
use crate::{engine, policy_directory};

/// Say what would happen to one packet, and why
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Say what would happen to one packet that enters a port, and why: every stage, what it looked at, what it said, \
        and the rule with its file and line. The packet stands alone, no flow exists before it. Where packet rules inspect, \
        TLS rules decide by what the client opens the connection with: say it with --sni and its companions; where these \
        inspect, HTTP rules decide over a request: say it with --http.\n\nWith --policy, neither root nor a running gateway is \
        needed, and what operators have isolated and blocked by commands is not looked at. Without it the running gateway's policy \
        is explained, with that laid over it.",
    after_help = "A packet is protocol, source, `>`, destination. The protocol is tcp, udp, icmp, icmpv6 or a number; tcp is a SYN \
        unless flags say otherwise; icmp and icmpv6 are echo requests.\n\nExamples:\n  \
        bangasa explain --policy policy/ --port lan0.101 'tcp 10.4.20.7:51000 > 198.51.100.4:443'\n  \
        bangasa explain --port lan0.101 'tcp 10.4.20.7:51000 > 198.51.100.4:443'\n  \
        bangasa explain --policy policy/ --port wan0 'tcp/syn+ack 198.51.100.4:443 > 203.0.113.16:51000'\n  \
        bangasa explain --policy policy/ --port lan0.101 'udp [2001:db8:4::7]:5353 > [2001:db8:ffff::53]:53'\n  \
        bangasa explain --policy policy/ --port inspector:sendai 'tcp 10.4.0.1:40000 > 198.51.100.4:443'\n  \
        bangasa explain --policy policy/ --port lan0.101 'icmp 10.4.20.7 > 198.51.100.4' --json\n  \
        bangasa explain --policy policy/ --port lan0.101 'tcp 10.4.20.7:51000 > 198.51.100.4:443' --sni www.example.jp\n  \
        bangasa explain --policy policy/ --port lan0.101 'tcp 10.4.20.7:51000 > 198.51.100.4:22' --speaks server-first\n  \
        bangasa explain --policy policy/ --port lan0.101 'tcp 10.4.20.7:51000 > 198.51.100.4:443' --http 'PUT https://www.example.jp/upload/x'"
)]
pub struct Arguments {
    /// Policy directory; by default what the running gateway has installed
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Port of the policy that the packet enters, VLANs after dots; or `inspector:` and a municipality's id
    #[arg(long, value_name = "PORT")]
    port: String,
    /// The packet
    #[arg(value_name = "PACKET")]
    packet: String,
    /// Ask TLS rules too: the name that the client sends
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// The protocols that it offers
    #[arg(long, value_name = "PROTOCOL", value_delimiter = ',')]
    alpn: Vec<String>,
    /// The fingerprint of its hello
    #[arg(long, value_name = "FINGERPRINT")]
    ja4: Option<String>,
    /// Whether it offers ECH, true or GREASE
    #[arg(long, value_name = "WORD", value_parser = PossibleValuesParser::new(words(Ech::WORDS)))]
    ech: Option<String>,
    /// What its first bytes are; a TLS hello unless said otherwise, without a name if none is given
    #[arg(long, value_name = "WORD", value_parser = PossibleValuesParser::new(words(Opening::WORDS)))]
    speaks: Option<String>,
    /// Ask HTTP rules too: the request that the client makes; without --sni, its host is the name that the client sends
    #[arg(long, value_name = "REQUEST")]
    http: Option<String>,
    /// The type of what is transferred
    #[arg(long = "type", value_name = "WORD", requires = "http", value_parser = PossibleValuesParser::new(words(FileType::WORDS)))]
    kind: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// What the client opens the connection with and asks for, if that was said.
    fn hello(&self) -> Result<Option<Hello>, HelloError> {
        let kind = value(FileType::WORDS, self.kind.as_deref());
        let request = |text: &String| Request::parse(text).map(|request| Request { kind, ..request });
        let request = self.http.as_ref().map(request).transpose()?;
        let is_plain = request.as_ref().is_some_and(|request| !request.is_secure);
        let opening = if is_plain { Opening::Http } else { Opening::Tls };
        let host = request.as_ref().filter(|request| request.is_secure).map(|request| request.host.clone());
        let empty = Hello::empty();
        let hello = Hello {
            opening: value(Opening::WORDS, self.speaks.as_deref()).unwrap_or(opening),
            sni: self.sni.clone().or(host),
            request,
            alpn: self.alpn.clone(),
            ja4: self.ja4.clone(),
            ech: value(Ech::WORDS, self.ech.as_deref()).unwrap_or(empty.ech),
        };
        let is_asked = self.speaks.is_some() || self.ech.is_some() || hello != Hello::empty();
        Ok(is_asked.then_some(hello))
    }
}

fn words<T>(words: &'static [(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    words.iter().map(|&(word, _)| word)
}

fn value<T: Copy>(words: &[(&str, T)], written: Option<&str>) -> Option<T> {
    words.iter().find(|&&(word, _)| Some(word) == written).map(|&(_, value)| value)
}

/// Runs it.
pub fn run(arguments: &Arguments, daemon: &Client) -> anyhow::Result<Exit> {
    let (policy, overlays) = match &arguments.policy {
        Some(directory) => match policy_directory::load(directory)? {
            Some(checked) => (checked.policy, None),
            None => return Ok(Exit::Invalid),
        },
        None => installed(daemon).map(|(policy, overlays)| (policy, Some(overlays)))?,
    };
    engine::known_port(&policy, &arguments.port)?;
    let hello = arguments.hello().map_err(|error| WrongUsage(error.to_string()))?;
    let (port, packet, hello) = (&arguments.port, &arguments.packet, hello.as_ref());
    let explanation = match &overlays {
        Some(overlays) => explain_installed(&policy, overlays, port, packet, hello),
        None => policy::explain(&policy, port, packet, hello),
    };
    let explanation = explanation.map_err(|error| WrongUsage(error.to_string()))?;
    let mut output = Output::stdout();
    if arguments.json {
        output.json(&explanation)?;
    } else {
        output.line(explanation)?;
        if overlays.is_none() {
            output.line(
                "not looked at: what commands isolated and blocked; without --policy the running gateway tells",
            )?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// The policy that the running gateway has installed, and what lies over it.
fn installed(daemon: &Client) -> anyhow::Result<(Policy, Overlays)> {
    let answer = daemon.ask(&control::Request::Policy { generation: None });
    match answer.context("--policy explains a directory without a gateway")? {
        Response::Policy { files, overlays, generation } => {
            let policy = policy::check(&files).policy;
            let policy =
                policy.with_context(|| format!("this version cannot read the policy of generation {generation}"))?;
            Ok((policy, overlays))
        }
        other => bail!("bangasad answered `policy` with {other:?}"),
    }
}
