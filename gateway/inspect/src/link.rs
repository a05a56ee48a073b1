//! The conversation with the daemon. It may come and go: connections are served by the latest setting meanwhile, and
//! sessions wait in a bounded queue.

use std::io::Write;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::bypass::Bypassed;
use crate::run::{Shared, Stage};
use crate::setting::Active;
use crate::wire::{LONGEST_ORDER, Order, RETIREMENT, Report, Session, Totals, WIRE_VERSION};

/// Between two attempts to reach the daemon.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two accounts, where there is something new.
const ACCOUNT_INTERVAL: Duration = Duration::from_millis(500);
/// Between two batches of sessions. One that ends finds nobody waiting meanwhile, and so wakes nobody: a wake-up and a line
/// for each took a quarter of what a spliced connection costs.
const BATCH_INTERVAL: Duration = Duration::from_millis(20);
/// For connections to end by themselves once the process is to end.
const LAST_PATIENCE: Duration = Duration::from_secs(5);
/// For the daemon to come and hear the last, if it is away when the process has nothing else left to do.
const LAST_CALL: Duration = Duration::from_secs(60);
/// Between two looks whether anything is still open.
const LOOK: Duration = Duration::from_millis(20);

/// What stays the same from conversation to conversation.
#[derive(Clone, Debug)]
pub struct Begun {
    /// When the process started, nanoseconds since 1970.
    pub started_ns: u64,
    /// Where it is the municipality's proxy.
    pub proxy: Vec<SocketAddr>,
    /// UDP ports whose datagrams it can be handed.
    pub udp: Vec<u16>,
    /// Descriptors of the sockets that it was given.
    pub sockets: Vec<RawFd>,
}

/// Talks until the process has nothing left to do and has said so.
pub async fn run(daemon: &Path, shared: &Arc<Shared>, mut sessions: Receiver<Box<Session>>, begun: &Begun) {
    let mut done = pin!(leave(shared));
    let mut is_done = false;
    let mut last_call = pin!(sleep(LAST_CALL));
    loop {
        if let Ok(stream) = UnixStream::connect(daemon).await {
            let over = async {
                if !is_done {
                    done.as_mut().await;
                    is_done = true;
                    last_call.as_mut().reset(Instant::now() + LAST_CALL);
                }
            };
            match converse(stream, shared, &mut sessions, begun, over).await {
                Ok(()) => return,
                // Whoever reads this may be gone with the daemon, which must not be the end of this process.
                Err(error) => drop(writeln!(std::io::stderr(), "bangasa-inspect: {error:#}; trying again")),
            }
        }
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = done.as_mut(), if !is_done => {
                is_done = true;
                last_call.as_mut().reset(Instant::now() + LAST_CALL);
            }
            () = last_call.as_mut(), if is_done => return,
        }
    }
}

/// Goes through the stages that an order has begun, and is done when nothing is open any more.
async fn leave(shared: &Shared) {
    let mut stage = shared.stage.subscribe();
    let is_empty = async || {
        while !shared.account.is_idle() {
            sleep(LOOK).await;
        }
    };
    let _ = stage.wait_for(|stage| *stage >= Stage::Retiring).await;
    let ending = async { drop(stage.wait_for(|stage| *stage >= Stage::Ending).await) };
    tokio::select! {
        () = is_empty() => return,
        () = ending => {}
        () = sleep(RETIREMENT) => shared.reach(Stage::Ending),
    }
    if timeout(LAST_PATIENCE, is_empty()).await.is_err() {
        shared.reach(Stage::Over);
        // They have nothing to wait for but their turn.
        let _ = timeout(LAST_PATIENCE, is_empty()).await;
    }
}

/// One connection to the daemon; done when everything has been told after it was `over`.
async fn converse(
    stream: UnixStream,
    shared: &Arc<Shared>,
    sessions: &mut Receiver<Box<Session>>,
    begun: &Begun,
    over: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let (reader, writer) = stream.into_split();
    let mut writer = BufWriter::new(writer);
    let program = env!("CARGO_PKG_VERSION").to_owned();
    let Begun { started_ns, proxy, udp, sockets } = begun.clone();
    let retires = *shared.stage.borrow() >= Stage::Retiring;
    let begin = Report::Begin { version: WIRE_VERSION, program, started_ns, proxy, udp, sockets, retires };
    report(&mut writer, &begin).await?;
    writer.flush().await?;
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    let mut told = Totals::default();
    let mut account = interval(ACCOUNT_INTERVAL);
    account.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rest = pin!(sleep(Duration::ZERO));
    let mut over = pin!(over);
    let mut is_asked = false;
    loop {
        tokio::select! {
            read = next_line(&mut reader, &mut line) => {
                read?;
                let done = obey(&line, shared)?;
                line.clear();
                match done {
                    Done::Answer(answer) => report(&mut writer, &answer).await?,
                    Done::WhenAllHaveTurned => is_asked = true,
                    Done::Silently => {}
                }
            }
            () = shared.pulse.answered(), if is_asked => {
                is_asked = false;
                report(&mut writer, &Report::Pong).await?;
            }
            () = &mut rest, if !rest.is_elapsed() => {}
            session = sessions.recv(), if rest.is_elapsed() => {
                let Some(session) = session else { return Ok(()) };
                report(&mut writer, &Report::Session(session)).await?;
                tell_waiting(&mut writer, sessions).await?;
                rest.as_mut().reset(Instant::now() + BATCH_INTERVAL);
            }
            _ = account.tick() => {
                let totals = shared.account.totals();
                if totals != told {
                    report(&mut writer, &Report::Totals(totals.clone())).await?;
                    told = totals;
                }
            }
            () = &mut over => {
                tell_waiting(&mut writer, sessions).await?;
                report(&mut writer, &Report::Totals(shared.account.totals())).await?;
                return writer.flush().await.context("the daemon cannot be told");
            }
        }
        writer.flush().await?;
    }
}

/// Tells of connections that have ended meanwhile.
async fn tell_waiting(
    writer: &mut BufWriter<OwnedWriteHalf>,
    sessions: &mut Receiver<Box<Session>>,
) -> anyhow::Result<()> {
    while let Ok(session) = sessions.try_recv() {
        report(writer, &Report::Session(session)).await?;
    }
    Ok(())
}

/// Cancelled and called again it goes on where it was: what was read is in `line`.
async fn next_line(reader: &mut BufReader<OwnedReadHalf>, line: &mut Vec<u8>) -> anyhow::Result<()> {
    let room = LONGEST_ORDER.saturating_sub(line.len() as u64);
    reader.take(room).read_until(b'\n', line).await.context("the daemon cannot be heard")?;
    match line.last() {
        Some(b'\n') => Ok(()),
        _ if line.len() as u64 >= LONGEST_ORDER => bail!("the daemon says more than {LONGEST_ORDER} bytes in one line"),
        _ => bail!("the daemon has gone"),
    }
}

/// What came of an order.
enum Done {
    Answer(Report),
    WhenAllHaveTurned,
    Silently,
}

/// Carries an order out.
fn obey(line: &[u8], shared: &Arc<Shared>) -> anyhow::Result<Done> {
    let order = serde_json::from_slice(line).context("the daemon cannot be understood; install both of one version")?;
    let setting = match order {
        Order::Retire => {
            shared.reach(Stage::Retiring);
            return Ok(Done::Silently);
        }
        Order::End => {
            shared.reach(Stage::Ending);
            return Ok(Done::Silently);
        }
        Order::Ping => {
            shared.pulse.ask();
            return Ok(Done::WhenAllHaveTurned);
        }
        Order::Bypass { names } => {
            let _ = shared.bypassed.send_replace(Arc::new(Bypassed::new(names)));
            return Ok(Done::Silently);
        }
        Order::Setting(setting) => setting,
    };
    let generation = setting.generation;
    let before = shared.setting.borrow().clone();
    Ok(Done::Answer(match Active::new(*setting, before.as_deref()) {
        Ok(active) => {
            let warning = active.warning.clone();
            let _ = shared.setting.send_replace(Some(Arc::new(active)));
            Report::Accepted { generation, warning }
        }
        Err(error) => Report::Refused { generation, because: format!("{error:#}") },
    }))
}

async fn report(writer: &mut BufWriter<OwnedWriteHalf>, report: &Report) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    writer.write_all(&line).await.context("the daemon cannot be told")
}

#[cfg(test)]
mod tests {
    use tokio::net::UnixListener;

    use super::*;
    use crate::account::Account;
    use crate::budget::Budget;
    use crate::pulse::Pulse;

    #[tokio::test]
    async fn the_last_is_told_to_whoever_listens_next() {
        let (account, sessions) = Account::new();
        let shared = Arc::new(Shared {
            setting: Default::default(),
            bypassed: Default::default(),
            stage: tokio::sync::watch::Sender::new(Stage::Serving),
            account: Arc::clone(&account),
            budget: Budget::new().unwrap(),
            pulse: Pulse::new(0),
        });
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("daemon");
        let daemon = UnixListener::bind(&socket).unwrap();
        let begun = Begun { started_ns: 1, proxy: Vec::new(), udp: Vec::new(), sockets: Vec::new() };
        let open = account.begin();
        let talks = async { run(&socket, &shared, sessions, &begun).await };
        let hears = async {
            let begins = async |retires: bool| {
                let mut stream = BufReader::new(daemon.accept().await.unwrap().0);
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                assert!(line.contains(&format!("\"retires\":{retires}")), "{line}");
                stream
            };
            begins(false).await.write_all(b"{\"order\":\"retire\"}\n").await.unwrap();
            // That one has gone; the next one hears the rest.
            let mut stream = begins(true).await;
            drop(open);
            let mut rest = String::new();
            stream.read_to_string(&mut rest).await.unwrap();
            let last: Report = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
            assert!(matches!(last, Report::Totals(Totals { open: 0, .. })), "{rest}");
        };
        tokio::join!(talks, hears);
    }
}
