//! The HTTP parts of two policies side by side.

use super::compare::{Changes, Compared};
use super::rules::side;
use super::tls::{hosts, words};
use super::{Change, order};
use crate::checked::{Http, HttpRule};
use crate::http::{FileType, MicrosoftTenants};

pub(super) fn http(changes: &mut Changes, old: &Http, new: &Http, compared: &mut Compared) {
    let contents = |old: &HttpRule, new: &HttpRule| contents(old, new, compared);
    changes.0.extend(order::compare("http", [&old.rules, &new.rules], |rule| &rule.name, contents));
    tenants(changes, &old.microsoft, &new.microsoft);
}

fn tenants(changes: &mut Changes, old: &Option<MicrosoftTenants>, new: &Option<MicrosoftTenants>) {
    words(changes, "microsoft tenants", &allowed(old), &allowed(new), String::as_str);
    let context = |tenants: &Option<MicrosoftTenants>| tenants.as_ref().map(|tenants| tenants.context.clone());
    changes.option("microsoft context", context(old), context(new));
}

fn allowed(tenants: &Option<MicrosoftTenants>) -> Option<Vec<String>> {
    tenants.as_ref().map(|tenants| tenants.allowed.clone())
}

fn contents(old: &HttpRule, new: &HttpRule, compared: &mut Compared) -> Vec<Change> {
    let mut changes = Changes::default();
    side(&mut changes, "from", &old.from, &new.from, compared);
    hosts(&mut changes, "host", &old.host, &new.host);
    words(&mut changes, "path", &old.path, &new.path, String::as_str);
    words(&mut changes, "methods", &old.methods, &new.methods, String::as_str);
    words(&mut changes, "types", &old.types, &new.types, |kind: &FileType| kind.name());
    let limit = |rule: &HttpRule| rule.upload_limit.map(|bytes| format!("{bytes} bytes"));
    changes.option("upload_limit", limit(old), limit(new));
    changes.value("action", old.action.name(), new.action.name());
    changes.0
}
