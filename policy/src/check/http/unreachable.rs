//! HTTP rules that can never match because one earlier rule matches all that they would, where that is cheap to tell.

use super::ResolvedHttpRule;
use crate::check::Judged;
use crate::check::municipality::Town;
use crate::check::tls::unreachable::{self as tls, wider};
use crate::diagnostic::{Report, Span};
use crate::http::HttpAction;

pub(crate) fn check(above: &[ResolvedHttpRule<'_>], towns: &[Town<'_>], report: &mut Report<'_>) {
    tls::judge_all(above, towns.iter().map(|town| town.http.rules.as_slice()), "HTTP", report);
}

impl Judged for ResolvedHttpRule<'_> {
    fn at(&self) -> Span {
        self.raw.at()
    }

    fn called(&self) -> String {
        self.raw.called()
    }

    fn is_judged(&self) -> bool {
        self.complete && !self.dead
    }

    fn covers(&self, other: &Self) -> bool {
        let (one, two) = (self.raw, other.raw);
        let action = |raw: &crate::parse::raw::RawHttpRule| raw.action.as_ref().map(|action| action.value);
        // A path that can be read in several ways passes by a rule that allows, and not by one that blocks.
        let is_narrower = action(one) == Some(HttpAction::Allow) && action(two) == Some(HttpAction::Block);
        let as_wide = !is_narrower || one.path.is_none() && one.methods.is_none();
        as_wide
            && wider(&one.types, &two.types, tls::items)
            && wider(&one.path, &two.path, tls::items)
            && wider(&one.methods, &two.methods, tls::items)
            && wider(&self.host, &other.host, tls::names)
            && wider(&self.from, &other.from, tls::addresses)
    }
}
