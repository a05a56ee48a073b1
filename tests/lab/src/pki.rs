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
        let (certificate, key) = (pki.root(), pki.file("root.key"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "30",
            "-subj",
            &format!("/CN={name}"),
            "-keyout",
            &text(&key),
            "-out",
            &text(&certificate),
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        ])?;
        Ok(pki)
    }

    /// The authority's own certificate.
    pub fn root(&self) -> PathBuf {
        self.file("root.pem")
    }

    /// Issues a certificate for these names, the first of which names the files.
    pub fn issue(&self, names: &[&str]) -> Result<Identity> {
        let first = names.first().context("a certificate needs a name")?;
        let (chain, key) = (self.file(&format!("{first}.pem")), self.file(&format!("{first}.key")));
        let names: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "20",
            "-subj",
            &format!("/CN={first}"),
            "-keyout",
            &text(&key),
            "-out",
            &text(&chain),
            "-CA",
            &text(&self.root()),
            "-CAkey",
            &text(&self.file("root.key")),
            "-addext",
            &format!("subjectAltName={}", names.join(",")),
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            "extendedKeyUsage=serverAuth",
        ])?;
        Ok(Identity { chain, key })
    }

    /// A certificate for this name that nobody has issued.
    pub fn self_signed(&self, name: &str) -> Result<Identity> {
        let (chain, key) = (self.file(&format!("{name}.pem")), self.file(&format!("{name}.key")));
        let (keyout, out) = (text(&key), text(&chain));
        let (subject, names) = (format!("/CN={name}"), format!("subjectAltName=DNS:{name}"));
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "20",
            "-subj",
            &subject,
            "-keyout",
            &keyout,
            "-out",
            &out,
            "-addext",
            &names,
        ])?;
        Ok(Identity { chain, key })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn openssl(arguments: &[&str]) -> Result<()> {
    process::run(&mut process::command("openssl", arguments)).map(|_| ())
}
