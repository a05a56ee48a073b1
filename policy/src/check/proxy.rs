//! A municipality's proxy: what it says itself, and what the prefecture says for all.

use crate::checked::Proxy;
use crate::diagnostic::{Problem, Report};
use crate::parse::raw::{Direct, RawMunicipality, RawPrefecture};

/// The proxy of a municipality; none: there is none, or it could not be read.
pub(crate) fn resolve(prefecture: &RawPrefecture, town: &RawMunicipality, report: &mut Report<'_>) -> Option<Proxy> {
    let (above, own) = (prefecture.proxy.as_ref(), town.proxy.as_ref());
    let port = [own, above].into_iter().flatten().find_map(|raw| raw.port.as_ref());
    if let (None, Some(own)) = (port, own)
        && own.complete
        && above.is_none_or(|above| above.complete)
    {
        let problem = Problem::error("missing-key", own.span, "`[proxy]` lacks the key `port`");
        report.push(problem.help("add `port = 8080`, here or in the prefecture's `[proxy]`".to_owned()));
    }
    let mut proxy = Proxy { port: port?.value, direct_names: Vec::new(), direct_prefixes: Vec::new() };
    for direct in [above, own].into_iter().flatten().flat_map(|raw| &raw.bypass.items) {
        match &direct.value {
            Direct::Name(name) => proxy.direct_names.push(name.clone()),
            Direct::Prefix(prefix) => proxy.direct_prefixes.push(*prefix),
        }
    }
    proxy.direct_names.sort_unstable();
    proxy.direct_names.dedup();
    proxy.direct_prefixes.sort_unstable();
    proxy.direct_prefixes.dedup();
    Some(proxy)
}

/// A proxy is asked for names, and has to look them up.
pub(crate) fn looks_names_up(prefecture: &RawPrefecture, towns: &[RawMunicipality], report: &mut Report<'_>) {
    let resolvers = &prefecture.tls.resolvers;
    let towns = towns.iter().filter_map(|town| town.proxy.as_ref());
    let port = prefecture.proxy.iter().chain(towns).find_map(|raw| raw.port.as_ref());
    if let Some(port) = port
        && resolvers.items.is_empty()
        && resolvers.complete
    {
        let problem =
            Problem::warning("no-resolver", port.span, "the proxy cannot look up the names that it is asked for");
        report
            .push(problem.help(
                "name the servers to ask in the prefecture's `[tls]`: `resolvers = [\"192.0.2.53\"]`".to_owned(),
            ));
    }
}
