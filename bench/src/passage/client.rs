//! The load, bound to its CPU: the lab's visitors, that many threads at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use lab::Namespace;
pub use lab::visitor::Connection;
use lab::visitor::{Visitor, connect};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use super::{LOAD_CPU, NAME, Way};

/// Connections that are opened at a time where many are.
const AT_A_TIME: usize = 8;

/// Opens connections.
pub struct Client {
    namespace: Namespace,
    visitor: Visitor,
}

impl Client {
    /// In a namespace, trusting these.
    pub fn new(namespace: Namespace, roots: &[String]) -> Result<Self> {
        Ok(Self { namespace, visitor: Visitor::new("http/1.1", roots)? })
    }

    /// One connection, over which one request has passed.
    pub fn open(&self, way: Way) -> Result<Connection> {
        self.inside(|| self.connect(way))
    }

    /// So many, which stay. Opened several at a time: Squid takes 40 ms for one, most of which it waits.
    pub fn open_many(&self, way: Way, count: usize) -> Result<Vec<Connection>> {
        let opened = Mutex::new(Vec::with_capacity(count));
        let open = |numbers: usize| {
            (0..numbers).try_for_each(|_| {
                let connection = self.connect(way)?;
                opened.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                Ok(())
            })
        };
        let open = &open;
        let shares = (0..AT_A_TIME).map(|thread| (count + thread) / AT_A_TIME);
        self.inside(|| together(shares.map(|share| move || open(share))))?;
        Ok(opened.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// New connections with one request each, made by so many threads.
    pub fn visit(&self, way: Way, threads: usize, each: usize) -> Result<()> {
        self.inside(|| together((0..threads).map(|_| || (0..each).try_for_each(|_| self.connect(way).map(drop)))))
    }

    /// In the namespace and on the CPU of the load, with all threads that come from there.
    fn inside<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        self.namespace.enter(|| {
            stay_on_load_cpu()?;
            action()
        })
    }

    fn connect(&self, way: Way) -> Result<Connection> {
        let mut connection = self.visitor.begin(connect(None, way.address().into())?, NAME)?;
        connection.get("/small")?;
        Ok(connection)
    }
}

/// Every connection asks so many times, all at once.
pub fn ask(connections: &mut [Connection], path: &str, each: usize) -> Result<()> {
    let ask = |connection: &mut Connection| {
        stay_on_load_cpu()?;
        (0..each).try_for_each(|_| connection.get(path).map(drop))
    };
    together(connections.iter_mut().map(|connection| move || ask(connection)))
}

/// Microseconds of each of so many requests, one after the other, sorted.
pub fn time(connection: &mut Connection, path: &str, count: usize) -> Result<Vec<f64>> {
    let mut times = thread::scope(|scope| {
        let timed = scope.spawn(|| {
            stay_on_load_cpu()?;
            let one = |_| {
                let begun = Instant::now();
                connection.get(path)?;
                Ok(begun.elapsed().as_secs_f64() * 1e6)
            };
            (0..count).map(one).collect::<Result<Vec<f64>>>()
        });
        timed.join().unwrap_or_else(|_| Err(anyhow!("a thread of the load panicked")))
    })?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// A thread each, to the end of all.
fn together<F: FnOnce() -> Result<()> + Send>(actions: impl Iterator<Item = F>) -> Result<()> {
    thread::scope(|scope| {
        let threads: Vec<_> = actions.map(|action| scope.spawn(action)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("a thread of the load panicked"))))
    })
}

fn stay_on_load_cpu() -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(LOAD_CPU)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).context("the load cannot be bound to its CPU")
}
