use std::net::Ipv4Addr;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::*;
use crate::exclusion::Exclusion;
use crate::root::Root;
use crate::shown::ShownKey;

const NOW: Moment = Moment(1_790_000_000);

fn press() -> Press {
    let root = Root::create("見本県", NOW).unwrap();
    let municipal = root.issue("shiomi", "潮見市", &Exclusion::by_default(), NOW).unwrap();
    Press::new(Authority::try_from(&municipal).unwrap(), NOW).unwrap()
}

fn shown(from: Moment, until: Moment) -> Shown {
    Shown {
        names: vec![Name::host("www.example.jp").unwrap()],
        left_out: 0,
        common_name: Some("www.example.jp".to_owned()),
        validity: Validity { from, until },
        key: ShownKey::Curve(256),
        has_weak_signature: false,
        is_self_issued: false,
    }
}

/// Of the leaf: validity, issuer, subject.
fn told(minted: &Minted) -> (Validity, String, String) {
    let (_, leaf) = X509Certificate::from_der(&minted.chain[0]).unwrap();
    (crate::summary::validity(&leaf), leaf.issuer().to_string(), leaf.subject().to_string())
}

#[test]
fn a_good_certificate_is_valid_as_long_as_the_servers_and_not_longer_than_browsers_bear() {
    let press = press();
    let mint = |from, until| {
        let minted = press.mint(&shown(from, until), None, KeyType::Ecdsa, NOW).unwrap();
        assert_eq!(minted.chain.len(), 2);
        told(&minted)
    };
    let (validity, issuer, subject) = mint(NOW.plus(-DAY), NOW.plus(60 * DAY));
    assert_eq!(validity, Validity { from: NOW.plus(-DAY), until: NOW.plus(60 * DAY) });
    assert!(issuer.contains("潮見市") && issuer.contains("TLS inspection 2026-09-21 ECDSA shiomi"), "{issuer}");
    assert_eq!(subject, "CN=www.example.jp");
    let (validity, ..) = mint(Moment(0), Moment(i64::MAX));
    assert_eq!((validity.from, validity.until), (NOW.plus(-BACKDATED), NOW.plus(-BACKDATED + LONGEST)));
}

#[test]
fn what_is_defective_is_so_whatever_the_server_says() {
    let press = press();
    let times = [Moment(i64::MIN), Moment(0), NOW.plus(-DAY), NOW, NOW.plus(DAY), Moment(i64::MAX)];
    for defect in Defect::ALL {
        for (from, until) in times.iter().flat_map(|from| times.iter().map(move |until| (*from, *until))) {
            let minted = press.mint(&shown(from, until), Some(defect), KeyType::Ecdsa, NOW).unwrap();
            let (validity, issuer, subject) = told(&minted);
            assert!(subject.contains(&defect.telling()), "{subject}");
            match defect {
                Defect::Expired => assert!(validity.until < NOW),
                Defect::NotYetValid => assert!(validity.from > NOW),
                Defect::SelfSigned => assert_eq!(issuer, subject),
                Defect::WrongName | Defect::WrongUsage => assert!(issuer.contains("shiomi")),
                _ => assert!(issuer.contains("NOT trusted"), "{issuer}"),
            }
            assert!((0..=LONGEST).contains(&(validity.until.0 - validity.from.0)), "{defect:?} {validity:?}");
            let beside = |from, until| (until < NOW, from > NOW);
            let is_about_time = matches!(defect, Defect::Expired | Defect::NotYetValid);
            // Dates that contradict each other may come out on either side.
            if !is_about_time && from <= until {
                assert_eq!(beside(validity.from, validity.until), beside(from, until), "{defect:?} {from:?} {until:?}");
            }
        }
    }
}

#[test]
fn names_that_the_authority_excludes_are_left_out_and_do_not_spoil_the_rest() {
    let mut shown = shown(NOW.plus(-DAY), NOW.plus(DAY));
    shown.names.extend([Name::host("portal.asp.lgwan.jp").unwrap(), Name::Address(Ipv4Addr::new(10, 1, 2, 3).into())]);
    let press = press();
    let minted = press.mint(&shown, None, KeyType::Ecdsa, NOW).unwrap();
    let again = Shown::read(&minted.chain[0], None).unwrap();
    assert_eq!(again.names, [Name::host("www.example.jp").unwrap()]);
}

#[test]
fn a_certificate_without_names_has_no_name_that_a_client_could_take_for_one() {
    let mut shown = shown(NOW.plus(-DAY), NOW.plus(DAY));
    shown.names.clear();
    let press = press();
    let minted = press.mint(&shown, Some(Defect::WrongName), KeyType::Ecdsa, NOW).unwrap();
    let (_, _, subject) = told(&minted);
    assert!(subject.contains(NO_NAME) && !subject.contains("www.example.jp"), "{subject}");
}

#[test]
fn serial_numbers_do_not_repeat_and_old_clients_get_rsa() {
    let press = press();
    let shown = shown(NOW.plus(-DAY), NOW.plus(DAY));
    let serials = [KeyType::Ecdsa, KeyType::Ecdsa, KeyType::Rsa].map(|key_type| {
        let minted = press.mint(&shown, None, key_type, NOW).unwrap();
        let (_, leaf) = X509Certificate::from_der(&minted.chain[0]).unwrap();
        let key = Shown::read(&minted.chain[0], None).unwrap().key;
        assert_eq!(key, if key_type == KeyType::Rsa { ShownKey::Rsa(2048) } else { ShownKey::Curve(256) });
        leaf.raw_serial().to_vec()
    });
    assert!(serials[0] != serials[1] && serials.iter().all(|serial| serial.len() == 16));
}

#[test]
fn texts_go_around_and_mixed_ones_are_refused() {
    let root = Root::create("見本県", NOW).unwrap();
    let again = Root::from_pem(&root.certificate_pem(), &root.key_pem()).unwrap();
    assert_eq!(again.certificate_der(), root.certificate_der());
    let long = "a".repeat(63);
    let (one, two) = (again.issue(&long, "A市", &[], NOW).unwrap(), root.issue("b", "B町", &[], NOW).unwrap());
    let read = |chain: &str, key: &str| {
        Authority::from_pem(chain, key, &one.rsa.chain, &one.rsa.key).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(read(&one.ecdsa.chain, &one.ecdsa.key), Ok(()));
    let told = |chain: &str, key: &str, part: &str| assert!(read(chain, key).unwrap_err().contains(part), "{part}");
    told(&one.ecdsa.chain, &two.ecdsa.key, "not the key of its certificate");
    told(&one.rsa.chain, &one.rsa.key, "not a key for ecdsa");
    told("", &one.ecdsa.key, "no certificate");
    told(&one.ecdsa.chain, "x", "no private key");
    let other = Root::create("別県", NOW).unwrap();
    assert!(Root::from_pem(&root.certificate_pem(), &other.key_pem()).is_err());
    assert!(root.issue("a", &"長".repeat(65), &[], NOW).is_err());
    assert!(root.issue("a", "A市", &[], NOW.plus(100 * 365 * DAY)).is_err());
}
