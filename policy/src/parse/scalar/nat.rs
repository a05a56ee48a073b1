//! Words of `[[nat.inbound]]`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Wrong, address, wrong};

/// The public address of a mapping.
pub(crate) fn public(text: &str) -> Result<Ipv4Addr, Wrong> {
    v4(text, address(text)?)
}

/// The server of a mapping, with its port if it has another: `10.10.1.10` or `10.10.1.10:8443`.
pub(crate) fn server(text: &str) -> Result<(Ipv4Addr, Option<u16>), Wrong> {
    match text.parse::<SocketAddr>() {
        Ok(both) if both.port() == 0 => {
            Err(wrong("bad-inbound", format!("`{text}` has no port"), format!("write `{}`", both.ip())))
        }
        Ok(both) => Ok((v4(text, both.ip())?, Some(both.port()))),
        Err(_) if text.rsplit_once(':').is_some_and(|(host, _)| host.parse::<Ipv4Addr>().is_ok()) => Err(wrong(
            "bad-inbound",
            format!("`{text}` is no address and port"),
            "ports are numbers from 1 to 65535; leave it out for the public one".to_owned(),
        )),
        Err(_) => Ok((v4(text, address(text)?)?, None)),
    }
}

fn v4(text: &str, address: IpAddr) -> Result<Ipv4Addr, Wrong> {
    match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(wrong(
            "nat-not-ipv4",
            format!("`{text}` is not IPv4"),
            "only IPv4 is translated; name an IPv6 server in `to` of an ingress rule".to_owned(),
        )),
    }
}
