//! One municipality's place: a namespace behind one VLAN, with a host, the municipality's router, and further
//! addresses of its own behind that.

use std::net::IpAddr;

use anyhow::{Context, Result};
use ipnet::IpNet;
use policy::checked::{Attachment, Municipality};

use crate::link::End;
use crate::namespace::Namespace;

/// The site's only device.
pub const DEVICE: &str = "eth0";
/// Which host of the segment the site is.
const HOST: u128 = 7;
/// Segments with this many host bits have room for a host besides published servers.
const ROOMY_BITS: u8 = 5;

/// A municipality's end of one attachment.
#[derive(Debug)]
pub struct Site {
    /// Municipality id.
    pub municipality: String,
    /// The attachment's name, such as `lan0.101`.
    pub attachment: String,
    /// VLAN ids from the outside in.
    pub vlans: Vec<u16>,
    /// The gateway's addresses here.
    pub gateways: Vec<IpNet>,
    /// The site's own addresses, the host's first in each family.
    pub hosts: Vec<IpAddr>,
    namespace: Namespace,
}

impl Site {
    /// Sets up addresses and routes in a namespace whose cable exists. Published addresses on the segment are the
    /// site's own; a segment without any gets a host.
    pub fn new(municipality: &Municipality, attachment: &Attachment, namespace: Namespace) -> Result<Self> {
        let mut lines = String::new();
        let mut hosts: Vec<IpAddr> = Vec::new();
        let published: Vec<IpAddr> =
            municipality.published.iter().filter(|net| is_single(net)).map(IpNet::addr).collect();
        for gateway in &attachment.addresses {
            let on_segment = |address: &&IpAddr| gateway.contains(*address) && **address != gateway.addr();
            let mut own: Vec<IpAddr> =
                attachment.routers.iter().chain(&published).filter(on_segment).copied().collect();
            if gateway.max_prefix_len() - gateway.prefix_len() >= ROOMY_BITS {
                let taken = |address: &IpAddr| *address == gateway.addr() || own.contains(address);
                own.insert(
                    0,
                    (HOST..).map(|number| nth(*gateway, number)).find(|host| !taken(host)).context("no room")?,
                );
            }
            for address in &own {
                lines += &format!("addr add {address}/{} dev {DEVICE}{}\n", gateway.prefix_len(), nodad(*address));
            }
            let Some(host) = own.first() else { continue };
            if !hosts.iter().any(|other| other.is_ipv4() == host.is_ipv4()) {
                lines += &format!("route add default via {} dev {DEVICE} src {host}\n", gateway.addr());
            }
            hosts.extend(own);
        }
        namespace.ip(&lines).with_context(|| format!("while setting up `{}`", attachment.name()))?;
        // The site's own answers must not be held back: the tour counts them.
        namespace.sysctl(&[("net.ipv4.icmp_ratelimit", "0"), ("net.ipv6.icmp.ratelimit", "0")])?;
        Ok(Self {
            municipality: municipality.id.clone(),
            attachment: attachment.name(),
            vlans: attachment.vlans.clone(),
            gateways: attachment.addresses.clone(),
            hosts,
            namespace,
        })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Where frames from the gateway arrive.
    pub fn device(&self) -> End<'_> {
        End { namespace: &self.namespace, device: DEVICE }
    }

    /// The host's IPv4 address.
    pub fn v4(&self) -> Result<IpAddr> {
        let host = self.hosts.iter().find(|address| address.is_ipv4());
        host.copied().with_context(|| format!("`{}` has no IPv4", self.attachment))
    }

    /// The host's IPv6 address.
    pub fn v6(&self) -> Result<IpAddr> {
        let host = self.hosts.iter().find(|address| address.is_ipv6());
        host.copied().with_context(|| format!("`{}` has no IPv6", self.attachment))
    }

    /// The gateway's address in the family of `like`.
    pub fn gateway(&self, like: IpAddr) -> Result<IpAddr> {
        let gateway = self.gateways.iter().map(IpNet::addr).find(|address| address.is_ipv4() == like.is_ipv4());
        gateway.with_context(|| format!("`{}` has no gateway for {like}", self.attachment))
    }

    /// Gives the site a further address, as if another machine of its segment had it.
    pub fn own(&self, address: IpAddr) -> Result<()> {
        self.namespace.ip(&format!("addr replace {address} dev {DEVICE}{}\n", nodad(address)))
    }
}

/// What `ip` needs so that an IPv6 address can be used at once.
fn nodad(address: IpAddr) -> &'static str {
    if address.is_ipv6() { " nodad" } else { "" }
}

fn is_single(network: &IpNet) -> bool {
    network.prefix_len() == network.max_prefix_len()
}

/// The `number`th address of a network.
fn nth(network: IpNet, number: u128) -> IpAddr {
    match network {
        IpNet::V4(network) => {
            let base = u128::from(u32::from(network.network())) + number;
            IpAddr::V4(u32::try_from(base).unwrap_or(u32::MAX).into())
        }
        IpNet::V6(network) => IpAddr::V6((u128::from(network.network()) + number).into()),
    }
}
