//! The conversations with inspectors. Whoever connects is the inspector of the municipality whose network namespace the
//! socket comes from: the kernel says so, and nothing that is said changes it.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use inspect::wire::{LONGEST_REPORT, Report, WIRE_VERSION};
use nix::unistd::User;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::OwnedReadHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc};

use super::health::tell_fast_path;
use super::inspector::Inspector;
use super::namespace::Namespace;
use super::places::Places;
use super::post::{Farewell, Leaving};
use super::process::Process;
use super::{setting, told};
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
    let pid = stream.peer_cred()?.pid().and_then(|pid| u32::try_from(pid).ok()).context("it has no number")?;
    let process = Process::of(pid).context("its process cannot be found")?;
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let first = tokio::time::timeout(PATIENCE, next(&mut reader)).await.context("it does not begin")??;
    let Some(Report::Begin { version, program, proxy, udp, sockets, retires, .. }) = first else {
        bail!("the inspector of `{id}` did not begin as inspectors do");
    };
    let is_foreign = version != WIRE_VERSION;
    let (orders, mut waiting) = mpsc::channel::<Arc<Vec<u8>>>(ORDERS);
    let caller = Caller { process, namespace, places: Places { proxy, udp }, sockets, retires, is_foreign };
    begin(daemon, &id, conversation, orders, caller);
    if is_foreign {
        log(&format!(
            "{id}: an inspector is of version {program} and speaks another language; it goes on as it was told last, what \
             it carries is not told of, and it retires when one of another program has taken over"
        ));
    }
    let writes = async {
        while let Some(order) = waiting.recv().await {
            tokio::time::timeout(PATIENCE, writer.write_all(&order)).await??;
        }
        anyhow::Ok(())
    };
    let reads = async { listen_to(daemon, &id, conversation, &mut reader, is_foreign).await };
    let ended = tokio::select! {
        ended = reads => ended,
        // Sent the last order, or another conversation has taken this one's place: what is still told is heard.
        ended = writes => match ended {
            Ok(()) => listen_to(daemon, &id, conversation, &mut reader, is_foreign).await,
            Err(error) => Err(error),
        },
    };
    with(daemon, &id, conversation, |inspector| {
        inspector.orders = None;
        inspector.accepted = None;
        inspector.conversation = None;
        inspector.silent_since = Some(Instant::now());
    });
    daemon.inspectors.wake();
    ended.with_context(|| format!("the conversation with the inspector of `{id}` broke off"))
}

/// Hears everything to the end. What is said in another language may mean anything, and is passed over.
async fn listen_to(
    daemon: &Daemon,
    id: &str,
    conversation: u64,
    reader: &mut BufReader<OwnedReadHalf>,
    is_foreign: bool,
) -> anyhow::Result<()> {
    if is_foreign {
        tokio::io::copy(reader, &mut tokio::io::sink()).await?;
        return Ok(());
    }
    while let Some(report) = next(reader).await? {
        hear(daemon, id, conversation, report);
    }
    Ok(())
}

/// Who has called.
struct Caller {
    process: Process,
    namespace: Namespace,
    places: Places,
    sockets: Vec<RawFd>,
    retires: bool,
    is_foreign: bool,
}

fn begin(daemon: &Daemon, id: &str, conversation: u64, orders: mpsc::Sender<Arc<Vec<u8>>>, caller: Caller) {
    let Caller { process, namespace, places, sockets, retires, is_foreign } = caller;
    let pid = process.pid;
    let converses = |inspector: &mut Inspector| {
        inspector.orders = Some(orders);
        inspector.conversation = Some(conversation);
        inspector.is_foreign = is_foreign;
        inspector.sent = None;
        inspector.bypassed = None;
        inspector.accepted = None;
        inspector.places = places;
        inspector.program = inspector.process.program();
        inspector.namespace = Some(namespace);
        inspector.silent_since = None;
        inspector.unanswered = 0;
        inspector.owes_answer = false;
    };
    {
        let mut by_id = daemon.inspectors.lock();
        let post = by_id.entry(id.to_owned()).or_default();
        let is_it = |inspector: &Inspector| inspector.process.pid == pid && !inspector.process.has_ended();
        if let Some(known) = post.all_mut().find(|inspector| is_it(inspector)) {
            converses(known);
        } else {
            // A daemon before this one has started it.
            let mut found = Inspector::of(process);
            found.untaken = sockets;
            converses(&mut found);
            if retires {
                post.leaving.push(Leaving::new(found, Farewell::Retire));
            } else {
                post.arrive(found);
            }
        }
        if let Some(leaving) = post.leaving.iter_mut().find(|leaving| is_it(&leaving.inspector)) {
            leaving.is_told = retires && leaving.farewell == Farewell::Retire;
        }
    }
    daemon.inspectors.wake();
}

/// What an inspector says.
fn hear(daemon: &Daemon, id: &str, conversation: u64, report: Report) {
    match report {
        Report::Begin { .. } => {}
        Report::Accepted { generation, warning } => {
            if let Some(post) = daemon.inspectors.lock().get_mut(id) {
                post.accepted(id, conversation, generation, warning);
            }
            daemon.current().iter().for_each(|current| tell_fast_path(&daemon.inspectors, current, Some(id)));
        }
        Report::Pong => with(daemon, id, conversation, |inspector| inspector.unanswered = 0),
        Report::Refused { generation, because } => {
            let because = because.escape_debug();
            let because = format!("the inspector of `{id}` cannot use generation {generation}: {because}");
            if let Some(post) = daemon.inspectors.lock().get_mut(id) {
                post.refused(id, conversation, &because);
            }
        }
        Report::Session(session) => {
            told::record(daemon, id, &session);
            bypass::hear(daemon, id, &session);
        }
        Report::Totals(totals) => with(daemon, id, conversation, |inspector| inspector.totals = totals),
    }
}

/// Changes what is known of whoever is in this conversation.
fn with(daemon: &Daemon, id: &str, conversation: u64, change: impl FnOnce(&mut Inspector)) {
    let mut by_id = daemon.inspectors.lock();
    let mut all = by_id.get_mut(id).into_iter().flat_map(|post| post.all_mut());
    if let Some(inspector) = all.find(|known| known.conversation == Some(conversation)) {
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
    let theirs = Namespace::of_socket(stream).context("its network namespace cannot be told")?;
    let current = daemon.current().context("there is no policy")?;
    let towns = current.policy().municipalities.iter();
    let mut ids = towns.map(|town| town.id.as_str());
    let is_theirs = |id: &&str| Namespace::named(&format!("{}{id}", config.netns_prefix)) == Some(theirs);
    Ok(ids.find(is_theirs).map(|id| (id.to_owned(), theirs)))
}
