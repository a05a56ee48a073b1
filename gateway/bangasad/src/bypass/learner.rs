//! One municipality's names, and what is made of each refusal. Pure; times are seconds since 1970.
//!
//! A name is enough refused when so many different clients have done so within the policy's time, of which none counts
//! whose program opens the name on another machine, and none that refuses so many names that it plainly lacks the root.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use inspect::wire::{Approver, BypassName, Sign};
use policy::tls::{Bypass, BypassTerms};
use serde::{Deserialize, Serialize};

use super::candidate::{Candidate, Decision, Standing};
use super::opened::Opened;

/// Names of which it is learned at one time; the one that was quiet longest leaves, and is counted.
pub const MOST_LEARNED: usize = 256;
/// Names that something was decided about. More is an error of whoever decides.
pub const MOST_DECIDED: usize = 1_000;
/// A client that refuses more names than these lacks the root.
pub const MOST_NAMES_OF_ONE: usize = 16;

/// What is known in a municipality.
#[derive(Default, Serialize, Deserialize)]
pub struct Learner {
    names: BTreeMap<String, Candidate>,
    /// Names that left before anything came of them.
    pub displaced: u64,
    #[serde(skip)]
    opened: Opened,
}

/// A refusal.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'r> {
    /// Who.
    pub client: IpAddr,
    /// With what.
    pub ja4: &'r str,
    /// How it showed.
    pub sign: Sign,
    /// Whether a TLS rule inspects the name as such.
    pub is_meant: bool,
}

/// What came of something that was heard, or of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// Enough clients have refused.
    Suggested,
    /// It is passed on from now on.
    Approved(Decision),
    /// Others open it after all.
    Withdrawn,
    /// An approval, or that it was forgotten, is over.
    Expired(Decision),
}

/// A name, as it stands now.
#[derive(Clone, Debug)]
pub struct Row<'l> {
    /// Canonical.
    pub name: &'l str,
    /// All of it.
    pub candidate: &'l Candidate,
    /// `candidate`, `suggested`, `approved`, `expired` or `forgotten`.
    pub state: &'static str,
    /// Whether connections are passed on.
    pub is_heeded: bool,
    /// Clients that count.
    pub clients: usize,
}

/// There is no room for another decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Learner {
    /// A client has refused our certificate for a name whose server is good.
    pub fn refused(&mut self, name: &str, refused: Refused<'_>, terms: BypassTerms, now: u64) -> Option<Happened> {
        self.make_room(name);
        let candidate = self.names.entry(name.to_owned()).or_insert_with(|| Candidate::new(now));
        candidate.is_meant = refused.is_meant;
        match &candidate.standing {
            Standing::Approved(_) | Standing::Forgotten(_) => {
                candidate.last_seen = now;
                return None;
            }
            Standing::Expired(_) => candidate.start_over(),
            Standing::Candidate | Standing::Suggested => {}
        }
        candidate.forget_before(since(terms, now));
        candidate.refuse(refused.client, refused.ja4, refused.sign, now);
        self.weigh(name, terms, now)
    }

    /// A client has opened a name, our certificate in between.
    pub fn opened(&mut self, name: &str, client: IpAddr, ja4: &str, terms: BypassTerms, now: u64) -> Option<Happened> {
        self.opened.note(name, ja4, client, now);
        let candidate = self.names.get_mut(name)?;
        let is_learning = matches!(candidate.standing, Standing::Candidate | Standing::Suggested);
        if !is_learning || !candidate.let_off(ja4) {
            return None;
        }
        let is_enough = candidate.clients(|_| true) >= usize::from(terms.clients);
        let was_suggested = candidate.standing == Standing::Suggested;
        if candidate.refusing().next().is_none() {
            self.names.remove(name);
        } else if !is_enough {
            candidate.standing = Standing::Candidate;
        }
        (was_suggested && !is_enough).then_some(Happened::Withdrawn)
    }

    /// A person decides about a name, of which nothing needs to be known.
    pub fn decide(&mut self, name: &str, standing: Standing, now: u64) -> Result<(), Full> {
        if self.decided() >= MOST_DECIDED && !self.names.get(name).is_some_and(is_decided) {
            return Err(Full);
        }
        self.names.entry(name.to_owned()).or_insert_with(|| Candidate::new(now)).standing = standing;
        Ok(())
    }

    /// What time brings to an end.
    pub fn pass_time(&mut self, terms: BypassTerms, now: u64) -> Vec<(String, Happened)> {
        let mut over = Vec::new();
        let since = since(terms, now);
        self.names.retain(|name, candidate| {
            candidate.forget_before(since);
            let kept = u64::from(terms.for_seconds);
            match &candidate.standing {
                Standing::Candidate => return candidate.refusing().next().is_some(),
                Standing::Suggested => return now < candidate.last_seen.saturating_add(kept),
                Standing::Expired(decision) => return now < decision.until.saturating_add(kept),
                Standing::Approved(decision) if now >= decision.until => {
                    over.push((name.clone(), Happened::Expired(decision.clone())));
                    candidate.standing = Standing::Expired(decision.clone());
                }
                Standing::Forgotten(decision) if now >= decision.until => {
                    over.push((name.clone(), Happened::Expired(decision.clone())));
                    return false;
                }
                Standing::Approved(_) | Standing::Forgotten(_) => {}
            }
            true
        });
        over
    }

    /// What the inspector is to pass on.
    pub fn heeded(&self, terms: BypassTerms, now: u64) -> Vec<BypassName> {
        let heeded = self.names.iter().filter_map(|(name, candidate)| match &candidate.standing {
            Standing::Approved(decision) if holds(candidate, decision, terms, now) => {
                Some(BypassName { name: name.clone(), until_seconds: decision.until, by: decision.by })
            }
            _ => None,
        });
        heeded.collect()
    }

    /// Every name.
    pub fn rows(&self, terms: BypassTerms, now: u64) -> Vec<Row<'_>> {
        let strangers = self.strangers();
        self.names
            .iter()
            .map(|(name, candidate)| Row {
                name,
                candidate,
                state: state(candidate, terms),
                is_heeded: matches!(&candidate.standing, Standing::Approved(decision) if holds(candidate, decision, terms, now)),
                clients: self.clients(name, candidate, &strangers, terms, now),
            })
            .collect()
    }

    /// One name.
    pub fn candidate(&self, name: &str) -> Option<&Candidate> {
        self.names.get(name)
    }

    /// As it was before a decision that did not come to be.
    pub fn put_back(&mut self, name: &str, before: Option<Candidate>) {
        match before {
            Some(before) => drop(self.names.insert(name.to_owned(), before)),
            None => drop(self.names.remove(name)),
        }
    }

    /// Whether there are enough refusals, and what follows.
    fn weigh(&mut self, name: &str, terms: BypassTerms, now: u64) -> Option<Happened> {
        let enough = usize::from(terms.clients);
        let candidate = self.names.get(name)?;
        // Who lacks the root is looked for only where it matters.
        if candidate.clients(|_| true) < enough || self.clients(name, candidate, &self.strangers(), terms, now) < enough
        {
            return None;
        }
        let approves = terms.mode == Bypass::Automatic && !candidate.is_meant && self.decided() < MOST_DECIDED;
        let standing = &mut self.names.get_mut(name)?.standing;
        if approves {
            let decision = Decision {
                by: Approver::Machine,
                who: "bangasad".into(),
                because: format!("{enough} clients or more refused the certificate of a good server"),
                at: now,
                until: now + u64::from(terms.for_seconds),
            };
            *standing = Standing::Approved(decision.clone());
            return Some(Happened::Approved(decision));
        }
        let is_new = *standing != Standing::Suggested;
        *standing = Standing::Suggested;
        is_new.then_some(Happened::Suggested)
    }

    fn clients(
        &self,
        name: &str,
        candidate: &Candidate,
        strangers: &BTreeSet<IpAddr>,
        terms: BypassTerms,
        now: u64,
    ) -> usize {
        let since = since(terms, now);
        candidate.clients(|refusal| {
            !strangers.contains(&refusal.client) && !self.opened.by_another(name, &refusal.ja4, refusal.client, since)
        })
    }

    /// Clients that refuse whatever they meet.
    fn strangers(&self) -> BTreeSet<IpAddr> {
        let mut names: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for client in self.names.values().flat_map(Candidate::refusing) {
            *names.entry(client).or_default() += 1;
        }
        names.into_iter().filter(|(_, count)| *count > MOST_NAMES_OF_ONE).map(|(client, _)| client).collect()
    }

    fn decided(&self) -> usize {
        self.names.values().filter(|candidate| is_decided(candidate)).count()
    }

    /// Lets the name go that was quiet longest, if another one would be too many.
    fn make_room(&mut self, name: &str) {
        if self.names.contains_key(name) || self.names.len() - self.decided() < MOST_LEARNED {
            return;
        }
        let learned = self.names.iter().filter(|(_, candidate)| !is_decided(candidate));
        if let Some((oldest, _)) = learned.min_by_key(|(_, candidate)| candidate.last_seen) {
            let oldest = oldest.clone();
            self.names.remove(&oldest);
            self.displaced += 1;
        }
    }
}

fn since(terms: BypassTerms, now: u64) -> u64 {
    now.saturating_sub(terms.within_seconds.into())
}

fn is_decided(candidate: &Candidate) -> bool {
    matches!(candidate.standing, Standing::Approved(_) | Standing::Forgotten(_))
}

/// What the machine approved is a suggestion where the policy wants a person to decide, or means this very name since.
fn is_proposed(candidate: &Candidate, decision: &Decision, terms: BypassTerms) -> bool {
    decision.by == Approver::Machine && (terms.mode == Bypass::Suggest || candidate.is_meant)
}

fn holds(candidate: &Candidate, decision: &Decision, terms: BypassTerms, now: u64) -> bool {
    terms.mode != Bypass::Off && !is_proposed(candidate, decision, terms) && now < decision.until
}

fn state(candidate: &Candidate, terms: BypassTerms) -> &'static str {
    match &candidate.standing {
        Standing::Candidate => "candidate",
        Standing::Suggested => "suggested",
        Standing::Approved(decision) if is_proposed(candidate, decision, terms) => "suggested",
        Standing::Approved(_) => "approved",
        Standing::Expired(_) => "expired",
        Standing::Forgotten(_) => "forgotten",
    }
}

#[cfg(test)]
mod tests;
