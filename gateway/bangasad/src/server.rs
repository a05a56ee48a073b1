//! The control socket and the signals.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use control::{LONGEST_LINE, Request, Response};
use policy::Overlays;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf, UCred};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

use crate::daemon::Daemon;
use crate::options::Options;
use crate::{apply, audit, bypass, events, freeze, history, inspectors, log, nat, overlays, overview, trial, watch};

/// Connections at one time; more wait.
const CONNECTIONS: usize = 256;
/// Connections that may follow events, so that the rest is left for questions.
const FOLLOWERS: usize = 64;
/// Requests that carry a policy are worked on one after another: each may take hundreds of MiB.
const POLICIES: usize = 1;
/// Longest request that cannot be a policy's.
const SHORT_LINE: u64 = 64 << 10;
/// Patience with a client that does not finish its request, or does not read its answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves until a signal asks to stop. The data path goes on without us.
pub async fn run(daemon: Daemon, options: &Options) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let listener = listen(&options.socket)?;
    let metrics = TcpListener::bind(options.metrics)
        .await
        .with_context(|| format!("cannot serve metrics at {}; choose another --metrics", options.metrics))?;
    let daemon = Arc::new(daemon);
    let ring = daemon.gateway().take_events();
    if let Some(ring) = ring {
        let daemon = Arc::clone(&daemon);
        std::thread::Builder::new().name("ring".into()).spawn(move || events::run(&daemon, ring))?;
    }
    tokio::spawn(watch::run(Arc::clone(&daemon)));
    tokio::spawn(nat::run(Arc::clone(&daemon)));
    tokio::spawn(overlays::run(Arc::clone(&daemon)));
    inspectors::serve(&daemon)?;
    tokio::spawn(inspectors::run(Arc::clone(&daemon)));
    let scraped = Arc::clone(&daemon);
    tokio::spawn(telemetry::http::serve(metrics, Arc::new(move || overview::metrics(&scraped))));
    log(&format!("listening at `{}`, metrics at http://{}/metrics", options.socket.display(), options.metrics));
    let served = Arc::clone(&daemon);
    tokio::spawn(async move { accept(&served, listener).await });
    loop {
        tokio::select! {
            _ = hang_up.recv() => daemon.journal.reopen(),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    bypass::settle(&daemon);
    // A client that connects now should learn at once that nobody is here.
    let _ = std::fs::remove_file(&options.socket);
    log("stopped; packets are judged as before");
    Ok(())
}

fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        bail!(
            "another bangasad listens at `{}`; stop it first, or give this one a --socket of its own",
            path.display()
        );
    }
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(parent)
            .with_context(|| format!("cannot make `{}`", parent.display()))?;
    }
    // A socket that nobody listens at is left from a daemon that was killed.
    let _ = std::fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen at `{}`", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
        .with_context(|| format!("cannot protect `{}`", path.display()))?;
    Ok(listener)
}

/// How many may do what at one time.
struct Room {
    connections: Arc<Semaphore>,
    followers: Semaphore,
    policies: Semaphore,
}

async fn accept(daemon: &Arc<Daemon>, listener: UnixListener) {
    let room = Arc::new(Room {
        connections: Arc::new(Semaphore::new(CONNECTIONS)),
        followers: Semaphore::new(FOLLOWERS),
        policies: Semaphore::new(POLICIES),
    });
    loop {
        let Ok(permit) = Arc::clone(&room.connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (daemon, room) = (Arc::clone(daemon), Arc::clone(&room));
                tokio::spawn(async move {
                    // What goes wrong here is the client's connection, and the client knows.
                    drop(converse(daemon, &room, stream).await);
                    drop(permit);
                });
            }
            Err(error) => {
                log(&format!("cannot accept on the control socket: {error}"));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(daemon: Arc<Daemon>, room: &Room, stream: UnixStream) -> anyhow::Result<()> {
    let peer = stream.peer_cred()?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader.take(SHORT_LINE));
    let mut line = Vec::new();
    tokio::time::timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await??;
    let mut policy_permit = None;
    if line.len() as u64 == SHORT_LINE && line.last() != Some(&b'\n') {
        policy_permit = Some(room.policies.acquire().await?);
        reader.get_mut().set_limit(LONGEST_LINE - SHORT_LINE);
        tokio::time::timeout(PATIENCE, reader.read_until(b'\n', &mut line)).await??;
    }
    let request = match serde_json::from_slice(&line) {
        Ok(request) => request,
        Err(error) => {
            let message = format!("the request cannot be understood: {error}; are both of the same version?");
            return answer(&mut writer, &Response::Failed { message }).await;
        }
    };
    drop(line);
    if let Request::Events { follow, municipality } = request {
        drop(policy_permit);
        let Ok(_permit) = room.followers.try_acquire() else {
            let message = format!("{FOLLOWERS} clients read events already; end one of them first");
            return answer(&mut writer, &Response::Failed { message }).await;
        };
        return tell(&daemon, reader.into_inner().into_inner(), writer, follow, municipality).await;
    }
    let works_on_policy = matches!(
        request,
        Request::Check { .. } | Request::Plan { .. } | Request::Apply { .. } | Request::Rollback { .. }
    );
    if works_on_policy && policy_permit.is_none() {
        policy_permit = Some(room.policies.acquire().await?);
    }
    let response = tokio::task::spawn_blocking(move || respond(&daemon, request, &peer)).await;
    let response = response
        .unwrap_or_else(|_| Response::Failed { message: "the daemon failed inside; its log says where".into() });
    drop(policy_permit);
    answer(&mut writer, &response).await
}

fn respond(daemon: &Daemon, request: Request, peer: &UCred) -> Response {
    match request {
        Request::Check { files } => apply::check(daemon, files),
        Request::Plan { files } => apply::plan(daemon, files),
        Request::Apply { files, because, who, confirm_within_s } => {
            apply::apply(daemon, files, because, confirm_within_s, audit::who(peer, Some(who)))
        }
        Request::Confirm { because, who } => trial::confirm(daemon, because, audit::who(peer, Some(who))),
        Request::Rollback { generation, because, who } => {
            history::rollback(daemon, generation, because, audit::who(peer, Some(who)))
        }
        Request::History => history::list(daemon),
        Request::Overlay { change, because, who } => {
            overlays::change(daemon, change, because, audit::who(peer, Some(who)))
        }
        Request::Overlays => overlays::list(daemon),
        Request::Freeze { until, because, who } => freeze::freeze(daemon, until, because, audit::who(peer, Some(who))),
        Request::Thaw { because, who } => freeze::thaw(daemon, because, audit::who(peer, Some(who))),
        Request::Frozen => Response::Frozen { freeze: freeze::now(daemon) },
        Request::Status => match overview::status(daemon) {
            Ok(status) => Response::Status(Box::new(status)),
            Err(error) => Response::Failed { message: format!("{error:#}") },
        },
        Request::Who { address, port, protocol, at_ms } => nat::who(daemon, (address, port, protocol), at_ms),
        Request::Policy { generation } => policy(daemon, generation),
        Request::Bypass { municipality } => bypass::list(daemon, municipality.as_deref()),
        Request::BypassApprove { decide, for_seconds } => {
            let who = audit::who(peer, Some(decide.who.clone()));
            bypass::approve(daemon, &decide, for_seconds, who)
        }
        Request::BypassForget { decide } => {
            let who = audit::who(peer, Some(decide.who.clone()));
            bypass::forget(daemon, &decide, who)
        }
        Request::Events { .. } => Response::Failed { message: "events are not answered here".into() },
    }
}

fn policy(daemon: &Daemon, generation: Option<u64>) -> Response {
    let state = daemon.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let Some(generation) = generation.or_else(|| daemon.current().map(|current| current.generation)) else {
        return Response::Failed { message: "no policy is installed yet".into() };
    };
    match state.read(generation) {
        Ok((files, _)) => Response::Policy { generation, files, overlays: Overlays::clone(state.overlays()) },
        Err(error) => Response::Failed { message: format!("generation {generation} is not kept: {error:#}") },
    }
}

/// Events of the past, then, if wanted, of the future until the client hangs up.
async fn tell(
    daemon: &Daemon,
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
    follow: bool,
    municipality: Option<String>,
) -> anyhow::Result<()> {
    let wanted = |entry: &telemetry::journal::Entry| municipality.is_none() || entry.municipality == municipality;
    let (history, mut follower) = daemon.journal.follow();
    answer(&mut writer, &Response::Events).await?;
    // Not kept while following: the journal forgets old events.
    for entry in history.into_iter().filter(|entry| wanted(entry)) {
        write_line(&mut writer, entry.text.as_bytes()).await?;
    }
    if !follow {
        return Ok(());
    }
    let mut rest = [0; 64];
    loop {
        let entry = tokio::select! {
            entry = follower.next() => entry,
            read = reader.read(&mut rest) => match read {
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => continue,
            },
        };
        let Some(entry) = entry else { return Ok(()) };
        if wanted(&entry) {
            write_line(&mut writer, entry.text.as_bytes()).await?;
        }
    }
}

async fn answer(writer: &mut OwnedWriteHalf, response: &Response) -> anyhow::Result<()> {
    write_line(writer, &serde_json::to_vec(response)?).await
}

async fn write_line(writer: &mut OwnedWriteHalf, line: &[u8]) -> anyhow::Result<()> {
    let write = async {
        writer.write_all(line).await?;
        writer.write_all(b"\n").await
    };
    Ok(tokio::time::timeout(PATIENCE, write).await??)
}
