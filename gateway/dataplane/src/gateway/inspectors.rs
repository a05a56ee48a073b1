//! The programs where inspectors send: the root side of each `inspect0` is a port of its own role, known by the
//! municipality. Only behind both programs is its link up; an inspector that cannot be given them is kept in, whatever
//! else the apply achieves.

use std::collections::BTreeMap;
use std::io;

use abi::ports::{INSPECTOR, Port, ROLE_INSPECTOR};

use super::{Gateway, attach, entry_of, ports};
use crate::error::Error;
use crate::links::Link;
use crate::namespaces::{Desired, Town};

/// Whether an inspector's own connections are let out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InspectorWay {
    /// They meet the program.
    Open,
    /// The link is down.
    Closed,
}

impl InspectorWay {
    /// The word in `status`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// Every inspector of the policy, by municipality.
#[derive(Debug, Default)]
pub(super) struct Inspectors(BTreeMap<String, Inspector>);

/// One of them.
#[derive(Debug)]
struct Inspector {
    root: String,
    /// The interface that carries the programs, or why there is none.
    attached: Result<u32, String>,
}

impl Inspectors {
    /// Whether its way is not to be opened.
    pub fn is_closed(&self, town: &Town) -> bool {
        self.0.get(&town.municipality).is_none_or(|inspector| inspector.attached.is_err())
    }

    /// Forgets those of municipalities that are gone.
    pub fn retain(&mut self, desired: &Desired) {
        self.0.retain(|id, _| desired.towns.iter().any(|town| town.municipality == *id));
    }

    /// For `status`.
    pub fn ways(&self) -> BTreeMap<String, InspectorWay> {
        let way = |inspector: &Inspector| match inspector.attached {
            Ok(_) => InspectorWay::Open,
            Err(_) => InspectorWay::Closed,
        };
        self.0.iter().map(|(id, inspector)| (id.clone(), way(inspector))).collect()
    }

    /// What an operator should know, given the machine's interfaces.
    pub fn warnings(&self, links: &BTreeMap<String, Link>) -> Vec<String> {
        let warning = |(id, inspector): (&String, &Inspector)| match &inspector.attached {
            Err(why) => Some(format!(
                "the inspector of `{id}` is kept in, so what is inspected there does not come about: {why}; apply the policy \
                 again when that is mended"
            )),
            Ok(_) if links.get(&inspector.root).is_some_and(|link| link.xdp.is_some()) => None,
            Ok(_) => Some(format!(
                "`{}`, where the inspector of `{id}` sends, does not carry the program; restart bangasad",
                inspector.root
            )),
        };
        self.0.iter().filter_map(warning).collect()
    }

    fn carries(&self, town: &Town, link: &Link) -> bool {
        let known = self.0.get(&town.municipality);
        link.xdp.is_some() && known.is_some_and(|it| it.root == link.ifname && it.attached == Ok(link.ifindex))
    }
}

impl Gateway {
    /// Puts the programs where a municipality's inspector sends, or notes why that failed.
    pub(super) fn attach_inspector(&mut self, town: &Town, link: Option<&Link>) {
        let attached = self.try_attach_inspector(town, link).map_err(|error| error.to_string());
        let inspector = Inspector { root: town.inspect_root.clone(), attached };
        self.inspectors.0.insert(town.municipality.clone(), inspector);
    }

    fn try_attach_inspector(&mut self, town: &Town, link: Option<&Link>) -> Result<u32, Error> {
        let root = town.inspect_root.as_str();
        let gone = || Error::attach("gateway", root, io::Error::from(io::ErrorKind::NotFound));
        let link = link.ok_or_else(gone)?;
        let port = Port { municipality: town.number, ..entry_of(link, INSPECTOR, ROLE_INSPECTOR) };
        if self.inspectors.carries(town, link) {
            self.maps.ports.set(&port)?;
            return Ok(link.ifindex);
        }
        // The guard first, as on every port.
        attach::classifier(&mut self.object, &self.config.pins, "guard", root)?;
        self.maps.ports.set(&port)?;
        attach::xdp(&mut self.object, &self.config.pins, root)?;
        self.warnings.extend(ports::open(root, ROLE_INSPECTOR)?);
        Ok(link.ifindex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inspector_without_programs_is_kept_in_and_told_of() {
        let town = |id: &str| Town { municipality: id.into(), ..Town::default() };
        let inspector = |attached| Inspector { root: "bgi1".into(), attached };
        let refused = ("mori".to_owned(), inspector(Err("the kernel refused".into())));
        let bare = ("sendai".to_owned(), inspector(Ok(7)));
        let mut inspectors = Inspectors([refused, bare].into());
        assert!(inspectors.is_closed(&town("mori")) && inspectors.is_closed(&town("natori")));
        assert!(!inspectors.is_closed(&town("sendai")));
        assert_eq!(inspectors.ways()["mori"], InspectorWay::Closed);
        let [kept_in, uncovered] = &inspectors.warnings(&BTreeMap::new())[..] else { panic!("two warnings") };
        assert!(
            kept_in.contains("inspector of `mori` is kept in") && kept_in.contains("the kernel refused"),
            "{kept_in}"
        );
        assert!(uncovered.contains("`bgi1`") && uncovered.contains("`sendai`"), "{uncovered}");
        inspectors.retain(&Desired { towns: vec![town("sendai")], ..Desired::default() });
        assert_eq!(inspectors.ways(), [("sendai".to_owned(), InspectorWay::Open)].into());
    }
}
