//! Broken capture files: read up to the damage, never a crash, and never more packets than before it.

use std::path::Path;

use bangasa::capture::{Capture, CaptureError};
use bangasa::commands::replay::each_line;
use bangasa::engine::{self, Engine, Kind};

use crate::corpora::{EVERYONE, Random, load};
use crate::files::captures;

/// Lines, and how it ended.
fn replay(bytes: &[u8], engine: &mut dyn Engine) -> (u64, Option<String>) {
    let mut lines = 0;
    let end = each_line(bytes, engine, "lan0", |line| {
        lines += 1;
        assert_eq!(line.packet, Some(lines));
        serde_json::to_string(&line).unwrap();
        Ok(())
    });
    (lines, end.err().map(|error| error.to_string()))
}

#[test]
fn a_cut_capture_is_judged_up_to_the_cut() {
    let Some(captures) = captures() else { return };
    let mut model = engine::open(Kind::Model, &load(EVERYONE), engine::inspectors(false)).unwrap();
    let mut random = Random::new(7);
    for path in &captures {
        let bytes = std::fs::read(path).unwrap();
        let (whole, end) = replay(&bytes, &mut *model);
        if end.is_some() {
            continue;
        }
        let cut = random.below(bytes.len());
        let (lines, end) = replay(&bytes[..cut], &mut *model);
        assert!(lines <= whole, "{}", path.display());
        if let Some(end) = end.filter(|end| end.starts_with("the capture is damaged")) {
            let place = format!("the capture is damaged after packet {lines}:");
            assert!(end.starts_with(&place), "{} cut at {cut}: {end}", path.display());
        }
    }
}

#[test]
fn a_corrupt_capture_ends_with_a_word_about_it_or_not_at_all() {
    let Some(captures) = captures() else { return };
    let mut model = engine::open(Kind::Model, &load(EVERYONE), engine::inspectors(false)).unwrap();
    let mut random = Random::new(8);
    for path in &captures {
        let bytes = std::fs::read(path).unwrap();
        for _ in 0..3 {
            let mut changed = bytes.clone();
            for _ in 0..20 {
                let at = random.below(changed.len());
                changed[at] = random.below(256) as u8;
            }
            replay(&changed, &mut *model);
            replay(&random.broken(&bytes), &mut *model);
        }
    }
}

#[test]
fn what_is_no_ethernet_capture_is_named() {
    let Some(captures) = captures() else { return };
    let mut refused = 0;
    for path in &captures {
        let Err(error) = last(path) else { continue };
        let text = error.to_string();
        match error {
            CaptureError::LinkType { link, .. } => {
                refused += 1;
                assert!(text.contains(&format!("link type {} ({})", link.0, link.name())), "{text}");
            }
            CaptureError::Damaged { .. } | CaptureError::NotACapture { .. } | CaptureError::Version { .. } => {}
            CaptureError::Read { .. } => panic!("{}: {text}", path.display()),
        }
    }
    println!("{refused} of {} files are captures of something else than Ethernet", captures.len());
}

fn last(path: &Path) -> Result<(), CaptureError> {
    let mut capture = Capture::new(std::fs::File::open(path).unwrap())?;
    while capture.next_packet()?.is_some() {}
    Ok(())
}
