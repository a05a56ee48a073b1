//! Two clients and what they say: `openssl s_client`, which tells its reason as a number, and curl, which says yes or no.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// What a client says, as a browser would tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Fine,
    Expired,
    NotYetValid,
    Name,
    SelfSigned,
    Untrusted,
    Revoked,
    Weak,
    Usage,
    Constraint,
    NoHandshake,
    Other(u32),
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

impl Class {
    /// By the number of OpenSSL's reason: X509_V_ERR_….
    fn of(number: u32) -> Self {
        match number {
            10 => Self::Expired,
            9 => Self::NotYetValid,
            62 => Self::Name,
            18 => Self::SelfSigned,
            // The signature does not fit; issuer unknown, in three ways.
            7 | 19 | 20 | 21 => Self::Untrusted,
            23 => Self::Revoked,
            66..=68 => Self::Weak,
            26 => Self::Usage,
            // Invalid authority, path length, permitted and excluded subtrees.
            24 | 25 | 47 | 48 => Self::Constraint,
            other => Self::Other(other),
        }
    }
}

/// What both say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub class: Class,
    /// Whether curl got a page.
    pub curl: bool,
}

/// Asks both.
pub async fn ask(address: SocketAddr, host: &str, roots: &Path, list: Option<&Path>) -> Said {
    Said { class: openssl(address, host, roots, list).await, curl: curl(address, host, roots).await }
}

async fn openssl(address: SocketAddr, host: &str, roots: &Path, list: Option<&Path>) -> Class {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &address.to_string(), "-servername", host, "-verify_hostname", host]);
    command.args(["-verify_return_error", "-no-CApath", "-no-CAstore", "-purpose", "sslserver", "-CAfile"]).arg(roots);
    if let Some(list) = list {
        command.args(["-crl_check", "-CRL"]).arg(list);
    }
    let output = command.stdin(Stdio::null()).output().await.expect("openssl is installed");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let number = |after: &str| {
        let rest = text.split(after).nth(1)?;
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
    };
    match (number("verify error:num="), number("Verify return code: ")) {
        (Some(error), _) => Class::of(error),
        (None, Some(0)) if !text.contains("no peer certificate available") => Class::Fine,
        _ => Class::NoHandshake,
    }
}

async fn curl(address: SocketAddr, host: &str, roots: &Path) -> bool {
    let mut command = Command::new("curl");
    command.args(["--silent", "--output", "/dev/null", "--max-time", "20", "--noproxy", "*"]);
    command.args(["--connect-to", &format!("::{address}"), "--capath", "/nonexistent", "--cacert"]).arg(roots);
    command.arg(format!("https://{host}/"));
    command.stdin(Stdio::null()).status().await.expect("curl is installed").success()
}
