//! `bangasa replay`: judges a capture as if it entered a port.

mod summary;

use std::io::Read;
use std::path::PathBuf;

use anyhow::Context;
use control::Line;

use crate::capture::{self, Capture};
use crate::engine::{self, Engine};
use crate::exit::Exit;
use crate::output::Output;
use crate::style::{Colour, STRONG};
use crate::{packet_text, policy_directory};

use summary::Summary;

/// Judge each packet of a capture as if it entered a port
#[derive(Debug, clap::Args)]
#[command(
    long_about = "Judge each packet of a capture, in order and with state, as if it entered a port of the gateway. The clock is \
        the capture's. Nothing is sent anywhere, and no daemon is needed.\n\n\
        A truncated or corrupt capture is judged up to the damage; then the last whole packet is named, and the command ends \
        with 1.",
    after_help = "Ports are those of the policy: `lan0`, or with VLANs `lan0.101` and `lan0.200.101`, which are put on every \
        packet; `wan0`; and `inspector:sendai` for what the inspector of a municipality sends itself.\n\nExamples:\n  \
        sudo bangasa replay --policy policy/ --port lan0 --pcap trunk.pcapng\n  \
        bangasa replay --policy policy/ --port lan0.101 --pcap office.pcap --engine model --json | jq 'select(.verdict == \"drop\")'"
)]
pub struct Arguments {
    /// Policy directory
    #[arg(long, value_name = "DIR")]
    policy: PathBuf,
    /// Port of the policy that the packets enter, VLANs after dots; or `inspector:` and a municipality's id
    #[arg(long, value_name = "PORT")]
    port: String,
    /// pcap or pcapng file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// Who judges
    #[arg(long, value_enum, default_value_t = engine::Kind::Kernel)]
    engine: engine::Kind,
    /// Judge as while no inspector serves
    #[arg(long)]
    inspector_down: bool,
    /// Print one JSON object a packet
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(checked) = policy_directory::load(&arguments.policy)? else {
        return Ok(Exit::Invalid);
    };
    let pcap = capture::open(&arguments.pcap)?;
    engine::known_port(&checked.policy, &arguments.port)?;
    let mut engine = engine::open(arguments.engine, &checked.policy, engine::inspectors(arguments.inspector_down))?;
    let mut output = Output::stdout();
    let colour = Colour::of_stdout();
    let mut summary = Summary::default();
    if !arguments.json {
        output.line(colour.paint(STRONG, "     packet  verdict reason             municipality packet", 0))?;
    }
    let end = each_line(pcap, &mut *engine, &arguments.port, |line| {
        if arguments.json {
            return output.json(&line);
        }
        summary.count(&line);
        output.line(describe(&line, colour))
    });
    // The reader gets every line before stderr tells of damage.
    if !arguments.json {
        for line in summary.lines(arguments.engine, colour) {
            output.line(line)?;
        }
    }
    output.flush()?;
    end.with_context(|| format!("`{}`", arguments.pcap.display()))?;
    Ok(Exit::Done)
}

/// Judges a capture; `tell` gets every line. An error of the capture comes after the last line.
pub fn each_line(
    pcap: impl Read,
    engine: &mut dyn Engine,
    port: &str,
    mut tell: impl FnMut(Line) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut capture = Capture::new(pcap)?;
    while let Some(packet) = capture.next_packet()? {
        let judgement = engine
            .judge(port, packet.time_ns, packet.frame)
            .with_context(|| format!("cannot judge packet {}", packet.number))?;
        tell(Line::of_packet(packet.number, &judgement))?;
    }
    Ok(())
}

fn describe(line: &Line, colour: Colour) -> String {
    let number = line.packet.unwrap_or_default();
    let verdict = colour.verdict(&line.verdict, 7);
    let municipality = line.municipality.as_deref().unwrap_or("-");
    let by = packet_text::decided_by(line).map(|by| format!(" by {by}")).unwrap_or_default();
    format!("{number:>11}  {verdict} {:<18} {municipality:<12} {}{by}", line.reason, packet_text::packet(line))
}

#[cfg(test)]
mod tests;
