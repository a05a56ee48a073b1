//! Services that answer more than they are asked: attackers ask them in the name of others.

/// Whether a UDP port is that of a service whose answers attackers send others: character generator, quote of the day,
/// DNS, TFTP, portmapper, NTP, NetBIOS, SNMP, LDAP, RIP, SQL Server's browser, SSDP, WS-Discovery, mDNS, CoAP and memcached.
#[inline(always)]
pub const fn is_amplifier(port: u16) -> bool {
    matches!(
        port,
        17 | 19 | 53 | 69 | 111 | 123 | 137 | 161 | 389 | 520 | 1_434 | 1_900 | 3_702 | 5_353 | 5_683 | 11_211
    )
}
