//! What inspectors tell, as events, metrics and status.

use std::collections::BTreeMap;
use std::time::Duration;

use control::line::{Line, TlsLine};
use control::status::{CoverageStatus, InspectorStatus};
use inspect::wire::{Ended, Session, Totals};
use telemetry::journal::Entry;
use telemetry::metrics::{Coverage, Ways};

use super::Inspectors;
use super::post::Post;
use crate::daemon::Daemon;
use crate::log;

/// Ways to end that are kept of processes that have ended.
const MOST_WAYS: usize = 4_000;

/// Makes an event of a connection that has ended.
pub fn record(daemon: &Daemon, id: &str, session: &Session) {
    let line = Line {
        time: Some(telemetry::time::rfc3339(Duration::from_nanos(session.began_ns))),
        source: Some(session.client.ip().to_string()),
        source_port: Some(session.client.port()),
        destination: Some(session.destination.ip().to_string()),
        destination_port: Some(session.destination.port()),
        protocol: Some(session.transport.protocol()),
        verdict: session.action.name().into(),
        reason: session.reason.name().into(),
        rule: session.rule.as_ref().map(|rule| rule.name.clone()),
        rule_location: session.rule.as_ref().map(|rule| rule.location.clone()),
        municipality: Some(id.to_owned()),
        generation: session.generation as u32,
        direction: "egress".into(),
        tls: Some(Box::new(TlsLine {
            arrival: session.arrival.name().into(),
            transport: session.transport.name().into(),
            host: session.host.clone(),
            opening: session.opening.map(|opening| opening.name().into()),
            sni: session.sni.clone(),
            alpn: session.alpn.clone(),
            ja4: session.ja4.clone(),
            ech: session.ech,
            upstream: session.upstream.clone(),
            refused: session.refused.map(|refused| refused.sign.name().into()),
            requests: session.requests,
            bytes_sent: session.bytes[0],
            bytes_received: session.bytes[1],
            duration_ms: session.duration_ms,
        })),
        ..Line::default()
    };
    match serde_json::to_string(&line) {
        Ok(text) => daemon.journal.record(Entry { municipality: Some(id.to_owned()), text }),
        Err(error) => log(&format!("an event cannot be written: {error}")),
    }
}

/// Adds one process' counters to those of others.
pub fn add(sum: &mut Totals, more: Totals) {
    for ended in more.ended {
        let same = |known: &&mut Ended| {
            (known.transport, known.action, known.reason, &known.rule)
                == (ended.transport, ended.action, ended.reason, &ended.rule)
        };
        let has_room = sum.ended.len() < MOST_WAYS;
        match sum.ended.iter_mut().find(same) {
            Some(known) => {
                known.connections = known.connections.saturating_add(ended.connections);
                known.bytes[0] = known.bytes[0].saturating_add(ended.bytes[0]);
                known.bytes[1] = known.bytes[1].saturating_add(ended.bytes[1]);
            }
            // What processes say is theirs to make up, and what is kept of it is not.
            None if has_room => sum.ended.push(ended),
            None => {}
        }
    }
    sum.sessions_lost = sum.sessions_lost.saturating_add(more.sessions_lost);
    sum.datagrams_lost = sum.datagrams_lost.saturating_add(more.datagrams_lost);
}

/// Of all processes that the post has had.
fn totals(post: &Post) -> Totals {
    let mut sum = post.before.clone();
    for inspector in post.all() {
        add(&mut sum, inspector.totals.clone());
        if !inspector.process.has_ended() {
            sum.open = sum.open.saturating_add(inspector.totals.open);
        }
    }
    sum
}

/// Of one municipality, for `status`.
pub fn status(inspectors: &Inspectors, id: &str) -> Option<InspectorStatus> {
    let by_id = inspectors.lock();
    let post = by_id.get(id)?;
    let totals = totals(post);
    let holder = post.holder.as_ref();
    let accepted = holder.and_then(|holder| holder.accepted);
    let state = match (accepted, holder.and_then(|holder| holder.orders.as_ref())) {
        (Some(_), _) => "serving",
        (None, Some(_)) => "waiting",
        (None, None) => "absent",
    };
    let retiring = post.leaving.iter().map(|leaving| &leaving.inspector).filter(|it| !it.process.has_ended());
    Some(InspectorStatus {
        state: state.into(),
        generation: accepted,
        trouble: post.trouble.clone().or_else(|| post.warning.clone()),
        open: totals.open,
        retiring: retiring.map(|inspector| inspector.totals.open).collect(),
        events_lost: totals.sessions_lost,
        datagrams_lost: totals.datagrams_lost,
        coverage: totals.ended.iter().map(coverage_status).collect(),
    })
}

fn coverage_status(ended: &Ended) -> CoverageStatus {
    CoverageStatus {
        transport: ended.transport.name().into(),
        action: ended.action.name().into(),
        reason: ended.reason.name().into(),
        rule: ended.rule.as_ref().map(|(_, name)| name.clone()),
        rule_location: ended.rule.as_ref().map(|(location, _)| location.clone()),
        connections: ended.connections,
        bytes_sent: ended.bytes[0],
        bytes_received: ended.bytes[1],
    }
}

/// Of all municipalities, for metrics: rules are left out, whose names are people's.
pub fn coverage(inspectors: &Inspectors) -> Vec<Coverage> {
    let by_id = inspectors.lock();
    let of = |(id, post): (&String, &Post)| {
        let totals = totals(post);
        let mut ended: BTreeMap<(&str, &str, &str), (u64, [u64; 2])> = BTreeMap::new();
        for way in &totals.ended {
            let way_names = (way.transport.name(), way.action.name(), way.reason.name());
            let (connections, bytes) = ended.entry(way_names).or_default();
            *connections = connections.saturating_add(way.connections);
            bytes[0] = bytes[0].saturating_add(way.bytes[0]);
            bytes[1] = bytes[1].saturating_add(way.bytes[1]);
        }
        Coverage {
            municipality: id.clone(),
            serving: post.holder.as_ref().is_some_and(|holder| holder.accepted.is_some()),
            open: totals.open,
            events_lost: totals.sessions_lost,
            datagrams_lost: totals.datagrams_lost,
            ended: ended
                .into_iter()
                .map(|((transport, action, reason), (connections, bytes))| Ways {
                    transport,
                    action,
                    reason,
                    connections,
                    bytes,
                })
                .collect(),
        }
    };
    by_id.iter().map(of).collect()
}
