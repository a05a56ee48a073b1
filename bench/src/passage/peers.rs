//! The peers from Debian, each as close to our inspector's work as it can come: transparent, one thread, no session
//! resumed, and, but for SSLsplit, the server's certificate verified. All mint with ECDSA P-256, and keep what they minted.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use lab::server::Server;
use lab::{pki, process};

use super::{NAME, Passage, Way};

/// Both of its ways. Upstream connections are not shared between clients, as ours are not.
pub fn haproxy(passage: &Passage) -> Result<Server> {
    let minting = Minting::of(passage)?;
    let (both, leaf) = (minting.both.display(), minting.leaf.display());
    let (roots, opened, spliced) = (passage.origins.root(), Way::Haproxy.socket(), Way::HaproxyTcp.socket());
    let roots = roots.display();
    let configuration = format!(
        "global\n  nbthread 1\n  maxconn 4000\n\
         defaults\n  timeout connect 10s\n  timeout client 600s\n  timeout server 600s\n\
         frontend opened\n  mode http\n\
         \x20 bind {opened} transparent ssl crt {leaf} ca-sign-file {both} generate-certificates alpn http/1.1\n\
         \x20 default_backend origin\n\
         backend origin\n  mode http\n  http-reuse never\n\
         \x20 server origin 0.0.0.0 ssl verify required ca-file {roots} sni ssl_fc_sni alpn http/1.1 no-ssl-reuse\n\
         listen spliced\n  mode tcp\n  option splice-auto\n  bind {spliced} transparent\n  server origin 0.0.0.0\n"
    );
    let configuration = written(passage, "haproxy.cfg", &configuration)?;
    let mut command = passage.contender("haproxy");
    command.args(["-db", "-q", "-f"]).arg(configuration);
    passage.start_server("haproxy", &mut command, Way::Haproxy)
}

/// Looks at the server's certificate before it makes its own, as we do.
pub fn squid(passage: &Passage) -> Result<Server> {
    let minting = Minting::of(passage)?;
    let database = passage.file("squid-certificates");
    // It does not touch one that is there.
    let _ = fs::remove_dir_all(&database);
    let helper = "/usr/lib/squid/security_file_certgen";
    process::run(process::command(helper, ["-c", "-s"]).arg(&database).args(["-M", "4MB"]))?;
    process::run(process::command("chown", ["-R", "proxy"]).arg(&database))?;
    let log = passage.file("squid-cache.log");
    fs::write(&log, "")?;
    process::run(process::command("chown", ["proxy"]).arg(&log))?;
    let address = Way::Squid.address();
    let hosts = written(passage, "squid-hosts", &format!("{} {NAME}\n", address.ip()))?;
    let (both, database, log, hosts) = (minting.both.display(), database.display(), log.display(), hosts.display());
    let (roots, socket) = (passage.origins.root(), Way::Squid.socket());
    let roots = roots.display();
    let configuration = format!(
        "https_port {socket} tproxy ssl-bump tls-cert={both} generate-host-certificates=on \
         dynamic_cert_mem_cache_size=4MB\n\
         http_port 127.0.0.1:9199\n\
         spoof_client_ip deny all\n\
         acl first at_step SslBump1\nssl_bump peek first\nssl_bump stare all\nssl_bump bump all\n\
         sslcrtd_program {helper} -s {database} -M 4MB\nsslcrtd_children 1\n\
         tls_outgoing_options cafile={roots}\nhosts_file {hosts}\n\
         http_access allow all\ncache deny all\naccess_log none\ncache_log {log}\npid_filename none\n\
         client_idle_pconn_timeout 10 minutes\nserver_idle_pconn_timeout 10 minutes\n\
         visible_hostname bench\npinger_enable off\nmax_filedescriptors 8192\nvia off\nforwarded_for delete\n"
    );
    let configuration = written(passage, "squid.conf", &configuration)?;
    let mut command = passage.contender("squid");
    command.arg("-N").arg("-f").arg(configuration);
    passage.start_server("squid", &mut command, Way::Squid)
}

/// Bytes as they are: its HTTP mode would end the connection after each request.
pub fn sslsplit(passage: &Passage) -> Result<Server> {
    let minting = Minting::of(passage)?;
    let socket = Way::Sslsplit.socket();
    let mut command = passage.contender("sslsplit");
    command.arg("-k").arg(&minting.both).arg("-c").arg(&minting.both).arg("-K").arg(&minting.leaf_key);
    command.args(["-e", "tproxy", "ssl", &socket.ip().to_string(), &socket.port().to_string()]);
    passage.start_server("sslsplit", &mut command, Way::Sslsplit)
}

/// What peers mint with.
struct Minting {
    /// The authority's certificate and key in one file.
    both: PathBuf,
    /// Certificate and key of what is shown before anything is minted; the key serves for all that is.
    leaf: PathBuf,
    /// The key alone.
    leaf_key: PathBuf,
}

impl Minting {
    fn of(passage: &Passage) -> Result<Self> {
        let authority = passage.minting.root();
        let key = authority.with_file_name("root.key");
        let pki::Identity { chain, key: leaf_key } = passage.minting.issue(&["unnamed.example"])?;
        Ok(Self {
            both: joined(passage, "minting.pem", &[&authority, &key])?,
            leaf: joined(passage, "leaf.pem", &[&chain, &leaf_key])?,
            leaf_key,
        })
    }
}

fn joined(passage: &Passage, name: &str, parts: &[&Path]) -> Result<PathBuf> {
    let read = |part: &&Path| fs::read_to_string(part).with_context(|| format!("cannot read `{}`", part.display()));
    let text: String = parts.iter().map(read).collect::<Result<_>>()?;
    written(passage, name, &text)
}

fn written(passage: &Passage, name: &str, text: &str) -> Result<PathBuf> {
    let path = passage.file(name);
    fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}
