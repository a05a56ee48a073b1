//! A mix of frame sizes as on a real line: seven of 64 bytes, four of 570, one of 1,500.

use crate::frame::{Flow, UDP, checksum};

/// Lengths in their proportion, interleaved.
const LENGTHS: [usize; 12] = [64, 570, 64, 64, 570, 64, 1_500, 64, 570, 64, 570, 64];
/// Frames of one round.
const FRAMES: usize = 1 << 15;

/// Later packets of these flows, in turn.
pub fn frames(flows: &[Flow]) -> Vec<Vec<u8>> {
    let pairs = flows.iter().cycle().zip(LENGTHS.iter().cycle()).take(FRAMES);
    pairs.map(|(flow, length)| stretched(flow, *length)).collect()
}

/// The flow's later packet, made longer.
fn stretched(flow: &Flow, length: usize) -> Vec<u8> {
    let mut frame = flow.outwards().to_vec();
    frame.resize(length, 0);
    let ip = frame.len() - 14;
    frame[16..18].copy_from_slice(&(ip as u16).to_be_bytes());
    frame[24..26].fill(0);
    let sum = checksum(&frame[14..34]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    if flow.protocol == UDP {
        frame[38..40].copy_from_slice(&(ip as u16 - 20).to_be_bytes());
    }
    frame
}
