//! Applications that take no certificate but their server's own: curl that trusts the Internet's root and not the
//! prefecture's, from several machines of a municipality.

use std::net::IpAddr;
use std::process::Output;
use std::time::Duration;

use control::bypass::BypassRow;
use lab::internet::{WEB_NAME, WEB_V4, WEB_V6};
use lab::process::text;
use lab::wire::wait_until;
use lab::{Lab, daemon};
use policy::Source;

use crate::inspector::{TWINS, event, policy, root};

const SERVERS: [IpAddr; 2] = [IpAddr::V4(WEB_V4), IpAddr::V6(WEB_V6)];
/// What curl says of a certificate that it does not take.
const NOT_TAKEN: Option<i32> = Some(60);
const MODE: &str = "mode = \"suggest\"";

/// The example in another mode, with more TLS rules before the others.
fn policy_with(mode: &str, rules: &str) -> Source {
    let mut source = policy();
    let file = source.files.get_mut("prefecture.toml").unwrap();
    let text = text(file);
    assert!(text.contains(MODE));
    let text = text.replacen(MODE, &format!("mode = \"{mode}\""), 1);
    *file = text.replacen("[[tls.rule]]", &format!("{rules}[[tls.rule]]"), 1).into_bytes();
    source
}

/// A lab with inspectors, and further machines in the first twin.
fn lab(mode: &str) -> (Lab, Vec<IpAddr>) {
    let mut lab = Lab::build(&crate::example()).unwrap();
    lab.internet_mut().serve().unwrap();
    lab.internet_mut().serve_tls().unwrap();
    lab.issue_authorities(&TWINS).unwrap();
    lab.start_daemon().unwrap();
    lab.daemon().unwrap().apply_files(policy_with(mode, "")).unwrap();
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    let site = lab.site(TWINS[0]).unwrap();
    let beside = |address: IpAddr, number: u8| -> IpAddr {
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                [a, b, c, number].into()
            }
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, _] = address.segments();
                [a, b, c, d, e, f, g, number.into()].into()
            }
        }
    };
    let (v4, v6) = (site.v4().unwrap(), site.v6().unwrap());
    let machines: Vec<_> = [(v4, 31), (v6, 32), (v4, 33), (v6, 34), (v4, 35)].map(|(like, n)| beside(like, n)).into();
    machines.iter().for_each(|machine| site.own(*machine).unwrap());
    (lab, machines)
}

/// curl on one of the machines, trusting what is in a file and nobody else.
fn curl(lab: &Lab, town: &str, machine: Option<IpAddr>, trusted: &std::path::Path) -> Output {
    let server = SERVERS[usize::from(machine.is_some_and(|machine| machine.is_ipv6()))];
    let address = if server.is_ipv4() { server.to_string() } else { format!("[{server}]") };
    let from = machine.map(|machine| format!("--interface {machine}")).unwrap_or_default();
    let line = format!(
        "curl --silent --show-error --max-time 30 --cacert {} {from} --resolve {WEB_NAME}:443:{address} \
         https://{WEB_NAME}/",
        trusted.display()
    );
    lab.site(town).unwrap().namespace().attempt(&line).unwrap()
}

/// An application that knows its server.
fn pinned(lab: &Lab, machine: IpAddr) -> Output {
    curl(lab, TWINS[0], Some(machine), &lab.internet().pki().root())
}

fn has_page(got: &Output) -> bool {
    text(&got.stdout).contains("this page came through the gateway")
}

/// The application has not worked, and the gateway knows why.
fn refuses(lab: &Lab, machine: IpAddr) {
    let since = lab.daemon().unwrap().events().mark();
    let got = pinned(lab, machine);
    assert_eq!(got.status.code(), NOT_TAKEN, "{}", text(&got.stderr));
    let line = event(lab, since, |line| line.source == Some(machine.to_string()));
    let tls = line.tls.as_deref().unwrap();
    assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("inspect", "certificate_refused"), "{line:?}");
    assert_eq!((tls.upstream.as_deref(), tls.refused.as_deref()), (Some("good"), Some("alert")), "{line:?}");
}

fn bypass(lab: &Lab, arguments: &[&str]) -> Output {
    let all = ["bypass"].iter().chain(arguments);
    lab.daemon().unwrap().bangasa(all).unwrap().output().unwrap()
}

/// Applications that look at the certificate only after the handshake leave without a word, as openssl does that has
/// nothing to say. Once is no refusal.
#[test]
fn who_leaves_without_a_word_is_noted() {
    let (lab, machines) = lab("automatic");
    for (machine, protocols) in [(machines[0], ""), (machines[0], "-alpn http/1.1"), (machines[0], "-alpn h2")] {
        assert_eq!(row(&lab, TWINS[0]).map(|row| row.clients), (!protocols.is_empty()).then_some(0));
        let since = lab.daemon().unwrap().events().mark();
        let line = format!(
            "openssl s_client -quiet -no_ign_eof -bind {machine}:0 -connect {WEB_V4}:443 -servername {WEB_NAME} {protocols}"
        );
        lab.site(TWINS[0]).unwrap().namespace().attempt(&line).unwrap();
        let line = event(&lab, since, |line| line.source == Some(machine.to_string()));
        let tls = line.tls.as_deref().unwrap();
        assert_eq!((tls.upstream.as_deref(), tls.refused.as_deref()), (Some("good"), Some("unused")), "{line:?}");
    }
}

/// Whether that was done.
fn did(line: &lab::events::Line, what: &str) -> bool {
    line.audit.as_ref().is_some_and(|deed| deed.did == what && deed.result == "done")
}

/// What is known of the name in a municipality.
fn row(lab: &Lab, town: &str) -> Option<BypassRow> {
    let got = bypass(lab, &["list", "--municipality", town, "--json"]);
    assert!(got.status.success(), "{}", text(&got.stderr));
    let rows = text(&got.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<BypassRow>>();
    rows.into_iter().find(|row| row.name == WEB_NAME)
}

fn state(lab: &Lab) -> Option<(String, u64)> {
    row(lab, TWINS[0]).map(|row| (row.state, row.clients))
}

fn soon(what: impl Fn() -> bool) -> bool {
    wait_until(Duration::from_secs(10), || Ok(what())).unwrap()
}

/// Both families reach the true server, unopened; who trusts the prefecture alone sees that.
fn goes_by(lab: &Lab, machines: &[IpAddr]) {
    for machine in &machines[3..5] {
        let since = lab.daemon().unwrap().events().mark();
        let got = pinned(lab, *machine);
        assert!(has_page(&got), "{machine}: {}", text(&got.stderr));
        let line = event(lab, since, |line| line.source == Some(machine.to_string()));
        assert_eq!((line.verdict.as_str(), line.reason.as_str()), ("splice", "bypass"), "{line:?}");
        let got = curl(lab, TWINS[0], Some(*machine), &root(lab));
        assert_eq!(got.status.code(), NOT_TAKEN, "{machine}: {}", text(&got.stderr));
    }
}

fn is_opened(lab: &Lab, machines: &[IpAddr]) -> bool {
    machines[3..5].iter().all(|machine| has_page(&curl(lab, TWINS[0], Some(*machine), &root(lab))))
}

#[test]
fn a_name_that_three_machines_refuse_is_passed_on_until_somebody_forgets_it() {
    let (mut lab, machines) = lab("automatic");
    let since = lab.daemon().unwrap().events().mark();
    refuses(&lab, machines[0]);
    refuses(&lab, machines[0]);
    refuses(&lab, machines[1]);
    assert_eq!(state(&lab), Some(("candidate".into(), 2)));
    refuses(&lab, machines[2]);
    let told = lab.daemon().unwrap().events().wait(since, |line| did(line, "bypass approve")).unwrap().unwrap();
    let deed = told.audit.as_deref().unwrap();
    let who = deed.who.user.as_deref();
    assert_eq!((who, deed.target.as_deref()), (Some("bangasad"), Some(WEB_NAME)), "{told:?}");
    assert_eq!(told.municipality.as_deref(), Some(TWINS[0]), "{told:?}");
    assert!(soon(|| has_page(&pinned(&lab, machines[0]))));
    goes_by(&lab, &machines);
    // It is that municipality's alone.
    assert!(has_page(&curl(&lab, TWINS[1], None, &root(&lab))));
    assert_eq!(row(&lab, TWINS[1]), None);
    let status = lab.daemon().unwrap().status().unwrap();
    let town = status.municipalities.iter().find(|row| row.municipality.as_deref() == Some(TWINS[0])).unwrap();
    assert_eq!(town.bypass.as_ref().unwrap().names.get("approved"), Some(&1), "{:?}", town.bypass);
    let counted = || {
        let coverage = lab.daemon().unwrap().status().unwrap().municipalities.into_iter();
        let mut rows = coverage.filter_map(|row| row.inspector).flat_map(|inspector| inspector.coverage);
        rows.any(|row| (row.action.as_str(), row.reason.as_str()) == ("splice", "bypass") && row.bytes_received > 0)
    };
    assert!(soon(counted));
    let page = lab.gateway().attempt(&format!("curl --silent http://{}/metrics", daemon::METRICS)).unwrap();
    let gauge = format!("bangasa_bypass_names{{municipality=\"{}\",state=\"approved\"}} 1", TWINS[0]);
    assert!(text(&page.stdout).contains(&gauge), "{}", text(&page.stdout));

    // Without a daemon, with a new one, and with new inspectors.
    lab.daemon_mut().unwrap().kill().unwrap();
    assert!(has_page(&pinned(&lab, machines[3])));
    lab.start_daemon().unwrap();
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    assert_eq!(state(&lab).map(|(state, _)| state).as_deref(), Some("approved"));
    goes_by(&lab, &machines);
    let before = crate::inspector::inspectors(&lab);
    for pid in &before {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(*pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    }
    assert!(soon(|| {
        let now = crate::inspector::inspectors(&lab);
        now.len() == before.len() && now.is_disjoint(&before)
    }));
    TWINS.iter().for_each(|town| lab.wait_for_inspector(town).unwrap());
    goes_by(&lab, &machines);

    let since = lab.daemon().unwrap().events().mark();
    let forget = ["forget", TWINS[0], WEB_NAME, "--because", "it is a browser after all"];
    let got = bypass(&lab, &forget);
    assert!(got.status.success(), "{}", text(&got.stderr));
    let told = lab.daemon().unwrap().events().wait(since, |line| did(line, "bypass forget")).unwrap().unwrap();
    let deed = told.audit.as_deref().unwrap();
    assert_eq!(deed.who.user.as_deref(), Some("root"), "the kernel says who asks: {deed:?}");
    assert_eq!(deed.because.as_deref(), Some("it is a browser after all"));
    assert!(soon(|| is_opened(&lab, &machines)));
    machines[..4].iter().for_each(|machine| refuses(&lab, *machine));
    assert_eq!(state(&lab).map(|(state, _)| state).as_deref(), Some("forgotten"), "and not learned anew");
}

#[test]
fn people_approve_and_what_is_blocked_stays_blocked() {
    let (lab, machines) = lab("suggest");
    machines[..3].iter().for_each(|machine| refuses(&lab, *machine));
    assert!(soon(|| state(&lab) == Some(("suggested".into(), 3))), "{:?}", state(&lab));
    assert_eq!(pinned(&lab, machines[3]).status.code(), NOT_TAKEN, "a suggestion changes nothing");
    let approve = ["approve", TWINS[0], WEB_NAME, "--for", "2h", "--because", "ticket 4712"];
    let freeze = |arguments: &[&str]| lab.daemon().unwrap().bangasa(arguments).unwrap().output().unwrap();
    assert!(freeze(&["freeze", "--until", "1h", "--because", "台風接近"]).status.success());
    let got = bypass(&lab, &approve);
    assert!(!got.status.success() && text(&got.stderr).contains("frozen"), "{got:?}");
    assert!(freeze(&["freeze", "--lift", "--because", "over"]).status.success());
    let got = bypass(&lab, &approve);
    assert!(got.status.success(), "{}", text(&got.stderr));
    assert!(soon(|| has_page(&pinned(&lab, machines[0]))));
    goes_by(&lab, &machines);

    let apply = |mode: &str, rules: &str| {
        lab.daemon().unwrap().apply_files(policy_with(mode, rules)).unwrap();
        lab.wait_for_inspector(TWINS[0]).unwrap();
    };
    // A rule that has it opened by name is overruled by a person.
    let rule = |action: &str| format!("[[tls.rule]]\nname = \"this\"\nsni = [\"{WEB_NAME}\"]\naction = \"{action}\"\n");
    apply("suggest", &rule("inspect"));
    goes_by(&lab, &machines);
    apply("suggest", &rule("block"));
    let since = lab.daemon().unwrap().events().mark();
    assert!(soon(|| !pinned(&lab, machines[3]).status.success()));
    let line = event(&lab, since, |line| line.verdict == "block");
    assert_eq!((line.reason.as_str(), line.rule.as_deref()), ("rule", Some("this")), "{line:?}");
    // What HTTP rules must see is not approved, and is opened although it was.
    apply(
        "suggest",
        &format!(
            "[[http.rule]]\nname = \"seen\"\nhost = [\"{WEB_NAME}\"]\nupload_limit = \"1 MiB\"\naction = \"allow\"\n"
        ),
    );
    assert!(soon(|| is_opened(&lab, &machines)));
    let got = bypass(&lab, &approve);
    assert!(!got.status.success() && text(&got.stderr).contains("HTTP rule `seen` (prefecture.toml:"), "{got:?}");
    // Off is off.
    apply("off", "");
    assert!(soon(|| is_opened(&lab, &machines)));
    assert!(row(&lab, TWINS[0]).is_some_and(|row| row.state == "approved" && !row.heeded));
    machines[..3].iter().for_each(|machine| refuses(&lab, *machine));
    let got = bypass(&lab, &approve);
    assert!(!got.status.success() && text(&got.stderr).contains("bypass off"), "{got:?}");
    for (arguments, told) in [
        (&["approve", "nowhere", WEB_NAME, "--because", "x"][..], "no municipality `nowhere`"),
        (&["approve", TWINS[0], "*.example.jp", "--because", "x"], "not a host name"),
        (&["approve", TWINS[0], WEB_NAME, "--for", "9y", "--because", "x"], "`--for` cannot be `9y`"),
        (&["forget", TWINS[0], "other.example.jp", "--because", "x"], "nothing is known of `other.example.jp`"),
        (&["forget", TWINS[0], WEB_NAME, "--because", " "], "`--because` is empty"),
    ] {
        let got = bypass(&lab, arguments);
        assert!(!got.status.success() && text(&got.stderr).contains(told), "{arguments:?}: {got:?}");
    }
}
