//! Stage: queries to published DNS servers, which floods of random names wear out. A query that its source's rate or the
//! state of its zone does not admit is not lost: the gateway answers it itself, truncated, by which a resolver is told to
//! come again over TCP ([`crate::dns_answer`]). Who forges his address hears nothing of that.
//!
//! Asked once of each query: of one that begins a flow after the rules and before budgets and the flow, which a flood
//! therefore takes nothing of; of one of an existing flow when that has let it through. TCP is not asked, nor is what
//! answers a guarded server's own questions. A query in fragments has no place here: nobody sends one.

use abi::dns::PORT;
use abi::tables::class;
use abi::{Limit, Reason, budget, limits};
use aya_ebpf::bindings::xdp_md;

use crate::decision::{Stage, drop, from_code, go_on, need, to_code};
use crate::frame::Frame;
use crate::limits::refuse;
use crate::maps::DNS_GUARDS;
use crate::packet::{Packet, protocol, subprogram};
use crate::{dns_query, dns_zone, sources};

/// Judges a query of the Internet's to a guarded server; lets everything else pass.
#[inline(always)]
pub fn guard(frame: Frame, packet: &mut Packet) -> Stage {
    if is_query(packet) { from_code(guard_query(frame.context(), packet)) } else { go_on() }
}

/// The class is known of what comes from the uplink, and 0 of all else that may get here. ICMP errors are no UDP, and later
/// fragments have no port.
#[inline(always)]
const fn is_query(packet: &Packet) -> bool {
    packet.destination_about.flags & class::DNS_SERVER != 0
        && packet.event.destination_port == PORT
        && packet.event.protocol == protocol::UDP
        && !packet.is_egress()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn guard_query(context: *mut xdp_md, packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(guarded(Frame::new(context), packet)))
}

#[inline(always)]
fn guarded(frame: Frame, packet: &mut Packet) -> Stage {
    let index = packet.half.wrapping_mul(limits::MUNICIPALITIES).wrapping_add(packet.event.municipality as u32);
    let guard = need(DNS_GUARDS.get(index))?;
    let query = dns_query::read(frame, packet)?;
    let what = budget::SOURCE_QUERIES | packet.event.direction as usize & 1;
    if !sources::pay_cost(packet, what, guard.query_cost) {
        return refuse(packet, Limit::DnsQueries, Reason::DnsGuard);
    }
    if dns_zone::is_attacked_with(packet, guard, query) {
        return refuse(packet, Limit::DnsNames, Reason::DnsGuard);
    }
    go_on()
}
