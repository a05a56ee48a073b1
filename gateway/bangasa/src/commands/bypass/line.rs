//! A name in a line for people, and in a second one what was decided.

use std::fmt::Write;

use control::bypass::BypassRow;

/// The whole of it.
pub fn describe(row: &BypassRow) -> String {
    let BypassRow { municipality, name, state, clients, clients_needed, .. } = row;
    let mut text = format!(
        "{municipality:<12} {state:<9} {name}  {clients} of {clients_needed} clients, {} to {}",
        seconds(&row.first_seen),
        seconds(&row.last_seen)
    );
    if !row.ja4.is_empty() {
        let _ = write!(text, ", ja4 {}", row.ja4.join(" "));
    }
    if row.inspected_by_name {
        text.push_str("; a TLS rule inspects it by name: only a person approves it");
    }
    if let (Some(who), Some(at)) = (&row.who, &row.decided_at) {
        let until = row.until.as_deref().map(seconds).unwrap_or_default();
        let because = row.because.as_deref().unwrap_or_default();
        let _ = write!(text, "\n{:<12} until {until}, since {} by {who}: {because}", "", seconds(at));
    }
    if row.state == "approved" && !row.heeded {
        let _ = write!(text, "\n{:<12} not heeded: the policy's mode is `{}`", "", row.mode);
    }
    text
}

/// Without the fractions.
fn seconds(time: &str) -> String {
    time.split('.').next().unwrap_or(time).trim_end_matches('Z').to_owned() + "Z"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_as_what_is_known_and_what_was_decided() {
        let candidate = BypassRow {
            municipality: "sendai".into(),
            name: "api.example.jp".into(),
            state: "candidate".into(),
            mode: "suggest".into(),
            clients: 2,
            clients_needed: 3,
            inspected_by_name: true,
            first_seen: "2026-01-01T00:00:00.000000Z".into(),
            last_seen: "2026-01-01T00:10:00.000000Z".into(),
            ja4: vec!["t13d_a_b".into()],
            ..BypassRow::default()
        };
        assert_eq!(
            describe(&candidate),
            "sendai       candidate api.example.jp  2 of 3 clients, 2026-01-01T00:00:00Z to 2026-01-01T00:10:00Z, ja4 \
             t13d_a_b; a TLS rule inspects it by name: only a person approves it"
        );
        let approved = BypassRow {
            state: "approved".into(),
            mode: "off".into(),
            inspected_by_name: false,
            ja4: Vec::new(),
            until: Some("2026-02-01T00:00:00.000000Z".into()),
            who: Some("root for hanako".into()),
            because: Some("ticket 4712".into()),
            decided_at: Some("2026-01-02T00:00:00.000000Z".into()),
            ..candidate
        };
        assert!(
            describe(&approved).ends_with(
                "\n             until 2026-02-01T00:00:00Z, since 2026-01-02T00:00:00Z by root for hanako: ticket 4712\n\
                 \x20            not heeded: the policy's mode is `off`"
            ),
            "{}",
            describe(&approved)
        );
    }
}
