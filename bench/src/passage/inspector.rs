//! Our inspector, the program itself: one worker, without privilege and in its sandbox, told what to do over its socket as
//! the daemon tells it.

use std::fs::Permissions;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::time::SystemTime;
use std::{fs, thread};

use anyhow::{Context, Result, bail};
use certify::{Moment, Root};
use inspect::wire::{AuthorityText, Order, Report, Setting, WIRE_VERSION};
use lab::daemon::find_binary;
use lab::server::Server;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use policy::checked::Isolation;
use policy::tls::{
    Bypass, ClientCertificates, Layer, Limits, OnBadCertificate, RuleRef, TlsAction, VIEW_VERSION, View, ViewRule,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Passage, Way};

/// Nobody, by number.
const USER: &str = "65534:65534";
/// Connections that may wait.
const BACKLOG: i32 = 4_096;

/// A municipality's authority, and the root that clients trust.
pub struct Municipal {
    /// PEM.
    pub root: String,
    text: AuthorityText,
}

impl Municipal {
    /// Another one for every run.
    pub fn create() -> Result<Self> {
        let now = Moment::from(SystemTime::now());
        let root = Root::create("Bench", now)?;
        let municipal = root.issue("bench", "Bench", &[], now)?;
        let text = AuthorityText {
            chain: municipal.ecdsa.chain.clone(),
            key: municipal.ecdsa.key.clone(),
            rsa_chain: municipal.rsa.chain.clone(),
            rsa_key: municipal.rsa.key.clone(),
        };
        Ok(Self { root: root.certificate_pem(), text })
    }
}

/// Starts it, and waits until it has accepted what it is told.
pub fn start(passage: &Passage) -> Result<Server> {
    let path = passage.file("inspect.sock");
    // Of one before.
    let _ = fs::remove_file(&path);
    let daemon = UnixListener::bind(&path).with_context(|| format!("cannot listen at `{}`", path.display()))?;
    fs::set_permissions(&path, Permissions::from_mode(0o666))?;
    let said = stand_in(daemon, line(passage)?);
    let socket = passage.gateway.enter(listen)?;
    // The program is handed this descriptor, by its number.
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
    let mut command = passage.contender("env");
    command.arg(find_binary("bangasa-inspect")?).arg("--daemon").arg(&path);
    command.args(["--become-user", USER, "--transparent", &socket.as_raw_fd().to_string()]);
    Server::start("bangasa-inspect", &mut command, &passage.file("inspect.log"), || is_accepted(&said))
}

/// Hears the inspector out, as the daemon does, until it ends.
fn stand_in(daemon: UnixListener, order: Vec<u8>) -> Receiver<Report> {
    let (told, said) = channel();
    thread::spawn(move || {
        if let Ok((stream, _)) = daemon.accept() {
            // It has ended, or nobody wants to know any more.
            let _ = converse(stream, &order, &told);
        }
    });
    said
}

fn converse(mut stream: UnixStream, order: &[u8], told: &Sender<Report>) -> Result<()> {
    stream.write_all(order)?;
    for line in BufReader::new(stream).lines() {
        let report = serde_json::from_str(&line?)?;
        if !matches!(report, Report::Session(_) | Report::Totals(_)) {
            told.send(report)?;
        }
    }
    Ok(())
}

fn is_accepted(said: &Receiver<Report>) -> Result<bool> {
    loop {
        match said.try_recv() {
            Ok(Report::Accepted { .. }) => return Ok(true),
            Ok(Report::Refused { because, .. }) => bail!("the inspector refused its setting: {because}"),
            Ok(_) => {}
            Err(TryRecvError::Empty) => return Ok(false),
            Err(TryRecvError::Disconnected) => bail!("the inspector cannot be understood, or has ended"),
        }
    }
}

fn line(passage: &Passage) -> Result<Vec<u8>> {
    let setting = Setting {
        version: WIRE_VERSION,
        generation: 1,
        view: view(),
        platform_roots: read(&passage.origins.root())?,
        authority: Some(passage.municipal.text.clone()),
    };
    let mut line = serde_json::to_vec(&Order::Setting(Box::new(setting)))?;
    line.push(b'\n');
    Ok(line)
}

/// Opens everything but one address, which it splices.
fn view() -> View {
    let spliced = ViewRule {
        rule: RuleRef { name: "spliced".into(), layer: Layer::Prefecture, file: "bench".into(), line: 1 },
        from: None,
        to: Some(vec![0]),
        services: None,
        speaks: None,
        sni: None,
        ja4: None,
        alpn: None,
        ech: None,
        action: TlsAction::Splice,
        // There is nobody to ask about names.
        trust_sni: true,
        client_certificates: ClientCertificates::Refuse,
    };
    View {
        version: VIEW_VERSION,
        municipality: "bench".into(),
        name: "Bench".into(),
        prefixes: Vec::new(),
        gateway: Vec::new(),
        isolation: Isolation::None,
        essential: Vec::new(),
        rules: vec![spliced],
        addresses: vec![[std::net::IpAddr::from(*Way::Spliced.address().ip()).into()].into_iter().collect()],
        names: Vec::new(),
        default: TlsAction::Inspect,
        resolvers: Vec::new(),
        roots: Vec::new(),
        on_bad_certificate: OnBadCertificate::Mirror,
        bypass: Bypass::Off,
        limits: Limits { sessions: 100_000, handshakes_per_second: 20_000, memory_mib: 4_096 },
        http: Vec::new(),
        microsoft_tenants: None,
        proxy: None,
    }
}

fn listen() -> Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_ip_transparent_v4(true)?;
    socket.set_reuse_address(true)?;
    socket.bind(&Way::Opened.socket().into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))
}
