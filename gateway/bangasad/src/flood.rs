//! Tells when an attack on a service begins and ends. Its SYNs are counted and answered in the kernel, which needs nobody here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::PoisonError;

use abi::Direction;
use control::line::Line;
use dataplane::gateway::Attacked;
use telemetry::journal::Entry;

use crate::daemon::Daemon;
use crate::log;

/// What was under attack at the last reading.
#[derive(Debug, Default)]
pub struct Attacks(BTreeSet<Attacked>);

impl Attacks {
    /// What began, and what ended.
    fn update(&mut self, now: BTreeSet<Attacked>) -> [Vec<Attacked>; 2] {
        let news = [now.difference(&self.0).copied().collect(), self.0.difference(&now).copied().collect()];
        self.0 = now;
        news
    }
}

/// Reads what is under attack, and tells what has changed since the last time.
pub fn measure(daemon: &Daemon) {
    let attacked = daemon.gateway().attacked();
    let mut attacks = daemon.attacks.lock().unwrap_or_else(PoisonError::into_inner);
    let [began, ended] = attacks.update(attacked.into_iter().collect());
    began.iter().for_each(|it| tell(daemon, "flood_began", it));
    ended.iter().for_each(|it| tell(daemon, "flood_ended", it));
}

fn tell(daemon: &Daemon, reason: &str, attacked: &Attacked) {
    let municipality = daemon.words().latest().municipality_name(attacked.municipality).map(str::to_owned);
    let line = Line {
        time: Some(telemetry::time::now()),
        verdict: "warning".into(),
        reason: reason.into(),
        destination: Some(attacked.service.ip().to_string()),
        destination_port: Some(attacked.service.port()),
        protocol: Some(6),
        municipality: municipality.clone(),
        generation: daemon.current().map_or(0, |current| current.generation as u32),
        direction: Direction::Ingress.name().into(),
        ..Line::default()
    };
    match serde_json::to_string(&line) {
        Ok(text) => daemon.journal.record(Entry { municipality, text }),
        Err(error) => log(&format!("an event cannot be written: {error}")),
    }
}

/// A municipality's services under attack, for `status`.
pub fn status(attacked: &[Attacked], municipality: u16) -> Vec<SocketAddr> {
    attacked.iter().filter(|it| it.municipality == municipality).map(|it| it.service).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_and_ends_is_told_once() {
        let [web, mail] =
            [443, 25].map(|port| Attacked { municipality: 7, service: SocketAddr::from(([203, 0, 113, 10], port)) });
        let mut attacks = Attacks::default();
        assert_eq!(attacks.update([web].into()), [vec![web], vec![]]);
        assert_eq!(attacks.update([web].into()), [vec![], vec![]]);
        assert_eq!(attacks.update([mail].into()), [vec![mail], vec![web]]);
        assert_eq!(attacks.update([].into()), [vec![], vec![mail]]);
    }
}
