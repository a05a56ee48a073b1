//! The way out of a municipality's namespace: an unprivileged process there opens ordinary sockets towards the Internet,
//! and their packets are judged, translated and counted like the municipality's. Nobody else rides on them.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Command, Output};
use std::time::Duration;
use std::{fs, thread};

use lab::internet::{DNS_V4, DNS_V6, WEB_NAME, WEB_V4, WEB_V6};
use lab::process::{self, text};
use lab::{Counter, Lab, frame};

use crate::peers::{Far, Service, ask, converse, count, from_site, noise, settle};

/// Two municipalities with equal private addresses.
const TWINS: [&str; 2] = ["shiomi", "shirakaba"];
/// How often the lab's large file is in the body that is fetched: 112 MiB.
const PARTS: usize = 7;

/// A command in a municipality's namespace with no privilege at all.
fn unprivileged(lab: &Lab, id: &str, line: &str) -> Command {
    let mut command = lab.municipality_namespace(id).command("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs"]);
    command.args(["--inh-caps=-all", "--bounding-set=-all"]).args(line.split(' '));
    command
}

fn fetch(lab: &Lab, id: &str, url: &str) -> Output {
    let line = format!("curl --globoff --silent --show-error --max-time 60 {url}");
    process::run(&mut unprivileged(lab, id, &line)).unwrap()
}

/// Whether nobody answers within two seconds.
fn is_refused(lab: &Lab, id: &str, url: &str) -> bool {
    let line = format!("curl --globoff --silent --max-time 2 {url}");
    !unprivileged(lab, id, &line).output().unwrap().status.success()
}

/// The gateway's own addresses at a municipality's segment, and servers to ask from them.
fn ways(lab: &Lab, id: &str) -> [(IpAddr, IpAddr); 2] {
    let site = lab.site(id).unwrap();
    [IpAddr::from(WEB_V4), WEB_V6.into()].map(|server| (site.gateway(server).unwrap(), server))
}

fn is_of_pool(lab: &Lab, id: &str, address: &str) -> bool {
    let town = lab.policy().municipalities.iter().find(|town| town.id == id).unwrap();
    town.nat_pool.iter().any(|public| public.to_string() == address)
}

#[test]
fn twins_fetch_at_the_same_time_and_each_is_seen_by_its_own_address() {
    let lab = crate::lab();
    let since = lab.daemon().unwrap().events().mark();
    let part = fs::read(lab.internet().large_file()).unwrap();
    let body: Vec<u8> = (0..PARTS).flat_map(|number| [&[number as u8], part.as_slice()].concat()).collect();
    fs::write(lab.internet().large_file().with_file_name("huge"), &body).unwrap();
    for url in [format!("http://{WEB_V4}/huge"), format!("http://[{WEB_V6}]/huge")] {
        let before = TWINS.map(|id| count(&lab, id, "egress", "forward", "inspector"));
        thread::scope(|scope| {
            for fetching in TWINS.map(|id| scope.spawn(|| fetch(&lab, id, &url).stdout == body)) {
                assert!(fetching.join().unwrap(), "{url}: another body");
            }
        });
        let begun = TWINS.map(|id| count(&lab, id, "egress", "forward", "inspector"));
        assert_eq!(begun, before.map(|before| before + 1), "one connection each");
    }
    let requests = lab.internet().requests().unwrap();
    let clients: Vec<&str> = requests.iter().filter_map(|line| line.split(' ').next()).collect();
    for id in TWINS {
        let [_, (gateway_v6, _)] = ways(&lab, id);
        assert_eq!(clients.iter().filter(|client| is_of_pool(&lab, id, client)).count(), 1, "{id}: {clients:?}");
        assert_eq!(clients.iter().filter(|client| **client == gateway_v6.to_string()).count(), 1, "{id}: {clients:?}");
        for (direction, reason) in [("egress", "bad_state"), ("ingress", "bad_state"), ("egress", "unsupported")] {
            assert_eq!(count(&lab, id, direction, "drop", reason), 0, "{id} {direction} {reason}");
        }
    }
    let told = lab.daemon().unwrap().events().since(since, |line| line.reason == "inspector");
    assert_eq!(told.len(), 2 * TWINS.len(), "{told:#?}");
    assert!(told.iter().all(|line| line.port.as_deref() == Some("inspector") && line.rule.is_none()));
    let status = lab.daemon().unwrap().status().unwrap();
    assert!(status.flows >= 2 * TWINS.len() as u64);
    assert_eq!(status.ports.len(), 2, "inspectors are no ports for people");
    let ways = status.municipalities.iter().filter_map(|town| town.inspector_way.as_deref());
    assert_eq!(ways.collect::<Vec<_>>(), ["open"; 4]);
}

#[test]
fn names_are_asked_for_by_udp() {
    let lab = crate::lab();
    for id in TWINS {
        for (server, kind, address) in
            [(IpAddr::from(DNS_V4), "A", IpAddr::from(WEB_V4)), (DNS_V6.into(), "AAAA", WEB_V6.into())]
        {
            let asked = Counter::start(lab.internet().uplink(), "udp dport 53").unwrap();
            let line = format!("dig +short +tries=1 +time=5 @{server} {WEB_NAME} {kind}");
            let answer = process::run(&mut unprivileged(&lab, id, &line)).unwrap();
            assert_eq!(text(&answer.stdout).trim(), address.to_string(), "{id} {server}");
            assert_eq!(asked.packets().unwrap(), 1, "{id} {server}");
        }
    }
}

#[test]
fn what_is_sent_fits_the_uplink_and_what_lies_behind_it() {
    let lab = crate::lab();
    let far = Far::behind(&lab, 1_300);
    let bytes = noise(3_000_001);
    for id in TWINS {
        let inspector = lab.municipality_namespace(id);
        for ((from, near), there) in ways(&lab, id).into_iter().zip([IpAddr::from(Far::V4), Far::V6.into()]) {
            let _mirror = Service::mirror(lab.internet().namespace(), (near, 443).into(), "");
            let _echo = Service::echo(&far.namespace, (there, 443).into());
            let errors = || count(&lab, id, "ingress", "forward", "related");
            let (before, any) = (errors(), if near.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" });
            let back = converse(&inspector, any.parse().unwrap(), (near, 443).into(), &bytes).unwrap();
            assert!(back == bytes, "{id} {near}: {} bytes of {}", back.len(), bytes.len());
            assert_eq!(errors(), before, "nothing was too big: {id} {near}");
            // By an address of one's choice as well. The first is too big for the router's next link, which says so.
            let asked = noise(1_380);
            let answers: Vec<_> = (0..3).map(|_| ask(&inspector, from, (there, 443).into(), &asked)).collect();
            assert_eq!(errors() - before, 1, "{id} {there}: {answers:?}");
            let told = answers[0].as_ref().err().and_then(std::io::Error::raw_os_error);
            assert_eq!(told, Some(nix::errno::Errno::EMSGSIZE as i32), "{id} {there}");
            assert!(answers[2].as_ref().is_ok_and(|answer| *answer == asked), "{id} {there}: {answers:?}");
        }
        assert_eq!(count(&lab, id, "egress", "drop", "too_big"), 0);
        assert_eq!(count(&lab, id, "ingress", "drop", "bad_state"), 0);
    }
}

#[test]
fn a_client_that_claims_the_gateways_address_rides_on_nothing() {
    let lab = crate::lab();
    let site = lab.site(TWINS[1]).unwrap();
    for (gateway, server) in ways(&lab, TWINS[1]) {
        let _echo = Service::echo(lab.internet().namespace(), (server, 443).into());
        let socket = lab.municipality_namespace(TWINS[1]).enter(|| Ok(UdpSocket::bind((gateway, 0))?)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        socket.connect((server, 443)).unwrap();
        let speak = |word: &[u8]| {
            let mut answer = [0; 16];
            socket.send(word).unwrap();
            let length = socket.recv(&mut answer).unwrap_or_else(|error| panic!("{server}: {error}"));
            assert_eq!(&answer[..length], word, "{server}");
        };
        // Often enough for the flow to be vouched for.
        (0..4).for_each(|_| speak(b"ours"));
        let before = count(&lab, TWINS[1], "egress", "drop", "spoofed_source");
        let arrived = Counter::start(lab.internet().uplink(), "udp dport 443").unwrap();
        let at_site = Counter::start(site.device(), "udp sport 443").unwrap();
        let own = SocketAddr::new(gateway, socket.local_addr().unwrap().port());
        let lies = [own, (gateway, 5_000).into()].map(|from| frame::udp(from, (server, 443).into(), b"lie"));
        from_site(&lab, site, &lies);
        settle();
        assert_eq!(arrived.packets().unwrap(), 0, "{gateway}");
        assert_eq!(count(&lab, TWINS[1], "egress", "drop", "spoofed_source") - before, 2, "{gateway}");
        speak(b"still ours");
        settle();
        assert_eq!(at_site.packets().unwrap(), 0, "no answer went the liar's way");
    }
}

#[test]
fn block_sets_and_isolation_hold_for_inspectors() {
    let lab = crate::lab();
    let town = TWINS[1];
    let threats = &lab.policy().sets["threats"].prefixes;
    for blocked in [threats.iter().find(|net| net.addr().is_ipv4()), threats.iter().find(|net| net.addr().is_ipv6())] {
        let Some(address) = blocked.map(ipnet::IpNet::addr) else { continue };
        let before = count(&lab, town, "egress", "drop", "blocked");
        assert!(is_refused(&lab, town, &format!("http://{}/", SocketAddr::new(address, 80))), "{address}");
        assert!(count(&lab, town, "egress", "drop", "blocked") > before, "{address}");
    }
    let url = format!("http://{WEB_V4}/");
    assert!(!is_refused(&lab, town, &url));
    let mut source = control::read_directory(crate::example()).unwrap();
    let file = source.files.get_mut("municipalities/shirakaba.toml").unwrap();
    *file = text(file).replacen("\n[nat]", "\nisolated = true\n[nat]", 1).into_bytes();
    lab.daemon().unwrap().apply_files(source).unwrap();
    assert!(is_refused(&lab, town, &url));
    assert!(count(&lab, town, "egress", "drop", "isolated") > 0);
    let ask = format!("dig +short +tries=1 +time=5 @{DNS_V4} {WEB_NAME} A");
    let answer = process::run(&mut unprivileged(&lab, town, &ask)).unwrap();
    assert_eq!(text(&answer.stdout).trim(), WEB_V4.to_string(), "what is essential stays");
    assert!(!is_refused(&lab, TWINS[0], &url), "the twin goes on");
}

#[test]
fn the_way_outlives_the_daemon_and_nothing_passes_unjudged() {
    let mut lab = crate::lab();
    let url = format!("http://{WEB_V4}/");
    lab.daemon_mut().unwrap().kill().unwrap();
    assert!(!is_refused(&lab, TWINS[0], &url), "without a daemon");
    lab.start_daemon().unwrap();
    assert!(!is_refused(&lab, TWINS[0], &url), "with the next");
    let status = lab.daemon().unwrap().status().unwrap();
    assert!(status.adopted);

    let number = status.municipalities.iter().find(|row| row.municipality.as_deref() == Some(TWINS[0])).unwrap().number;
    let pin = lab.id().pins().join("links").join(format!("gateway-bgi{number}"));
    process::run(process::command("bpftool", ["link", "detach", "pinned"]).arg(pin)).unwrap();
    let arrived = Counter::start(lab.internet().uplink(), "tcp dport 80").unwrap();
    assert!(is_refused(&lab, TWINS[0], &url));
    assert_eq!(arrived.packets().unwrap(), 0);
    let unjudged = lab.daemon().unwrap().status().unwrap();
    assert!(unjudged.guard_drops > status.guard_drops, "the guard counts them");
    let says = |warning: &String| warning.contains(&format!("the inspector of `{}`", TWINS[0]));
    assert!(unjudged.warnings.iter().any(says), "{:?}", unjudged.warnings);
    assert!(!is_refused(&lab, TWINS[1], &url), "the twin goes on");

    lab.daemon().unwrap().apply(&crate::example()).unwrap();
    assert!(!is_refused(&lab, TWINS[0], &url), "the next apply mends it");
    assert!(!lab.daemon().unwrap().status().unwrap().warnings.iter().any(says));

    lab.gateway().ip(&format!("link del bgi{number}\n")).unwrap();
    lab.daemon().unwrap().apply(&crate::example()).unwrap();
    assert!(!is_refused(&lab, TWINS[0], &url), "a veth that somebody took away is made anew");
}
