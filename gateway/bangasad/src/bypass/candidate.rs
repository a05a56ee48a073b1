//! One name of one municipality: who refused our certificate for it, and what was decided. Pure; times are seconds since
//! 1970.

use std::collections::BTreeSet;
use std::net::IpAddr;

use inspect::wire::{Approver, Sign};
use serde::{Deserialize, Serialize};

/// Clients, each with its program, that are remembered; the one that was quiet longest leaves.
pub const MOST_REFUSALS: usize = 64;
/// Signs that may have other causes, of one client, that are taken for a refusal.
const QUIET_SIGNS: u8 = 3;

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The first refusal, or the decision if that came first.
    pub first_seen: u64,
    /// The latest refusal.
    pub last_seen: u64,
    /// Whether a TLS rule inspects it by name.
    pub is_meant: bool,
    /// What has become of it.
    pub standing: Standing,
    refusals: Vec<Refusal>,
}

/// What has become of a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Refusals are counted.
    Candidate,
    /// There were enough of them. They are not forgotten while a person may look at them.
    Suggested,
    /// It is passed on unopened.
    Approved(Decision),
    /// That is over.
    Expired(Decision),
    /// A person does not want it passed on: nothing is learned of it.
    Forgotten(Decision),
}

/// Who decided, and for how long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// A person, or the machine.
    pub by: Approver,
    /// Who, in words.
    pub who: String,
    /// Why.
    pub because: String,
    /// When.
    pub at: u64,
    /// Until when it holds.
    pub until: u64,
}

/// A client that refused, with one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Its address.
    pub client: IpAddr,
    /// Fingerprint of its program.
    pub ja4: String,
    last: u64,
    /// Whether it said so.
    aloud: bool,
    /// How often it went away without a word.
    quiet: u8,
}

impl Refusal {
    fn counts(&self) -> bool {
        self.aloud || self.quiet >= QUIET_SIGNS
    }
}

impl Candidate {
    /// Nothing but the time is known.
    pub fn new(now: u64) -> Self {
        Self { first_seen: now, last_seen: now, is_meant: false, standing: Standing::Candidate, refusals: Vec::new() }
    }

    /// A client has refused.
    pub fn refuse(&mut self, client: IpAddr, ja4: &str, sign: Sign, now: u64) {
        self.last_seen = now;
        let known = self.refusals.iter().position(|refusal| refusal.client == client && refusal.ja4 == ja4);
        let mut refusal = match known {
            Some(at) => self.refusals.remove(at),
            None => Refusal { client, ja4: ja4.to_owned(), last: now, aloud: false, quiet: 0 },
        };
        refusal.last = now;
        match sign {
            Sign::Alert => refusal.aloud = true,
            Sign::Closed | Sign::Unused => refusal.quiet = refusal.quiet.saturating_add(1),
        }
        if self.refusals.len() == MOST_REFUSALS {
            self.refusals.remove(0);
        }
        // The latest stands last.
        self.refusals.push(refusal);
    }

    /// Clients of this program take our certificate after all: what they refused counts no more. Whether there was anything.
    pub fn let_off(&mut self, ja4: &str) -> bool {
        let before = self.refusals.len();
        self.refusals.retain(|refusal| refusal.ja4 != ja4);
        self.refusals.len() != before
    }

    /// Lets go of what is older, unless it has been found enough.
    pub fn forget_before(&mut self, since: u64) {
        if self.standing == Standing::Candidate {
            self.refusals.retain(|refusal| refusal.last >= since);
        }
    }

    /// Nothing of what was seen counts any more.
    pub fn start_over(&mut self) {
        self.standing = Standing::Candidate;
        self.refusals.clear();
    }

    /// Different clients that have refused and count.
    pub fn clients(&self, counts: impl Fn(&Refusal) -> bool) -> usize {
        let refusing = self.refusals.iter().filter(|refusal| refusal.counts() && counts(refusal));
        refusing.map(|refusal| refusal.client).collect::<BTreeSet<_>>().len()
    }

    /// Every client that has refused in whatever way.
    pub fn refusing(&self) -> impl Iterator<Item = IpAddr> {
        self.refusals.iter().map(|refusal| refusal.client).collect::<BTreeSet<_>>().into_iter()
    }

    /// Fingerprints of the programs that refused.
    pub fn fingerprints(&self) -> BTreeSet<&str> {
        self.refusals.iter().map(|refusal| refusal.ja4.as_str()).collect()
    }
}
