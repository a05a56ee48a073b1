//! A thread that accepts connections and serves them. Connections never change threads, so nothing of one is locked.

use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local, unconstrained};
use tokio::time::timeout;

use crate::quic::{self, Datagrams, Socket};
use crate::run::{Shared, Stage};
use crate::session;
use crate::wire::Arrival;

/// After a failed accept: no descriptor is free, most likely.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until the process ends.
pub fn work(
    number: u16,
    listeners: Vec<(StdListener, Arrival)>,
    datagrams: Vec<Datagrams>,
    shared: Arc<Shared>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    let listeners: Vec<(TcpListener, Arrival)> = {
        let _entered = runtime.enter();
        let ready = |(socket, arrival)| Ok((TcpListener::from_std(socket)?, arrival));
        listeners.into_iter().map(ready).collect::<io::Result<_>>()?
    };
    let pulse = Arc::clone(&shared);
    tasks.spawn_local(async move { pulse.pulse.answer(number).await });
    for (listener, arrival) in listeners {
        tasks.spawn_local(accept(listener, arrival, Arc::clone(&shared)));
    }
    let datagrams: Vec<Socket> = {
        let _entered = runtime.enter();
        datagrams.into_iter().map(Datagrams::ready).collect::<io::Result<_>>()?
    };
    for socket in datagrams {
        tasks.spawn_local(quic::listen(socket, Arc::clone(&shared)));
    }
    runtime.block_on(tasks);
    Ok(())
}

async fn accept(listener: TcpListener, arrival: Arrival, shared: Arc<Shared>) {
    let _door = shared.account.door();
    let mut setting = shared.setting.subscribe();
    let mut stage = shared.stage.subscribe();
    // Before there is a setting connections wait in the kernel's queue, which is short.
    tokio::select! {
        _ = setting.wait_for(Option::is_some) => {}
        _ = stage.wait_for(|stage| *stage >= Stage::Retiring) => return,
    }
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stage.wait_for(|stage| *stage >= Stage::Retiring) => break,
        };
        match accepted {
            Ok((client, from)) => {
                spawn_local(session::serve(Arc::clone(&shared), shared.account.begin(), client, from, arrival));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    // Where nobody else listens, as at an address that the proxy has left, those that wait would be reset.
    while let Ok(Ok((client, from))) = timeout(Duration::ZERO, unconstrained(listener.accept())).await {
        spawn_local(session::serve(Arc::clone(&shared), shared.account.begin(), client, from, arrival));
    }
}
