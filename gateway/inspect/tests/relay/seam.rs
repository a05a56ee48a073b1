//! What inspections see, change and block, over both versions' relay.

use std::sync::Arc;

use bytes::Bytes;
use inspect::http::{End, Protocol};
use inspect::seam::fields::Fields;
use inspect::seam::heads::{RequestHead, ResponseHead};
use inspect::seam::verdict::{Verdict, Why};
use inspect::seam::{Inspection, Interest, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::pipes::{Pipes, Test, expect};
use super::policy::by_rules;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

const NO_GAMES: &str = "[[http.rule]]\nname = \"no-games\"\npath = [\"/games/\"]\naction = \"block\"\n";
const NO_PROGRAMS: &str = "[[http.rule]]\nname = \"no-programs\"\ntypes = [\"pe\", \"elf\"]\naction = \"block\"\n";
const SMALL_UPLOADS: &str = "[[http.rule]]\nname = \"small-uploads\"\nupload_limit = \"1 KiB\"\naction = \"allow\"\n";
const TENANTS: &str = "[http.tenants]\nmicrosoft = { allowed = [\"city.example\"], \
    context = \"01234567-89ab-cdef-0123-456789abcdef\" }\n";

#[tokio::test]
async fn a_blocked_address_gets_a_page_and_the_connection_goes_on() {
    let inspector = by_rules(NO_GAMES);
    let mut pipes = Pipes::new(Protocol::H1, Arc::clone(&inspector) as _);
    let blocked = "GET /games/1?secret=x HTTP/1.1\r\nHost: a.example\r\nAccept: application/json\r\n\r\n";
    let passes = "GET /ok HTTP/1.1\r\nHost: a.example\r\n\r\n";
    pipes.client.write_all(format!("{blocked}{passes}").as_bytes()).await.unwrap();
    expect(&mut pipes.server, passes.as_bytes()).await;
    expect(&mut pipes.client, b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\nContent-Length: ").await;
    pipes.server.write_all(OK.as_bytes()).await.unwrap();
    pipes.client.shutdown().await.unwrap();
    drop(pipes.server);
    let mut rest = String::new();
    pipes.client.read_to_string(&mut rest).await.unwrap();
    let (page, response) = rest.split_once("HTTP/1.1 200").unwrap();
    assert!(
        page.contains("Connection: keep-alive") && page.contains("\"id\":\"c1-1\"") && !page.contains("secret"),
        "{page}"
    );
    assert!(response.ends_with("ok"));
    assert_eq!(pipes.relay.await.unwrap().blocked, 1);
    assert_eq!(*inspector.blocked.lock().unwrap(), ["c1-1 Request a.example/games/1 no-games"]);
}

#[tokio::test]
async fn login_hosts_are_told_who_may_sign_in() {
    let mut pipes = Pipes::new(Protocol::H1, by_rules(TENANTS));
    pipes
        .up(
            "GET / HTTP/1.1\r\nHost: login.microsoftonline.com\r\nrestrict-access-to-tenants: evil\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: login.microsoftonline.com\r\nRestrict-Access-To-Tenants: city.example\r\n\
             Restrict-Access-Context: 01234567-89ab-cdef-0123-456789abcdef\r\n\r\n",
        )
        .await;
}

#[tokio::test]
async fn an_upload_that_grows_too_large_is_cut() {
    let mut pipes = Pipes::new(Protocol::H1, by_rules(SMALL_UPLOADS));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    pipes.client.write_all(head.as_bytes()).await.unwrap();
    expect(&mut pipes.server, head.as_bytes()).await;
    let chunk = format!("5a\r\n{}\r\n", "x".repeat(90));
    pipes.client.write_all(chunk.repeat(20).as_bytes()).await.unwrap();
    pipes.client.shutdown().await.unwrap();
    let answer = pipes.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 Content Too Large\r\n") && answer.contains("small-uploads"), "{answer}");
    let mut seen = Vec::new();
    pipes.server.read_to_end(&mut seen).await.unwrap();
    assert!(seen.len() < 1_300 && !seen.ends_with(b"0\r\n\r\n"), "{}", seen.escape_ascii());
    assert_eq!(pipes.relay.await.unwrap().end, End::Blocked);
}

#[tokio::test]
async fn a_program_is_a_page_although_its_first_bytes_come_one_by_one() {
    let inspector = by_rules(NO_PROGRAMS);
    let mut pipes = Pipes::new(Protocol::H1, Arc::clone(&inspector) as _);
    let get = "GET /a.txt HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\n\r\n";
    let asked = "GET /a.txt HTTP/1.1\r\nHost: a.example\r\nAccept: text/html\r\nAccept-Encoding: identity\r\n\r\n";
    pipes.up(get, asked).await;
    pipes
        .server
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2000\r\n\r\n")
        .await
        .unwrap();
    for byte in [b"M".as_slice(), b"Z", &[0; 1_027]] {
        pipes.server.write_all(byte).await.unwrap();
        tokio::task::yield_now().await;
    }
    pipes.server.write_all(&[0; 10]).await.unwrap();
    pipes.client.shutdown().await.unwrap();
    let answer = pipes.rest().await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\nContent-Type: text/html"), "{answer}");
    assert!(answer.contains("`pe`") && answer.contains("仙台市"));
    assert_eq!(pipes.relay.await.unwrap().end, End::Blocked);
    assert_eq!(*inspector.blocked.lock().unwrap(), ["c1-1 Response a.example/a.txt no-programs"]);
}

#[tokio::test]
async fn what_is_no_program_passes_with_its_start() {
    let mut pipes = Pipes::new(Protocol::H1, by_rules(NO_PROGRAMS));
    let get = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    for body in ["MA", "", &"x".repeat(1_600)] {
        pipes.up(get, get.replace("\r\n\r\n", "\r\nAccept-Encoding: identity\r\n\r\n")).await;
        let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        pipes.down(&response, &response).await;
    }
}

#[tokio::test]
async fn what_is_encoded_all_the_same_counts_as_what_may_not_pass() {
    let mut pipes = Pipes::new(Protocol::H1, by_rules(NO_PROGRAMS));
    let get = "GET / HTTP/1.1\r\nHost: a.example\r\nAccept-Encoding: gzip\r\n\r\n";
    pipes.up(get, get.replace("gzip", "identity")).await;
    pipes.server.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx").await.unwrap();
    pipes.client.shutdown().await.unwrap();
    let answer = pipes.rest().await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("圧縮"), "{answer}");
}

#[tokio::test]
async fn a_host_that_is_closed_or_not_proved_is_not_reached_by_another_hosts_connection() {
    for host in ["closed.example", "uncovered.example"] {
        let mut pipes = Pipes::new(Protocol::H1, by_rules(""));
        let open = "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n";
        pipes.up(open, open).await;
        pipes.down(OK, OK).await;
        pipes.client.write_all(open.replace("other.example", host).as_bytes()).await.unwrap();
        let mut seen = [0; 64];
        tokio::select! {
            _ = pipes.server.read(&mut seen) => panic!("the server has heard of {host}: {}", seen.escape_ascii()),
            () = expect(&mut pipes.client, b"HTTP/1.1 421 Misdirected Request\r\n") => {}
        }
    }
}

#[tokio::test]
async fn a_stream_of_events_shows_its_type_and_no_part_of_a_file_is_asked_for() {
    let mut pipes = Pipes::new(Protocol::H1, by_rules(NO_PROGRAMS));
    let get = "GET / HTTP/1.1\r\nHost: a.example\r\nRange: bytes=1-\r\n\r\n";
    pipes.up(get, get.replace("Range: bytes=1-", "Accept-Encoding: identity")).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 500\r\n\r\n";
    pipes.server.write_all(format!("{head}MZ").as_bytes()).await.unwrap();
    pipes.client.shutdown().await.unwrap();
    assert!(!pipes.rest().await.contains("MZ"));
    assert_eq!(pipes.relay.await.unwrap().end, End::Blocked);
}

/// Doubles every part of a response, holds the last one back, and waits before each.
#[derive(Default)]
struct Doubles {
    held: Bytes,
}

impl Inspection for Doubles {
    fn response_head(&mut self, head: &mut ResponseHead) -> Verdict<ResponseHead> {
        head.fields.add("X-Doubled", "yes").unwrap();
        Verdict::Pass
    }

    fn interest(&self, side: Side) -> Interest {
        if side == Side::Response { Interest::Rewrite } else { Interest::Nothing }
    }

    fn part(&mut self, _side: Side, part: &Bytes) -> Verdict<Bytes> {
        let doubled: Bytes = part.iter().flat_map(|byte| [*byte; 2]).collect::<Vec<_>>().into();
        let before = std::mem::replace(&mut self.held, doubled);
        Verdict::Wait(Box::pin(async move {
            tokio::task::yield_now().await;
            Verdict::Change(before)
        }))
    }

    fn end(&mut self, _side: Side, trailers: &mut Fields) -> Verdict<Bytes> {
        trailers.add("X-Trailer", "added").unwrap();
        Verdict::Change(std::mem::take(&mut self.held))
    }
}

#[tokio::test]
async fn a_changed_body_is_framed_anew() {
    let mut pipes =
        Pipes::new(Protocol::H1, Test::new(|| vec![Box::new(Doubles::default()), Box::new(Doubles::default())]));
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    pipes.up(get, get).await;
    let head = "HTTP/1.1 200 OK\r\nX-Doubled: yes\r\nX-Doubled: yes\r\nTransfer-Encoding: chunked\r\n\r\n";
    pipes.down(OK, format!("{head}8\r\nooookkkk\r\n0\r\nX-Trailer: added\r\nX-Trailer: added\r\n\r\n")).await;
    let old = "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";
    pipes.up(old, old).await;
    pipes.server.write_all(OK.as_bytes()).await.unwrap();
    pipes.client.shutdown().await.unwrap();
    assert!(pipes.rest().await.ends_with("Connection: close\r\n\r\nooookkkk"));
}

/// Changes the length of what had announced one.
struct Lies;

impl Inspection for Lies {
    fn request_head(&mut self, _head: &mut RequestHead) -> Verdict<RequestHead> {
        Verdict::Wait(Box::pin(async { Verdict::Pass }))
    }

    fn interest(&self, _side: Side) -> Interest {
        Interest::Parts
    }

    fn part(&mut self, _side: Side, _part: &Bytes) -> Verdict<Bytes> {
        Verdict::Change(Bytes::from_static(b"other length"))
    }
}

#[tokio::test]
async fn no_inspection_makes_a_message_ambiguous() {
    let mut pipes = Pipes::new(Protocol::H1, Test::new(|| vec![Box::new(Lies)]));
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    pipes.up(get, get).await;
    pipes.server.write_all(OK.as_bytes()).await.unwrap();
    pipes.client.shutdown().await.unwrap();
    assert!(pipes.rest().await.starts_with("HTTP/1.1 502 "));
    assert!(matches!(pipes.relay.await.unwrap().end, End::Malformed(_)));
}

/// Blocks at a word in a response.
struct Word;

impl Inspection for Word {
    fn interest(&self, side: Side) -> Interest {
        if side == Side::Response { Interest::Parts } else { Interest::Nothing }
    }

    fn part(&mut self, _side: Side, part: &Bytes) -> Verdict<Bytes> {
        match part.windows(4).any(|four| four == b"evil") {
            false => Verdict::Pass,
            true => Verdict::Block(Why {
                status: inspect::seam::verdict::Status::Forbidden,
                rule: "no-evil".into(),
                japanese: "".into(),
                english: "".into(),
            }),
        }
    }
}

#[tokio::test]
async fn a_block_inside_a_response_breaks_it_off() {
    let mut pipes = Pipes::new(Protocol::H1, Test::new(|| vec![Box::new(Word)]));
    let get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    pipes.up(get, get).await;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n";
    pipes.down(head, head).await;
    pipes.server.write_all(b"4\r\nevil\r\n0\r\n\r\n").await.unwrap();
    assert_eq!(pipes.rest().await, "");
    assert_eq!(pipes.relay.await.unwrap().end, End::Blocked);
}
