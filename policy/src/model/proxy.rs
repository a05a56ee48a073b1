//! Stage "proxy": a client's segment for its municipality's proxy, at one of the gateway's own addresses, is the
//! gateway's own. What may be reached by the proxy, the inspector decides, by the same rules ([`crate::tls::Reach`]).

use std::ops::ControlFlow;

use abi::{Reason, Verdict};

use super::crossing::{Crossing, Exit};
use super::limits;
use super::packet::{Packet, Transport};
use super::prefecture::{Municipality, Sender};
use super::trace::Stage;

/// Hands segments for the proxy over. Fragments of them are nobody's.
pub(crate) fn proxy(x: &mut Crossing, municipality: &Municipality, packet: &Packet) -> ControlFlow<Exit> {
    let (Sender::Client, Some(port)) = (x.sender, municipality.proxy_port) else { return ControlFlow::Continue(()) };
    let is_meant = packet.fragment.is_none()
        && matches!(&packet.transport, Transport::Tcp(ports, _) if ports.destination == port)
        && municipality.gateway.contains(packet.destination);
    let looked_at =
        || format!("destination {}, the proxy of {} is at port {port}", packet.destination, municipality.id);
    if is_meant {
        limits::meter(x, municipality, packet, None)?;
        return x.stop(Stage::Proxy, Exit::new(Verdict::Local, Reason::Proxy), looked_at);
    }
    x.pass(Stage::Proxy, || (looked_at(), "not meant".into()));
    ControlFlow::Continue(())
}
