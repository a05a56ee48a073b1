//! Rows, asked directly and through the gateway, and the table that is printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use inspect::upstream::Trust;

use crate::client::{self, Class, Said};
use crate::gateway::{Found, Gateway};
use crate::server::{Presents, Server};

/// A server and who asks for it.
pub struct Row {
    pub what: String,
    pub host: String,
    pub presents: Presents,
    /// What the client says that reaches it directly; none where that depends on the day.
    pub directly: Option<Class>,
    /// Why the client may say something else behind the gateway; it must be an error all the same.
    pub differs: Option<&'static str>,
}

/// Asks for each row.
pub struct Table {
    gateway: Arc<Gateway>,
    roots: PathBuf,
    gateway_root: PathBuf,
    lists: Vec<PathBuf>,
}

impl Table {
    pub fn new(folder: &Path, trust: &Path, lists: &[&Path]) -> Self {
        let texts: Vec<_> = lists.iter().map(|list| fs::read(list).unwrap()).collect();
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        let roots = fs::read_to_string(trust).unwrap();
        let (trusted, unreadable) = Trust::new(&[&roots], &texts).unwrap();
        assert_eq!(unreadable, 0);
        let gateway = Arc::new(Gateway::new(trusted));
        let gateway_root = folder.join("gateway.pem");
        fs::write(&gateway_root, &gateway.root).unwrap();
        let lists = lists.iter().map(|list| list.to_path_buf()).collect();
        Self { gateway, roots: trust.to_owned(), gateway_root, lists }
    }

    pub async fn run(&self, rows: Vec<Row>) {
        println!("{:<44} {:<28} {:<28} {:<22} note", "server", "directly", "through the gateway", "found");
        let mut wrong = Vec::new();
        for row in rows {
            let (directly, through, found) = self.ask(&row).await;
            let curl = |said: Said| if said.curl { "a page" } else { "refused" };
            let told = |said: Said| format!("{} (curl: {})", said.class, curl(said));
            let note = row.differs.unwrap_or_default();
            let found = found.map_or_else(|| "nothing".to_owned(), describe);
            println!("{:<44} {:<28} {:<28} {found:<22} {note}", row.what, told(directly), told(through));
            let agrees = match row.differs {
                None => directly.class == through.class && directly.curl == through.curl,
                Some(_) => through.class != Class::Fine && !through.curl,
            };
            if !agrees || row.directly.is_some_and(|expected| expected != directly.class) {
                wrong.push(row.what);
            }
        }
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    async fn ask(&self, row: &Row) -> (Said, Said, Option<Found>) {
        let server = Server::start(&row.presents, &[]).await;
        // curl of Debian has no option for a list that does not end the test for all others.
        let list = self.lists.first().filter(|_| row.directly == Some(Class::Revoked)).map(PathBuf::as_path);
        let directly = client::ask(server.address, &row.host, &self.roots, list).await;
        let (address, mut told) = self.gateway.clone().listen(server.address).await;
        let through = client::ask(address, &row.host, &self.gateway_root, None).await;
        (directly, through, told.try_recv().ok())
    }
}

fn describe(found: Found) -> String {
    match found {
        Found::Verified => "verified".to_owned(),
        Found::Defect(defect) => defect.label().to_owned(),
        Found::Refused(refused) => format!("{}: {refused}", refused.label()),
    }
}
