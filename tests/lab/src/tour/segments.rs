//! The gateway on every VLAN: address resolution and echo, with equal addresses on two of them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Result;
use lab::Lab;
use lab::link::family;
use lab::process::text;

use super::{Report, Step, gateway_mac};

/// See the module.
pub const STEP: Step = Step {
    name: "segments",
    title: "the gateway's own address on every VLAN (ARP, ND, ping), one of them twice",
    title_ja: "各VLANのゲートウェイ",
    run,
};

fn run(lab: &mut Lab, report: &mut Report) -> Result<()> {
    let mac = gateway_mac(lab)?.to_string();
    let before = lab.daemon()?.status()?;
    let mut users: BTreeMap<IpAddr, Vec<&str>> = BTreeMap::new();
    let mut resolved = 0;
    for site in lab.sites() {
        site.namespace().ip("neigh flush dev eth0\n")?;
        for gateway in site.gateways.iter().map(ipnet::IpNet::addr) {
            users.entry(gateway).or_default().push(&site.attachment);
            let ping = site.namespace().attempt(&format!("ping -n -c 2 -i 0.1 -W 2 {gateway}"))?;
            report.expect(
                text(&ping.stdout).contains("2 received"),
                format!("{gateway} answers pings at {}", site.attachment),
            );
            let neighbour = site.namespace().run(&format!("ip {} neigh show {gateway} dev eth0", family(gateway)))?;
            let is_resolved = text(&neighbour.stdout).contains(&mac);
            report.expect(is_resolved, format!("{gateway} resolves to {mac} at {}", site.attachment));
            resolved += usize::from(is_resolved);
        }
    }
    let addresses: usize = users.values().map(Vec::len).sum();
    report.sent(format!(
        "ARP or neighbour solicitation, then 2 pings, to {addresses} gateway addresses on {} VLANs",
        lab.sites().len()
    ));
    report.arrived(format!("{resolved} of them answer with {mac}"));
    for (address, attachments) in users.iter().filter(|(_, attachments)| attachments.len() > 1) {
        report.arrived(format!("{address} is the gateway on {}", attachments.join(" and on ")));
    }
    report.expect(users.values().any(|attachments| attachments.len() > 1), "two VLANs have the same gateway address");
    let after = lab.daemon()?.status()?;
    for reason in ["arp", "neighbour_discovery", "gateway_address"] {
        let count = |status| lab::daemon::counted(status, None, "egress", "local", reason);
        let counted = count(&after) - count(&before);
        report.counted(format!("local ({reason}): {counted} packets"));
        report.expect(counted > 0, format!("{reason} is counted"));
    }
    Ok(())
}
