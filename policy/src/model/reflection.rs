//! Stage "reflection": from the Internet, a datagram of no flow from the port of an amplifier, unless both ends have that
//! port, as servers that talk to each other do. Only where the policy asks for it.

use std::ops::ControlFlow;

use abi::reflection::is_amplifier;
use abi::{Direction, Reason};

use super::crossing::{Crossing, Exit};
use super::packet::{Packet, Transport};
use super::trace::Stage;

/// Drops what looks like a reflected flood.
pub(crate) fn reflection(x: &mut Crossing, packet: &Packet) -> ControlFlow<Exit> {
    let Transport::Udp(ports) = packet.transport else { return ControlFlow::Continue(()) };
    if !x.prefecture.flood.reflection || x.direction != Direction::Ingress {
        return ControlFlow::Continue(());
    }
    let looked_at = || format!("udp from port {} to {}", ports.source, ports.destination);
    if is_amplifier(ports.source) && ports.source != ports.destination {
        return x.stop(Stage::Reflection, Exit::drop(Reason::Reflection), looked_at);
    }
    x.pass(Stage::Reflection, || (looked_at(), "no answer of an amplifier".into()));
    ControlFlow::Continue(())
}
