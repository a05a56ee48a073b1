//! Stage: a port of a public address may stand for an inside server's. The packet goes on to the rules as it came, since
//! they speak of public addresses; the server is kept for the flow that it may begin, by which all that follow find it.

use abi::tables::class;
use abi::{Address, Reason, nat};

use crate::decision::{Stage, drop, from_code, go_on, to_code};
use crate::flow::{has_ports, key};
use crate::flows::{self, NONE, search};
use crate::isolation;
use crate::packet::{Packet, note, same, subprogram};
use crate::tables;

/// Finds the server behind a published port. Asked of packets of no flow alone, and only where the address has such ports.
#[inline(always)]
pub fn inbound(packet: &mut Packet) -> Stage {
    let may_be = packet.destination_about.flags & class::INBOUND != 0 && has_ports(packet.event.protocol);
    if !packet.is_egress() && may_be {
        from_code(find_server(packet))?;
    }
    // Nobody is behind the public address that a client of the same one calls by the hairpin.
    if packet.server == 0 && packet.is(note::HAIRPIN) && same(&packet.event.source, &packet.event.destination) {
        return drop(Reason::Land);
    }
    go_on()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn find_server(packet: *mut Packet) -> u32 {
    subprogram(packet, to_code(drop(Reason::Internal)), |packet| to_code(found(packet)))
}

#[inline(always)]
fn found(packet: &mut Packet) -> Stage {
    let public = packet.event.destination.v4_word();
    let port = packet.event.destination_port;
    let Some((server, server_port)) = tables::inbound(packet.half, public, packet.event.protocol, port) else {
        return go_on();
    };
    isolation::translated(packet, &Address::from_v4_word(server))?;
    let mut own = key(packet);
    own.move_inside(Address::from_v4_word(server), server_port);
    // Begun by the server from this very port, or by way of another public one: a key has one flow.
    if flows::find(&mut own, packet.now_s, search::FLOWS) != NONE {
        return drop(Reason::BadState);
    }
    packet.server = server;
    packet.server_port = server_port;
    packet.public_address = public;
    packet.public_port = port;
    packet.cell = nat::NO_CELL;
    go_on()
}
