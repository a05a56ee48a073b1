//! The kinds of connections that end in an inspector, and how a client makes one of each.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lab::internet::{CLOSED_NAME, ELSEWHERE_NAME, SELF_SIGNED_NAME, TLS_PORT, WEB_NAME, WEB_V4, WEB_V6};
use lab::visitor::{Visitor, connect};

use super::Town;
use crate::byte_for_byte::two;

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Opened, HTTP/1.1.
    One,
    /// Opened, HTTP/2.
    Two,
    /// In the clear.
    Clear,
    /// Asked of the proxy, and opened.
    Explicit,
    /// Left closed.
    Spliced,
    /// Blocked by a rule.
    Blocked,
    /// Left closed by a rule, under a name that leads elsewhere.
    FalseName,
    /// To a server with a bad certificate.
    Defective,
    /// Opened, and reset by the client in the midst of an answer.
    BrokenOff,
    /// Opened, and what is said could be read in two ways.
    TwoReadings,
    /// Nothing that is a hello, in the frame of one.
    Malformed,
    /// Half a hello.
    CutShort,
    /// Not a word, and gone.
    Silent,
    /// Not a word for longer than a client is waited for.
    LongSilent,
}

use Kind::*;

/// Of so many connections, these.
const TURN: [Kind; 24] = [
    One,
    Spliced,
    Malformed,
    Two,
    Silent,
    Blocked,
    One,
    CutShort,
    Explicit,
    FalseName,
    Silent,
    Defective,
    BrokenOff,
    Malformed,
    Spliced,
    Clear,
    TwoReadings,
    Silent,
    One,
    Malformed,
    CutShort,
    Two,
    Spliced,
    LongSilent,
];

/// The name that a rule of the soak blocks.
const BLOCKED_NAME: &str = "blocked.example.jp";
/// That rule, in the words of a town's file.
pub(super) const RULE: &str = "\n[[tls.rule]]\nname = \"soak\"\nsni = [\"blocked.example.jp\"]\naction = \"block\"\n";
/// Clients are waited for 300 ms.
const LONG: Duration = Duration::from_millis(400);
/// The page that the server has.
const PAGE: &str = "this page came through the gateway";

impl Kind {
    /// Of the connection with this number.
    pub(super) fn of(number: usize) -> Self {
        TURN[number % TURN.len()]
    }

    /// What stands in the account of it: action and reason. None: nothing does, for a client that said nothing, or whose
    /// end may come before its beginning was read.
    pub(super) fn told(self) -> Option<(&'static str, &'static str)> {
        match self {
            One | Two | Clear | Explicit | BrokenOff => Some(("inspect", "rule")),
            Spliced => Some(("splice", "rule")),
            Blocked => Some(("block", "rule")),
            FalseName => Some(("block", "false_sni")),
            Defective => Some(("block", "bad_certificate")),
            TwoReadings => Some(("inspect", "http")),
            Malformed => Some(("block", "malformed")),
            CutShort => Some(("block", "not_inspectable")),
            Silent | LongSilent => None,
        }
    }

    /// Makes one.
    pub(super) fn visit(self, town: &Town, number: usize) -> Result<()> {
        let client = town.clients[number % town.clients.len()];
        let to = |server: IpAddr| connect(Some(client), (server, TLS_PORT).into());
        // Whoever opens looks at the certificate alone: any address of the server's will do, and has ports of its own.
        let anywhere = server(client, number);
        let web = if client.is_ipv4() { IpAddr::from(WEB_V4) } else { WEB_V6.into() };
        let opened = |name: &str| town.opened.begin(to(anywhere)?, name);
        match self {
            One => got(opened(WEB_NAME)?.get("/index.html")),
            Two => two_of(&town.opened_two, to(anywhere)?),
            Spliced => got(town.spliced.begin(to(web)?, CLOSED_NAME)?.get("/index.html")),
            Clear => clear(connect(Some(client), (anywhere, 80).into())?),
            Explicit => explicit(town, number),
            Blocked => refused(opened(BLOCKED_NAME)?.get("/")),
            FalseName => refused(town.spliced.begin(to(web)?, ELSEWHERE_NAME)?.get("/")),
            Defective => refused(opened(SELF_SIGNED_NAME)?.get("/")),
            BrokenOff => {
                let mut connection = opened(WEB_NAME)?;
                connection.ask("/large")?;
                connection.read_exact(&mut [0; 10_000])?;
                connection.break_off()
            }
            TwoReadings => {
                let mut connection = opened(WEB_NAME)?;
                let request = format!("POST / HTTP/1.1\r\nHost: {WEB_NAME}\r\nContent-Length: 3\r\n");
                write!(connection, "{request}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")?;
                let mut answer = [0; 12];
                connection.read_exact(&mut answer)?;
                ensure!(&answer == b"HTTP/1.1 400", "{}", answer.escape_ascii());
                Ok(())
            }
            Malformed => spoken(to(anywhere)?, b"\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x07\x07"),
            CutShort => spoken(to(anywhere)?, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x07\x07"),
            Silent => to(anywhere).map(drop),
            LongSilent => {
                let _silent = to(anywhere)?;
                thread::sleep(LONG);
                Ok(())
            }
        }
    }
}

/// One of many addresses of the server's, in the client's family.
fn server(client: IpAddr, number: usize) -> IpAddr {
    let host = 110 + (number / 7 % 60) as u8;
    match client {
        IpAddr::V4(_) => Ipv4Addr::new(198, 51, 100, host).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 1, host.into()).into(),
    }
}

fn got(bytes: Result<usize>) -> Result<()> {
    ensure!(bytes? > PAGE.len(), "another page");
    Ok(())
}

fn refused(bytes: Result<usize>) -> Result<()> {
    match bytes {
        Ok(_) => bail!("it was let through"),
        Err(error) => {
            let told = format!("{error:#}");
            ensure!(told.contains("alert") || told.contains("certificate"), "{told}");
            Ok(())
        }
    }
}

fn two_of(visitor: &Visitor, tcp: TcpStream) -> Result<()> {
    let mut connection = visitor.begin(tcp, WEB_NAME)?;
    connection.write_all(&two(WEB_NAME))?;
    read_page(&mut connection)
}

fn clear(mut tcp: TcpStream) -> Result<()> {
    write!(tcp, "GET / HTTP/1.1\r\nHost: {WEB_NAME}\r\nConnection: close\r\n\r\n")?;
    read_page(&mut tcp)
}

fn read_page(from: &mut impl Read) -> Result<()> {
    let (mut answer, mut part) = (Vec::new(), [0; 2048]);
    while !answer.windows(PAGE.len()).any(|window| window == PAGE.as_bytes()) {
        let count = from.read(&mut part)?;
        ensure!(count > 0, "it ends without the page: {}", answer.escape_ascii());
        answer.extend_from_slice(&part[..count]);
    }
    Ok(())
}

/// Always over IPv4, where the town's proxy of these is; the server may be reached by either.
fn explicit(town: &Town, number: usize) -> Result<()> {
    let clients: Vec<_> = town.clients.iter().filter(|client| client.is_ipv4()).collect();
    let mut tcp = connect(Some(*clients[number % clients.len()]), town.proxy)?;
    write!(tcp, "CONNECT {WEB_NAME}:443 HTTP/1.1\r\nHost: {WEB_NAME}:443\r\n\r\n")?;
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        tcp.read_exact(&mut byte).context("no answer of the proxy")?;
        answer.push(byte[0]);
    }
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
    got(town.opened.begin(tcp, WEB_NAME)?.get("/index.html"))
}

/// Says this, and waits for the end: an alert or a reset, which may come at once.
fn spoken(mut tcp: TcpStream, bytes: &[u8]) -> Result<()> {
    tcp.write_all(bytes)?;
    let _ = tcp.shutdown(Shutdown::Write);
    let _ = tcp.read_to_end(&mut Vec::new());
    Ok(())
}
