//! Stage "municipality": whose packet it is. From a municipality, or its inspector: where it entered, never its source
//! address. From the uplink: whose address it is for.

use std::ops::ControlFlow;

use abi::{Reason, Verdict};

use super::addresses::Owner;
use super::crossing::{Crossing, Exit};
use super::packet::{Packet, Transport};
use super::prefecture::{Municipality, Sender};
use super::trace::Stage;

/// The municipality of a packet that is not an IP packet to be routed: on an access port that of its attachment,
/// none on the untagged uplink. Ends the way of the packet: the gateway's own stack takes it. An inspector has no
/// neighbours.
pub(crate) fn local<T>(x: &mut Crossing, vlans: &[u16], reason: Reason) -> ControlFlow<Exit, T> {
    match x.sender {
        Sender::Client => {
            attached(x, vlans)?;
        }
        Sender::Internet | Sender::Hairpin => untagged(x, vlans)?,
        Sender::Inspector(_) => {
            untagged(x, vlans)?;
            return not_an_inspectors(x);
        }
    }
    x.stop(Stage::Municipality, Exit::new(Verdict::Local, reason), || "neighbours on the segment".into())
}

/// The municipality of an IP packet.
pub(crate) fn municipality<'a>(
    x: &mut Crossing<'a>,
    vlans: &[u16],
    packet: &Packet,
) -> ControlFlow<Exit, &'a Municipality> {
    match x.sender {
        Sender::Client => attached(x, vlans),
        Sender::Internet | Sender::Hairpin => {
            untagged(x, vlans)?;
            owner(x, packet)
        }
        Sender::Inspector(municipality) => {
            untagged(x, vlans)?;
            let speaks = match &packet.transport {
                Transport::Tcp(..) | Transport::Udp(_) | Transport::IcmpError(_) => true,
                Transport::LaterFragment => matches!(packet.protocol, 6 | 17),
                Transport::Echo { .. } | Transport::Other => false,
            };
            if !speaks {
                return not_an_inspectors(x);
            }
            let what = || (format!("inspector of {}", municipality.id), municipality.name.clone());
            x.pass(Stage::Municipality, what);
            ControlFlow::Continue(municipality)
        }
    }
}

/// An inspector speaks TCP and UDP, and its kernel answers with errors.
fn not_an_inspectors<T>(x: &mut Crossing) -> ControlFlow<Exit, T> {
    x.stop(Stage::Municipality, Exit::drop(Reason::Unsupported), || "neither TCP nor UDP from an inspector".into())
}

fn attached<'a>(x: &mut Crossing<'a>, vlans: &[u16]) -> ControlFlow<Exit, &'a Municipality> {
    let looked_at = entry(x.port, vlans);
    let prefecture = x.prefecture;
    let found = match *vlans {
        // A priority tag names no VLAN (IEEE 802.1Q, 6.9.1).
        [] | [0] => prefecture.attached(x.port, &[]),
        // So an inner priority tag leaves the outer VLAN's own attachment, where inner tags are expected at all.
        [outer, 0] if prefecture.is_double_tagged(x.port, outer) => prefecture.attached(x.port, &[outer]),
        _ => prefecture.attached(x.port, vlans),
    };
    let Some(municipality) = found else {
        return x.stop(Stage::Municipality, Exit::drop(Reason::UnknownAttachment), || looked_at);
    };
    x.municipality = Some(municipality);
    x.pass(Stage::Municipality, || (looked_at, format!("{} ({})", municipality.id, municipality.name)));
    ControlFlow::Continue(municipality)
}

fn untagged(x: &mut Crossing, vlans: &[u16]) -> ControlFlow<Exit> {
    if vlans.iter().all(|&vlan| vlan == 0) {
        return ControlFlow::Continue(());
    }
    let looked_at = entry(x.port, vlans);
    x.stop(Stage::Municipality, Exit::drop(Reason::UnknownAttachment), || looked_at)
}

fn owner<'a>(x: &mut Crossing<'a>, packet: &Packet) -> ControlFlow<Exit, &'a Municipality> {
    let prefecture = x.prefecture;
    let claim = prefecture.owners.of(packet.destination);
    let looked_at = || match claim {
        Some((prefix, Owner::Several)) => {
            format!("destination {}, in {prefix}, which several municipalities claim", packet.destination)
        }
        Some((prefix, Owner::One(_))) => format!("destination {}, in {prefix}", packet.destination),
        None => format!("destination {}", packet.destination),
    };
    let found = match claim {
        Some((_, Owner::One(id))) => prefecture.municipality(id),
        _ => None,
    };
    let Some(municipality) = found else {
        return x.stop(Stage::Municipality, Exit::drop(Reason::UnknownDestination), looked_at);
    };
    x.municipality = Some(municipality);
    x.pass(Stage::Municipality, || (looked_at(), format!("{} ({})", municipality.id, municipality.name)));
    ControlFlow::Continue(municipality)
}

fn entry(port: &str, vlans: &[u16]) -> String {
    match *vlans {
        [] => format!("port {port}, untagged"),
        [vlan] => format!("port {port}, VLAN {vlan}"),
        [outer, inner, ..] => format!("port {port}, VLAN {outer}, inside it VLAN {inner}"),
    }
}
