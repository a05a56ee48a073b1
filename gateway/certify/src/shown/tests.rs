use super::*;
use crate::moment::DAY;
use crate::{Authority, KeyType, Press, Root};

const NOW: Moment = Moment(1_790_000_000);

fn minted(names: &[&str]) -> Vec<u8> {
    let root = Root::create("見本県", NOW).unwrap();
    let authority = Authority::try_from(&root.issue("shiomi", "潮見市", &[], NOW).unwrap()).unwrap();
    let shown = Shown {
        names: names.iter().filter_map(|name| name_of_host(name)).collect(),
        left_out: 0,
        common_name: Some("www.example.jp".to_owned()),
        validity: Validity { from: NOW.plus(-DAY), until: NOW.plus(30 * DAY) },
        key: ShownKey::Other,
        has_weak_signature: false,
        is_self_issued: false,
    };
    Press::new(authority, NOW).unwrap().mint(&shown, None, KeyType::Ecdsa, NOW).unwrap().chain[0].to_vec()
}

#[test]
fn what_is_minted_is_read_back() {
    let der = minted(&["*.example.jp", "192.0.2.1", "2001:db8::1", "example.jp"]);
    let shown = Shown::read(&der, Some("example.jp")).unwrap();
    let names: Vec<_> = shown.names.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["example.jp", "*.example.jp", "192.0.2.1", "2001:db8::1"]);
    assert_eq!((shown.left_out, shown.common_name.as_deref()), (0, Some("www.example.jp")));
    assert_eq!(shown.validity, Validity { from: NOW.plus(-DAY), until: NOW.plus(30 * DAY) });
    assert_eq!((shown.key, shown.is_weak(), shown.is_self_issued), (ShownKey::Curve(256), false, false));
}

#[test]
fn of_too_many_names_the_wanted_one_is_kept() {
    let names: Vec<_> = (0..1_000).map(|number| format!("n{number}.example.jp")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let der = minted(&names);
    let shown = Shown::read(&der, Some("n999.example.jp")).unwrap();
    assert_eq!((shown.names.len(), shown.left_out), (MAX_NAMES, 1_000 - MAX_NAMES));
    assert_eq!(shown.names[0].to_string(), "n999.example.jp");
}

#[test]
fn broken_bytes_are_unreadable_and_nothing_worse() {
    let der = minted(&["example.jp"]);
    for end in 0..der.len() {
        assert_eq!(Shown::read(&der[..end], None), Err(Unreadable), "{end}");
    }
    let trailing = [der.as_slice(), &[0]].concat();
    assert_eq!(Shown::read(&trailing, None), Err(Unreadable));
    assert_eq!(Shown::read(&vec![0x30; MAX_BYTES + 1], None), Err(Unreadable));
    for at in 0..der.len() {
        for bit in 0..8 {
            let mut flipped = der.clone();
            flipped[at] ^= 1 << bit;
            if let Ok(shown) = Shown::read(&flipped, Some("example.jp")) {
                assert!(shown.names.len() <= MAX_NAMES);
            }
        }
    }
}
