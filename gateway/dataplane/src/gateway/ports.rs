//! What the kernel must be told about a port: some before the program works on it, the rest only then.

use std::fs;
use std::path::PathBuf;

use abi::ports::ROLE_UPLINK;

use crate::command;
use crate::error::Error;

/// Lets the host route through a port that carries both programs; returns what an operator should know.
pub fn open(port: &str, role: u8) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    // `bpf_fib_lookup` answers only for input devices that forward; the host answers and fragments what is handed to it.
    set("ipv4", port, "forwarding", "1")?;
    // Replies may come in where the route back does not point: that is what the program's own checks are for.
    set("ipv4", port, "rp_filter", "0")?;
    set("ipv4", port, "send_redirects", "0")?;
    let accept_ra = fs::read_to_string(setting("ipv6", port, "accept_ra")).unwrap_or_default();
    if role == ROLE_UPLINK && accept_ra.trim() != "0" {
        // 1 means "unless forwarding".
        set("ipv6", port, "accept_ra", "2")?;
    } else {
        set("ipv6", port, "accept_ra", "0")?;
    }
    set("ipv6", port, "forwarding", "1")?;
    if setting("ipv6", port, "force_forwarding").exists() {
        set("ipv6", port, "force_forwarding", "1")?;
    } else {
        // Before 6.17 IPv6 is forwarded by all interfaces or by none.
        set("ipv6", "all", "forwarding", "1")?;
    }
    if fs::read_to_string(setting("ipv4", "all", "rp_filter")).is_ok_and(|value| value.trim() != "0") {
        warnings.push(
            "net.ipv4.conf.all.rp_filter is not 0, so the host drops some of what is handed to it; set it per interface"
                .into(),
        );
    }
    Ok(warnings)
}

/// Nothing is routed through the port from now on.
pub fn close(port: &str) {
    // It may be gone, or never have had the setting.
    for (family, key) in [("ipv4", "forwarding"), ("ipv6", "force_forwarding"), ("ipv6", "forwarding")] {
        let _ = fs::write(setting(family, port, key), "0");
    }
}

/// XDP sees tags only if the hardware leaves them in the frame, and frames only as they came in. Returns what an operator
/// should know.
pub fn offloads(port: &str) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    for feature in ["rxvlan", "rx-vlan-stag-hw-parse", "lro"] {
        // Fixed ones cannot be set; what counts is what is on afterwards.
        let _ = command::run("ethtool", &["-K", port, feature, "off"]);
    }
    let state = match command::run("ethtool", &["-k", port]) {
        Ok(state) => state,
        Err(Error::NoCommand { .. }) => {
            warnings.push(format!("ethtool is not installed, so VLAN offload of port `{port}` could not be checked"));
            return Ok(warnings);
        }
        Err(error) => return Err(error),
    };
    let is_on = |feature: &str| {
        let line = state.lines().find_map(|line| line.trim().strip_prefix(feature)?.strip_prefix(':'));
        line.is_some_and(|value| value.trim().starts_with("on"))
    };
    if is_on("rx-vlan-offload") || is_on("rx-vlan-stag-hw-parse") {
        warnings.push(format!(
            "port `{port}` strips VLAN tags in hardware and does not let it be switched off: tagged packets look untagged"
        ));
    }
    if is_on("large-receive-offload") {
        warnings.push(format!("port `{port}` merges packets in hardware (LRO) and does not let it be switched off"));
    }
    Ok(warnings)
}

fn set(family: &str, interface: &str, key: &str, value: &str) -> Result<(), Error> {
    let path = setting(family, interface, key);
    fs::write(&path, value).map_err(|error| Error::file(path, error))
}

fn setting(family: &str, interface: &str, key: &str) -> PathBuf {
    ["/proc/sys/net", family, "conf", interface, key].iter().collect()
}
