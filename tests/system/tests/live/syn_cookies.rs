//! A flood of SYNs from made-up sources against a city's site. Real clients still get in, all of them, with the gateway
//! answering first; what they send and receive is whole, also over a line that loses some of it, and also when the attack
//! ends in between; and the flood leaves no flow behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use lab::frame::{self, flags};
use lab::internet::{WEB_V4, WEB_V6};
use lab::link::End;
use lab::wire::wait_until;
use lab::{Lab, Namespace};
use policy::Source;

use crate::peers::{Over, connect, count, from_outside, noise, settle};

const CITY: &str = "shiomi";
const SITES: [&str; 2] = ["203.0.113.10", "2001:db8:101::80"];
const PORT: u16 = 443;
const GREETING: &str = "who speaks first?\n";
const PATIENCE: Duration = Duration::from_secs(20);
/// Frames of one round of the flood.
const ROUND: u32 = 1_000;

/// The example, whose services are under attack sooner: before the server's own kernel has a queue full of half-open
/// connections, and answers with cookies of its own, which know no window scale.
fn guarded() -> Source {
    let mut source = control::read_directory(crate::example()).unwrap();
    let prefecture = source.files.get_mut("prefecture.toml").unwrap();
    let text = String::from_utf8(prefecture.clone()).unwrap();
    let changed =
        text.replace("syn_cookies = { enter = 2_000, leave = 500 }", "syn_cookies = { enter = 40, leave = 20 }");
    assert_ne!(text, changed, "the example says when cookies begin");
    *prefecture = changed.into_bytes();
    source
}

fn sites() -> [(IpAddr, SocketAddr); 2] {
    let [v4, v6] = SITES.map(|site| SocketAddr::new(site.parse().unwrap(), PORT));
    [(WEB_V4.into(), v4), (WEB_V6.into(), v6)]
}

/// Greets first, as mail servers do; then sends as many bytes as it is asked for, and what it was sent after that, back.
struct Speaker {
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicU64>,
}

impl Speaker {
    fn start(namespace: &Namespace, at: SocketAddr) -> Self {
        let listener = namespace.enter(|| Ok(TcpListener::bind(at)?)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&accepted));
        thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        counted.fetch_add(1, Ordering::Relaxed);
                        // A client that goes away ends its thread; the test misses its bytes.
                        thread::spawn(move || serve(stream));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(2)),
                }
            }
        });
        Self { stop, accepted }
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.write_all(GREETING.as_bytes())?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    stream.write_all(&noise(line.trim().parse().unwrap_or(0)))?;
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest)?;
    stream.write_all(&rest)?;
    stream.shutdown(Shutdown::Write)
}

/// A client that waits for the greeting before it asks, or does not.
#[derive(Clone, Copy, PartialEq)]
enum Client {
    Listens,
    SpeaksFirst,
}

/// A whole conversation: what is asked for comes, and what is sent comes back.
fn converse(lab: &Lab, from: IpAddr, to: SocketAddr, client: Client, asked: usize, sent: &[u8]) {
    lab.internet()
        .namespace()
        .enter(|| {
            let stream = connect((from, 0).into(), to).unwrap();
            talk(stream, client, asked, sent, || {});
            Ok(())
        })
        .unwrap();
}

fn talk(mut stream: TcpStream, client: Client, asked: usize, sent: &[u8], halfway: impl FnOnce()) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = |mut stream: &TcpStream| stream.write_all(format!("{asked}\n").as_bytes()).unwrap();
    if client == Client::SpeaksFirst {
        ask(&stream);
    }
    let mut greeting = vec![0; GREETING.len()];
    stream.read_exact(&mut greeting).unwrap();
    assert_eq!(greeting, GREETING.as_bytes());
    if client == Client::Listens {
        ask(&stream);
    }
    let mut answer = vec![0; asked];
    let (first, second) = answer.split_at_mut(asked / 2);
    stream.read_exact(first).unwrap();
    halfway();
    stream.read_exact(second).unwrap();
    assert!(answer == noise(asked), "{asked} bytes from the server are not what it sent");
    let mut writer = stream.try_clone().unwrap();
    let back = thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all(sent).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        back
    });
    assert!(back == sent, "{} bytes back of {}", back.len(), sent.len());
}

/// SYNs from sources that nobody has, to a service.
fn syns(to: SocketAddr, round: u32) -> Vec<Vec<u8>> {
    let source = |number: u32| {
        let number = (round * ROUND + number).wrapping_mul(0x9e37_79b9);
        match to.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(20 << 24 | number >> 8)),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0x2a00, 1, 0, 0, 0, 0, (number >> 16) as u16, number as u16)),
        }
    };
    let syn = |number| frame::tcp(SocketAddr::new(source(number), 2_000 + number as u16), to, flags::SYN, number, 0);
    (0..ROUND).map(syn).collect()
}

/// Goes on until it is over; how many SYNs there were.
fn flood(lab: &Lab, to: &[SocketAddr], is_over: &AtomicBool) -> u64 {
    let mut sent = 0;
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        for to in to {
            from_outside(lab, &syns(*to, round));
            sent += u64::from(ROUND);
        }
    }
    sent
}

fn answered(lab: &Lab) -> u64 {
    count(lab, CITY, "ingress", "drop", "syn_cookie")
}

/// While SYNs come from everywhere.
fn under_attack<R>(lab: &Lab, run: impl FnOnce(&AtomicBool) -> R) -> R {
    let is_over = AtomicBool::new(false);
    let targets = sites().map(|(_, site)| site);
    thread::scope(|scope| {
        let over = Over(&is_over);
        let flooding = scope.spawn(|| flood(lab, &targets, &is_over));
        let before = answered(lab);
        assert!(wait_until(PATIENCE, || Ok(answered(lab) > before + 2 * u64::from(ROUND))).unwrap(), "no cookies");
        let result = run(&is_over);
        drop(over);
        flooding.join().unwrap();
        result
    })
}

#[test]
fn clients_get_in_while_a_service_is_flooded() {
    let lab = crate::lab();
    let daemon = lab.daemon().unwrap();
    daemon.apply_files(guarded()).unwrap();
    let site = lab.site(CITY).unwrap();
    let speakers = sites().map(|(_, at)| Speaker::start(site.namespace(), at));
    let accepted = || speakers.iter().map(|speaker| speaker.accepted.load(Ordering::Relaxed)).sum::<u64>();
    let bytes = noise(300_000);
    for (client, server) in sites() {
        converse(&lab, client, server, Client::Listens, 1_000, b"before the attack");
    }
    let redeemed = |lab: &Lab| count(lab, CITY, "ingress", "forward", "rule");
    let (begun, accepted_before) = (redeemed(&lab), accepted());
    let mut conversations = 0;
    under_attack(&lab, |_| {
        let begun_in_attack = redeemed(&lab);
        for _ in 0..10 {
            for (client, server) in sites() {
                for kind in [Client::Listens, Client::SpeaksFirst] {
                    converse(&lab, client, server, kind, 100_000, &bytes);
                    conversations += 1;
                }
            }
        }
        assert_eq!(redeemed(&lab) - begun_in_attack, conversations, "nobody else began a flow");
    });
    settle();
    let flows = daemon.status().unwrap().flows;
    println!("{} SYNs answered, {conversations} conversations, {flows} flows", answered(&lab));
    assert_eq!(accepted() - accepted_before, conversations);
    // Before a service is under attack SYNs begin flows as ever.
    assert!(redeemed(&lab) - begun < 1_000, "{} flows begun", redeemed(&lab) - begun);
    assert_eq!(count(&lab, CITY, "ingress", "drop", "bad_cookie"), 0);
}

/// One frame in a hundred of this kind does not arrive.
fn lose(end: End<'_>, matching: &str) {
    let rules = format!(
        "table netdev loss {{ chain arrivals {{ type filter hook ingress device \"{}\" priority 0; policy accept;\n\
         {matching} numgen random mod 100 < 1 drop\n}} }}\n",
        end.device
    );
    lab::process::run_with_input(end.namespace.command("nft").args(["-f", "-"]), &rules).unwrap();
}

/// The services of the city that are under attack, as `status` says.
fn attacked(lab: &Lab) -> Vec<SocketAddr> {
    let status = lab.daemon().unwrap().status().unwrap();
    status.municipalities.into_iter().find(|row| row.municipality.as_deref() == Some(CITY)).unwrap().attacked
}

#[test]
fn connections_outlive_the_attack_in_which_they_began() {
    let lab = crate::lab();
    let daemon = lab.daemon().unwrap();
    daemon.apply_files(guarded()).unwrap();
    let site = lab.site(CITY).unwrap();
    let _speakers = sites().map(|(_, at)| Speaker::start(site.namespace(), at));
    lose(lab.internet().uplink(), &format!("tcp sport {PORT}"));
    lose(site.device(), &format!("tcp dport {PORT} tcp flags & syn == 0"));
    let mark = daemon.events().mark();
    let told = |reason: &str| {
        let of_city = |line: &control::Line| line.reason == reason && line.municipality.as_deref() == Some(CITY);
        wait_until(PATIENCE, || Ok(daemon.events().since(mark, of_city).len() == SITES.len())).unwrap()
    };
    let bytes = noise(3_000_000);
    under_attack(&lab, |is_over| {
        assert!(told("flood_began"), "both attacks are told of");
        assert_eq!(attacked(&lab), sites().map(|(_, site)| site));
        thread::scope(|scope| {
            for (client, server) in sites() {
                let (lab, bytes) = (&lab, &bytes);
                let internet = lab.internet().namespace();
                let stream = internet.enter(|| Ok(connect((client, 0).into(), server)?)).unwrap();
                scope.spawn(move || {
                    talk(stream, Client::SpeaksFirst, 10_000_000, bytes, || {
                        is_over.store(true, Ordering::Relaxed);
                        assert!(wait_until(PATIENCE, || Ok(attacked(lab).is_empty())).unwrap(), "the attack ends");
                    });
                });
            }
        });
    });
    assert!(told("flood_ended"), "and so are their ends");
    let before = answered(&lab);
    for (client, server) in sites() {
        converse(&lab, client, server, Client::Listens, 1_000, b"after the attack");
    }
    assert_eq!(answered(&lab), before, "the services answer themselves again");
}
