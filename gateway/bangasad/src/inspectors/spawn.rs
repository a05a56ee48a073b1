//! Starts an inspector: in its municipality's network namespace, with the post's listening sockets, to become a user without
//! privilege.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sched::{CloneFlags, setns};
use nix::unistd::User;

use super::Config;
use super::places::Places;
use super::sockets::Sockets;

/// Why one was not started.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// Its sockets are taken.
    #[error("another process listens in its network namespace and does not talk to this daemon; end it")]
    AlreadyThere,
    /// Nobody to run as.
    #[error(
        "there is no user `{0}` to run it as; make one (`useradd --system {0}`) or name another by --inspector-user"
    )]
    NoUser(String),
    /// A privileged user.
    #[error("an inspector must not run as `{0}`, who has privileges; name another user by --inspector-user")]
    Privileged(String),
    /// The program.
    #[error("`{0}` cannot be started: {1}")]
    Program(String, io::Error),
    /// The namespace.
    #[error("the network namespace `{0}` cannot be entered: {1}")]
    Namespace(String, io::Error),
    /// It was started, and is not known.
    #[error("it was started, and cannot be found: {0}")]
    Lost(io::Error),
    /// A socket.
    #[error("it cannot be given a socket: {0}")]
    Socket(io::Error),
}

/// Starts it, and makes the sockets that there are not yet. It has not said anything then.
pub fn spawn(config: &Config, id: &str, places: &Places, sockets: &mut Sockets) -> Result<Child, Failed> {
    let user = User::from_name(&config.user).ok().flatten().ok_or_else(|| Failed::NoUser(config.user.clone()))?;
    if user.uid.is_root() {
        return Err(Failed::Privileged(config.user.clone()));
    }
    let name = format!("{}{id}", config.netns_prefix);
    // A thread changes its namespace for good, so it is one of its own; sockets and the process keep the namespace.
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            let unentered = |error: io::Error| Failed::Namespace(name.clone(), error);
            let namespace = File::open(format!("/run/netns/{name}")).map_err(unentered)?;
            setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|error| unentered(error.into()))?;
            sockets.make_missing(places).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => Failed::AlreadyThere,
                _ => Failed::Socket(error),
            })?;
            start(config, &user, sockets)
        });
        inside.join().unwrap_or_else(|_| Err(Failed::Namespace(name.clone(), io::Error::other("a thread panicked"))))
    })
}

fn start(config: &Config, user: &User, sockets: &Sockets) -> Result<Child, Failed> {
    let numbers: Vec<RawFd> = sockets.options().map(|(_, number)| number).collect();
    let mut command = Command::new(&config.program);
    command.arg("--daemon").arg(&config.socket).args(["--workers", &config.workers.to_string()]);
    command.args(sockets.options().flat_map(|(option, number)| [option.to_owned(), number.to_string()]));
    command.env_clear().current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
    // The program lets go of root itself, so that it may lie where only root may look. Signals to the daemon's group are
    // not the inspector's.
    command.arg("--become-user").arg(format!("{}:{}", user.uid, user.gid)).process_group(0);
    #[expect(unsafe_code, reason = "descriptors are kept open across exec, which only the child may do")]
    // SAFETY: between fork and exec only system calls are made.
    unsafe {
        command.pre_exec(move || numbers.iter().try_for_each(|number| keep_open(*number)));
    }
    let child = command.spawn().map_err(|error| Failed::Program(config.program.display().to_string(), error))?;
    // The daemon is the last to be killed for want of memory; an inspector is not.
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), "300");
    Ok(child)
}

fn keep_open(number: RawFd) -> io::Result<()> {
    #[expect(unsafe_code, reason = "the descriptor is known by its number only")]
    // SAFETY: clears a flag of a descriptor that the parent keeps open until this has run.
    let result = unsafe { libc::fcntl(number, libc::F_SETFD, 0) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
