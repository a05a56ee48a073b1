//! DNS for those who test its guard: the city's own published name server, clients that ask it as resolvers do, and a
//! flood of names that nobody has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::link;
use crate::prefecture::Lab;
use crate::process::text;
use crate::server::Server;
use crate::{frame, wire};

/// Whose server it is.
pub const CITY: &str = "shiomi";
/// Its published addresses, as the example's policy says.
pub const SERVER_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 12);
/// See [`SERVER_V4`].
pub const SERVER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x101, 0, 0, 0, 0, 0x53);
/// The zone that it answers for.
pub const ZONE: &str = "shiomi.example";
/// A name that there is,
pub const NAME: &str = "www.shiomi.example";
/// and its address.
pub const ADDRESS: &str = "203.0.113.10";
const PORT: u16 = 53;
/// A veth's queue holds 256 frames.
const AT_ONCE: usize = 64;

/// Starts the city's name server; it ends with its guard.
pub fn serve(lab: &Lab) -> Result<Server> {
    let namespace = lab.site(CITY)?.namespace();
    let mut dnsmasq = namespace.command("dnsmasq");
    dnsmasq.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]);
    dnsmasq.args(["--bind-interfaces", "--pid-file=", &format!("--local=/{ZONE}/")]);
    dnsmasq.arg(format!("--host-record={NAME},{ADDRESS}"));
    dnsmasq.args([SERVER_V4.into(), IpAddr::from(SERVER_V6)].map(|address| format!("--listen-address={address}")));
    let address = SocketAddr::new(SERVER_V4.into(), PORT);
    Server::start("the city's dnsmasq", &mut dnsmasq, &lab.id().directory().join("city-dns.out"), || {
        namespace.enter(|| Ok(TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok()))
    })
}

/// How a client's question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// At once, over UDP.
    Directly,
    /// Over TCP, because over UDP it was told to.
    OverTcp,
    /// Not, or wrongly.
    Not,
}

/// Asks for [`NAME`] from the Internet, once, as a resolver would.
pub fn ask(lab: &Lab, from: IpAddr, server: IpAddr) -> Result<Answered> {
    let Ok(said) = dig(lab, from, server, &[NAME, "A"]) else { return Ok(Answered::Not) };
    Ok(match (said.contains(ADDRESS), said.contains("Truncated, retrying in TCP mode")) {
        (true, false) => Answered::Directly,
        (true, true) => Answered::OverTcp,
        (false, _) => Answered::Not,
    })
}

/// What `dig` says, which does not try twice.
pub fn dig(lab: &Lab, from: IpAddr, server: IpAddr, arguments: &[&str]) -> Result<String> {
    let mut command = lab.internet().namespace().command("dig");
    command.args(["+tries=1", "+time=3", "-b", &from.to_string(), &format!("@{server}")]).args(arguments);
    Ok(text(&crate::process::run(&mut command)?.stdout))
}

/// A query for the address of a name.
pub fn query(name: &str) -> Vec<u8> {
    let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

/// Frames of a flood, from the router to the gateway: each asks for another name of the zone, from another address.
pub fn flood(lab: &Lab, numbers: Range<u32>) -> Result<Vec<Vec<u8>>> {
    let (source, destination) = (link::mac(lab.internet().uplink())?, link::mac(lab.uplink())?);
    let frame = |number: u32| {
        // Spread, so that neither names nor addresses come in order.
        let spread = number.wrapping_mul(0x9e37_79b9);
        let [_, high, middle, low] = number.to_be_bytes();
        // None of those from which nobody who has not asked is answered.
        let port = 40_000 + (spread >> 19) as u16;
        let (from, to): (IpAddr, IpAddr) = if number % 4 == 3 {
            (Ipv6Addr::new(0x2001, 0xdb8, 0xf000 | u16::from(high), number as u16, 0, 0, 0, 1).into(), SERVER_V6.into())
        } else {
            (Ipv4Addr::new(100, 64 | high & 63, middle, low).into(), SERVER_V4.into())
        };
        let message = query(&format!("{spread:08x}.{ZONE}"));
        let packet = frame::udp(SocketAddr::new(from, port), SocketAddr::new(to, PORT), &message);
        frame::ethernet(source, destination, &[], &packet)
    };
    Ok(numbers.map(frame).collect())
}

/// Sends frames to the gateway from the Internet, as fast as none is lost on the way.
pub fn send(lab: &Lab, frames: &[Vec<u8>]) -> Result<()> {
    for some in frames.chunks(AT_ONCE) {
        wire::send(lab.internet().uplink(), some)?;
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Whether the zone is under attack, as `bangasa status` says.
pub fn is_attacked(lab: &Lab) -> Result<bool> {
    let status = lab.daemon()?.status()?;
    let city = status.municipalities.iter().find(|row| row.municipality.as_deref() == Some(CITY));
    let zones = city.and_then(|city| city.dns.as_ref()).map_or(&[][..], |dns| &dns.zones);
    Ok(zones.iter().any(|zone| zone.attacked && zone.zone.as_deref() == Some(ZONE)))
}
