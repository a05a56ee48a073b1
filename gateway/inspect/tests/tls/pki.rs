//! Authorities and certificates with anything wrong that OpenSSL can make.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use certify::Moment;

/// Runs `openssl`, which must succeed.
pub fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().expect("openssl is installed");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, in files `NAME.pem`, `NAME.key`, `NAME.crl`.
pub struct Ca {
    folder: PathBuf,
    pub name: &'static str,
}

/// A certificate to be issued.
pub struct Leaf {
    /// Name of its files.
    pub name: &'static str,
    /// `-newkey` and its options.
    pub key: &'static [&'static str],
    pub subject: &'static str,
    /// Extensions, a line each.
    pub extensions: String,
    /// Days from today.
    pub from: i64,
    pub until: i64,
    pub digest: &'static str,
}

pub const P256: &[&str] = &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign,digitalSignature\n";

impl Leaf {
    pub fn named(name: &'static str, alternative_names: &str) -> Self {
        let extensions = format!("subjectAltName={alternative_names}\nextendedKeyUsage=serverAuth\n");
        Self { name, key: P256, subject: "/CN=Test server", extensions, from: -30, until: 60, digest: "sha256" }
    }
}

/// As `openssl ca` reads times.
fn date(days: i64) -> String {
    let moment = Moment::from(SystemTime::now() - Duration::from_secs(3_600)).plus(days * certify::DAY);
    moment.to_string().chars().filter(|character| !"-:T".contains(*character)).collect()
}

impl Ca {
    /// A self-signed one.
    pub fn root(folder: &Path, name: &'static str) -> Self {
        let ca = Self { folder: folder.to_owned(), name };
        ca.prepare();
        let subject = format!("/O=Test/CN={name}");
        let (key, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let made = ["req", "-x509", "-nodes", "-newkey", "rsa:2048", "-keyout", &key, "-out", &certificate];
        let extension = ["-subj", &subject, "-days", "3650", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
        openssl(folder, &[&made[..], &extension].concat());
        ca
    }

    /// One below this one.
    pub fn intermediate(&self, name: &'static str, more: &str, from: i64, until: i64) -> Self {
        let subject: &'static str = Box::leak(format!("/O=Test/CN={name}").into_boxed_str());
        let extensions = format!("{AUTHORITY}{more}");
        let key = &["rsa:2048"];
        self.issue(&Leaf { name, key, subject, extensions, from, until, digest: "sha256" });
        let ca = Self { folder: self.folder.clone(), name };
        ca.prepare();
        ca
    }

    fn prepare(&self) {
        let name = self.name;
        let config = format!(
            "[ca]\ndefault_ca=it\n[it]\ndatabase={name}.txt\nnew_certs_dir=.\nserial={name}.serial\ncertificate={name}.pem\n\
             private_key={name}.key\ndefault_md=sha256\npolicy=any\nunique_subject=no\ndefault_crl_days=30\n\
             crlnumber={name}.crlnumber\ncrl_extensions=list\n[list]\nauthorityKeyIdentifier=keyid\n[any]\norganizationName=optional\ncommonName=optional\n"
        );
        fs::write(self.folder.join(format!("{name}.cnf")), config).unwrap();
        fs::write(self.folder.join(format!("{name}.txt")), "").unwrap();
        fs::write(self.folder.join(format!("{name}.serial")), "1000\n").unwrap();
        fs::write(self.folder.join(format!("{name}.crlnumber")), "01\n").unwrap();
    }

    /// Makes key and certificate.
    pub fn issue(&self, leaf: &Leaf) {
        let files = |ending: &str| format!("{}.{ending}", leaf.name);
        let (key, request, certificate, extensions) = (files("key"), files("csr"), files("pem"), files("ext"));
        fs::write(self.folder.join(&extensions), &leaf.extensions).unwrap();
        let begin = ["req", "-new", "-nodes", "-newkey"];
        let end = ["-keyout", &key, "-out", &request, "-subj", leaf.subject];
        openssl(&self.folder, &[&begin[..], leaf.key, &end].concat());
        let config = format!("{}.cnf", self.name);
        let (from, until) = (date(leaf.from), date(leaf.until));
        let begin = ["ca", "-batch", "-notext", "-config", &config, "-in", &request, "-out", &certificate, "-extfile"];
        let end = [&extensions, "-startdate", &from, "-enddate", &until, "-md", leaf.digest];
        openssl(&self.folder, &[&begin[..], &end].concat());
    }

    /// Takes one back.
    pub fn revoke(&self, name: &str) {
        let (config, certificate) = (format!("{}.cnf", self.name), format!("{name}.pem"));
        openssl(&self.folder, &["ca", "-config", &config, "-revoke", &certificate]);
    }

    /// Writes the revocation list.
    pub fn list(&self) {
        let (config, list) = (format!("{}.cnf", self.name), format!("{}.crl", self.name));
        openssl(&self.folder, &["ca", "-config", &config, "-gencrl", "-out", &list]);
    }

    /// Writes `NAME.ocsp`: what is said about one of its certificates by `signer`, the authority itself or another.
    pub fn answer(&self, name: &str, signer: &str) {
        let file = |of: &str, ending: &str| format!("{of}.{ending}");
        let (ca, index) = (file(self.name, "pem"), file(self.name, "txt"));
        let (signer, key) = (file(signer, "pem"), file(signer, "key"));
        let (certificate, answer) = (file(name, "pem"), file(name, "ocsp"));
        let begin = ["ocsp", "-index", &index, "-CA", &ca, "-rsigner", &signer, "-rkey", &key, "-issuer", &ca];
        openssl(&self.folder, &[&begin[..], &["-cert", &certificate, "-respout", &answer, "-ndays", "7"]].concat());
    }
}
