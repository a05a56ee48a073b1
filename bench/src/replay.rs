//! Real frames to send: a few of every capture of the corpora, so that sizes and protocols are as mixed as there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::sender::LONGEST;

/// Frames taken from one capture.
const OF_EACH: usize = 4;
/// Frames taken in all, at most.
const IN_ALL: usize = 4_096;
/// What an Ethernet port would carry at least.
const SHORTEST: usize = 60;

/// Frames, or none where there are no captures.
pub fn frames() -> Result<Option<Vec<Vec<u8>>>> {
    let corpora = std::env::var_os("BANGASA_CORPORA").map_or_else(|| PathBuf::from("../shared/corpora"), PathBuf::from);
    let mut captures = Vec::new();
    find(&corpora.join("pcap"), &mut captures);
    captures.sort();
    let mut frames = Vec::new();
    for capture in captures {
        let of_this = ethernet_frames(&fs::read(capture)?);
        frames.extend(of_this.into_iter().filter(|frame| (SHORTEST..=LONGEST).contains(&frame.len())).take(OF_EACH));
        if frames.len() >= IN_ALL {
            break;
        }
    }
    // As many as the sender takes: a power of two.
    frames.truncate(1 << frames.len().checked_ilog2().unwrap_or(0));
    Ok((!frames.is_empty()).then_some(frames))
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            find(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "pcap") {
            found.push(path);
        }
    }
}

/// Whole frames of a capture in the classic format, if it was taken on Ethernet; what is damaged ends it.
fn ethernet_frames(capture: &[u8]) -> Vec<Vec<u8>> {
    const LITTLE: [[u8; 4]; 2] = [[0xd4, 0xc3, 0xb2, 0xa1], [0x4d, 0x3c, 0xb2, 0xa1]];
    const ETHERNET: u32 = 1;
    let word = |at: usize| Some(u32::from_le_bytes(capture.get(at..at + 4)?.try_into().ok()?));
    let is_classic = capture.get(..4).is_some_and(|magic| LITTLE.iter().any(|known| known == magic));
    if !is_classic || word(20) != Some(ETHERNET) {
        return Vec::new();
    }
    let mut frames = Vec::new();
    let mut at = 24;
    while let (Some(kept), Some(length)) = (word(at + 8), word(at + 12)) {
        let (begin, end) = (at + 16, at + 16 + kept as usize);
        let Some(frame) = capture.get(begin..end) else { break };
        if kept == length {
            frames.push(frame.to_vec());
        }
        at = end;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(link_type: u8, records: &[(u32, &[u8])]) -> Vec<u8> {
        let mut bytes =
            vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, link_type, 0, 0, 0];
        for (length, frame) in records {
            bytes.extend([0; 8]);
            bytes.extend((frame.len() as u32).to_le_bytes());
            bytes.extend(length.to_le_bytes());
            bytes.extend(*frame);
        }
        bytes
    }

    #[test]
    fn whole_frames_are_taken_and_damage_ends_the_capture() {
        let mut bytes = capture(1, &[(3, b"abc"), (9, b"cut"), (2, b"de")]);
        assert_eq!(ethernet_frames(&bytes), [b"abc".to_vec(), b"de".to_vec()]);
        bytes.pop();
        assert_eq!(ethernet_frames(&bytes), [b"abc".to_vec()]);
    }

    #[test]
    fn other_link_types_and_other_files_give_nothing() {
        assert!(ethernet_frames(&capture(113, &[(3, b"abc")])).is_empty());
        assert!(ethernet_frames(b"GET / HTTP/1.1\r\n\r\n").is_empty());
        assert!(ethernet_frames(b"").is_empty());
    }
}
