//! Stage: a connection to the municipality's proxy, a port on the gateway's own addresses, ends here: the namespace has the
//! socket. Whoever is cut off or blocked was dropped before.
//!
//! No flow is kept, the kernel on the other side of the socket has its own; so nobody is vouched for, and every packet comes
//! this far. Fragments do not pass: the first would have nobody to answer for the others.

use abi::Reason;
use abi::tables::{municipality, view};

use crate::decision::{Stage, go_on, local};
use crate::packet::{Packet, note, protocol};
use crate::{limits, tables};

/// Takes a client's segments for the proxy aside.
#[inline(always)]
pub fn proxy(packet: &mut Packet) -> Stage {
    let port = packet.municipality_flags >> municipality::PROXY_PORT_SHIFT;
    if port == 0 || packet.event.protocol != protocol::TCP || packet.event.destination_port as u32 != port {
        return go_on();
    }
    let whole_of_client =
        packet.is_egress() && !packet.is(note::INSPECTOR | note::FIRST_FRAGMENT | note::LATER_FRAGMENT);
    if whole_of_client && tables::view(packet.half, packet.views, packet.destination_class)?.flags & view::GATEWAY != 0
    {
        limits::meter(packet)?;
        return local(Reason::Proxy);
    }
    go_on()
}
