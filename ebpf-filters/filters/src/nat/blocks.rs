//! Blocks of ports: whose they are, and taking another one.

use abi::Address;
use abi::nat::{self, CLIENT_BLOCKS, ClientBlocks, ClientKey, UNITS, status};
use abi::tables::{Municipality, pool, view};

use crate::atomic::{exchange_half_if, exchange_if};
use crate::decision::Stage;
use crate::flows::NONE;
use crate::maps::{NAT_ADDRESSES, NAT_BLOCKS, NAT_CLIENTS, NAT_NUMBERS};
use crate::packet::{Packet, subprogram};
use crate::tables;

/// The client's references, which it has from now on if it had none.
#[inline(always)]
pub fn client_blocks(client: &ClientKey) -> Option<*mut ClientBlocks> {
    if let Some(blocks) = NAT_CLIENTS.get_ptr_mut(client) {
        return Some(blocks);
    }
    // If another CPU was faster, its value is as good. If there is no room, there is none below.
    let _ = NAT_CLIENTS.insert(client, ClientBlocks([0; CLIENT_BLOCKS]), BPF_NOEXIST);
    NAT_CLIENTS.get_ptr_mut(client)
}

const BPF_NOEXIST: u64 = 1;

#[inline(always)]
pub fn reference_of(blocks: *mut ClientBlocks, n: usize) -> u32 {
    // SAFETY: callers count below `CLIENT_BLOCKS`. Volatile, because other CPUs write it.
    unsafe { blocks.cast::<u32>().add(n).read_volatile() }
}

/// Whether a block that a reference names is the packet's client's, and its address still in the pool.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn is_usable(packet: *mut Packet, reference: u32) -> u32 {
    subprogram(packet, 0, |packet| {
        let (index, shift) = nat::referred(reference);
        let (Some(block), Some(entry)) = (NAT_BLOCKS.get(index), NAT_ADDRESSES.get(index / UNITS)) else { return 0 };
        // SAFETY: a reference is readable. Volatile, because user space writes it.
        let found = unsafe { (&raw const block.status).read_volatile() };
        let owner = &block.owner;
        let is_its = reference != 0
            && found == status::of(status::IN_USE, shift)
            && owner.client == packet.client.client
            && owner.municipality == packet.client.municipality
            && owner.part == packet.client.part;
        if !is_its {
            return 0;
        }
        let class = tables::class_of(packet.half, &Address::from_v4_word(entry.address));
        match tables::view(packet.half, packet.views, class) {
            Stage::Continue(seen) => (seen.flags & view::POOL != 0) as u32,
            Stage::Break(_) => 0,
        }
    })
}

/// No reference: the place for one was taken by another CPU, and the block is left to be freed.
pub const LOST: u32 = 1;

/// A further block for the packet's client, if it may have one: its reference, 0, or [`LOST`]. `paired` is the number of the address
/// that the client's other blocks are of, which it keeps as long as there is room.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn extend(packet: *mut Packet, paired: u32) -> u32 {
    subprogram(packet, 0, |packet| {
        let Stage::Continue(town) = tables::municipality(packet.half, packet.event.municipality) else { return 0 };
        let place = free_reference(packet, pool::client_blocks(town.pool_shape));
        let reference = if place == NONE { 0 } else { new_block(packet, town, paired) };
        if reference == 0 || refer(packet, place, reference) != 0 { reference } else { LOST }
    })
}

/// Puts a reference into its place among the client's: 1, or 0 if another CPU changed it.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn refer(packet: *mut Packet, place: u32, reference: u32) -> u32 {
    subprogram(packet, 0, |packet| {
        let Some(blocks) = NAT_CLIENTS.get_ptr_mut(packet.client) else { return 0 };
        if place as usize >= CLIENT_BLOCKS {
            return 0;
        }
        // SAFETY: `place` is below the number of references.
        let word = unsafe { blocks.cast::<u32>().add(place as usize) };
        // SAFETY: a map value is readable, and the word is an aligned half word of it.
        unsafe {
            let old = word.read_volatile();
            (is_usable(packet, old) == 0 && exchange_half_if(word, old, reference)) as u32
        }
    })
}

/// The first of so many references that names no block of the client's; [`NONE`] if there is none.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn free_reference(packet: *mut Packet, allowed: u32) -> u32 {
    subprogram(packet, NONE, |packet| {
        let Some(blocks) = NAT_CLIENTS.get_ptr_mut(packet.client) else { return NONE };
        for n in 0..CLIENT_BLOCKS {
            if n as u32 >= allowed {
                break;
            }
            if is_usable(packet, reference_of(blocks, n)) == 0 {
                return n as u32;
            }
        }
        NONE
    })
}

/// Takes a block out of the pool: of the paired address, or of the first with room.
#[inline(always)]
fn new_block(packet: &mut Packet, town: &Municipality, paired: u32) -> u32 {
    let shift = pool::block_shift(town.pool_shape);
    let size = pool::size(town.pool_shape);
    if paired != NONE {
        let reference = take_block(packet, paired, shift);
        if reference != 0 {
            return reference;
        }
    }
    for n in 0..nat::ADDRESS_TRIES {
        if n >= size {
            break;
        }
        let index = nat::pool_choice(u32::from_be(packet.client.client), n, size);
        let address = tables::pool_address(packet.half, town.pool.wrapping_add(index));
        // SAFETY: user space never changes a number while a policy names its address.
        if let Some(number) = unsafe { NAT_NUMBERS.get(address) } {
            let reference = take_block(packet, *number, shift);
            if reference != 0 {
                return reference;
            }
        }
    }
    0
}

/// Takes the lowest free block of an address: its reference, or 0.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn take_block(packet: *mut Packet, number: u32, shift: u32) -> u32 {
    subprogram(packet, 0, |packet| {
        let Some(address) = NAT_ADDRESSES.get_ptr_mut(number) else { return 0 };
        for n in 0..UNITS / u64::BITS {
            // SAFETY: `n` is below the number of words.
            let word = unsafe { (&raw mut (*address).taken).cast::<u64>().add(n as usize) };
            // SAFETY: a map value is readable. Volatile, because other CPUs write it.
            let taken = unsafe { word.read_volatile() };
            let Some(first) = nat::free_units(taken, shift) else { continue };
            // SAFETY: an aligned word of a map value.
            if !unsafe { exchange_if(word, taken, taken | nat::units(first, shift)) } {
                continue;
            }
            let index = nat::unit_index(number, n * u64::BITS + first);
            let Some(block) = NAT_BLOCKS.get_ptr_mut(index) else { return 0 };
            // SAFETY: the block is this CPU's alone until its status says that it is in use, which is written last.
            unsafe {
                (*block).assigned_ns = packet.event.time_ns;
                (*block).owner = packet.client;
                (&raw mut (*block).status).write_volatile(status::of(status::IN_USE, shift));
            }
            return nat::reference(index, shift);
        }
        0
    })
}
