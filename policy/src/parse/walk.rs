//! Typed steps through a TOML document. Every step reports what it dislikes and goes on.

use toml::Spanned as TomlSpanned;
use toml::de::{DeTable, DeValue};

use super::document::Document;
use super::raw::List;
use super::scalar::Wrong;
use crate::diagnostic::{Problem, Report, Span, Spanned, did_you_mean, near};

/// Keys that a table may have, as a rule.
const KEYS: usize = 8;

/// A table whose keys are taken one by one; what is left over at the end is unknown.
pub(crate) struct Fields<'t> {
    document: &'t Document<'t>,
    table: &'t DeTable<'t>,
    /// What the table is, for messages: "`[ports]`".
    what: &'static str,
    /// Its head.
    pub span: Span,
    known: Vec<&'static str>,
    missing: Vec<(&'static str, &'static str)>,
}

/// A value, with its document.
#[derive(Clone, Copy)]
pub(crate) struct Value<'t> {
    document: &'t Document<'t>,
    inner: &'t TomlSpanned<DeValue<'t>>,
    pub key: &'t str,
    pub key_span: Span,
}

impl<'t> Fields<'t> {
    pub fn root(document: &'t Document<'t>, table: &'t DeTable<'t>, what: &'static str) -> Self {
        Fields {
            document,
            table,
            what,
            span: Span { file: document.file, start: 0, end: 0 },
            known: Vec::with_capacity(KEYS),
            missing: Vec::new(),
        }
    }

    pub fn optional(&mut self, key: &'static str) -> Option<Value<'t>> {
        self.known.push(key);
        let (name, inner) = self.table.get_key_value(key)?;
        Some(Value { document: self.document, inner, key, key_span: self.document.span(name.span()) })
    }

    /// A key that has to be there; `example` is what to add if it is not.
    pub fn required(&mut self, key: &'static str, example: &'static str) -> Option<Value<'t>> {
        let value = self.optional(key);
        if value.is_none() {
            self.missing.push((key, example));
        }
        value
    }

    /// Every key with its value: for tables whose keys are names.
    pub fn entries(&self) -> impl Iterator<Item = (Spanned<String>, Value<'t>)> + use<'t> {
        let document = self.document;
        self.table.iter().map(move |(key, inner)| {
            let key_span = document.span(key.span());
            let name = Spanned { value: key.get_ref().to_string(), span: key_span };
            (name, Value { document, inner, key: key.get_ref(), key_span })
        })
    }

    /// Reports the keys that nobody asked for, and those that are missing.
    pub fn finish(mut self, report: &mut Report<'_>) {
        let names = self.table.keys().map(|key| (key.get_ref().as_ref(), key.span()));
        for (name, span) in names.filter(|(name, _)| !self.known.contains(name)) {
            // A misspelt key is one mistake, not also that the right one is missing.
            if let Some(meant) = near(name, self.known.iter().copied()) {
                self.missing.retain(|&(key, _)| key != meant);
            }
            let message = format!("{} has no key `{name}`", self.what);
            let problem = Problem::error("unknown-key", self.document.span(span), message);
            report.push(problem.help(did_you_mean(name, "its keys are", self.known.iter().copied())));
        }
        for (key, example) in self.missing {
            if !report.may_define(self.document.file, key) {
                let problem = Problem::error("missing-key", self.span, format!("{} lacks the key `{key}`", self.what));
                report.push(problem.help(format!("add `{example}`")));
            }
        }
    }
}

impl<'t> Value<'t> {
    pub fn span(&self) -> Span {
        self.document.span(self.inner.span())
    }

    pub fn is_table(&self) -> bool {
        self.inner.get_ref().is_table()
    }

    pub fn as_bool(&self) -> Option<bool> {
        self.inner.get_ref().as_bool()
    }

    pub fn is_list(&self) -> bool {
        self.inner.get_ref().is_array()
    }

    pub fn as_str(&self) -> Option<&'t str> {
        self.inner.get_ref().as_str()
    }

    /// A whole number, if it is one that fits.
    pub fn as_integer(&self) -> Option<i64> {
        let integer = self.inner.get_ref().as_integer()?;
        i64::from_str_radix(integer.as_str(), integer.radix()).ok()
    }

    /// A whole number as it was written.
    pub fn digits(&self) -> String {
        self.inner.get_ref().as_integer().map_or_else(String::new, ToString::to_string)
    }

    pub fn is_integer(&self) -> bool {
        self.inner.get_ref().is_integer()
    }

    /// Says that the value is of another type than it should be.
    pub fn wrong_type(&self, wanted: &str, report: &mut Report<'_>) {
        let found = match self.inner.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let problem =
            Problem::error("wrong-type", self.span(), format!("`{}` must be {wanted}, not {found}", self.key));
        let help = match self.inner.get_ref() {
            DeValue::String(text) if wanted.starts_with("a list") => Some(format!("write `[\"{text}\"]`")),
            DeValue::String(text) if wanted.contains("number") && text.parse::<i64>().is_ok() => {
                Some(format!("write `{text}` without quotes"))
            }
            DeValue::Integer(number) if wanted == "text" => Some(format!("write `\"{}\"`", number.as_str())),
            _ => None,
        };
        report.push(problem.help(help));
    }

    pub fn string(&self, report: &mut Report<'_>) -> Option<Spanned<String>> {
        self.text(report).map(|(text, span)| Spanned { value: text.to_owned(), span })
    }

    fn text(&self, report: &mut Report<'_>) -> Option<(&'t str, Span)> {
        let text = self.as_str();
        if text.is_none() {
            self.wrong_type("text", report);
        }
        Some((text?, self.span()))
    }

    /// Text that is not empty.
    pub fn name(&self, report: &mut Report<'_>) -> Option<Spanned<String>> {
        let name = self.string(report)?;
        if name.value.trim().is_empty() {
            let problem = Problem::error("empty-name", name.span, format!("`{}` is empty", self.key));
            report.push(problem.help("names may be in any script".to_owned()));
            return None;
        }
        Some(name)
    }

    /// Text that one of the functions of [`super::scalar`] understands.
    pub fn word<T>(&self, read: impl FnOnce(&str) -> Result<T, Wrong>, report: &mut Report<'_>) -> Option<Spanned<T>> {
        let (text, span) = self.text(report)?;
        match read(text) {
            Ok(value) => Some(Spanned { value, span }),
            Err(wrong) => {
                report.push(Problem::error(wrong.code, span, wrong.message).help(wrong.help));
                None
            }
        }
    }

    /// Text that must be well-formed, kept as text.
    pub fn checked(
        &self,
        test: impl FnOnce(&str) -> Result<(), Wrong>,
        report: &mut Report<'_>,
    ) -> Option<Spanned<String>> {
        self.word(|text| test(text).map(|()| text.to_owned()), report)
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, choices: &[(&str, T)], report: &mut Report<'_>) -> Option<Spanned<T>> {
        let (text, span) = self.text(report)?;
        if let Some(&(_, value)) = choices.iter().find(|(word, _)| *word == text) {
            return Some(Spanned { value, span });
        }
        let problem = Problem::error("bad-value", span, format!("`{}` cannot be `{text}`", self.key));
        report.push(problem.help(did_you_mean(text, "it is one of", choices.iter().map(|&(word, _)| word))));
        None
    }

    /// A list, each item read by `read`.
    pub fn list<T>(
        &self,
        mut read: impl FnMut(Value<'t>, &mut Report<'_>) -> Option<T>,
        report: &mut Report<'_>,
    ) -> List<T> {
        let span = self.span();
        let Some(array) = self.inner.get_ref().as_array() else {
            self.wrong_type("a list", report);
            return List::unreadable(span);
        };
        let item = |inner| Value { document: self.document, inner, key: self.key, key_span: self.key_span };
        // Most lists have one item, and there are many of them: no room to spare.
        let mut items = Vec::with_capacity(array.len());
        items.extend(array.iter().filter_map(|inner| read(item(inner), report)));
        List { complete: items.len() == array.len(), items, span }
    }

    /// A list of words.
    pub fn words<T>(&self, read: impl Fn(&str) -> Result<T, Wrong>, report: &mut Report<'_>) -> List<Spanned<T>> {
        self.list(|value, report| value.word(&read, report), report)
    }

    pub fn fields(&self, what: &'static str, report: &mut Report<'_>) -> Option<Fields<'t>> {
        let Some(table) = self.inner.get_ref().as_table() else {
            self.wrong_type("a table", report);
            return None;
        };
        Some(Fields {
            document: self.document,
            table,
            what,
            span: self.span(),
            known: Vec::with_capacity(KEYS),
            missing: Vec::new(),
        })
    }
}
