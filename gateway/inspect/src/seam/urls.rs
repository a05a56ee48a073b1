//! Decides by where a request goes: method, host, path. What decides is given: policy and its categories are not here.

use std::sync::Arc;

use super::Inspection;
use super::heads::RequestHead;
use super::verdict::{Status, Verdict, Why};

/// What decides about a request's address.
pub trait Decider: Send + Sync {
    /// Whether the request may pass.
    fn decide(&self, address: &Address<'_>) -> Decision;
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'r> {
    /// The method.
    pub method: &'r str,
    /// The host, in lower case.
    pub host: &'r str,
    /// Path and query, as sent.
    pub path: &'r str,
}

/// What a decider says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It passes.
    Allow,
    /// A rule says no.
    Block {
        /// The rule.
        rule: String,
        /// The category that the rule names, if it decided by one.
        category: Option<String>,
    },
}

impl<F: Fn(&Address<'_>) -> Decision + Send + Sync> Decider for F {
    fn decide(&self, address: &Address<'_>) -> Decision {
        self(address)
    }
}

/// The inspection.
pub struct Urls {
    decider: Arc<dyn Decider>,
}

impl Urls {
    /// By this decider.
    pub fn new(decider: Arc<dyn Decider>) -> Self {
        Self { decider }
    }
}

impl Inspection for Urls {
    fn request_head(&mut self, head: &mut RequestHead) -> Verdict<RequestHead> {
        let address = Address { method: head.method.as_str(), host: &head.host, path: &head.path };
        let (rule, category) = match self.decider.decide(&address) {
            Decision::Allow => return Verdict::Pass,
            Decision::Block { rule, category } => (rule, category),
        };
        let (japanese, english) = match category {
            Some(category) => (
                format!("このサイトは利用できない分類「{category}」に属しています。"),
                format!("This site belongs to the category `{category}`, which may not be used."),
            ),
            None => (
                "このアドレスへの接続は規則により許可されていません。".into(),
                "A rule does not allow this address.".into(),
            ),
        };
        Verdict::Block(Why { status: Status::Forbidden, rule, japanese: japanese.into(), english: english.into() })
    }
}
