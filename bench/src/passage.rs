//! A client, a gateway and a server, each in a namespace, and in the gateway everyone who opens or splices connections.
//!
//! ```text
//! client: load ═ client0 [ gateway: Bangasa | HAProxy | Squid | SSLsplit | nobody ] server0 ═ nginx :server
//! ```
//! The server has an address for each contender. What is sent to it goes to that contender's transparent socket, addresses
//! untouched, as packets come to an inspector behind the fast path; what is sent to the first one nobody looks at, and the
//! kernel forwards. Contenders share one CPU and are measured one after the other; load and server share another, or the
//! same one.

pub mod client;
mod inspector;
mod origin;
mod peers;
pub mod usage;

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use lab::pki::Pki;
use lab::server::Server;
use lab::{Namespace, process};

use crate::stretch;
use client::Client;
pub use origin::LARGE_BYTES;
use usage::Usage;

/// Who stands between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nobody: the kernel forwards.
    Direct,
    /// Our inspector, which opens.
    Opened,
    /// The same one, by a rule that splices.
    Spliced,
    /// HAProxy, which opens with certificates that it generates.
    Haproxy,
    /// HAProxy in TCP mode, which splices.
    HaproxyTcp,
    /// Squid, which opens by `ssl-bump`.
    Squid,
    /// SSLsplit, which opens and verifies nothing.
    Sslsplit,
}

impl Way {
    const ALL: [Self; 7] =
        [Self::Direct, Self::Opened, Self::Spliced, Self::Haproxy, Self::HaproxyTcp, Self::Squid, Self::Sslsplit];

    /// As reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Opened | Self::Spliced => "Bangasa",
            Self::Haproxy => "HAProxy with generated certificates",
            Self::HaproxyTcp => "HAProxy in TCP mode",
            Self::Squid => "Squid with ssl-bump",
            Self::Sslsplit => "SSLsplit, which verifies nothing",
        }
    }

    /// Where the client believes the server to be.
    pub fn address(self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 91, 0, 10 + self as u8), 443)
    }

    /// The transparent socket in the gateway.
    fn socket(self) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9_100 + self as u16)
    }
}

/// The name of the server, for which certificates are made.
pub const NAME: &str = "www.example.jp";
/// Marks packets for transparent sockets.
const MARK: u32 = 1;

/// The place, with its server.
pub struct Passage {
    gateway: Namespace,
    directory: PathBuf,
    origins: Pki,
    minting: Pki,
    municipal: inspector::Municipal,
    contenders_cpu: usize,
    /// The load.
    pub client: Client,
    // Ends before the namespaces go.
    origin: Option<Server>,
}

impl Passage {
    /// With contenders on a CPU of their own.
    pub fn new() -> Result<Self> {
        Self::with_contenders_at(last_cpu())
    }

    /// With everybody on one CPU. Between two, most of the time of a single request is the waking of a CPU that sleeps,
    /// which is the machine's and not a contender's.
    pub fn on_one_cpu() -> Result<Self> {
        Self::with_contenders_at(LOAD_CPU)
    }

    /// Lays the cables, makes everybody's authorities and starts the server.
    fn with_contenders_at(contenders_cpu: usize) -> Result<Self> {
        stretch::remove_all();
        let directory = std::env::temp_dir().join(format!("bangasa-bench-{}", std::process::id()));
        fs::create_dir_all(&directory).with_context(|| format!("cannot create `{}`", directory.display()))?;
        // Squid and the inspector become other users, and have to come to their files.
        open_to_all(&directory)?;
        let [client, gateway, server] = ["client", "passage", "server"].map(stretch::namespace);
        let (client, gateway, server) = (client?, gateway?, server?);
        lay_cables(&client, &gateway, &server)?;
        let origins = Pki::create(&directory.join("origins"), "Origins")?;
        let minting = Pki::create(&directory.join("minting"), "Peers")?;
        let municipal = inspector::Municipal::create()?;
        let roots = [fs::read_to_string(origins.root())?, fs::read_to_string(minting.root())?, municipal.root.clone()];
        let mut passage = Self {
            client: Client::new(client, &roots)?,
            gateway,
            directory,
            origins,
            minting,
            municipal,
            contenders_cpu,
            origin: None,
        };
        let origin = origin::start(&passage, &server)?;
        passage.origin = Some(origin);
        Ok(passage)
    }

    /// Starts whoever stands there, and waits until a connection comes about.
    pub fn start(&self, way: Way) -> Result<Running<'_>> {
        let server = match way {
            Way::Direct => None,
            Way::Opened | Way::Spliced => Some(inspector::start(self)?),
            Way::Haproxy | Way::HaproxyTcp => Some(peers::haproxy(self)?),
            Way::Squid => Some(peers::squid(self)?),
            Way::Sslsplit => Some(peers::sslsplit(self)?),
        };
        let usage = Usage::new(server.as_ref().and_then(Server::pid));
        Ok(Running { way, usage, client: &self.client, server })
    }

    /// A command in the gateway, on the contenders' CPU.
    fn contender(&self, program: &str) -> Command {
        let mut command = self.gateway.command("taskset");
        command.args(["--cpu-list", &self.contenders_cpu.to_string(), program]);
        command
    }

    /// Starts a server, and waits until a request on this way is answered.
    fn start_server(&self, name: &str, command: &mut Command, way: Way) -> Result<Server> {
        Server::start(name, command, &self.file(&format!("{name}.log")), || Ok(self.client.open(way).is_ok()))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.origin = None;
        stretch::remove_all();
        // In a directory for such things.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A contender at work.
pub struct Running<'p> {
    /// Who.
    pub way: Way,
    /// What its processes have used.
    pub usage: Usage,
    /// The load.
    pub client: &'p Client,
    server: Option<Server>,
}

impl Running<'_> {
    /// Without its processes.
    pub fn ended(mut self) -> Self {
        self.end();
        self
    }

    /// Helpers would go on for a while, and keep what the next one needs.
    fn end(&mut self) {
        self.usage.end();
        self.server = None;
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

/// The CPU of load and server: the first.
pub const LOAD_CPU: usize = 0;

/// Another one where there are two.
fn last_cpu() -> usize {
    thread::available_parallelism().map_or(0, |count| count.get() - 1)
}

fn lay_cables(client: &Namespace, gateway: &Namespace, server: &Namespace) -> Result<()> {
    let inside = gateway.name();
    client.ip(&format!(
        "link add eth0 type veth peer name client0 netns {inside}\n\
         addr add 10.90.0.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.90.0.1\n"
    ))?;
    server.ip(&format!(
        "link add eth0 type veth peer name server0 netns {inside}\n\
         addr add 10.91.0.2/24 dev eth0\nlink set eth0 up\nroute add default via 10.91.0.1\n"
    ))?;
    for way in Way::ALL {
        server.ip(&format!("addr add {}/24 dev eth0\n", way.address().ip()))?;
    }
    gateway.sysctl(&[("net.ipv4.ip_forward", "1")])?;
    gateway.ip(&format!(
        "addr add 10.90.0.1/24 dev client0\naddr add 10.91.0.1/24 dev server0\n\
         link set client0 up\nlink set server0 up\n\
         rule add fwmark {MARK} lookup 100\nroute add local default dev lo table 100\n"
    ))?;
    let diverted = Way::ALL.iter().filter(|way| **way != Way::Direct).map(|way| {
        // Both ways through our inspector end at the same socket: its rules tell them apart.
        let socket = if *way == Way::Spliced { Way::Opened.socket() } else { way.socket() };
        let packets = format!("iifname \"client0\" ip daddr {} meta l4proto tcp", way.address().ip());
        // Where nobody listens yet the kernel would go on and forward, and the way would look ready.
        format!("{packets} tproxy ip to {socket} meta mark set {MARK} accept\n{packets} reject with tcp reset\n")
    });
    let rules: String = diverted.collect();
    let table = format!(
        "table inet passage {{\nchain divert {{\ntype filter hook prerouting priority mangle; policy accept;\n{rules}}}\n}}\n"
    );
    process::run_with_input(gateway.command("nft").args(["-f", "-"]), &table)?;
    Ok(())
}

fn open_to_all(directory: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot open `{}` to all", directory.display()))
}
