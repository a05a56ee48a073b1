//! What the disk remembers.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

fn source(text: &str) -> Source {
    let files = [("prefecture.toml", text), ("municipalities/仙台.toml", "id"), ("sets/threats", "")];
    Source { files: files.map(|(name, text)| (name.into(), text.into())).into() }
}

#[test]
fn a_generation_comes_back_as_it_was_and_the_oldest_go() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    let record = Record { who: "課長".into(), ..Record::default() };
    for generation in 1..=KEPT as u64 + 2 {
        state.write(generation, &source(&generation.to_string()), &record).unwrap();
    }
    assert_eq!(state.generations().unwrap(), (3..=KEPT as u64 + 2).collect::<Vec<_>>());
    assert_eq!(state.read(7).unwrap(), (source("7"), record));
}

#[test]
fn numbers_and_seed_stay() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = State::open(directory.path()).unwrap();
    let numbering = Numbering { municipalities: [("sendai".into(), 1)].into(), ..Numbering::default() };
    state.set_numbering(&numbering).unwrap();
    let seed = state.hash_seed();
    drop(state);
    let state = State::open(directory.path()).unwrap();
    assert_eq!((state.numbering(), state.hash_seed()), (&numbering, seed));
}

#[test]
fn what_never_judged_is_not_taken_up_after_a_reboot() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    assert_eq!(state.last_judged().unwrap(), None);
    for generation in [1, 2, 3] {
        state.write(generation, &source("schema = 1"), &Record::default()).unwrap();
    }
    state.judges(1).unwrap();
    assert_eq!((state.last_judged().unwrap(), state.generations().unwrap()), (Some(1), vec![1]));
    state.write(2, &source("schema = 1"), &Record::default()).unwrap();
    // Killed here: the kernel, and after a reboot this directory, still say 1.
    assert_eq!((state.last_judged().unwrap(), state.generations().unwrap()), (Some(1), vec![1, 2]));
    state.judges(2).unwrap();
    assert_eq!(state.last_judged().unwrap(), Some(2));
}

#[test]
fn numbers_that_could_not_be_written_are_not_taken_for_kept() {
    let directory = tempfile::tempdir().unwrap();
    let mut state = State::open(directory.path()).unwrap();
    let numbering = Numbering { municipalities: [("sendai".into(), 1)].into(), ..Numbering::default() };
    // A directory in the place of the file that would be written.
    let obstacle = directory.path().join("numbers.json.new");
    fs::create_dir(&obstacle).unwrap();
    state.set_numbering(&numbering).unwrap_err();
    assert_eq!(*state.numbering(), Numbering::default());
    // Nor does a start need to write.
    drop(state);
    let mut state = State::open(directory.path()).unwrap();
    fs::remove_dir(&obstacle).unwrap();
    state.set_numbering(&numbering).unwrap();
    drop(state);
    assert_eq!(*State::open(directory.path()).unwrap().numbering(), numbering);
}

#[test]
fn damaged_files_are_named_and_nobody_else_may_read_them() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("bangasa");
    let state = State::open(&directory).unwrap();
    assert_eq!(fs::metadata(&directory).unwrap().permissions().mode() & 0o777, 0o700);
    state.write(1, &source("schema = 1"), &Record::default()).unwrap();
    fs::write(directory.join("generations/1/record.json"), "{\"who\": \"").unwrap();
    let error = format!("{:#}", state.read(1).unwrap_err());
    assert!(error.contains("generations/1/record.json` is damaged"), "{error}");
    drop(state);
    fs::write(directory.join("numbers.json"), "").unwrap();
    let error = format!("{:#}", State::open(&directory).unwrap_err());
    assert!(error.contains("numbers.json` is damaged"), "{error}");
}

#[test]
fn a_second_daemon_is_told_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let _first = State::open(directory.path()).unwrap();
    let error = State::open(directory.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
}

#[test]
fn no_file_leads_out() {
    let directory = tempfile::tempdir().unwrap();
    let state = State::open(directory.path()).unwrap();
    for name in ["../numbers.json", "/etc/passwd", "", "sets/../../x"] {
        let files = [(name.to_owned(), Vec::new())].into();
        assert!(state.write(1, &Source { files }, &Record::default()).is_err(), "{name}");
    }
}

#[test]
fn overlays_stay_and_what_cannot_be_written_is_not_taken_for_kept() {
    use policy::overlay::{Indicators, Isolation, Origin, Target};
    let directory = tempfile::tempdir().unwrap();
    let mut state = State::open(directory.path()).unwrap();
    let origin = || Origin { because: "漏えいの疑い".into(), ..Origin::default() };
    let isolations = vec![Isolation { target: Target::All, held: Vec::new(), origin: origin() }];
    let indicators = vec![Indicators { prefixes: vec!["192.0.2.0/24".parse().unwrap()], origin: origin() }];
    let overlays = Arc::new(Overlays { isolations: isolations.clone(), indicators });
    // A directory in the place of the second file that would be written.
    let obstacle = directory.path().join("indicators.new");
    fs::create_dir(&obstacle).unwrap();
    state.set_overlays(&overlays).unwrap_err();
    assert_eq!(**state.overlays(), Overlays { isolations, ..Overlays::default() });
    drop(state);
    let mut state = State::open(directory.path()).unwrap();
    assert_eq!(state.overlays().isolations, overlays.isolations, "as it was kept");
    fs::remove_dir(&obstacle).unwrap();
    state.set_overlays(&overlays).unwrap();
    drop(state);
    assert_eq!(*State::open(directory.path()).unwrap().overlays(), overlays);
    fs::write(directory.path().join("isolations.json"), "{}").unwrap();
    let error = format!("{:#}", State::open(directory.path()).unwrap_err());
    assert!(error.contains("releases everybody"), "{error}");
}
