//! `[flood]` of the prefecture.

use super::walk::Value;
use crate::checked::Flood;
use crate::diagnostic::Report;

pub(super) fn flood(value: Value<'_>, report: &mut Report<'_>) -> Flood {
    let mut flood = Flood::default();
    let Some(mut fields) = value.fields("`[flood]`", report) else {
        return flood;
    };
    if let Some(value) = fields.optional("reflection") {
        match value.as_bool() {
            Some(reflection) => flood.reflection = reflection,
            None => value.wrong_type("true or false", report),
        }
    }
    fields.finish(report);
    flood
}
