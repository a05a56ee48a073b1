//! Every budget, counted at the far end, with packets on two CPUs: what passes is within what the budget says, and the
//! rest is dropped by its name. No time is asserted; how long it took says how much may have passed.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use abi::Limit;
use abi::budget::{BURST_NS, CHUNK_NS};
use control::status::{LimitStatus, Status};
use lab::frame::{self, flags};
use lab::internet::{WEB_V4, WEB_V6};
use lab::wire::wait_until;
use lab::{Counter, Lab};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use policy::Source;

use crate::peers::{from_outside, from_site, settle};

const TOWN: &str = "shirakaba";
/// Frames of each kind, half of them from each CPU.
const MANY: u16 = 3_000;
const CPUS: usize = 2;

/// The example, in which this town allows everything and has these limits.
fn limited(limits: &str) -> Source {
    let mut source = control::read_directory(crate::example()).unwrap();
    let prefecture = source.files.get_mut("prefecture.toml").unwrap();
    // What nobody may send to mail servers is no budget's business.
    let text = String::from_utf8(prefecture.clone()).unwrap().replace("ports = [\"tcp/25\"]", "ports = [\"tcp/26\"]");
    *prefecture = text.into_bytes();
    let town = format!(
        "id = \"{TOWN}\"\nname = \"白樺町\"\n\
         attach = [{{ port = \"lan0\", vlan = 102, address = [\"10.10.0.1/16\", \"2001:db8:102::1/64\"] }}]\n\
         prefixes = [\"10.10.0.0/16\", \"2001:db8:102::/48\"]\n\
         [nat]\npool = [\"203.0.113.32/30\"]\n[limits]\n{limits}\n\
         [egress]\ndefault = \"allow\"\n[ingress]\ndefault = \"allow\"\n"
    );
    source.files.insert(format!("municipalities/{TOWN}.toml"), town.into_bytes());
    source
}

/// Runs on each CPU at the same time; how long it took.
fn on_each_cpu(run: impl Fn(usize) + Sync) -> Duration {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for cpu in 0..CPUS {
            let run = &run;
            scope.spawn(move || {
                let mut only = CpuSet::new();
                only.set(cpu).unwrap();
                sched_setaffinity(Pid::from_raw(0), &only).unwrap();
                run(cpu);
            });
        }
    });
    began.elapsed()
}

fn budget(status: &Status, limit: Limit, direction: &str) -> LimitStatus {
    let town = status.municipalities.iter().find(|row| row.municipality.as_deref() == Some(TOWN)).unwrap();
    let it = town.limits.iter().find(|it| it.limit == limit.name() && it.direction == direction);
    it.unwrap_or_else(|| panic!("no {} {direction} in {:?}", limit.name(), town.limits)).clone()
}

/// What [`abi::budget`] says: a second's worth, the time that passed, and a chunk for each CPU.
fn most(rate: u64, elapsed: Duration) -> u64 {
    let ns = u128::from(BURST_NS) + elapsed.as_nanos() + CPUS as u128 * u128::from(CHUNK_NS);
    (u128::from(rate) * ns / u128::from(BURST_NS)) as u64 + CPUS as u64
}

/// Sends with a limit in force: some pass and are counted at the far end, all others were dropped by it.
struct Trial<'a> {
    lab: &'a Lab,
    limit: Limit,
    direction: &'a str,
    inward: bool,
    rate: u64,
    arrived: Counter,
}

impl<'a> Trial<'a> {
    fn new(lab: &'a Lab, limit: Limit, direction: &'a str, rate: u64, text: &str, matching: &str) -> Self {
        lab.daemon().unwrap().apply_files(limited(text)).unwrap();
        let site = lab.site(TOWN).unwrap();
        let inward = direction == "ingress" || limit == Limit::PrefixNewFlows;
        let end = if inward { site.device() } else { lab.internet().uplink() };
        Self { lab, limit, direction, inward, rate, arrived: Counter::start(end, matching).unwrap() }
    }

    fn send(&self, packet: impl Fn(u16) -> Vec<u8> + Sync) {
        if self.inward {
            // The way to a host that nobody has heard yet is asked for once.
            from_outside(self.lab, &[packet(0)]);
            settle();
        }
        let of = |lab: &Lab| budget(&lab.daemon().unwrap().status().unwrap(), self.limit, self.direction);
        let (before, arrived_before) = (of(self.lab).limited_packets, self.arrived.packets().unwrap());
        let elapsed = on_each_cpu(|cpu| {
            let all: Vec<_> = (0..MANY).filter(|number| usize::from(*number) % CPUS == cpu).map(&packet).collect();
            match self.inward {
                true => from_outside(self.lab, &all),
                false => from_site(self.lab, self.lab.site(TOWN).unwrap(), &all),
            }
        });
        settle();
        let arrived = self.arrived.packets().unwrap() - arrived_before;
        let dropped = of(self.lab).limited_packets - before;
        let most = most(self.rate, elapsed);
        let name = format!("{} {}", self.limit.name(), self.direction);
        println!("{name} {}: {arrived} of {MANY} arrived in {elapsed:?}, at most {most}", self.rate);
        assert_eq!(arrived + dropped, u64::from(MANY), "{name}: what did not arrive was limited by it");
        assert!(arrived <= most, "{name}: {arrived} arrived, {most} may");
        // What one CPU has drawn the other cannot spend.
        let chunk = self.rate * CHUNK_NS / BURST_NS + 1;
        assert!(arrived + chunk * CPUS as u64 >= self.rate, "{name}: {arrived} arrived, {} should", self.rate);
    }
}

#[test]
fn every_budget_holds_on_two_cpus_and_names_what_it_drops() {
    let mut lab = crate::lab();
    let client = |lab: &Lab| lab.site(TOWN).unwrap().v4().unwrap();
    let (from, web) = (client(&lab), WEB_V4.into());
    let inside = lab.site(TOWN).unwrap().v6().unwrap();
    let flow = |number: u16, port: u16| {
        frame::udp(SocketAddr::new(from, 20_000 + number), SocketAddr::new(web, port), b"limited")
    };
    let inward = |number: u16, port: u16| {
        let from = SocketAddr::new(WEB_V6.into(), 20_000 + number);
        frame::udp(from, SocketAddr::new(inside, port), b"limited")
    };
    let udp = |port: u16| format!("udp dport {port}");

    let limits = "new_flows_per_second = { in = 300, out = 400 }";
    Trial::new(&lab, Limit::NewFlows, "egress", 400, limits, &udp(7_001)).send(|number| flow(number, 7_001));
    Trial::new(&lab, Limit::NewFlows, "ingress", 300, limits, &udp(7_002)).send(|number| inward(number, 7_002));
    let limits = "packets_per_second = { in = 700, out = 900 }";
    Trial::new(&lab, Limit::Packets, "egress", 900, limits, &udp(7_003)).send(|number| flow(number % 20, 7_003));
    Trial::new(&lab, Limit::Packets, "ingress", 700, limits, &udp(7_004)).send(|number| inward(number % 20, 7_004));
    // A frame of 1,250 bytes as it enters: the tag is on when the program sees it.
    let big = |number: u16| {
        let to = SocketAddr::new(web, 7_005);
        frame::udp(SocketAddr::new(from, 20_000 + number % 20), to, &[0; 1_250 - 14 - 4 - 20 - 8])
    };
    Trial::new(&lab, Limit::Bits, "egress", 1_000, "bits_per_second = 10_000_000", &udp(7_005)).send(big);
    let mail = |number: u16| {
        let to = SocketAddr::new(web, [25, 465, 587][usize::from(number % 3)]);
        frame::tcp(SocketAddr::new(from, 20_000 + number), to, flags::SYN, 1, 0)
    };
    let ports = "tcp dport { 25, 465, 587 }";
    Trial::new(&lab, Limit::Smtp, "both", 200, "smtp_connections_per_second = 200", ports).send(mail);
    let limits = "per_source.packets_per_second = { out = 800 }";
    Trial::new(&lab, Limit::SourcePackets, "egress", 800, limits, &udp(7_006)).send(|number| flow(number % 20, 7_006));
    let limits = "per_prefix.new_flows_per_second = 250";
    Trial::new(&lab, Limit::PrefixNewFlows, "both", 250, limits, &udp(7_007)).send(|number| inward(number, 7_007));

    // The kernel goes on without the daemon, and what was used up stays so.
    let rest = Trial::new(&lab, Limit::NewFlows, "egress", 400, "new_flows_per_second = 400", &udp(7_008));
    rest.send(|number| flow(number, 7_008));
    let arrived = rest.arrived;
    lab.daemon_mut().unwrap().kill().unwrap();
    let before = arrived.packets().unwrap();
    let elapsed = on_each_cpu(|cpu| {
        let half = (0..MANY).filter(|number| usize::from(*number) % CPUS == cpu);
        let all: Vec<_> = half.map(|number| flow(number + MANY, 7_008)).collect();
        from_site(&lab, lab.site(TOWN).unwrap(), &all);
    });
    settle();
    let passed = arrived.packets().unwrap() - before;
    assert!(passed <= most(400, elapsed), "{passed} in {elapsed:?}");
    drop(arrived);
    lab.start_daemon().unwrap();
    let status = lab.daemon().unwrap().status().unwrap();
    assert!(budget(&status, Limit::NewFlows, "egress").limited_packets >= u64::from(MANY) - passed);
}

#[test]
fn the_number_of_flows_counts_those_that_live() {
    let lab = crate::lab();
    let daemon = lab.daemon().unwrap();
    daemon.apply_files(limited("flows = 500")).unwrap();
    let site = lab.site(TOWN).unwrap();
    let from = site.v4().unwrap();
    let arrived = Counter::start(lab.internet().uplink(), "udp dport 7009").unwrap();
    let begin = daemon.events().mark();
    let swept = wait_until(Duration::from_secs(10), || {
        // Until the daemon has looked, expired flows would count, and the number limits nobody.
        let mark = daemon.events().mark();
        from_site(&lab, site, &flows(from, 0..600));
        settle();
        Ok(!daemon.events().since(mark, |line| line.limit.as_deref() == Some("flows")).is_empty())
    });
    assert!(swept.unwrap(), "nothing was limited");
    let status = daemon.status().unwrap();
    let (used, live) = (budget(&status, Limit::Flows, "both"), status.flows);
    assert!(live >= 500 && used.limited_packets > 0, "{live} flows, {used:?}");
    let near = |line: &control::Line| line.budget.as_ref().is_some_and(|budget| budget.state == "near");
    let told = wait_until(Duration::from_secs(5), || Ok(!daemon.events().since(begin, near).is_empty()));
    assert!(told.unwrap(), "nobody was told that the budget is nearly used up");
    // Whoever is in stays in.
    let before = arrived.packets().unwrap();
    from_site(&lab, site, &flows(from, 0..100));
    settle();
    assert_eq!(arrived.packets().unwrap() - before, 100);
    // One-way datagrams live for 30 s; then the entries are anybody's again, by the daemon's sweep.
    let renewed = wait_until(Duration::from_secs(60), || {
        let before = arrived.packets().unwrap();
        from_site(&lab, site, &flows(from, 5_000..5_400));
        settle();
        Ok(arrived.packets()? - before == 400)
    });
    assert!(renewed.unwrap(), "expired flows still count: {:?}", daemon.status().unwrap().flows);
}

fn flows(from: std::net::IpAddr, ports: std::ops::Range<u16>) -> Vec<Vec<u8>> {
    let to = SocketAddr::new(WEB_V4.into(), 7_009);
    ports.map(|port| frame::udp(SocketAddr::new(from, 20_000 + port), to, b"flow")).collect()
}
