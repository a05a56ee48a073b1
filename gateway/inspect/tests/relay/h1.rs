//! HTTP/1 between scripted peers.

use inspect::http::{End, Refusal};
use inspect::seam::Side;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::pipes::{Pipes, expect};

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn a_connection_carries_many_requests_and_ends_with_its_client() {
    let mut pipes = Pipes::h1();
    for _ in 0..3 {
        pipes.up(GET, GET).await;
        pipes.down(OK, OK).await;
    }
    pipes.client.shutdown().await.unwrap();
    assert_eq!(pipes.server.read(&mut [0]).await.unwrap(), 0);
    drop(pipes.server);
    let outcome = pipes.relay.await.unwrap();
    assert_eq!((outcome.requests, outcome.end), (3, End::ClientClosed));
    assert_eq!((outcome.from_client, outcome.to_client), (3 * GET.len() as u64, 3 * OK.len() as u64));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order_and_bounded() {
    let mut pipes = Pipes::h1();
    let requests: String = (0..16).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    pipes.up(&requests, &requests).await;
    // The seventeenth waits until one of them is answered.
    let next = "GET /16 HTTP/1.1\r\nHost: a\r\n\r\n";
    pipes.client.write_all(next.as_bytes()).await.unwrap();
    pipes.down(OK, OK).await;
    expect(&mut pipes.server, next.as_bytes()).await;
    for n in 1..=16 {
        let response = format!("HTTP/1.1 200 {n}\r\nContent-Length: 0\r\n\r\n");
        pipes.down(&response, &response).await;
    }
}

#[tokio::test]
async fn a_body_waits_for_100_continue_and_trailers_pass() {
    let mut pipes = Pipes::h1();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nConnection: TE\r\nTE: trailers\r\n\r\n";
    pipes.up(head, head).await;
    let interim = "HTTP/1.1 100 Continue\r\n\r\n";
    pipes.down(interim, interim).await;
    pipes.up("5;ext=1\r\nhello\r\n0\r\nDigest: x\r\n\r\n", "5\r\nhello\r\n0\r\nDigest: x\r\n\r\n").await;
    let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nServer-Timing: a\r\n\r\n";
    pipes.down(response, response).await;
    pipes.up(GET, GET).await;
}

#[tokio::test]
async fn an_early_response_does_not_wait_for_the_rest_of_the_request() {
    let mut pipes = Pipes::h1();
    let part = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    pipes.up(part, part).await;
    let response = "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n";
    pipes.down(response, response).await;
    pipes.up("world", "world").await;
    pipes.up(GET, GET).await;
    pipes.down(OK, OK).await;
}

#[tokio::test]
async fn after_101_bytes_pass_as_they_are() {
    let mut pipes = Pipes::h1();
    let request =
        "GET /chat HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: k\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    // What a client sends before it knows is held: it may be HTTP or not.
    pipes.client.write_all(format!("{request}\x01\x02").as_bytes()).await.unwrap();
    expect(&mut pipes.server, request.as_bytes()).await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    pipes.down(&format!("{switch}\0\n\n"), &format!("{switch}\0\n\n")).await;
    expect(&mut pipes.server, b"\x01\x02").await;
    pipes.up("\r\n\r\n\0", "\r\n\r\n\0").await;
    pipes.client.shutdown().await.unwrap();
    assert_eq!(pipes.server.read(&mut [0]).await.unwrap(), 0);
    pipes.down("last", "last").await;
    pipes.server.shutdown().await.unwrap();
    assert_eq!(pipes.rest().await, "");
    assert_eq!(pipes.relay.await.unwrap().end, End::UpstreamClosed);
}

#[tokio::test]
async fn a_declined_upgrade_goes_on_with_http() {
    let mut pipes = Pipes::h1();
    let request = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    pipes.client.write_all(format!("{request}{GET}").as_bytes()).await.unwrap();
    expect(&mut pipes.server, request.as_bytes()).await;
    pipes.down(OK, OK).await;
    expect(&mut pipes.server, GET.as_bytes()).await;
    pipes.down(OK, OK).await;
}

#[tokio::test]
async fn head_and_not_modified_have_no_body_and_what_follows_is_the_next_response() {
    let mut pipes = Pipes::h1();
    let requests = format!("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n{GET}{GET}");
    pipes.up(&requests, &requests).await;
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    let fresh = "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n";
    pipes.down(&format!("{head}{fresh}{OK}"), &format!("{head}{fresh}{OK}")).await;
}

#[tokio::test]
async fn a_refused_request_is_answered_after_those_before_it() {
    let mut pipes = Pipes::h1();
    let smuggled = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    pipes.client.write_all(format!("{GET}{smuggled}{GET}").as_bytes()).await.unwrap();
    expect(&mut pipes.server, GET.as_bytes()).await;
    pipes.down(OK, OK).await;
    pipes.client.shutdown().await.unwrap();
    let answer = pipes.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("Connection: close"), "{answer}");
    // Nothing of it has reached upstream.
    assert_eq!(pipes.server.read(&mut [0]).await.unwrap(), 0);
    assert_eq!(pipes.relay.await.unwrap().end, End::Refused(Refusal::TwoLengths));
}

/// The clock stands still but for what waits for it.
#[tokio::test(start_paused = true)]
async fn a_head_that_dribbles_is_refused_and_an_idle_connection_is_not() {
    let mut pipes = Pipes::h1();
    pipes.up(GET, GET).await;
    pipes.down(OK, OK).await;
    tokio::time::advance(std::time::Duration::from_secs(600)).await;
    pipes.up(GET, GET).await;
    pipes.down(OK, OK).await;
    pipes.client.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    let answer = pipes.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{answer}");
    assert_eq!(pipes.relay.await.unwrap().end, End::Refused(Refusal::Slow));
}

#[tokio::test]
async fn a_request_that_turns_bad_in_its_body_ends_both_sides() {
    let mut pipes = Pipes::h1();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    pipes.up(format!("{head}2\r\nok\r\n"), format!("{head}2\r\nok\r\n")).await;
    pipes.client.write_all(b"2\r\nnot\r\n").await.unwrap();
    pipes.client.shutdown().await.unwrap();
    let answer = pipes.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    // The two bytes were in the chunk; that it did not end is known after them.
    let mut rest = Vec::new();
    pipes.server.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the body looks whole");
    assert_eq!(pipes.relay.await.unwrap().end, End::Refused(Refusal::Chunk));
}

#[tokio::test]
async fn a_malformed_response_is_502_and_one_in_its_body_breaks_off() {
    for (response, refusal) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", Refusal::TwoLengths),
        ("HTTP/1.1 200 OK\r\nA: b\nSet-Cookie: c\r\n\r\n", Refusal::BareLineFeed),
        ("HTTP/1.1 101 Go\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Refusal::Switch),
    ] {
        let mut pipes = Pipes::h1();
        pipes.up(GET, GET).await;
        pipes.server.write_all(response.as_bytes()).await.unwrap();
        pipes.client.shutdown().await.unwrap();
        let answer = pipes.rest().await;
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
        assert_eq!(pipes.relay.await.unwrap().end, End::Malformed(refusal), "{response}");
    }
    let mut pipes = Pipes::h1();
    pipes.up(GET, GET).await;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n";
    pipes.down(head, head).await;
    pipes.server.write_all(b"nonsense\r\n").await.unwrap();
    assert_eq!(pipes.rest().await, "");
    assert_eq!(pipes.relay.await.unwrap().end, End::Malformed(Refusal::Chunk));
}

#[tokio::test]
async fn a_response_that_nobody_asked_for_reaches_nobody() {
    let mut pipes = Pipes::h1();
    pipes.up(GET, GET).await;
    // The second one would be the answer to whatever the client asks next.
    pipes.down(&format!("{OK}{OK}"), OK).await;
    pipes.client.shutdown().await.unwrap();
    assert_eq!(pipes.rest().await, "");
    let end = pipes.relay.await.unwrap().end;
    assert_eq!(end, End::Malformed(Refusal::Unasked));
}

#[tokio::test]
async fn the_last_message_is_the_last_whoever_says_so() {
    let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let mut pipes = Pipes::h1();
    pipes.client.write_all(format!("{last}{GET}").as_bytes()).await.unwrap();
    expect(&mut pipes.server, last.as_bytes()).await;
    let closing = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    pipes.server.write_all(OK.as_bytes()).await.unwrap();
    pipes.client.shutdown().await.unwrap();
    assert_eq!(pipes.rest().await, closing);
    assert_eq!(pipes.server.read(&mut [0]).await.unwrap(), 0, "a request after the last one went on");
    assert_eq!(pipes.relay.await.unwrap().end, End::LastMessage);

    let mut pipes = Pipes::h1();
    pipes.up(GET, GET).await;
    pipes.server.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end").await.unwrap();
    drop(pipes.server);
    let response = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nto the end";
    expect(&mut pipes.client, response.as_bytes()).await;
    drop(pipes.client);
    assert_eq!(pipes.relay.await.unwrap().end, End::LastMessage);
}

#[tokio::test]
async fn a_response_that_breaks_off_is_told_from_a_whole_one() {
    let mut pipes = Pipes::h1();
    pipes.up(GET, GET).await;
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    pipes.down(part, part).await;
    pipes.server.shutdown().await.unwrap();
    assert_eq!(pipes.rest().await, "");
    assert_eq!(pipes.relay.await.unwrap().end, End::Malformed(Refusal::Truncated));
}

#[tokio::test]
async fn a_client_that_leaves_inside_a_request_takes_it_along() {
    let mut pipes = Pipes::h1();
    let part = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello";
    pipes.up(part, part).await;
    drop(pipes.client);
    assert_eq!(pipes.server.read(&mut [0]).await.unwrap(), 0);
    let end = pipes.relay.await.unwrap().end;
    assert_eq!(end, End::Failed(Side::Request, std::io::ErrorKind::UnexpectedEof));
}

/// A reader that does not read stops the writer, and what is between them is bounded by what the pipes and the relay's two
/// buffers hold.
#[tokio::test]
async fn nothing_runs_ahead_of_a_slow_reader() {
    use super::pipes::PIPE_BYTES;
    const TOTAL: usize = 8 << 20;
    let mut pipes = Pipes::h1();
    pipes.up(GET, GET).await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n");
    pipes.down(&head, &head).await;
    let mut sent = 0;
    let mut seen = 0;
    let mut most = 0;
    let block = [7; 4096];
    let mut into = [0; 1000];
    while seen < TOTAL {
        tokio::select! {
            biased;
            written = pipes.server.write(&block[..block.len().min(TOTAL - sent)]), if sent < TOTAL => sent += written.unwrap(),
            read = async {
                // Only when the writer can go no further.
                for _ in 0..8 {
                    tokio::task::yield_now().await;
                }
                pipes.client.read(&mut into).await
            } => {
                let read = read.unwrap();
                assert!(read > 0 && into[..read].iter().all(|byte| *byte == 7));
                seen += read;
            }
        }
        most = most.max(sent - seen);
    }
    assert!(most <= 2 * PIPE_BYTES + 2 * (32 << 10), "{most} bytes were between them");
}
