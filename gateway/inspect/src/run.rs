//! The process: threads that serve, and one that talks to the daemon.

use std::net::{TcpListener, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::watch;

use crate::account::Account;
use crate::budget::Budget;
use crate::bypass::Bypassed;
use crate::options::Options;
use crate::pulse::Pulse;
use crate::quic::Datagrams;
use crate::setting::Active;
use crate::wire::Arrival;
use crate::{link, sandbox, upstream_socket, worker};

/// Between two looks at how much memory there is left.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// How far a process has come. It never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It accepts connections.
    Serving,
    /// It accepts no more, and goes on with those that are open.
    Retiring,
    /// These may come to their end by themselves, for a moment.
    Ending,
    /// None goes on.
    Over,
}

/// What all threads share.
pub struct Shared {
    /// What connections are decided by; none before the daemon has spoken.
    pub setting: watch::Sender<Option<Arc<Active>>>,
    /// Names that are passed on unopened.
    pub bypassed: watch::Sender<Arc<Bypassed>>,
    /// Whether it serves, or on which way to its end it is.
    pub stage: watch::Sender<Stage>,
    /// What became of connections.
    pub account: Arc<Account>,
    /// What they may use.
    pub budget: Budget,
    /// Whether the threads turn.
    pub pulse: Pulse,
}

impl Shared {
    /// Enters a stage, unless it has come further.
    pub fn reach(&self, stage: Stage) {
        self.stage.send_if_modified(|reached| stage > std::mem::replace(reached, stage.max(*reached)));
    }
}

/// Serves until the daemon says that it is over.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let transparent = options.transparent.iter().map(|number| (*number, Arrival::Transparent));
    let sockets = transparent.chain(options.proxy.iter().map(|number| (*number, Arrival::Explicit)));
    // Two descriptors a connection; what a shell allows by default is less than a small budget.
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let listeners =
        sockets.map(|(number, arrival)| Ok((inherited(number)?, arrival))).collect::<anyhow::Result<Vec<_>>>()?;
    if listeners.is_empty() {
        bail!("there is no socket to listen at; bangasad starts this program and hands it some (--transparent)");
    }
    let is_proxy = |(_, arrival): &&(TcpListener, Arrival)| *arrival == Arrival::Explicit;
    let proxy =
        listeners.iter().filter(is_proxy).map(|(socket, _)| socket.local_addr()).collect::<Result<Vec<_>, _>>()?;
    let mut datagrams =
        options.datagrams.iter().map(|number| inherited_datagrams(*number)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut udp: Vec<u16> = datagrams.iter().map(Datagrams::port).collect();
    udp.dedup();
    let (account, sessions) = Account::new();
    let shared = Arc::new(Shared {
        setting: watch::Sender::new(None),
        bypassed: watch::Sender::new(Arc::default()),
        stage: watch::Sender::new(Stage::Serving),
        account,
        budget: Budget::new().context("the kernel does not tell of this process' memory")?,
        pulse: Pulse::new(options.workers),
    });
    let started_ns = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    // Threads exist before the sandbox, which forbids new ones, and begin after it.
    let mut starts = Vec::new();
    for number in 0..options.workers {
        let again = |(socket, arrival): &(TcpListener, Arrival)| Ok((socket.try_clone()?, *arrival));
        let listeners = listeners.iter().map(again).collect::<std::io::Result<Vec<_>>>()?;
        // A client's datagrams come to one thread: a socket has one.
        let share = datagrams.len().div_ceil(usize::from(options.workers - number));
        let datagrams: Vec<Datagrams> = datagrams.drain(..share).collect();
        let (shared, (start, started)) = (Arc::clone(&shared), channel::<()>());
        thread::Builder::new().name(format!("worker {number}")).spawn(move || {
            if started.recv().is_ok()
                && let Err(error) = worker::work(number, listeners, datagrams, shared)
            {
                eprintln!("bangasa-inspect: a thread cannot serve: {error}");
                std::process::exit(1);
            }
        })?;
        starts.push(start);
    }
    sandbox::enter(options.become_user)?;
    for start in starts {
        start.send(()).context("a thread has ended")?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let looked = Arc::clone(&shared);
    runtime.spawn(async move {
        loop {
            looked.budget.look();
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    });
    // They have the numbers by which the daemon finds them, and connections wait at them for as long as anybody has them.
    let mut stage = shared.stage.subscribe();
    runtime.spawn(async move {
        let _ = stage.wait_for(|stage| *stage >= Stage::Retiring).await;
        drop(listeners);
    });
    let sockets = [&options.transparent, &options.datagrams, &options.proxy].into_iter().flatten().copied().collect();
    runtime.block_on(link::run(&options.daemon, &shared, sessions, &link::Begun { started_ns, proxy, udp, sockets }));
    Ok(())
}

/// A listening socket that was handed to this process.
fn inherited(number: RawFd) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::from(descriptor(number)?);
    listener.set_nonblocking(true)?;
    listener.local_addr().with_context(|| format!("descriptor {number} is not a listening TCP socket"))?;
    upstream_socket::settle(&listener).with_context(|| format!("descriptor {number} cannot be set up"))?;
    Ok(listener)
}

/// A socket for datagrams that was handed to this process.
fn inherited_datagrams(number: RawFd) -> anyhow::Result<Datagrams> {
    let socket = UdpSocket::from(descriptor(number)?);
    Datagrams::new(socket).with_context(|| format!("descriptor {number} is not a bound UDP socket"))
}

/// A descriptor that is this process' own from now on.
fn descriptor(number: RawFd) -> anyhow::Result<OwnedFd> {
    nix::fcntl::fcntl(borrowed(number), nix::fcntl::FcntlArg::F_GETFD)
        .with_context(|| format!("descriptor {number} is not open; bangasad hands sockets to this program"))?;
    #[expect(unsafe_code, reason = "a number from the command line becomes a descriptor")]
    // SAFETY: it is open, and the command line says that it is this process' to own.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    Ok(socket)
}

fn borrowed(number: RawFd) -> std::os::fd::BorrowedFd<'static> {
    #[expect(unsafe_code, reason = "a number from the command line is looked at")]
    // SAFETY: used for one call that only asks whether it is open.
    unsafe {
        std::os::fd::BorrowedFd::borrow_raw(number)
    }
}
