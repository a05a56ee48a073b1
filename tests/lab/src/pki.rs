//! The certificates of the lab's Internet: an authority that the gateway is told to trust, and what it issues. Made by
//! openssl, so that they owe nothing to the code that is tested.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process;

/// An authority in a directory.
#[derive(Clone, Debug)]
pub struct Pki {
    directory: PathBuf,
}

/// A server's certificate chain and key, PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Certificate, then what it chains to short of the root.
    pub chain: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

impl Pki {
    /// Makes an authority of this name.
    pub fn create(directory: &Path, name: &str) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create `{}`", directory.display()))?;
        let pki = Self { directory: directory.to_owned() };
        let identity = Identity { chain: pki.root(), key: pki.file("root.key") };
        identity.make(name, &["-addext", "keyUsage=critical,keyCertSign,cRLSign"])?;
        Ok(pki)
    }

    /// The authority's own certificate.
    pub fn root(&self) -> PathBuf {
        self.file("root.pem")
    }

    /// Issues a certificate for these names, the first of which names the files.
    pub fn issue(&self, names: &[&str]) -> Result<Identity> {
        let first = names.first().context("a certificate needs a name")?;
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let names = format!("subjectAltName={}", names.join(","));
        let (root, root_key) = (text(&self.root()), text(&self.file("root.key")));
        let identity = self.identity(first);
        identity.make(
            first,
            &[
                "-CA",
                &root,
                "-CAkey",
                &root_key,
                "-addext",
                &names,
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-addext",
                "extendedKeyUsage=serverAuth",
            ],
        )?;
        Ok(identity)
    }

    /// Takes the certificate of this name back: the authority's revocation list.
    pub fn revoke(&self, name: &str) -> Result<PathBuf> {
        let told = process::run(&mut process::command(
            "openssl",
            ["x509", "-noout", "-serial", "-in", &text(&self.identity(name).chain)],
        ))?;
        let told = String::from_utf8(told.stdout).context("openssl prints something else")?;
        let serial = told.trim().strip_prefix("serial=").context("openssl prints no serial number")?;
        // As `openssl ca` keeps what it has issued: state, end, when it was revoked, number, file, name.
        let line = format!("R\t491231235959Z\t250101000000Z\t{serial}\tunknown\t/CN={name}\n");
        let (database, config, list) = (self.file("index.txt"), self.file("ca.cnf"), self.file("revoked.crl"));
        let number = self.file("crlnumber");
        fs::write(&database, line)?;
        fs::write(&number, "01\n")?;
        let settings = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={}\ncertificate={}\nprivate_key={}\ndefault_md=sha256\n\
             default_crl_days=30\ncrlnumber={}\ncrl_extensions=list\n[list]\nauthorityKeyIdentifier=keyid\n",
            database.display(),
            self.root().display(),
            self.file("root.key").display(),
            number.display()
        );
        fs::write(&config, settings)?;
        let arguments = ["ca", "-config", &text(&config), "-gencrl", "-out", &text(&list)];
        process::run(&mut process::command("openssl", arguments))?;
        Ok(list)
    }

    /// A certificate for this name that nobody has issued.
    pub fn self_signed(&self, name: &str) -> Result<Identity> {
        let identity = self.identity(name);
        identity.make(name, &["-addext", &format!("subjectAltName=DNS:{name}")])?;
        Ok(identity)
    }

    fn identity(&self, name: &str) -> Identity {
        Identity { chain: self.file(&format!("{name}.pem")), key: self.file(&format!("{name}.key")) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Identity {
    /// Makes key and certificate.
    fn make(&self, name: &str, further: &[&str]) -> Result<()> {
        let (subject, key, chain) = (format!("/CN={name}"), text(&self.key), text(&self.chain));
        let arguments =
            ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "20"];
        let named = ["-subj", &subject, "-keyout", &key, "-out", &chain];
        let arguments = arguments.iter().chain(&named).chain(further);
        process::run(&mut process::command("openssl", arguments)).map(|_| ())
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
