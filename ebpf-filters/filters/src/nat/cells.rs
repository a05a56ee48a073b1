//! Mappings: which public port of a block an inside port has, and until when.

use abi::flow::{Flow, slot, state, timeout_s};
use abi::nat::{self, Cell, GROUP, UNITS};

use super::{AGAIN, ATTEMPTS, MAPPED};
use crate::atomic::exchange_if;
use crate::flows;
use crate::maps::NAT_CELLS;
use crate::packet::{protocol, subprogram};

/// Above the cell that [`probe`] found: it is this inside port's.
pub const MATCH: u64 = 1 << 33;
/// It is free.
pub const FREE: u64 = 1 << 32;
/// No such cell.
pub const NOTHING: u64 = 0;

/// Looks for an inside port in a block: its own cell, or the first free one of its two groups.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn probe(reference: u32, port: u16, number: u8, now_s: u32) -> u64 {
    let (index, shift) = nat::referred(reference);
    let (address, first) = (index / UNITS, index % UNITS * nat::UNIT_PORTS);
    let mut free = NOTHING;
    for n in 0..2 {
        let group = nat::group_index(address, first + nat::group(port, shift, n), nat::space(number));
        for step in 0..GROUP {
            let index = group + (port as u32).wrapping_add(step) % GROUP;
            let cell = cell_at(index);
            let is_free = cell.is_free(now_s);
            if !is_free && cell.is_of(port, number) {
                return MATCH | index as u64;
            }
            if is_free && free == NOTHING {
                free = FREE | index as u64;
            }
        }
    }
    free
}

/// A cell as it is now; beyond the last, one that is never free.
#[inline(always)]
fn cell_at(index: u32) -> Cell {
    match NAT_CELLS.get_ptr(index) {
        // SAFETY: array values live as long as the program. Volatile, because other CPUs write it.
        Some(cell) => Cell(unsafe { cell.read_volatile() }),
        None => Cell::new(0, 0, true, u32::MAX),
    }
}

#[inline(always)]
fn exchange_cell(index: u32, old: Cell, new: Cell) -> bool {
    // SAFETY: the word is a map value.
    NAT_CELLS.get_ptr_mut(index).is_some_and(|cell| unsafe { exchange_if(cell, old.0, new.0) })
}

/// The last second of a mapping whose flow was seen now.
#[inline(always)]
const fn until(number: u8, flow_state: u8, now_s: u32) -> u32 {
    now_s.saturating_add(timeout_s(number, flow_state) + nat::REFRESH_SLACK_S)
}

#[inline(always)]
const fn until_first(number: u8, now_s: u32) -> u32 {
    until(number, if number == protocol::TCP { state::SYN_SENT } else { state::ONE_WAY }, now_s)
}

/// One flow more for a mapping.
#[inline(always)]
pub fn join(index: u32, port: u16, number: u8, now_s: u32) -> u32 {
    let old = cell_at(index);
    let is_it = old.is_of(port, number) && !old.is_free(now_s);
    let new = old.joined(now_s, until_first(number, now_s));
    if is_it && exchange_cell(index, old, new) { MAPPED } else { AGAIN }
}

/// The first flow of a mapping.
#[inline(always)]
pub fn begin(index: u32, port: u16, number: u8, now_s: u32) -> u32 {
    let old = cell_at(index);
    let new = Cell::new(port, number, false, until_first(number, now_s));
    if old.is_free(now_s) && exchange_cell(index, old, new) { MAPPED } else { AGAIN }
}

/// Keeps a translated flow's mapping for as long as the flow may live: once in a while, and when its state changes, which
/// was `before`. Called before the packet's time is noted.
#[inline(always)]
pub fn keep(flow: &mut Flow, before: u8, now_s: u32) {
    let asked = (flow.last_seen_s ^ now_s) >> nat::REFRESH_SHIFT == 0;
    if flow.public_address != 0 && !(asked && before == flow.state) {
        keep_mapping(flow, now_s);
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn keep_mapping(flow: *mut Flow, now_s: u32) -> u32 {
    subprogram(flow, 0, |flow| {
        let Some(alias) = flows::at(flow.other) else { return 0 };
        if alias.slot != slot::ALIAS || alias.inside.v4_word() != flow.public_address {
            return 0;
        }
        let (index, expires_s) = (alias.rule, until(flow.protocol, flow.state, now_s));
        for _ in 0..ATTEMPTS {
            let old = cell_at(index);
            if !old.is_of(flow.inside_port, flow.protocol) || exchange_cell(index, old, old.kept(expires_s)) {
                break;
            }
        }
        1
    })
}

/// Lets a mapping go whose flow ends before its time.
#[inline(always)]
pub fn let_go(flow: &Flow, index: u32, now_s: u32) {
    let old = cell_at(index);
    if old.is_of(flow.inside_port, flow.protocol) {
        // If another CPU changed it meanwhile, somebody uses it.
        exchange_cell(index, old, old.let_go(now_s));
    }
}
