//! Where municipalities enter: ports that exist, each port and VLAN once, segments that can be told apart.

use std::collections::HashMap;

use ipnet::IpNet;

use super::unknown;
use crate::diagnostic::{Problem, Report, Span, near};
use crate::parse::raw::{RawAttachment, RawPolicy, RawPrefecture};

pub(crate) fn check(raw: &RawPolicy, report: &mut Report<'_>) {
    let mut places: HashMap<(&str, &[u16]), Span> = HashMap::new();
    for attachment in raw.municipalities.iter().flat_map(|municipality| &municipality.attachments.items) {
        if let Some(prefecture) = &raw.prefecture {
            port_exists(attachment, prefecture, report);
        }
        routers_on_segment(attachment, report);
        let (Some(port), Some(vlans)) = (&attachment.port, &attachment.vlans) else {
            continue;
        };
        match places.get(&(port.value.as_str(), vlans.as_slice())) {
            Some(&first) => {
                let message = format!("on `{}`, {} is attached twice", port.value, tags(vlans));
                let problem = Problem::error("duplicate-attachment", attachment.span, message);
                report.push(
                    problem
                        .related(first, "attached here first")
                        .help("a port and VLAN belong to one municipality".to_owned()),
                );
            }
            None => {
                places.insert((&port.value, vlans), attachment.span);
            }
        }
    }
    segments_apart(raw, report);
}

fn tags(vlans: &[u16]) -> String {
    match vlans {
        [] => "what is untagged".to_owned(),
        [vlan] => format!("VLAN {vlan}"),
        [outer, inner, ..] => format!("VLAN {inner} inside of {outer}"),
    }
}

fn port_exists(attachment: &RawAttachment, prefecture: &RawPrefecture, report: &mut Report<'_>) {
    let Some(port) = &attachment.port else { return };
    let accesses = &prefecture.accesses;
    let named = |list: &[crate::diagnostic::Spanned<String>]| list.iter().any(|other| other.value == port.value);
    if named(&accesses.items) || !accesses.complete {
        return;
    }
    if named(&prefecture.uplinks.items) {
        let problem =
            Problem::error("unknown-port", port.span, format!("`{}` is an uplink, not an access port", port.value));
        let problem = problem.related(prefecture.uplinks.span, "named as an uplink here");
        report.push(problem.help("municipalities enter by the ports listed in `access`".to_owned()));
        return;
    }
    let names: Vec<&str> = accesses.items.iter().map(|port| port.value.as_str()).collect();
    match port.value.split_once('.') {
        Some((trunk, vlan)) if near(&port.value, names.iter().copied()).is_none() && names.contains(&trunk) => {
            let problem =
                Problem::error("unknown-port", port.span, format!("there is no access port `{}`", port.value));
            report.push(problem.help(format!("write `port = \"{trunk}\", vlan = {vlan}`")));
        }
        _ => unknown("unknown-port", "access port", &port.value, port.span, names, report),
    }
}

fn routers_on_segment(attachment: &RawAttachment, report: &mut Report<'_>) {
    let addresses = &attachment.addresses;
    for router in attachment.routers.items.iter().filter(|_| addresses.complete && !addresses.items.is_empty()) {
        if addresses.items.iter().any(|address| address.value.addr() == router.value) {
            let message = format!("`{}` is the gateway's own address, not a router's", router.value);
            let problem = Problem::error("router-is-gateway", router.span, message);
            report.push(problem.help("name the municipality's router, or leave `router` out".to_owned()));
        } else if !addresses.items.iter().any(|address| address.value.contains(&router.value)) {
            let message = format!("the router `{}` is not on this attachment's segment", router.value);
            let problem = Problem::warning("router-off-segment", router.span, message);
            report.push(
                problem
                    .related(addresses.span, "the segment")
                    .help("the gateway reaches it only on a segment where it has an address itself".to_owned()),
            );
        }
    }
}

/// One attachment's segment, for comparison.
struct Segment<'r> {
    municipality: usize,
    attachment: &'r RawAttachment,
    port: &'r str,
    vlans: &'r [u16],
    network: IpNet,
    span: Span,
}

/// Equal addresses are fine on different VLANs of different municipalities. They are not where one namespace, or one
/// outer VLAN, would hold both.
fn segments_apart(raw: &RawPolicy, report: &mut Report<'_>) {
    let mut segments = Vec::new();
    for (municipality, town) in raw.municipalities.iter().enumerate() {
        for attachment in &town.attachments.items {
            let (Some(port), Some(vlans)) = (&attachment.port, &attachment.vlans) else {
                continue;
            };
            segments.extend(attachment.addresses.items.iter().map(|address| Segment {
                municipality,
                attachment,
                port: &port.value,
                vlans,
                network: address.value.trunc(),
                span: address.span,
            }));
        }
    }
    // Sorted by first address, an overlap is always with an earlier segment that has not ended yet.
    segments.sort_by_key(|segment| (segment.network.network(), segment.network.prefix_len(), segment.span));
    let mut open: Vec<&Segment<'_>> = Vec::new();
    for segment in &segments {
        open.retain(|earlier| earlier.network.contains(&segment.network));
        for &earlier in &open {
            let same_place = earlier.port == segment.port && earlier.vlans == segment.vlans;
            let same_outer = earlier.port == segment.port
                && !segment.vlans.is_empty()
                && earlier.vlans.first() == segment.vlans.first();
            let together = earlier.municipality == segment.municipality || same_outer;
            if std::ptr::eq(earlier.attachment, segment.attachment) || same_place || !together {
                continue;
            }
            let message = format!("the segments `{}` and `{}` overlap", earlier.network, segment.network);
            let (first, second) = if earlier.span < segment.span { (earlier, segment) } else { (segment, earlier) };
            let problem = Problem::warning("overlapping-segments", second.span, message);
            report.push(
                problem
                    .related(first.span, "the other one")
                    .help("which attachment an address is on could not be told: give each its own segment".to_owned()),
            );
        }
        open.push(segment);
    }
}
