//! How soon a browser that tries QUIC has its page by TCP, in each way in which it can be refused QUIC.
//!
//! The browser has learned from the server itself that it speaks HTTP/3, and takes QUIC to work on this network, as one does
//! that has met a server to which policy lets it: it then waits for QUIC before it tries TCP. Every visit starts from what it
//! knew then. TCP is opened by the inspector every time; what becomes of QUIC differs. The way to the server takes no time here.

use std::fs;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::browser::{Browser, Quic, Visit};
use lab::internet::{TLS_PORT, WEB_NAME, WEB_V4};
use lab::process::{self, text};
use lab::{Lab, Namespace, daemon};
use policy::Source;

use crate::tour::CITY;

const SERVER: IpAddr = IpAddr::V4(WEB_V4);
/// The rule by which the example inspects the city's web.
const INSPECTED: &str = "[[egress.rule]]\nname = \"web\"\n";

/// What becomes of the browser's datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// It speaks no QUIC: what the page takes by TCP alone.
    NoQuic,
    /// The gateway closes the connection, as it does everywhere.
    Closed,
    /// Nobody answers.
    Silence,
    /// The server's kernel says that nobody is there.
    Unreachable,
    /// Versions are offered that nobody speaks.
    Version,
}

impl Way {
    const ALL: [Self; 5] = [Self::NoQuic, Self::Closed, Self::Silence, Self::Unreachable, Self::Version];

    fn name(self) -> &'static str {
        match self {
            Self::NoQuic => "TCP alone, QUIC never tried",
            Self::Closed => "the gateway's refusal: CONNECTION_CLOSE",
            Self::Silence => "silence",
            Self::Unreachable => "ICMP port unreachable",
            Self::Version => "Version Negotiation",
        }
    }
}

/// Measures all of them, in turns, and prints them.
pub fn measure(policy: &Path, rounds: usize) -> Result<ExitCode> {
    let mut lab = Lab::build(policy)?;
    lab.internet_mut().serve()?;
    lab.internet_mut().serve_http3()?;
    lab.internet_mut().serve_tls()?;
    // What is announced stays announced.
    lab.internet_mut().stop_http3();
    lab.issue_authorities(&[CITY])?;
    lab.start_daemon()?;
    lab.wait_for_inspector(CITY)?;
    let site = lab.site(CITY)?.namespace().clone();
    let home = lab.id().directory().join("browser");
    let roots = [daemon::Files::of(lab.id()).authorities.join("root.pem"), lab.internet().pki().root()];
    let roots = roots.each_ref().map(AsRef::as_ref);
    let browser = Browser::new(&site, &home.join("quic"), &roots, Quic::Tried)?;
    let plain = Browser::new(&site, &home.join("plain"), &roots, Quic::Off)?;
    browser.open(&url(), SERVER)?;
    browser.believe_in_quic(lab.site(CITY)?.v4()?)?;
    let known = home.join("known");
    copy(&browser.profile(), &known)?;
    let mut taken = vec![Vec::new(); Way::ALL.len()];
    for _ in 0..rounds {
        for (way, taken) in Way::ALL.into_iter().zip(&mut taken) {
            taken.push(visit(&lab, policy, way, &browser, &plain, &known).context(way.name())?);
            crate::signals::wait_if_ending();
        }
    }
    println!(
        "{:<42} {:>8} {:>8} {:>8}  ms from request to page, {rounds} visits",
        "QUIC is met with", "median", "least", "most"
    );
    for (way, taken) in Way::ALL.into_iter().zip(&mut taken) {
        taken.sort_unstable();
        let [median, least, most] = [taken[taken.len() / 2], taken[0], taken[taken.len() - 1]].map(|it| it.as_millis());
        println!("{:<42} {median:>8} {least:>8} {most:>8}", way.name());
    }
    Ok(ExitCode::SUCCESS)
}

fn visit(
    lab: &Lab,
    policy: &Path,
    way: Way,
    browser: &Browser<'_>,
    plain: &Browser<'_>,
    known: &Path,
) -> Result<Duration> {
    apply(lab, policy, if matches!(way, Way::NoQuic | Way::Closed) { &[] } else { &["udp/443"] })?;
    lab.wait_for_inspector(CITY)?;
    let server = match way {
        Way::Silence => Some(Deaf::start(lab.internet().namespace(), None)?),
        Way::Version => Some(Deaf::start(lab.internet().namespace(), Some(versions))?),
        Way::NoQuic | Way::Closed | Way::Unreachable => None,
    };
    let opened: Visit = if way == Way::NoQuic {
        plain.open(&url(), SERVER)?
    } else {
        copy(known, &browser.profile())?;
        browser.open(&url(), SERVER)?
    };
    ensure!(opened.page.contains("this page came through the gateway"), "another page: {}", opened.page);
    ensure!((opened.quic_sessions()? > 0) == (way != Way::NoQuic), "QUIC was not tried");
    ensure!(server.is_none_or(|server| server.heard() > 0), "no datagram has arrived");
    opened.duration(&url())
}

fn url() -> String {
    format!("https://{WEB_NAME}/")
}

/// The example, in which the city's packets to these ports pass unseen.
fn apply(lab: &Lab, policy: &Path, ports: &[&str]) -> Result<()> {
    let mut source: Source = control::read_directory(policy)?;
    let file = source.files.get_mut(&format!("municipalities/{CITY}.toml")).context("there is no such city")?;
    let before = text(file);
    ensure!(before.contains(INSPECTED), "the policy is not the example");
    if !ports.is_empty() {
        let unseen =
            format!("[[egress.rule]]\nname = \"unseen\"\nports = {ports:?}\naction = \"allow\"\n\n{INSPECTED}");
        *file = before.replacen(INSPECTED, &unseen, 1).into_bytes();
    }
    lab.daemon()?.apply_files(source)?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(to);
    process::run(Command::new("cp").arg("-a").arg(from).arg(to))?;
    Ok(())
}

/// What is said to a datagram, if anything.
type Answers = fn(&[u8]) -> Option<Vec<u8>>;

/// A server that speaks no QUIC and has the port.
struct Deaf {
    heard: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Deaf {
    fn start(namespace: &Namespace, answers: Option<Answers>) -> Result<Self> {
        let socket = namespace.enter(|| Ok(UdpSocket::bind(SocketAddr::new(SERVER, TLS_PORT))?))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let (heard, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counts, stops) = (Arc::clone(&heard), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut room = [0; 2_048];
            while !stops.load(Ordering::Relaxed) {
                let Ok((size, from)) = socket.recv_from(&mut room) else { continue };
                counts.fetch_add(1, Ordering::Relaxed);
                if let Some(answer) = answers.and_then(|answers| answers(&room[..size])) {
                    // Who has gone needs no answer.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Ok(Self { heard, stop, thread: Some(thread) })
    }

    fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its port is free then.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// RFC 9000 §17.2.1: the client's ids the other way round, and a version that is reserved so that nobody speaks it.
fn versions(datagram: &[u8]) -> Option<Vec<u8>> {
    if datagram.first()? & 0x80 == 0 {
        return None;
    }
    let (destination, rest) = id(datagram.get(5..)?)?;
    let (source, _) = id(rest)?;
    Some([&[0x80, 0, 0, 0, 0], source, destination, &[0x1a, 0x2a, 0x3a, 0x4a]].concat())
}

/// An id with its length before it, and what follows.
fn id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(1 + usize::from(*bytes.first()?))
}
