//! HTTP/2 between peers made of the h2 crate, and raw frames where a peer has to misbehave.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::{Reason, client, server};
use http::{HeaderMap, Method, Request, Response};
use inspect::http::{End, Outcome, Protocol};
use inspect::seam::{Inspector, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;

use super::pipes::{Pipes, Test};
use super::policy::by_rules;

type Served = (Request<h2::RecvStream>, server::SendResponse<Bytes>);

/// A client and a server whose connections run in tasks of their own.
struct Peers {
    client: client::SendRequest<Bytes>,
    served: tokio::sync::mpsc::UnboundedReceiver<Served>,
    leaves: tokio::sync::oneshot::Sender<()>,
    relay: JoinHandle<Outcome>,
    client_runs: JoinHandle<Result<(), h2::Error>>,
}

impl Peers {
    async fn new(inspector: Arc<dyn Inspector>) -> Self {
        let Pipes { client, server, relay } = Pipes::new(Protocol::H2, inspector);
        let (serves, served) = tokio::sync::mpsc::unbounded_channel();
        let (leaves, mut left) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let mut server = server::Builder::new().enable_connect_protocol().handshake(server).await.unwrap();
            let mut has_left = false;
            loop {
                tokio::select! {
                    accepted = server.accept() => match accepted {
                        Some(Ok(stream)) => serves.send(stream).unwrap(),
                        _ => return,
                    },
                    Ok(()) = &mut left, if !has_left => {
                        has_left = true;
                        server.graceful_shutdown();
                    }
                }
            }
        });
        let (client, connection) = client::handshake(client).await.unwrap();
        let client_runs = tokio::spawn(connection);
        Self { client, served, leaves, relay, client_runs }
    }

    async fn ask(&mut self, request: Request<()>, ends: bool) -> (client::ResponseFuture, h2::SendStream<Bytes>) {
        poll_fn(|cx| self.client.poll_ready(cx)).await.unwrap();
        self.client.send_request(request, ends).unwrap()
    }
}

fn get(path: &str) -> Request<()> {
    Request::get(format!("https://a.example{path}")).body(()).unwrap()
}

async fn body(mut stream: h2::RecvStream) -> (Vec<u8>, Option<HeaderMap>) {
    let mut body = Vec::new();
    while let Some(part) = stream.data().await {
        let part = part.unwrap();
        stream.flow_control().release_capacity(part.len()).unwrap();
        body.extend_from_slice(&part);
    }
    (body, stream.trailers().await.unwrap())
}

/// Sends all of it, as the window allows.
async fn send(stream: &mut h2::SendStream<Bytes>, mut data: Bytes) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = match stream.capacity() {
            0 => poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap(),
            room => room,
        };
        stream.send_data(data.split_to(room.min(data.len())), false).unwrap();
    }
}

#[tokio::test]
async fn requests_responses_bodies_and_trailers_pass() {
    let mut peers = Peers::new(Test::nobody()).await;
    let request =
        Request::post("https://a.example/rpc?x").header("te", "trailers").header("cookie", "a").body(()).unwrap();
    let (response, mut up) = peers.ask(request, false).await;
    let (request, mut respond) = peers.served.recv().await.unwrap();
    assert_eq!(request.uri(), "https://a.example/rpc?x");
    assert_eq!(
        (&request.headers()["te"], &request.headers()["cookie"]),
        (&"trailers".parse().unwrap(), &"a".parse().unwrap())
    );

    // Both directions at once, as gRPC does.
    respond.send_informational(Response::builder().status(103).header("link", "</a>").body(()).unwrap()).unwrap();
    let mut down = respond.send_response(Response::builder().header("x", "y").body(()).unwrap(), false).unwrap();
    let mut response = response;
    let interim = poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
    assert_eq!(interim.status(), 103);
    let response = response.await.unwrap();
    assert_eq!(response.headers()["x"], "y");
    let mut request_body = request.into_body();
    let mut response_body = response.into_body();
    for message in ["one", "two"] {
        send(&mut up, message.into()).await;
        assert_eq!(request_body.data().await.unwrap().unwrap(), message);
        send(&mut down, message.into()).await;
        assert_eq!(response_body.data().await.unwrap().unwrap(), message);
    }
    let trailers = |value: &str| HeaderMap::from_iter([("grpc-status".parse().unwrap(), value.parse().unwrap())]);
    up.send_trailers(trailers("up")).unwrap();
    assert_eq!(body(request_body).await.1.unwrap()["grpc-status"], "up");
    down.send_trailers(trailers("0")).unwrap();
    assert_eq!(body(response_body).await.1.unwrap()["grpc-status"], "0");

    drop((peers.client, down, respond, up));
    let outcome = peers.relay.await.unwrap();
    assert_eq!((outcome.requests, outcome.end), (1, End::ClientClosed));
}

/// What is left of trailers that were pseudo-fields, and what some servers end the whole connection for.
#[tokio::test]
async fn empty_trailers_are_not_passed_on() {
    let mut peers = Peers::new(Test::nobody()).await;
    let (response, mut up) = peers.ask(Request::post("https://a.example/").body(()).unwrap(), false).await;
    send(&mut up, "one".into()).await;
    let (request, _respond) = peers.served.recv().await.unwrap();
    let mut request_body = request.into_body();
    assert_eq!(request_body.data().await.unwrap().unwrap(), "one");
    up.send_trailers(HeaderMap::new()).unwrap();
    let end = request_body.data().await.unwrap().unwrap_err();
    assert_eq!(end.reason(), Some(Reason::CANCEL), "the server does not take it for whole");
    assert_eq!(response.await.unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR));

    let (response, _) = peers.ask(get("/"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    send(&mut down, "two".into()).await;
    down.send_trailers(HeaderMap::new()).unwrap();
    assert_eq!(body(response.await.unwrap().into_body()).await, (b"two".to_vec(), None), "a response ends without");
}

#[tokio::test]
async fn large_bodies_pass_both_ways() {
    let mut peers = Peers::new(Test::nobody()).await;
    let data: Bytes = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>().into();
    let (response, mut up) = peers.ask(Request::post("https://a.example/").body(()).unwrap(), false).await;
    let sent = data.clone();
    tokio::spawn(async move {
        send(&mut up, sent).await;
        up.send_data(Bytes::new(), true).unwrap();
    });
    let (request, mut respond) = peers.served.recv().await.unwrap();
    let echo = data.clone();
    tokio::spawn(async move {
        assert!(body(request.into_body()).await.0 == echo);
        let mut down = respond.send_response(Response::new(()), false).unwrap();
        send(&mut down, echo).await;
        down.send_data(Bytes::new(), true).unwrap();
    });
    assert!(body(response.await.unwrap().into_body()).await.0 == data);
}

#[tokio::test]
async fn a_slow_reader_holds_the_writer_at_the_windows() {
    let mut peers = Peers::new(Test::nobody()).await;
    let (response, _up) = peers.ask(get("/"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    let mut response = response.await.unwrap().into_body();
    let mut sent = 0;
    let mut idle = 0;
    while idle < 200 {
        down.reserve_capacity(16 << 10);
        let capacity = poll_fn(|cx| std::task::Poll::Ready(down.poll_capacity(cx))).await;
        match capacity {
            std::task::Poll::Ready(Some(Ok(room))) if room > 0 => {
                down.send_data(vec![1; room].into(), false).unwrap();
                sent += room;
                idle = 0;
            }
            _ => idle += 1,
        }
        tokio::task::yield_now().await;
    }
    // The client's own window, the relay's towards upstream, and what it has taken out of that to send.
    let most = 65_535 + (512 << 10) + (64 << 10);
    assert!(sent > 65_535 && sent <= most, "{sent} bytes ahead of a client that reads nothing");
    let first = response.data().await.unwrap().unwrap();
    assert!(!first.is_empty());
}

#[tokio::test]
async fn resets_keep_their_codes() {
    let mut peers = Peers::new(Test::nobody()).await;
    // The client takes a request back before its response, …
    let (response, mut up) = peers.ask(get("/1"), false).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    up.send_reset(Reason::INTERNAL_ERROR);
    assert_eq!(poll_fn(|cx| respond.poll_reset(cx)).await.unwrap(), Reason::INTERNAL_ERROR);
    drop(response);
    // … and inside of it; …
    let (response, mut up) = peers.ask(get("/2"), false).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    let _response = response.await.unwrap();
    up.send_reset(Reason::CANCEL);
    assert_eq!(poll_fn(|cx| down.poll_reset(cx)).await.unwrap(), Reason::CANCEL);
    // … and upstream resets instead of a response, …
    let (response, _up) = peers.ask(get("/3"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    respond.send_reset(Reason::HTTP_1_1_REQUIRED);
    assert_eq!(response.await.unwrap_err().reason(), Some(Reason::HTTP_1_1_REQUIRED));
    // … and inside of one.
    let (response, _up) = peers.ask(get("/4"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    let mut response = response.await.unwrap().into_body();
    down.send_reset(Reason::ENHANCE_YOUR_CALM);
    let error = response.data().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
}

#[tokio::test]
async fn upstream_leaves_and_the_client_learns_it() {
    let mut peers = Peers::new(Test::nobody()).await;
    let (response, _up) = peers.ask(get("/"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    peers.leaves.send(()).unwrap();
    // What is under way is answered.
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    down.send_data("ok".into(), true).unwrap();
    assert_eq!(body(response.await.unwrap().into_body()).await.0, b"ok");
    drop((respond, down));
    peers.client_runs.await.unwrap().unwrap();
    assert_eq!(peers.relay.await.unwrap().end, End::UpstreamClosed);
}

#[tokio::test]
async fn websockets_go_by_extended_connect() {
    let mut peers = Peers::new(Test::nobody()).await;
    // Upstream's word goes on with its settings, which come before the first response.
    let (response, _up) = peers.ask(get("/"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    respond.send_response(Response::new(()), true).unwrap();
    response.await.unwrap();
    assert!(peers.client.is_extended_connect_protocol_enabled());
    let mut request = Request::builder().method(Method::CONNECT).uri("https://a.example/chat").body(()).unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (response, mut up) = peers.ask(request, false).await;
    let (request, mut respond) = peers.served.recv().await.unwrap();
    assert_eq!(request.extensions().get::<h2::ext::Protocol>().unwrap().as_str(), "websocket");
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    let mut response = response.await.unwrap().into_body();
    send(&mut up, "ping".into()).await;
    assert_eq!(request.into_body().data().await.unwrap().unwrap(), "ping");
    send(&mut down, "pong".into()).await;
    assert_eq!(response.data().await.unwrap().unwrap(), "pong");
}

#[tokio::test]
async fn inspections_see_http2_as_they_see_http1() {
    let inspector = by_rules(
        "[[http.rule]]\nname = \"no-games\"\npath = [\"/games\"]\naction = \"block\"\n\
         [[http.rule]]\nname = \"no-programs\"\ntypes = [\"elf\"]\naction = \"block\"\n\
         [[http.rule]]\nname = \"small\"\nupload_limit = \"1 KiB\"\naction = \"allow\"\n",
    );
    let mut peers = Peers::new(Arc::clone(&inspector) as _).await;
    let (response, _up) = peers.ask(get("/games?secret"), true).await;
    let response = response.await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["cache-control"]), (403, &"no-store".parse().unwrap()));
    let page = String::from_utf8(body(response.into_body()).await.0).unwrap();
    assert!(page.contains("no-games") && page.contains("c1-1") && !page.contains("secret"), "{page}");

    let (response, _up) = peers.ask(get("/program"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    send(&mut down, "\x7fELF".into()).await;
    down.send_data(vec![0; 2000].into(), true).unwrap();
    assert_eq!(response.await.unwrap().status(), 403);

    let (response, mut up) = peers.ask(Request::post("https://a.example/up").body(()).unwrap(), false).await;
    let (request, _respond) = peers.served.recv().await.unwrap();
    send(&mut up, vec![0; 900].into()).await;
    send(&mut up, vec![0; 500].into()).await;
    assert_eq!(response.await.unwrap().status(), 413);
    let mut request = request.into_body();
    while let Some(Ok(_)) = request.data().await {}
    assert!(!request.is_end_stream(), "a cut upload looks whole");

    let (response, _up) = peers.ask(get("/text"), true).await;
    let (_, mut respond) = peers.served.recv().await.unwrap();
    let mut down = respond.send_response(Response::new(()), false).unwrap();
    send(&mut down, "short".into()).await;
    down.send_data(Bytes::new(), true).unwrap();
    assert_eq!(body(response.await.unwrap().into_body()).await.0, b"short");
    let told = inspector.blocked.lock().unwrap();
    assert_eq!(
        *told,
        [
            "c1-1 Request a.example/games no-games",
            "c1-2 Response a.example/program no-programs",
            "c1-3 Request a.example/up small"
        ]
    );
}

#[tokio::test]
async fn a_request_that_names_two_hosts_goes_nowhere() {
    let mut peers = Peers::new(Test::nobody()).await;
    let request = Request::get("https://a.example/").header("host", "b.example").body(()).unwrap();
    let (response, _up) = peers.ask(request, true).await;
    assert_eq!(response.await.unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR));
    let (response, _up) = peers.ask(get("/next"), true).await;
    let (request, mut respond) = peers.served.recv().await.unwrap();
    assert_eq!(request.uri().path(), "/next");
    respond.send_response(Response::new(()), true).unwrap();
    response.await.unwrap();
}

#[tokio::test]
async fn who_takes_back_request_after_request_is_cut_off() {
    let peers = Peers::new(Test::nobody()).await;
    let Peers { mut client, mut served, relay, client_runs, .. } = peers;
    tokio::spawn(async move { while served.recv().await.is_some() {} });
    let asks = async {
        loop {
            if poll_fn(|cx| client.poll_ready(cx)).await.is_err() {
                return;
            }
            let Ok((_, mut up)) = client.send_request(get("/"), false) else { return };
            up.send_reset(Reason::CANCEL);
            drop(up);
            tokio::task::yield_now().await;
        }
    };
    asks.await;
    let error = client_runs.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(Reason::ENHANCE_YOUR_CALM));
    let outcome = relay.await.unwrap();
    assert_eq!(outcome.end, End::Protocol(Side::Request, Reason::ENHANCE_YOUR_CALM.into()));
    assert!(outcome.requests < 2_000, "{} requests reached the relay", outcome.requests);
}

/// Frames as bytes.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Sends frames after the preface; the error of the GOAWAY that they earn.
async fn punished(frames: Vec<u8>) -> u32 {
    let Pipes { client, server, relay } = Pipes::new(Protocol::H2, Test::nobody());
    tokio::spawn(async move {
        let mut server = server::handshake(server).await.unwrap();
        while server.accept().await.is_some() {}
    });
    let (mut reads, mut writes) = tokio::io::split(client);
    tokio::spawn(async move {
        let _ = writes.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let _ = writes.write_all(&frame(4, 0, 0, &[])).await;
        let _ = writes.write_all(&frames).await;
        // Stays until it is told to go.
        std::future::pending::<()>().await;
    });
    let error = goaway(&mut reads).await;
    drop(relay);
    error
}

async fn goaway(from: &mut tokio::io::ReadHalf<DuplexStream>) -> u32 {
    loop {
        let mut head = [0; 9];
        from.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        from.read_exact(&mut payload).await.unwrap();
        if head[3] == 7 {
            return u32::from_be_bytes(payload[4..8].try_into().unwrap());
        }
    }
}

/// `:method: GET`, `:scheme: https`, `:path: /`, `:authority: a`, in HPACK.
const HEADERS: &[u8] = b"\x82\x87\x84\x41\x01a";

#[tokio::test]
async fn violations_and_floods_end_the_connection() {
    let open = |stream: u32| frame(1, 0x5, stream, HEADERS);
    // RFC 9113's errors, by number.
    const PROTOCOL: u32 = 1;
    const CALM: u32 = 11;
    let mut never_ends = frame(1, 0x1, 1, HEADERS);
    for _ in 0..200 {
        never_ends.extend(frame(9, 0, 1, &[0x40, 1, b'a', 1, b'b'].repeat(100)));
    }
    let resets: Vec<u8> =
        (0..3_000).flat_map(|n| [open(2 * n + 1), frame(3, 0, 2 * n + 1, &[0, 0, 0, 8])].concat()).collect();
    let empties: Vec<u8> = [frame(1, 0x4, 1, HEADERS), frame(0, 0, 1, &[]).repeat(20_000)].concat();
    for (what, frames, errors) in [
        ("data on no stream", frame(0, 0, 1, b"a"), &[PROTOCOL][..]),
        ("an even stream", open(2), &[PROTOCOL]),
        ("a stream twice", [open(3), open(1)].concat(), &[PROTOCOL]),
        ("a window of nothing", frame(8, 0, 0, &[0; 4]), &[PROTOCOL]),
        ("a continuation of nothing", frame(9, 4, 1, HEADERS), &[PROTOCOL]),
        ("a push", frame(5, 4, 1, &[0; 10]), &[PROTOCOL]),
        ("a field block without end", never_ends, &[PROTOCOL, CALM]),
        ("requests that are taken back", resets, &[CALM]),
        ("empty data without end", empties, &[PROTOCOL, CALM]),
        // RFC 9113 would have it COMPRESSION_ERROR, 9; the crate says so only of some.
        ("garbage for HPACK", frame(1, 5, 1, &[0xff; 20]), &[PROTOCOL, 9]),
    ] {
        let error = punished(frames).await;
        assert!(errors.contains(&error), "{what}: {error}");
    }
}
