//! What an inspected client and its server see of each other, compared with the same exchange with nobody in between: request
//! lines and fields as nginx read them, heads and bodies as the client got them, a gibibyte included. By curl and by
//! openssl, of two municipalities, by both ways of arrival and both families.
//!
//! The direct exchange is run on the server's own machine, by the same client.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use lab::Lab;
use lab::events::Line;
use lab::internet::{LARGE_BYTES, TLS_PORT, WITNESS_NAME};
use lab::process::{self, text};

use crate::inspector::{SERVERS, TWINS, event, root};
use crate::proxy;

/// How a client comes to the server.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// On the server's own machine, past every gateway.
    Direct(IpAddr),
    /// Taken by the gateway without the client's doing.
    Transparent(&'static str, IpAddr),
    /// Through the town's proxy.
    Explicit(&'static str, SocketAddr),
}

impl Way {
    /// Every one through the gateway.
    fn inspected(lab: &Lab) -> Vec<Self> {
        let of = |town| {
            SERVERS.into_iter().flat_map(move |server| {
                [Self::Transparent(town, server), Self::Explicit(town, proxy::proxy(lab, town, server))]
            })
        };
        TWINS.into_iter().flat_map(of).collect()
    }

    /// A client's command at this place.
    fn client(self, lab: &Lab, program: &str) -> Command {
        match self {
            Self::Direct(_) => lab.internet().namespace().command(program),
            Self::Transparent(town, _) | Self::Explicit(town, _) => {
                lab.site(town).unwrap().namespace().command(program)
            }
        }
    }

    /// curl, which asks the witness and believes whom it should.
    fn curl(self, lab: &Lab) -> Command {
        let mut curl = self.client(lab, "curl");
        curl.args(["--silent", "--show-error", "--globoff", "--max-time", "300"]);
        match self {
            Self::Direct(_) => curl.arg("--cacert").arg(lab.internet().pki().root()),
            _ => curl.arg("--cacert").arg(root(lab)),
        };
        match self {
            Self::Direct(server) | Self::Transparent(_, server) => {
                curl.args(["--resolve", &format!("{WITNESS_NAME}:{TLS_PORT}:[{server}]")])
            }
            Self::Explicit(_, proxy) => {
                curl.args(["--noproxy", "no.where", "-x", &format!("http://{proxy}")]).arg("--suppress-connect-headers")
            }
        };
        curl
    }

    /// openssl likewise, speaking this protocol.
    fn openssl(self, lab: &Lab, alpn: &str) -> Command {
        let mut openssl = self.client(lab, "openssl");
        openssl.args(["s_client", "-quiet", "-verify_return_error", "-verify_hostname", WITNESS_NAME]);
        openssl.args(["-servername", WITNESS_NAME, "-alpn", alpn, "-CAfile"]);
        match self {
            Self::Direct(_) => openssl.arg(lab.internet().pki().root()),
            _ => openssl.arg(root(lab)),
        };
        match self {
            Self::Direct(server) | Self::Transparent(_, server) => {
                openssl.args(["-connect", &SocketAddr::new(server, TLS_PORT).to_string()])
            }
            Self::Explicit(_, proxy) => {
                openssl.args(["-proxy", &proxy.to_string(), "-connect", &format!("{WITNESS_NAME}:{TLS_PORT}")])
            }
        };
        openssl
    }
}

/// What the client got, and what the server read, of one exchange.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    by_client: Vec<u8>,
    by_server: Vec<String>,
}

/// Runs a client to its end.
fn exchange(lab: &Lab, client: &mut Command, input: &[u8]) -> Seen {
    let before = lab.internet().witnessed().map_or(0, |lines| lines.len());
    let mut child = client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{client:?}: {} {}", output.status, text(&output.stderr));
    let mut by_server = lab.internet().witnessed().unwrap().split_off(before);
    let begins = |line: &String| line.starts_with(":method: ") || line.ends_with(" HTTP/1.1");
    by_server.chunk_by_mut(|_, next| !begins(next)).for_each(|request| request[1..].sort_unstable());
    Seen { by_client: sorted(&output.stdout), by_server }
}

/// With the fields of heads in another order, which says nothing (RFC 9110 §5.3): the relay sends those last that are about
/// the connection. And without the time, for the server's clock goes on between two exchanges.
fn sorted(answer: &[u8]) -> Vec<u8> {
    let (mut sorted, mut head) = (Vec::new(), None::<Vec<&[u8]>>);
    for line in answer.split_inclusive(|byte| *byte == b'\n') {
        match &mut head {
            None if line.starts_with(b"HTTP/") => head = Some(Vec::new()),
            Some(fields) if line != b"\r\n" => {
                if !line.to_ascii_lowercase().starts_with(b"date: ") {
                    fields.push(line);
                }
                continue;
            }
            Some(fields) => {
                fields.sort_unstable();
                sorted.extend(fields.iter().flat_map(|field| field.iter()));
                head = None;
            }
            None => {}
        }
        sorted.extend_from_slice(line);
    }
    sorted
}

/// Fields that say much, and some that relays like to touch.
fn fields() -> Vec<String> {
    let mut fields = vec![
        "Cookie: a=b; c=\"d e\"; f=".to_owned(),
        "X-Name: 朝霧県 潮見市".into(),
        "X-Spaces: a  b \t c".into(),
        "X-Empty;".into(),
        "Accept-Encoding: gzip, br;q=0.5, *;q=0".into(),
        "Via: 1.1 earlier".into(),
        "X-Forwarded-For: 192.0.2.77".into(),
        "Forwarded: for=192.0.2.77".into(),
        "Cache-Control: no-cache".into(),
        "Authorization: Basic dXNlcjpwYXNz".into(),
    ];
    fields.push(format!("X-Long: {}", "0123456789abcdef".repeat(400)));
    fields.extend((0..40).map(|number| format!("X-Number-{number}: {number}")));
    fields
}

/// A lab whose rules look at no content: where they ask for types of files, servers are asked for nothing encoded.
fn lab() -> Lab {
    let lab = proxy::lab();
    let mut source = proxy::policy(proxy::PORTS[1].1);
    let file = source.files.get_mut("prefecture.toml").unwrap();
    let rules = text(file);
    let (before, rules) = rules.split_once("\n[[http.rule]]").unwrap();
    assert!(rules.contains("\ntypes = "));
    *file = before.into();
    lab.daemon().unwrap().apply_files(source).unwrap();
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    lab
}

#[test]
fn curl_and_nginx_see_each_other_as_without_a_gateway() {
    let lab = lab();
    let ways = Way::inspected(&lab);
    assert_eq!(ways.len(), 8);
    let body = lab.internet().large_file();
    let uploaded = lab.internet().file("uploads/whole");
    let url = |path: &str| format!("https://{WITNESS_NAME}/{path}");
    for version in ["--http1.1", "--http2"] {
        let see = |way: Way, arguments: &[&str], path: &str| {
            let mut curl = way.curl(&lab);
            curl.args([version, "--dump-header", "-"]).args(arguments).arg(url(path));
            exchange(&lab, &mut curl, &[])
        };
        let fields = fields();
        let fields: Vec<&str> = fields.iter().flat_map(|field| ["-H", field.as_str()]).collect();
        let body = body.display().to_string();
        let exchanges: [(&str, Vec<&str>); 6] = [
            ("index.html?a=b&%e6%9c%9d=/../x", vec![]),
            ("index.html", fields),
            ("index.html", vec!["--head"]),
            ("large", vec!["--range", "1000000-1999999"]),
            ("nowhere", vec!["--data", "a=b"]),
            ("uploads/whole", vec!["-T", &body]),
        ];
        for (path, arguments) in exchanges {
            let once = |way| {
                let seen = see(way, &arguments, path);
                let arrived = fs::read(&uploaded).unwrap_or_default();
                assert!(path != "uploads/whole" || arrived == fs::read(&body).unwrap(), "{way:?}: {}", arrived.len());
                // So that the next one is new to the server as well.
                let _ = fs::remove_file(&uploaded);
                seen
            };
            let direct = once(Way::Direct(SERVERS[0]));
            assert!(direct.by_server.len() >= 4, "{direct:?}");
            for way in &ways {
                let through = once(*way);
                let what = format!("{way:?} {version} {path}");
                assert_eq!(through.by_server, direct.by_server, "{what}");
                assert!(
                    through.by_client == direct.by_client,
                    "{what}: {} bytes, direct {}:\n{}\n{}",
                    through.by_client.len(),
                    direct.by_client.len(),
                    start(&through.by_client),
                    start(&direct.by_client)
                );
            }
        }
    }
}

/// The part of an answer that people can read.
fn start(bytes: &[u8]) -> String {
    text(&bytes[..bytes.len().min(600)])
}

#[test]
fn openssl_and_nginx_see_each_other_as_without_a_gateway() {
    let lab = lab();
    let request = format!(
        "PUT /uploads/small HTTP/1.1\r\nhOST: {WITNESS_NAME}\r\nX-A:b\r\nx-a: c\r\nContent-Length: 5\r\n\r\n12345\
         GET /index.html HTTP/1.1\r\nHost: {WITNESS_NAME}\r\n\r\n\
         GET /large HTTP/1.1\r\nHost: {WITNESS_NAME}\r\nConnection: close\r\n\r\n"
    );
    let once = |way: Way| {
        let seen = exchange(&lab, &mut way.openssl(&lab, "http/1.1"), request.as_bytes());
        assert_eq!(fs::read(lab.internet().file("uploads/small")).unwrap(), b"12345", "{way:?}");
        fs::remove_file(lab.internet().file("uploads/small")).unwrap();
        seen
    };
    let direct = once(Way::Direct(SERVERS[0]));
    assert!(direct.by_client.len() > LARGE_BYTES && direct.by_server.len() == 10, "{:?}", direct.by_server);
    for way in Way::inspected(&lab) {
        let through = once(way);
        assert_eq!(through.by_server, direct.by_server, "{way:?}");
        assert!(through.by_client == direct.by_client, "{way:?}:\n{}", start(&through.by_client));
    }
    for way in Way::inspected(&lab).into_iter().chain(SERVERS.map(Way::Direct)) {
        over_two(&lab, way);
    }
}

/// HTTP/2 by hand: a client's preface, and a request for the first page to a host of this name.
pub(crate) fn two(host: &str) -> Vec<u8> {
    /// SETTINGS with nothing in them.
    const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    // RFC 7541 §6.1 and §6.2.2: GET, https, /index.html from the static table; the authority in plain letters.
    let block = [&[0x82, 0x87, 0x85, 0x01, host.len() as u8], host.as_bytes()].concat();
    let head = [0, 0, block.len() as u8, 1, 0x5, 0, 0, 0, 1];
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", SETTINGS.as_slice(), &head, &block].concat()
}

/// The page in what comes back.
fn over_two(lab: &Lab, way: Way) {
    let before = lab.internet().witnessed().unwrap().len();
    let mut openssl = way.openssl(lab, "h2");
    let mut child = openssl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&two(WITNESS_NAME)).unwrap();
    let page = fs::read(lab.internet().file("index.html")).unwrap();
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while !answer.windows(page.len()).any(|window| window == page) {
        let count = child.stdout.as_mut().unwrap().read(&mut part).unwrap();
        assert!(count > 0, "{way:?}: {}", text(&answer));
        answer.extend_from_slice(&part[..count]);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut seen = lab.internet().witnessed().unwrap().split_off(before);
    seen.sort_unstable();
    let authority = format!(":authority: {WITNESS_NAME}");
    assert_eq!(seen, [&authority, ":method: GET", ":path: /index.html", ":scheme: https"], "{way:?}");
}

/// As much as the name says.
const GIBIBYTE: u64 = 1 << 30;
/// What is uploaded of it.
const UPLOADED: u64 = 100 << 20;

#[test]
fn a_gibibyte_comes_whole_and_is_inspected() {
    let lab = proxy::lab();
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let [huge, part] = [("huge", GIBIBYTE), ("part", UPLOADED)].map(|(name, bytes)| {
        let file = place.path().join(name);
        noise(&file, bytes);
        file
    });
    std::os::unix::fs::symlink(&huge, lab.internet().file("huge")).unwrap();
    let twin = |number: usize, server: usize| Way::Transparent(TWINS[number], SERVERS[server]);
    let by_proxy = Way::Explicit(TWINS[1], proxy::proxy(&lab, TWINS[1], SERVERS[1]));
    for (way, version) in [(twin(0, 0), "--http1.1"), (twin(1, 1), "--http2"), (by_proxy, "--http2")] {
        let since = lab.daemon().unwrap().events().mark();
        let mut curl = way.curl(&lab);
        let mut child =
            curl.args([version, &format!("https://{WITNESS_NAME}/huge")]).stdout(Stdio::piped()).spawn().unwrap();
        // Byte for byte, and told where if not.
        let cmp = Command::new("cmp").arg("-").arg(&huge).stdin(child.stdout.take().unwrap()).output().unwrap();
        assert!(child.wait().unwrap().success() && cmp.status.success(), "{way:?}: {}", text(&cmp.stdout));
        let line = inspected(&lab, since, way);
        let received = line.tls.as_ref().unwrap().bytes_received;
        assert!((GIBIBYTE..GIBIBYTE + (8 << 20)).contains(&received), "{way:?}: {line:?}");
    }
    let by_proxy = Way::Explicit(TWINS[0], proxy::proxy(&lab, TWINS[0], SERVERS[0]));
    for (way, version) in [(twin(0, 1), "--http2"), (twin(1, 0), "--http1.1"), (by_proxy, "--http1.1")] {
        let since = lab.daemon().unwrap().events().mark();
        let url = format!("https://{WITNESS_NAME}/uploads/part");
        process::run(way.curl(&lab).args([version, "-T"]).arg(&part).arg(url)).unwrap();
        let arrived = lab.internet().file("uploads/part");
        process::run(Command::new("cmp").args([&arrived, &part])).unwrap();
        fs::remove_file(arrived).unwrap();
        let line = inspected(&lab, since, way);
        let sent = line.tls.as_ref().unwrap().bytes_sent;
        assert!((UPLOADED..UPLOADED + (2 << 20)).contains(&sent), "{way:?}: {line:?}");
    }
}

/// The event of the one connection of this way, which was opened.
fn inspected(lab: &Lab, since: lab::events::Mark, way: Way) -> Line {
    let (town, arrival) = match way {
        Way::Direct(_) => panic!("nobody inspects it"),
        Way::Transparent(town, _) => (town, "transparent"),
        Way::Explicit(town, _) => (town, "explicit"),
    };
    let line = event(lab, since, |line| line.municipality.as_deref() == Some(town));
    let tls = line.tls.as_deref().unwrap();
    assert_eq!((line.verdict.as_str(), line.reason.as_str(), tls.requests), ("inspect", "rule", 1), "{line:?}");
    assert_eq!((tls.arrival.as_str(), tls.upstream.as_deref()), (arrival, Some("good")), "{line:?}");
    line
}

/// Bytes that no two places of share, as quickly as a disk takes them: the key stream of a cipher.
fn noise(file: &Path, bytes: u64) {
    let key = ["-K", "00112233445566778899aabbccddeeff", "-iv", "0123456789abcdef0123456789abcdef"];
    let mut openssl = process::command("openssl", ["enc", "-aes-128-ctr", "-in", "/dev/zero"]);
    let mut child = openssl.args(key).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut stream = child.stdout.take().unwrap().take(bytes);
    std::io::copy(&mut stream, &mut fs::File::create(file).unwrap()).unwrap();
    drop(stream);
    child.wait().unwrap();
    assert_eq!(fs::metadata(file).unwrap().len(), bytes);
}
