//! What this process may ask of the kernel, once it serves: sockets, memory, time. No file can be opened, no program be
//! run, no memory be made executable, no privilege be gained.
//!
//! The process becomes a user without privilege, and so loses all capabilities, and then enters the sandbox, before it
//! reads a stranger's byte. What is not on the list fails with EPERM: a library that tries a refinement goes on without it.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use nix::sys::prctl;
use nix::unistd::{self, Gid, Uid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use crate::options::Identity;

/// Calls that are allowed whatever their arguments.
const ALLOWED: &[i64] = &[
    // Connections.
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_pread64,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
    libc::SYS_splice,
    libc::SYS_write,
    libc::SYS_writev,
    // Waiting.
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd2,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_poll,
    libc::SYS_sched_yield,
    // Descriptors and memory.
    libc::SYS_brk,
    libc::SYS_close,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_pipe2,
    // Threads and the end.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrandom,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
];

/// Enters it with all threads, for good, as this user if there is one to become.
pub fn enter(user: Option<Identity>) -> anyhow::Result<()> {
    if let Some(Identity { uid, gid }) = user {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        // The C library does so for every thread. All three ids change, so that there is no way back.
        unistd::setgroups(&[]).context("cannot leave the groups of the user before")?;
        unistd::setresgid(gid, gid, gid).context("cannot become another group")?;
        unistd::setresuid(uid, uid, uid).context("cannot become another user")?;
    }
    let left = Left::of_this_process()?;
    if left.uid == 0 || left.capabilities != 0 {
        bail!(
            "this process has privileges (user {}, capabilities {:#x}); let it become a user without any (--become-user)",
            left.uid,
            left.capabilities
        );
    }
    // Neither by exec nor by a debugger of the same user.
    prctl::set_no_new_privs().context("cannot give up new privileges")?;
    prctl::set_dumpable(false).context("cannot forbid core dumps")?;
    seccompiler::apply_filter_all_threads(&filter()?).context("cannot limit system calls")?;
    Ok(())
}

fn filter() -> anyhow::Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let families = [libc::AF_INET, libc::AF_INET6, libc::AF_UNIX];
    let sockets = families.map(|family| when(0, SeccompCmpOp::Eq, family as u64));
    rules.insert(libc::SYS_socket, sockets.into_iter().collect::<Result<_, _>>()?);
    // Within the process, for the runtime.
    rules.insert(libc::SYS_socketpair, vec![when(0, SeccompCmpOp::Eq, libc::AF_UNIX as u64)?]);
    // Nobody else is signalled, neither at once nor by a descriptor that becomes ready.
    rules.insert(libc::SYS_tgkill, vec![when(0, SeccompCmpOp::Eq, std::process::id().into())?]);
    let commands =
        [libc::F_GETFD, libc::F_SETFD, libc::F_GETFL, libc::F_SETFL, libc::F_DUPFD_CLOEXEC, libc::F_SETPIPE_SZ];
    let commands = commands.map(|command| when(1, SeccompCmpOp::Eq, command as u64));
    rules.insert(libc::SYS_fcntl, commands.into_iter().collect::<Result<_, _>>()?);
    // Only to make descriptors non-blocking.
    rules.insert(libc::SYS_ioctl, vec![when(1, SeccompCmpOp::Eq, libc::FIONBIO)?]);
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, vec![when(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64), 0)?]);
    }
    let architecture = TargetArch::try_from(std::env::consts::ARCH).context("system calls cannot be limited here")?;
    let (otherwise, allowed) = (SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow);
    Ok(SeccompFilter::new(rules, otherwise, allowed, architecture)?.try_into()?)
}

fn when(argument: u8, operator: SeccompCmpOp, value: u64) -> anyhow::Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// What a process may do that others may not.
struct Left {
    uid: u32,
    capabilities: u64,
}

impl Left {
    fn of_this_process() -> anyhow::Result<Self> {
        let status = fs::read_to_string("/proc/self/status").context("cannot read what this process may do")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
            line.with_context(|| format!("the kernel does not tell `{name}` of this process"))
        };
        let capability_sets = ["CapInh", "CapPrm", "CapEff", "CapAmb"].map(field);
        let mut capabilities = 0;
        for set in capability_sets {
            capabilities |= u64::from_str_radix(set?, 16)?;
        }
        Ok(Self { uid: unistd::geteuid().as_raw(), capabilities })
    }
}

/// Enters the sandbox and prints what is left of the process' powers. The kernel's own account is opened before.
pub fn show(user: Option<Identity>, files: &[PathBuf]) -> anyhow::Result<()> {
    use std::io::Read;

    let mut status = fs::File::open("/proc/self/status").context("cannot read what this process may do")?;
    enter(user)?;
    let mut text = String::new();
    status.read_to_string(&mut text).context("cannot read what this process may do")?;
    let wanted = ["Uid", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters"];
    for line in text.lines().filter(|line| wanted.iter().any(|name| line.split(':').next() == Some(name))) {
        println!("{line}");
    }
    println!(
        "packet socket: {}",
        told(nix::sys::socket::socket(
            nix::sys::socket::AddressFamily::Packet,
            nix::sys::socket::SockType::Raw,
            nix::sys::socket::SockFlag::empty(),
            None,
        ))
    );
    println!("run a program: {}", told(std::process::Command::new("/bin/true").status()));
    for file in files {
        println!("open {}: {}", file.display(), told(fs::File::open(file)));
    }
    Ok(())
}

fn told<T, E: std::fmt::Display>(result: Result<T, E>) -> String {
    match result {
        Ok(_) => "allowed".into(),
        Err(error) => format!("refused ({error})"),
    }
}
