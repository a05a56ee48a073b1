//! Stage "spoofing": may this source come from there. The gateway's own addresses are the inspector's alone. Also where an
//! echo request to the gateway itself ends, since only a municipality's own senders may reach it.

use std::ops::ControlFlow;

use abi::{Reason, Verdict};

use super::crossing::{Crossing, Exit};
use super::packet::{EchoKind, Packet, Transport};
use super::prefecture::{Municipality, Sender};
use super::trace::Stage;

/// Drops what claims to come from elsewhere; hands echo requests to the gateway's address over.
pub(crate) fn spoofing(x: &mut Crossing, municipality: &Municipality, packet: &Packet) -> ControlFlow<Exit> {
    let source = packet.source;
    match x.sender {
        Sender::Inspector(_) => {
            let looked_at = || format!("source {source}, the gateway's addresses at {}", municipality.id);
            if !municipality.gateway.contains(source) {
                return x.stop(Stage::Spoofing, Exit::drop(Reason::SpoofedSource), looked_at);
            }
            x.pass(Stage::Spoofing, || (looked_at(), "one of them".into()));
        }
        Sender::Client => {
            let looked_at = || format!("source {source}, prefixes of {}", municipality.id);
            if municipality.gateway.contains(source) {
                return x.stop(Stage::Spoofing, Exit::drop(Reason::SpoofedSource), || {
                    format!("source {source}, the gateway's own address at {}", municipality.id)
                });
            }
            if !municipality.members.contains(source) {
                return x.stop(Stage::Spoofing, Exit::drop(Reason::SpoofedSource), looked_at);
            }
            if is_echo_request(packet) && municipality.gateway.contains(packet.destination) {
                let exit = Exit::new(Verdict::Local, Reason::GatewayAddress);
                return x.stop(Stage::Spoofing, exit, || format!("destination {}", packet.destination));
            }
            x.pass(Stage::Spoofing, || (looked_at(), "one of its own".into()));
        }
        Sender::Hairpin => {
            let looked_at = || format!("source {source}, public addresses of all municipalities");
            if !x.prefecture.public.contains(source) {
                return x.stop(Stage::Spoofing, Exit::drop(Reason::SpoofedSource), looked_at);
            }
            x.pass(Stage::Spoofing, || (looked_at(), "one of them".into()));
        }
        Sender::Internet => {
            let looked_at = || format!("source {source}, addresses of all municipalities");
            if x.prefecture.ours.contains(source) {
                return x.stop(Stage::Spoofing, Exit::drop(Reason::SpoofedSource), looked_at);
            }
            x.pass(Stage::Spoofing, || (looked_at(), "not one of ours".into()));
        }
    }
    ControlFlow::Continue(())
}

fn is_echo_request(packet: &Packet) -> bool {
    packet.fragment.is_none() && matches!(packet.transport, Transport::Echo { kind: EchoKind::Request, .. })
}
