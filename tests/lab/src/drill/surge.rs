//! 2018, floods in Hiroshima: everybody asked the prefecture's site at once, three times as often as usual.
//! Here: real people, each from an address of his own, all get in; who floods beside them does not, and costs them nothing.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::frame::{self, flags};
use lab::responder::Responder;
use lab::{Counter, Lab, wire};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, connect, setsockopt, socket, sockopt,
};

use super::{Drill, Report, Step};
use crate::tour::outside::SITE;
use crate::tour::{CITY, dropped, explain, frame_from_outside};

/// See the module.
pub const DRILL: Drill = Drill {
    incident: "2018, floods in Hiroshima: three times the usual number of visitors at once",
    step: Step {
        name: "surge",
        title: "a surge of real people is admitted while a flood beside it is stopped",
        title_ja: "災害時のアクセス集中",
        run,
    },
};

/// Visitors, a few of whom come at a time, and the pages that each asks for.
const PEOPLE: u8 = 90;
const AT_A_TIME: u8 = 10;
const PAGES: u64 = 3;
/// The last octet before theirs.
const FIRST: u8 = 100;
/// The flood's one source.
const FLOODER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let city = lab.site(CITY)?;
    let _site = Responder::start(city.namespace(), 80)?;
    let since = lab.daemon()?.events().mark();
    let flooded = Counter::start(city.device(), &format!("ip saddr {FLOODER} tcp flags & (syn | ack) == syn"))?;
    report.sent(format!(
        "{} pages for {PEOPLE} people, and SYNs of {FLOODER} as fast as they can be sent",
        u64::from(PEOPLE) * PAGES
    ));
    let over = AtomicBool::new(false);
    let began = Instant::now();
    let (served, sent) = thread::scope(|scope| -> Result<(u64, u64)> {
        let flood = scope.spawn(|| flood(lab, &over));
        let served = crowd(lab);
        over.store(true, Ordering::Relaxed);
        let sent = flood.join().map_err(|_| anyhow::anyhow!("the flood panicked"))??;
        Ok((served, sent))
    })?;
    let seconds = began.elapsed().as_secs_f64();
    report.arrived(format!("{served} pages in {seconds:.1} s; {} of {sent} SYNs of the flood", flooded.packets()?));
    report.expect_count(served, u64::from(PEOPLE) * PAGES, "pages that people got");
    let limited = |line: &lab::Line| line.reason == "limited" && line.source.as_deref() != Some(&FLOODER.to_string());
    report.expect_count(lab.daemon()?.events().since(since, limited).len() as u64, 0, "people who were limited");
    explain(lab, report, since, |line| {
        dropped(CITY, "limited")(line) && line.source.as_deref() == Some(&FLOODER.to_string())
    })?;
    Ok(())
}

/// Everybody gets his pages; how many they were.
fn crowd(lab: &Lab) -> u64 {
    let served = AtomicU64::new(0);
    let next = AtomicU64::new(1);
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                let come = || loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Ok(host) = u8::try_from(number) else { return Ok(()) };
                    if host > PEOPLE {
                        return Ok(());
                    }
                    let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, FIRST + host)), 0);
                    let got = (0..PAGES).filter(|_| page(from).is_ok_and(|page| page)).count();
                    served.fetch_add(got as u64, Ordering::Relaxed);
                };
                // Whoever cannot come is not served.
                let _ = lab.internet().namespace().enter(come);
            });
        }
    });
    served.into_inner()
}

/// Asks the site for a page.
fn page(from: SocketAddr) -> Result<bool> {
    let descriptor = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&descriptor, sockopt::SendTimeout, &nix::sys::time::TimeVal::new(10, 0))?;
    bind(descriptor.as_raw_fd(), &SockaddrStorage::from(from))?;
    connect(descriptor.as_raw_fd(), &SockaddrStorage::from(SocketAddr::new(SITE.into(), 80)))?;
    let mut stream = TcpStream::from(descriptor);
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200"))
}

/// SYNs until it is over; how many.
fn flood(lab: &Lab, over: &AtomicBool) -> Result<u64> {
    let syn = |port: u16| {
        let from = SocketAddr::new(FLOODER.into(), port);
        frame_from_outside(lab, &frame::tcp(from, SocketAddr::new(SITE.into(), 80), flags::SYN, 9_000, 0))
    };
    let frames = (1_024..5_120).map(syn).collect::<Result<Vec<_>>>()?;
    let mut sent = 0;
    for some in frames.chunks(64).cycle() {
        if over.load(Ordering::Relaxed) {
            break;
        }
        wire::send(lab.internet().uplink(), some)?;
        sent += some.len() as u64;
        // A veth's queue holds 256 frames, and people share it.
        thread::sleep(Duration::from_millis(4));
    }
    Ok(sent)
}
