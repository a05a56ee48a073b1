//! A certificate that its authority has taken back, by a list that the policy names.

use lab::Lab;
use lab::internet::WEB_NAME;
use lab::process::text;

use crate::inspector::{SERVERS, TWINS, curl, event, lab, policy, root};

fn apply(lab: &Lab, change: impl FnOnce(&mut policy::Source)) {
    let mut source = policy();
    change(&mut source);
    lab.daemon().unwrap().apply_files(source).unwrap();
    lab.wait_for_inspector(TWINS[0]).unwrap();
}

#[test]
fn a_revoked_certificate_is_a_bad_one_and_a_list_of_nothing_stops_nobody() {
    let lab = lab();
    let get = || curl(&lab, TWINS[0], WEB_NAME, SERVERS[0], &format!("https://{WEB_NAME}/"));
    assert!(get().status.success(), "{}", text(&get().stderr));
    let list = std::fs::read(lab.internet().pki().revoke(WEB_NAME).unwrap()).unwrap();
    let name = |source: &mut policy::Source| {
        let file = source.files.get_mut("prefecture.toml").unwrap();
        *file = text(file).replacen("[tls]\n", "[tls]\ncrls = [\"crls/lab.crl\"]\n", 1).into_bytes();
    };
    apply(&lab, |source| {
        name(source);
        source.files.insert("crls/lab.crl".to_owned(), list);
    });
    let since = lab.daemon().unwrap().events().mark();
    let got = get();
    assert_eq!(got.status.code(), Some(60), "curl's word for a certificate that is not to be believed");
    let line = event(&lab, since, |line| line.reason == "bad_certificate");
    assert_eq!(line.tls.as_deref().and_then(|tls| tls.upstream.as_deref()), Some("revoked"), "{line:?}");
    // Who goes on all the same reaches nobody.
    let seen = lab.internet().requests().unwrap().len();
    let root = root(&lab);
    let got =
        curl(&lab, TWINS[0], WEB_NAME, SERVERS[1], &format!("-k --cacert {} https://{WEB_NAME}/", root.display()));
    assert!(text(&got.stdout).contains("この通信は許可されていません"), "{got:?}");
    assert_eq!(lab.internet().requests().unwrap().len(), seen);
    // What looks like a list and is none is told, and the rest goes on.
    apply(&lab, |source| {
        name(source);
        source.files.insert("crls/lab.crl".to_owned(), vec![0x30, 0x03, 0x02, 0x01, 0x07]);
    });
    assert!(get().status.success(), "{}", text(&get().stderr));
    let status = lab.daemon().unwrap().status().unwrap();
    let town = status.municipalities.iter().find(|town| town.municipality.as_deref() == Some(TWINS[0])).unwrap();
    let trouble = town.inspector.as_ref().unwrap().trouble.as_deref().unwrap_or_default();
    assert!(trouble.contains("`crls/lab.crl` is not heeded"), "{trouble}");
}
