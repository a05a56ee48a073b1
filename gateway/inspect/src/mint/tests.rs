use std::sync::Barrier;
use std::thread;

use certify::{Name, Root, ShownKey, Validity};

use super::*;

const NOW: Moment = Moment(1_790_000_000);

fn mint(max_bytes: u64) -> Mint {
    let root = Root::create("見本県", NOW).unwrap();
    let municipal = root.issue("shiomi", "潮見市", &[], NOW).unwrap();
    Mint::with_bytes(Authority::try_from(&municipal).unwrap(), NOW, max_bytes).unwrap()
}

fn shown(host: &str) -> Shown {
    Shown {
        names: vec![Name::host(host).unwrap()],
        left_out: 0,
        common_name: None,
        validity: Validity { from: NOW.plus(-DAY), until: NOW.plus(30 * DAY) },
        key: ShownKey::Curve(256),
        has_weak_signature: false,
        is_self_issued: false,
    }
}

#[test]
fn sixty_four_who_ask_at_once_get_one_certificate() {
    let mint = mint(MAX_BYTES);
    let barrier = Barrier::new(64);
    let shown = shown("www.example.jp");
    let all: Vec<_> = thread::scope(|scope| {
        let ask = || {
            barrier.wait();
            mint.certificate(&shown, None, KeyType::Ecdsa, NOW).unwrap()
        };
        let waiting: Vec<_> = (0..64).map(|_| scope.spawn(ask)).collect();
        waiting.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|presented| Arc::ptr_eq(&presented.key, &all[0].key)));
    assert_eq!((mint.minted(), mint.kept()), (1, 1));
}

#[test]
fn what_differs_is_minted_and_what_is_kept_is_bounded() {
    let mint = mint(64 * (MAX_BYTES / MAX_ENTRIES));
    for number in 0..1_000 {
        mint.certificate(&shown(&format!("n{number}.example.jp")), None, KeyType::Ecdsa, NOW).unwrap();
        assert!(mint.kept() <= 64, "{} are kept", mint.kept());
    }
    assert_eq!(mint.minted(), 1_000);
    let mut large = shown("example.jp");
    large.names = (0..128).filter_map(|number| Name::host(&format!("{}{number}.jp", "a".repeat(60)))).collect();
    for number in 0..100 {
        large.validity.until = NOW.plus(30 * DAY + number);
        mint.certificate(&large, None, KeyType::Ecdsa, NOW).unwrap();
        // Fourteen of these and no small one would be too many bytes.
        assert!(mint.kept.weight() <= 64 * (MAX_BYTES / MAX_ENTRIES), "{} bytes are kept", mint.kept.weight());
    }
}

#[test]
fn defect_and_key_type_and_dates_are_part_of_what_it_is() {
    let mint = mint(MAX_BYTES);
    let ask = |shown: &Shown, defect, key_type| mint.certificate(shown, defect, key_type, NOW).unwrap();
    let shown = shown("www.example.jp");
    let mut later = shown.clone();
    later.validity.until = later.validity.until.plus(1);
    let all = [
        ask(&shown, None, KeyType::Ecdsa),
        ask(&shown, Some(Defect::Expired), KeyType::Ecdsa),
        ask(&shown, Some(Defect::Revoked), KeyType::Ecdsa),
        ask(&shown, None, KeyType::Rsa),
        ask(&later, None, KeyType::Ecdsa),
    ];
    assert_eq!(mint.minted(), 5);
    for (at, one) in all.iter().enumerate() {
        assert!(all[..at].iter().all(|other| other.key.cert[0] != one.key.cert[0]));
        one.key.keys_match().unwrap();
    }
}

#[test]
fn an_old_certificate_is_minted_anew() {
    let mint = mint(MAX_BYTES);
    let ask = |now| mint.certificate(&shown("www.example.jp"), None, KeyType::Ecdsa, now).unwrap().key;
    let first = ask(NOW);
    assert!(Arc::ptr_eq(&first, &ask(NOW.plus(FRESH - 1))));
    let second = ask(NOW.plus(FRESH));
    assert!(!Arc::ptr_eq(&first, &second));
    assert!(Arc::ptr_eq(&second, &ask(NOW.plus(FRESH + 1))));
    assert_eq!((mint.minted(), mint.kept()), (2, 1));
}
