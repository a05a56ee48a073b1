//! What a client gets instead of what was blocked: a page in Japanese and English, or JSON for who asked for that.
//!
//! It names the exchange, the municipality, the rule and the reason; nothing of the content.

use super::Connection;
use super::verdict::Why;

/// A page ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) content_type: &'static str,
    pub(crate) text: String,
}

/// Whether an `Accept` field asks for JSON before HTML.
pub(crate) fn wants_json(accept: Option<&[u8]>) -> bool {
    let accept = accept.unwrap_or_default().to_ascii_lowercase();
    let position = |word: &[u8]| accept.windows(word.len()).position(|is| is == word);
    match (position(b"json"), position(b"text/html")) {
        (Some(json), Some(html)) => json < html,
        (json, _) => json.is_some(),
    }
}

/// The page of a blocked exchange.
pub(crate) fn blocked(why: &Why, connection: &Connection, id: &str, json: bool) -> Page {
    if json {
        let text = serde_json::json!({
            "error": "blocked",
            "status": why.status.number(),
            "id": id,
            "municipality": connection.municipality,
            "rule": why.rule,
            "reason": why.english,
            "reason_ja": why.japanese,
        });
        return Page { content_type: "application/json", text: format!("{text}\n") };
    }
    let [municipality, rule, japanese, english, id] =
        [&connection.municipality, &why.rule, why.japanese.as_ref(), why.english.as_ref(), id].map(escape);
    let text = format!(
        "<!DOCTYPE html>\n<html lang=\"ja\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>この通信は許可されていません · Blocked</title>\n\
         <style>body{{font:16px/1.6 sans-serif;max-width:40em;margin:3em auto;padding:0 1em}}\
         dt{{color:#666}}dd{{margin:0 0 .5em}}</style>\n</head>\n<body>\n\
         <h1>この通信は許可されていません</h1>\n<p>{japanese}</p>\n\
         <h2 lang=\"en\">Blocked by the gateway</h2>\n<p lang=\"en\">{english}</p>\n\
         <dl>\n<dt>団体 · Municipality</dt><dd>{municipality}</dd>\n<dt>規則 · Rule</dt><dd>{rule}</dd>\n\
         <dt>受付番号 · Reference</dt><dd>{id}</dd>\n</dl>\n\
         <p>業務に必要な場合は、受付番号を添えて情報システム担当へお問い合わせください。<br>\n\
         <span lang=\"en\">If you need this for your work, give the reference to your IT department.</span></p>\n\
         </body>\n</html>\n"
    );
    Page { content_type: "text/html; charset=utf-8", text }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::seam::verdict::Status;

    fn why() -> Why {
        Why {
            status: Status::Forbidden,
            rule: "no <games>".into(),
            japanese: "ゲームのサイトです。".into(),
            english: "This is a site of games.".into(),
        }
    }

    fn connection() -> Connection {
        Connection { municipality: "仙台市".into(), ..Connection::default() }
    }

    #[test]
    fn a_page_tells_what_people_need_in_both_languages() {
        let page = blocked(&why(), &connection(), "c7-1", false);
        for part in ["仙台市", "no &lt;games&gt;", "ゲームのサイトです。", "This is a site of games.", "c7-1"]
        {
            assert!(page.text.contains(part), "{part}");
        }
    }

    #[test]
    fn programs_get_json() {
        let page = blocked(&why(), &connection(), "c7-1", true);
        let told: serde_json::Value = serde_json::from_str(&page.text).unwrap();
        assert_eq!((&told["id"], &told["rule"], &told["status"]), (&"c7-1".into(), &"no <games>".into(), &403.into()));
        assert!(wants_json(Some(b"application/json")));
        assert!(wants_json(Some(b"application/problem+json, text/html")));
        assert!(!wants_json(Some(b"text/html, application/json;q=0.9")));
        assert!(!wants_json(Some(b"*/*")));
        assert!(!wants_json(None));
    }
}
