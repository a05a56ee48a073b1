//! Certificates made for this: a row for each way in which one can be wrong, and some that are right.

use std::fs;
use std::path::{Path, PathBuf};

use crate::client::Class;
use crate::pki::{Ca, Leaf, openssl};
use crate::server::Presents;
use crate::table::Row;

const HOST: &str = "www.example.jp";
const SAN: &str = "DNS:www.example.jp";

const NO_CLASS: &str = "needs a revocation service of our own; an untrusted authority is the nearest error";
const NO_WEAK_KEYS: &str = "weak keys and signatures are not made; an untrusted authority is the nearest error";

/// The roots, and the rows.
pub fn rows(folder: &Path) -> (PathBuf, Vec<Row>) {
    let root = Ca::root(folder, "root");
    let stranger = Ca::root(folder, "stranger");
    let mut rows = of_leaves(folder, &root);
    rows.extend(of_chains(folder, &root, &stranger));
    rows.extend(of_revocation(folder, &root));
    (folder.join("root.pem"), rows)
}

fn row(folder: &Path, name: &'static str, directly: Class, differs: Option<&'static str>) -> Row {
    let presents = Presents::named(folder, name);
    Row { what: name.to_owned(), host: HOST.to_owned(), presents, directly: Some(directly), differs }
}

fn of_leaves(folder: &Path, root: &Ca) -> Vec<Row> {
    let plain = |name| Leaf::named(name, SAN);
    let mut rows = Vec::new();
    let mut add = |leaf: Leaf, directly, differs| {
        root.issue(&leaf);
        rows.push(row(folder, leaf.name, directly, differs));
    };
    add(plain("good"), Class::Fine, None);
    add(Leaf { key: &["rsa:2048"], ..plain("good-rsa") }, Class::Fine, None);
    add(Leaf::named("good-wildcard", "DNS:*.example.jp"), Class::Fine, None);
    add(Leaf { subject: "/O=No common name", ..plain("no-common-name") }, Class::Fine, None);
    let thousand: Vec<_> = (0..1_000).map(|number| format!("DNS:n{number}.example.jp")).collect();
    add(Leaf::named("a-thousand-names", &format!("{},{SAN}", thousand.join(","))), Class::Fine, None);
    add(Leaf { from: -60, until: -2, ..plain("expired") }, Class::Expired, None);
    add(Leaf { from: -900, until: -1, ..plain("expired-since-yesterday") }, Class::Expired, None);
    add(Leaf { from: 2, until: 60, ..plain("not-yet-valid") }, Class::NotYetValid, None);
    add(Leaf::named("wrong-name", "DNS:www.example.com"), Class::Name, None);
    add(Leaf::named("wrong-name-deeper", "DNS:*.jp"), Class::Name, None);
    add(Leaf::named("an-address-alone", "IP:192.0.2.1"), Class::Name, None);
    let usage = |name, usage: &str| Leaf { extensions: format!("subjectAltName={SAN}\n{usage}\n"), ..plain(name) };
    add(usage("for-clients", "extendedKeyUsage=clientAuth"), Class::Usage, None);
    add(
        usage("an-authority-as-server", "basicConstraints=critical,CA:TRUE"),
        Class::Fine,
        Some("OpenSSL lets it pass; Firefox, webpki and RFC 5280 do not"),
    );
    add(
        Leaf { subject: "/CN=www.example.jp", extensions: "extendedKeyUsage=serverAuth\n".into(), ..plain("no-names") },
        Class::Fine,
        Some("OpenSSL and curl still look at the common name, browsers do not"),
    );
    add(Leaf { key: &["rsa:1024"], ..plain("rsa-1024") }, Class::Weak, Some(NO_WEAK_KEYS));
    add(Leaf { digest: "sha1", key: &["rsa:2048"], ..plain("sha-1") }, Class::Weak, Some(NO_WEAK_KEYS));
    add(Leaf { digest: "md5", key: &["rsa:2048"], ..plain("md5") }, Class::Weak, Some(NO_WEAK_KEYS));
    add(
        Leaf { from: -60, until: -2, ..Leaf::named("expired-and-wrong-name", "DNS:www.example.com") },
        Class::Name,
        None,
    );
    rows
}

fn of_chains(folder: &Path, root: &Ca, stranger: &Ca) -> Vec<Row> {
    let plain = |name| Leaf::named(name, SAN);
    let mut rows = Vec::new();
    let mut below = |ca: &Ca, leaf: Leaf, directly, differs| {
        ca.issue(&leaf);
        let mut row = row(folder, leaf.name, directly, differs);
        row.presents.chain = Some(folder.join(format!("{}.pem", ca.name)));
        rows.push(row);
    };
    let good = root.intermediate("intermediate", "", -30, 60);
    below(&good, plain("good-below-an-intermediate"), Class::Fine, None);
    let old = root.intermediate("old-intermediate", "", -90, -2);
    below(&old, plain("below-an-expired-intermediate"), Class::Expired, None);
    let narrow =
        root.intermediate("narrow-intermediate", "nameConstraints=critical,permitted;DNS:example.com\n", -30, 60);
    below(
        &narrow,
        plain("outside-of-name-constraints"),
        Class::Constraint,
        Some("an authority with such a limit would have to be made for each; untrusted is the nearest error"),
    );
    below(stranger, plain("unknown-root-sent-along"), Class::Untrusted, None);
    below(stranger, Leaf { from: -60, until: -2, ..plain("unknown-root-and-expired") }, Class::Untrusted, None);

    good.issue(&plain("intermediate-not-sent"));
    rows.push(row(folder, "intermediate-not-sent", Class::Untrusted, None));

    for (name, more) in
        [("self-signed", "basicConstraints=CA:FALSE"), ("self-signed-authority", "keyUsage=digitalSignature")]
    {
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let made =
            ["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", &key, "-out", &certificate, "-days", "60"];
        let san = format!("subjectAltName={SAN}");
        openssl(folder, &[&made[..], &["-subj", "/CN=www.example.jp", "-addext", &san, "-addext", more]].concat());
        rows.push(row(folder, name, Class::SelfSigned, None));
    }

    // Without extensions it is of version 1.
    let name = "self-signed-version-1";
    let request = ["-keyout", "v1.key", "-out", "v1.csr", "-subj", "/CN=www.example.jp"];
    openssl(folder, &[&["req", "-new", "-nodes", "-newkey", "rsa:2048"][..], &request].concat());
    openssl(folder, &["x509", "-req", "-in", "v1.csr", "-signkey", "v1.key", "-days", "60", "-out", "v1.pem"]);
    let mut version_1 = row(folder, name, Class::SelfSigned, None);
    version_1.presents = Presents::named(folder, "v1");
    rows.push(version_1);

    // The last byte of a certificate is one of its signature.
    root.issue(&plain("broken-signature"));
    openssl(folder, &["x509", "-in", "broken-signature.pem", "-outform", "der", "-out", "broken-signature.der"]);
    let mut der = fs::read(folder.join("broken-signature.der")).unwrap();
    *der.last_mut().unwrap() ^= 1;
    fs::write(folder.join("broken-signature.der"), der).unwrap();
    openssl(folder, &["x509", "-inform", "der", "-in", "broken-signature.der", "-out", "broken-signature.pem"]);
    rows.push(row(folder, "broken-signature", Class::Untrusted, None));
    rows
}

fn of_revocation(folder: &Path, root: &Ca) -> Vec<Row> {
    let answered = Ca::intermediate(root, "answering-intermediate", "", -30, 60);
    root.issue(&Leaf::named("revoked-by-list", SAN));
    root.revoke("revoked-by-list");
    root.list();
    let mut rows = vec![row(folder, "revoked-by-list", Class::Revoked, Some(NO_CLASS))];
    let signer = |name, usage| {
        answered.issue(&Leaf { extensions: format!("extendedKeyUsage={usage}\n"), ..Leaf::named(name, SAN) });
    };
    signer("appointed", "OCSPSigning");
    signer("not-appointed", "serverAuth");
    let itself = answered.name;
    for (name, signer, is_revoked, counts) in [
        ("stapled-good", itself, false, false),
        ("stapled-revoked", itself, true, true),
        ("stapled-revoked-by-appointed", "appointed", true, true),
        ("stapled-revoked-by-not-appointed", "not-appointed", true, false),
    ] {
        answered.issue(&Leaf::named(name, SAN));
        if is_revoked {
            answered.revoke(name);
        }
        answered.answer(name, signer);
        let differs = counts.then_some("OpenSSL and curl do not look at staples; Firefox does");
        let mut row = row(folder, name, Class::Fine, differs);
        row.presents.chain = Some(folder.join("answering-intermediate.pem"));
        row.presents.staple = Some(folder.join(format!("{name}.ocsp")));
        rows.push(row);
    }
    rows
}
