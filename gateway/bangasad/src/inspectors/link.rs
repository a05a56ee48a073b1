//! The conversations with inspectors. Whoever connects is the inspector of the municipality whose network namespace the
//! socket comes from: the kernel says so, and nothing that is said changes it.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use inspect::wire::{LONGEST_REPORT, Report, WIRE_VERSION};
use nix::unistd::User;
use policy::model::InspectorState;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::health::tell_fast_path;
use super::process::{Namespace, Process};
use super::{Inspector, Places, setting, told};
use crate::daemon::Daemon;
use crate::{bypass, log};

/// Orders that may wait: a setting each.
const ORDERS: usize = 4;
/// Conversations at a time: several for each of the most municipalities that there can be.
const CONVERSATIONS: usize = 2_048;
/// Patience with an inspector that does not read.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens for inspectors.
pub fn listen(socket: &Path, user: &str) -> anyhow::Result<UnixListener> {
    if let Some(parent) = socket.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        // Inspectors may pass through it, and not look around.
        let mode = fs::metadata(parent)?.permissions().mode();
        fs::set_permissions(parent, fs::Permissions::from_mode(mode | 0o001))
            .with_context(|| format!("cannot open `{}` to inspectors", parent.display()))?;
    }
    let _ = fs::remove_file(socket);
    let listener = UnixListener::bind(socket).with_context(|| format!("cannot listen at `{}`", socket.display()))?;
    let group = User::from_name(user).ok().flatten().map(|user| user.gid.as_raw());
    std::os::unix::fs::chown(socket, None, group)
        .and_then(|()| fs::set_permissions(socket, fs::Permissions::from_mode(0o660)))
        .with_context(|| format!("cannot protect `{}`", socket.display()))?;
    Ok(listener)
}

/// Listens and talks until the daemon ends.
pub fn serve(daemon: &Arc<Daemon>) -> anyhow::Result<()> {
    let config = &daemon.inspectors.config;
    let listener = listen(&config.socket, &config.user)?;
    let daemon = Arc::clone(daemon);
    let room = Arc::new(Semaphore::new(CONVERSATIONS));
    tokio::spawn(async move {
        for conversation in 1.. {
            match listener.accept().await {
                Ok((stream, _)) => {
                    // Past the room there is, whoever calls is hung up on, and calls again.
                    let Ok(permit) = Arc::clone(&room).try_acquire_owned() else { continue };
                    let daemon = Arc::clone(&daemon);
                    tokio::spawn(async move {
                        let _permit = permit;
                        if let Err(error) = talk(&daemon, stream, conversation).await {
                            log(&format!("an inspector was turned away: {error:#}"));
                        }
                    });
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(())
}

async fn talk(daemon: &Arc<Daemon>, mut stream: UnixStream, conversation: u64) -> anyhow::Result<()> {
    let Some((id, namespace)) = whose(daemon, &stream)? else {
        // Its municipality has left the policy.
        stream.write_all(&setting::end()).await?;
        bail!("it is in no municipality's network namespace, and was told to end");
    };
    let pid = stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok());
    let process = pid.and_then(|pid| Process::of(pid).ok());
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let first = tokio::time::timeout(PATIENCE, next(&mut reader)).await.context("it does not begin")??;
    let Some(Report::Begin { version, program, started_ns, proxy, udp }) = first else {
        bail!("the inspector of `{id}` did not begin as inspectors do");
    };
    if version != WIRE_VERSION {
        bail!(
            "the inspector of `{id}` is of version {program} and speaks another language; end it, and it is started anew"
        );
    }
    let (orders, mut waiting) = mpsc::channel::<Arc<Vec<u8>>>(ORDERS);
    begin(daemon, &id, conversation, orders, Caller { process, namespace, started_ns, places: Places { proxy, udp } });
    let writes = async {
        while let Some(order) = waiting.recv().await {
            tokio::time::timeout(PATIENCE, writer.write_all(&order)).await??;
        }
        anyhow::Ok(())
    };
    let reads = async {
        while let Some(report) = next(&mut reader).await? {
            hear(daemon, &id, conversation, report);
        }
        anyhow::Ok(())
    };
    let ended = tokio::select! {
        ended = reads => ended,
        // Sent the last order, or another conversation has taken this one's place: what is still told is heard.
        ended = writes => match ended {
            Ok(()) => async { while let Some(report) = next(&mut reader).await? { hear(daemon, &id, conversation, report); } anyhow::Ok(()) }.await,
            Err(error) => Err(error),
        },
    };
    with(daemon, &id, conversation, |inspector| {
        inspector.orders = None;
        inspector.accepted = None;
        inspector.silent_since = Some(Instant::now());
    });
    daemon.inspectors.wake();
    ended.with_context(|| format!("the conversation with the inspector of `{id}` broke off"))
}

/// Who has called.
struct Caller {
    process: Option<Process>,
    namespace: Namespace,
    started_ns: u64,
    places: Places,
}

fn begin(daemon: &Daemon, id: &str, conversation: u64, orders: mpsc::Sender<Arc<Vec<u8>>>, caller: Caller) {
    let Caller { process, namespace, started_ns, places } = caller;
    {
        let mut by_id = daemon.inspectors.lock();
        let inspector = by_id.entry(id.to_owned()).or_default();
        inspector.orders = Some(orders);
        inspector.conversation = conversation;
        inspector.sent = None;
        inspector.bypassed = None;
        inspector.accepted = None;
        inspector.places = places;
        inspector.process = process.or(inspector.process.take());
        inspector.namespace = Some(namespace);
        inspector.silent_since = None;
        inspector.unanswered = 0;
        inspector.owes_answer = false;
        if inspector.process_ns != started_ns {
            let ended = std::mem::take(&mut inspector.totals);
            told::add(&mut inspector.before, ended);
            inspector.process_ns = started_ns;
        }
    }
    daemon.inspectors.wake();
}

/// What an inspector says.
fn hear(daemon: &Daemon, id: &str, conversation: u64, report: Report) {
    match report {
        Report::Begin { .. } => {}
        Report::Accepted { generation, warning } => {
            with(daemon, id, conversation, |inspector| {
                if inspector.orders.is_none() {
                    // It was told to end meanwhile.
                    return;
                }
                inspector.accepted = Some(generation);
                inspector.owes_answer = false;
                inspector.state = Some(InspectorState::Serving);
                inspector.trouble = None;
                if let Some(warning) = warning {
                    inspector.set_trouble(id, warning.escape_debug().to_string());
                }
                inspector.failures = 0;
                inspector.retry_at = None;
            });
            daemon.current().iter().for_each(|current| tell_fast_path(&daemon.inspectors, current, Some(id)));
        }
        Report::Pong => with(daemon, id, conversation, |inspector| inspector.unanswered = 0),
        Report::Refused { generation, because } => with(daemon, id, conversation, |inspector| {
            inspector.owes_answer = false;
            inspector.set_trouble(
                id,
                format!("the inspector of `{id}` cannot use generation {generation}: {}", because.escape_debug()),
            );
        }),
        Report::Session(session) => {
            told::record(daemon, id, &session);
            bypass::hear(daemon, id, &session);
        }
        Report::Totals(totals) => with(daemon, id, conversation, |inspector| inspector.totals = totals),
    }
}

/// Only the latest conversation speaks for a municipality.
fn with(daemon: &Daemon, id: &str, conversation: u64, change: impl FnOnce(&mut Inspector)) {
    if let Some(inspector) = daemon.inspectors.lock().get_mut(id).filter(|known| known.conversation == conversation) {
        change(inspector);
    }
}

async fn next(reader: &mut BufReader<OwnedReadHalf>) -> anyhow::Result<Option<Report>> {
    let mut line = Vec::new();
    reader.take(LONGEST_REPORT).read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(&line).map(Some).context("it says something that cannot be understood")
}

/// The municipality in whose network namespace the other end is; none: of none in the policy.
fn whose(daemon: &Daemon, stream: &UnixStream) -> anyhow::Result<Option<(String, Namespace)>> {
    let config = &daemon.inspectors.config;
    let user = User::from_name(&config.user).ok().flatten().map(|user| user.uid.as_raw());
    if Some(stream.peer_cred()?.uid()) != user {
        bail!("it does not run as `{}`", config.user);
    }
    let theirs = fs::File::from(namespace_of(stream).context("its network namespace cannot be told")?).metadata()?;
    let theirs = Namespace::of(&theirs);
    let current = daemon.current().context("there is no policy")?;
    let towns = current.policy().municipalities.iter();
    let mut ids = towns.map(|town| town.id.as_str());
    let is_theirs = |id: &&str| Namespace::named(&format!("{}{id}", config.netns_prefix)) == Some(theirs);
    Ok(ids.find(is_theirs).map(|id| (id.to_owned(), theirs)))
}

/// The network namespace of a Unix socket's other end: an accepted socket belongs to the namespace of whoever connected.
fn namespace_of(stream: &UnixStream) -> io::Result<OwnedFd> {
    /// `SIOCGSKNS` of linux/sockios.h.
    const NAMESPACE_OF_SOCKET: libc::c_ulong = 0x894c;
    #[expect(unsafe_code, reason = "there is no other way to ask")]
    // SAFETY: the call takes no argument and answers a new descriptor, which is owned from then on.
    unsafe {
        match libc::ioctl(stream.as_raw_fd(), NAMESPACE_OF_SOCKET) {
            -1 => Err(io::Error::last_os_error()),
            number => Ok(OwnedFd::from_raw_fd(number)),
        }
    }
}
