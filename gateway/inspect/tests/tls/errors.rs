//! The user sees the true error: what a real client says of a server that it reaches directly, and what it says of the
//! same server behind the gateway, are of one class, or at least the second is an error, and the row says why.

use crate::table::Table;
use crate::{badssl, made};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_made_for_this() {
    let folder = tempfile::tempdir().unwrap();
    let (trust, rows) = made::rows(folder.path());
    assert!(rows.len() >= 30);
    Table::new(folder.path(), &trust, &[&folder.path().join("root.crl")]).run(rows).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_badssl() {
    let folder = tempfile::tempdir().unwrap();
    let Some((trust, rows)) = badssl::rows(folder.path()) else {
        assert!(std::env::var_os("CI").is_none(), "no badssl certificates; set BANGASA_CORPORA");
        eprintln!("no badssl certificates; set BANGASA_CORPORA to test with them");
        return;
    };
    assert!(rows.len() >= 30);
    Table::new(folder.path(), &trust, &[]).run(rows).await;
}
