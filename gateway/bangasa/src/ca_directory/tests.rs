#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;

const NOW: Moment = Moment(1_790_000_000);

#[test]
fn what_was_replaced_is_kept_for_a_while_and_what_is_in_use_always() {
    let folder = tempfile::tempdir().unwrap();
    let directory = CaDirectory::new(&folder.path().join("ca"));
    let root = Root::create("見本県", NOW).unwrap();
    directory.create_root(&root).unwrap();
    let municipal = root.issue("shiomi", "潮見市", &[], NOW).unwrap();
    for number in 1..=3 {
        assert_eq!(directory.add("shiomi", &municipal).unwrap(), Issue { number, is_current: true });
    }
    let numbers = || directory.issues("shiomi").unwrap().iter().map(|issue| issue.number).collect::<Vec<_>>();
    let (before, after) = (NOW.plus(GRACE_DAYS * DAY), NOW.plus(GRACE_DAYS * DAY + 1));
    assert_eq!(directory.remove_old("shiomi", before).unwrap(), [0_u32; 0]);
    assert_eq!(numbers(), [1, 2, 3]);
    // Someone went back to the first.
    link(&directory.path.join("shiomi"), CURRENT, "1").unwrap();
    assert_eq!(directory.remove_old("shiomi", after).unwrap(), [2]);
    assert_eq!(numbers(), [1, 3]);
    assert_eq!(directory.current("shiomi").unwrap().number, 1);
    assert_eq!(directory.municipalities().unwrap(), ["shiomi"]);
}

#[test]
fn a_file_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.key");
    write_new(&file, "first").unwrap();
    assert!(write_new(&file, "second").is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "first");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
