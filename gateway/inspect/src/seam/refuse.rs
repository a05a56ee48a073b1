//! Lets nothing pass: for connections whose server is not to be believed. Every request is answered by a page that says
//! why.

use certify::Defect;

use super::heads::RequestHead;
use super::verdict::{Status, Verdict, Why};
use super::{Connection, Inspection, Inspector};

/// The inspector of such a connection.
#[derive(Clone, Debug)]
pub struct Refuse {
    connection: Connection,
    why: Why,
}

impl Refuse {
    /// Because the server's certificate has this defect.
    pub fn bad_certificate(connection: Connection, defect: Defect) -> Self {
        let english = format!("The certificate of the server cannot be trusted: {}.", defect.text());
        let japanese = format!("接続先サーバーの証明書を信頼できません({})。", defect.label());
        let why = Why {
            status: Status::Forbidden,
            rule: "on_bad_certificate".into(),
            japanese: japanese.into(),
            english: english.into(),
        };
        Self { connection, why }
    }
}

impl Inspector for Refuse {
    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn exchange(&self) -> Vec<Box<dyn Inspection>> {
        vec![Box::new(Refused(self.why.clone()))]
    }
}

struct Refused(Why);

impl Inspection for Refused {
    fn request_head(&mut self, _head: &mut RequestHead) -> Verdict<RequestHead> {
        Verdict::Block(self.0.clone())
    }
}
