//! Isolations: ordered, taken back, and what becomes of them when the policy below changes.

use super::{Isolation, MOST_ISOLATIONS, Origin, Overlays, Refused, Target};
use crate::check::ranges::Ranges;
use crate::checked::{Isolation as Cut, Policy};

impl Overlays {
    /// Cuts somebody off. Whoever is cut off already stays so for as long as the longer of both orders says; answers
    /// that earlier order.
    ///
    /// # Errors
    /// There is no room.
    pub fn isolate(&mut self, target: Target, origin: Origin, policy: &Policy) -> Result<Option<Origin>, Refused> {
        let before = self.isolations.iter().position(|it| it.target == target).map(|at| self.isolations.remove(at));
        let needed = self.isolations.len() + 1;
        if needed > MOST_ISOLATIONS {
            return Err(Refused::TooMany { what: "isolations", needed, most: MOST_ISOLATIONS });
        }
        let mut held = Ranges::of(target.prefixes(policy));
        let mut origin = origin;
        if let Some(before) = &before {
            held.extend(&Ranges::of(&before.held));
            held.normalize();
            origin.until = before.origin.until.zip(origin.until).map(|(one, other)| one.max(other));
        }
        self.isolations.push(Isolation { target, held: held.prefixes(), origin });
        Ok(before.map(|before| before.origin))
    }

    /// Takes an isolation back; answers by which others the same end is cut off still.
    ///
    /// # Errors
    /// No command has isolated it.
    pub fn release(&mut self, target: &Target, policy: &Policy) -> Result<Vec<String>, Refused> {
        let Some(at) = self.isolations.iter().position(|it| it.target == *target) else {
            return Err(Refused::NotIsolated { target: target.to_string(), hint: self.hint(target, policy) });
        };
        let gone = self.isolations.remove(at);
        let held = Ranges::of(&gone.held);
        let meets = |other: &&Isolation| {
            let is_same_town = match (target.municipality(), other.target.municipality()) {
                (Some(one), Some(other)) => one == other,
                _ => true,
            };
            is_same_town && (held.is_empty() || other.held.is_empty() || held.intersects(&Ranges::of(&other.held)))
        };
        let mut still: Vec<String> =
            self.isolations.iter().filter(meets).map(|it| format!("`{}`", it.target)).collect();
        still.extend(isolating_files(target, policy));
        Ok(still)
    }

    fn hint(&self, target: &Target, policy: &Policy) -> String {
        if let Some(file) = isolating_files(target, policy).into_iter().next() {
            return format!(", but {file}; change that and apply it");
        }
        let names: Vec<String> = self.isolations.iter().map(|it| format!("`{}`", it.target)).collect();
        match names.len() {
            0 => "; nothing is".to_owned(),
            1..=12 => format!("; isolated are {}", names.join(", ")),
            more => format!("; {more} others are, see `bangasa isolate --list`"),
        }
    }

    /// These overlays over another policy than the one before, and what that change means for them, by municipality: an
    /// isolation ends with its municipality; that of a section keeps every address that the section ever had meanwhile.
    pub fn following(&self, before: Option<&Policy>, policy: &Policy) -> (Self, Vec<(String, String)>) {
        let mut next = self.clone();
        let mut told = Vec::new();
        next.isolations.retain_mut(|isolation| {
            let Some(id) = isolation.target.municipality().map(str::to_owned) else { return true };
            if !policy.municipalities.iter().any(|town| town.id == id) {
                told.push((id, format!("warning: the isolation of `{}` ends with the municipality", isolation.target)));
                return false;
            }
            let Target::Section { section, .. } = &isolation.target else { return true };
            let (was, now) = (before.map(|before| isolation.target.prefixes(before)), isolation.target.prefixes(policy));
            let mut all = Ranges::of(now);
            all.extend(&Ranges::of(&isolation.held));
            all.normalize();
            isolation.held = all.prefixes();
            if was.is_some_and(|was| was != now) {
                let held = listed(&isolation.held);
                let text = if now.is_empty() {
                    format!("warning: there is no section `{section}` any more; cut off stay its addresses: {held}")
                } else {
                    format!("warning: section `{section}` is isolated: cut off are its addresses of before and after: {held}")
                };
                told.push((id, text));
            }
            true
        });
        (next, told)
    }

    /// How many isolations each municipality has, and how many there are of everybody.
    pub fn isolations_of(&self, municipality: Option<&str>) -> usize {
        self.isolations.iter().filter(|it| it.target.municipality() == municipality).count()
    }
}

/// Where the policy itself isolates what is asked about.
fn isolating_files(target: &Target, policy: &Policy) -> Vec<String> {
    let towns = policy.municipalities.iter().filter(|town| target.is_about(&town.id));
    let asked = Ranges::of(target.prefixes(policy));
    let isolates = |town: &&crate::checked::Municipality| match &town.isolation {
        Cut::None => false,
        Cut::All => true,
        Cut::Parts(parts) => asked.is_empty() || Ranges::of(parts).intersects(&asked),
    };
    let files = towns.filter(isolates).map(|town| format!("the policy isolates it (`{}`)", town.location.file));
    files.collect()
}

fn listed(prefixes: &[ipnet::IpNet]) -> String {
    const SHOWN: usize = 4;
    let first: Vec<String> = prefixes.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = prefixes.len().saturating_sub(SHOWN);
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}
