//! Stage "isolation": is the municipality, section or terminal cut off. What is on the essential list stays reachable.

use std::net::IpAddr;
use std::ops::ControlFlow;

use abi::{Direction, Reason};

use super::crossing::{Crossing, Exit};
use super::packet::Packet;
use super::prefecture::{Isolation, Municipality};
use super::trace::Stage;

/// Judges by the inside address that the packet itself carries.
pub(crate) fn isolation(x: &mut Crossing, municipality: &Municipality, packet: &Packet) -> ControlFlow<Exit> {
    let inside = match x.direction {
        Direction::Egress => packet.source,
        Direction::Ingress => packet.destination,
    };
    judge(x, municipality, packet, inside)?;
    x.pass(Stage::Isolation, || (format!("inside address {inside}"), "open".into()));
    ControlFlow::Continue(())
}

/// Judges by the inside address that a translated flow has behind its public one.
pub(crate) fn behind_translation(
    x: &mut Crossing,
    municipality: &Municipality,
    packet: &Packet,
    inside: IpAddr,
) -> ControlFlow<Exit> {
    judge(x, municipality, packet, inside)
}

fn judge(x: &mut Crossing, municipality: &Municipality, packet: &Packet, inside: IpAddr) -> ControlFlow<Exit> {
    let outside = match x.direction {
        Direction::Egress => packet.destination,
        Direction::Ingress => packet.source,
    };
    let (is_isolated, what) = match &municipality.isolation {
        Isolation::None => (false, ""),
        Isolation::All => (true, "the whole municipality"),
        // The gateway's own address may stand on a section's segment: the section is meant, not the inspector.
        Isolation::Parts(parts) => {
            (parts.contains(inside) && !municipality.gateway.contains(inside), "its section or terminal")
        }
    };
    if !is_isolated || x.prefecture.essential.contains(outside) {
        return ControlFlow::Continue(());
    }
    x.stop(Stage::Isolation, Exit::drop(Reason::Isolated), || {
        format!("inside address {inside}: {what} is cut off; {outside} is not essential")
    })
}
