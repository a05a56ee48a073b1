//! `[nat]`.

mod inbound;

use abi::nat::{CLIENT_BLOCKS, LARGEST_SHIFT, UNIT_PORTS};

use super::raw::{List, RawNat};
use super::scalar;
use super::walk::Value;
use crate::checked::PortBlocks;
use crate::diagnostic::{Problem, Report, Span};

/// What a municipality without `[nat]` has.
pub(super) fn absent(span: Span) -> RawNat {
    RawNat { pool: List::absent(span), blocks: PortBlocks::default(), inbound: Vec::new() }
}

pub(super) fn nat(value: Value<'_>, report: &mut Report<'_>) -> Option<RawNat> {
    let mut fields = value.fields("`[nat]`", report)?;
    let inbound = fields.optional("inbound").map(|value| inbound::inbound(value, report));
    // Mappings may be all that there is: addresses are routed as they are, but for these.
    let pool = match &inbound {
        Some(_) => fields.optional("pool"),
        None => fields.required("pool", "pool = [\"203.0.113.16/29\"]"),
    };
    let pool = match (pool, &inbound) {
        (Some(value), _) => value.words(scalar::prefix, report),
        (None, Some(_)) => List::absent(fields.span),
        (None, None) => List::unreadable(fields.span),
    };
    let usual = PortBlocks::default();
    let (least, most) = (UNIT_PORTS, UNIT_PORTS << LARGEST_SHIFT);
    let ports = fields.optional("block").map_or(Some(usual.ports), |value| {
        let help = format!("a block has a power of two of ports, from {least} to {most}; {} are usual", usual.ports);
        number("block", value, |ports| ports.is_power_of_two() && (least..=most).contains(&ports), help, report)
    });
    let per_client = fields.optional("blocks_per_client").map_or(Some(usual.per_client), |value| {
        let help = format!("a client gets from 1 to {CLIENT_BLOCKS} blocks; {} are usual", usual.per_client);
        number("blocks_per_client", value, |blocks| (1..=CLIENT_BLOCKS as u32).contains(&blocks), help, report)
    });
    fields.finish(report);
    let blocks = PortBlocks { ports: ports.unwrap_or(usual.ports), per_client: per_client.unwrap_or(usual.per_client) };
    Some(RawNat { pool, blocks, inbound: inbound.unwrap_or_default() })
}

fn number(
    key: &str,
    value: Value<'_>,
    fits: impl Fn(u32) -> bool,
    help: String,
    report: &mut Report<'_>,
) -> Option<u32> {
    if !value.is_integer() {
        value.wrong_type("a whole number", report);
        return None;
    }
    let number = value.as_integer().and_then(|number| u32::try_from(number).ok()).filter(|&number| fits(number));
    if number.is_none() {
        let message = format!("`{key}` cannot be {}", value.digits());
        report.push(Problem::error("bad-block", value.span(), message).help(help));
    }
    number
}
