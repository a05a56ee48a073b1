//! The proxy auto-configuration file: a script that browsers run for each address they are about to call.
//!
//! Direct are the municipality's own addresses, host names without a dot, and what `bypass` names; everything else goes to
//! the proxy, and nothing goes past it because it does not answer. Addresses are compared as they are written: no name
//! is looked up, which would hold up the browser and tell resolvers what it calls.

use std::fmt::Write as _;
use std::net::SocketAddr;

use ipnet::IpNet;

use crate::tls::View;

/// Its media type.
pub const CONTENT_TYPE: &str = "application/x-ns-proxy-autoconfig";
/// Where it is: what settings say, and where browsers look by themselves.
pub const PATHS: [&str; 2] = ["/proxy.pac", "/wpad.dat"];

/// The part of the file that is the same for every client; none: the view has no proxy.
pub fn script(view: &View) -> Option<String> {
    let about = view.proxy.as_ref()?;
    let own = view.prefixes.iter().copied().chain(view.gateway.iter().map(IpNet::trunc));
    let mut networks: Vec<String> = own.chain(about.direct_prefixes.iter().copied()).map(bits).collect();
    networks.sort();
    networks.dedup();
    let mut text = String::new();
    list(&mut text, "NAMES", &about.direct_names);
    list(&mut text, "NETWORKS", &networks);
    text.push_str(FUNCTIONS);
    Some(text)
}

/// The line before it: where the proxy is that a client has asked.
pub fn address(proxy: SocketAddr) -> String {
    let proxy = SocketAddr::new(proxy.ip().to_canonical(), proxy.port());
    format!("var PROXY = \"PROXY {proxy}\";\n")
}

/// What is listed has no character that would end a string.
fn list(text: &mut String, name: &str, items: &[String]) {
    let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
    let _ = writeln!(text, "var {name} = [{}];", items.join(", "));
}

/// `4` or `6`, then the bits that a network's addresses have in common.
fn bits(network: IpNet) -> String {
    let length = usize::from(network.prefix_len());
    match network {
        IpNet::V4(v4) => format!("4{:.length$}", format!("{:032b}", v4.network().to_bits())),
        IpNet::V6(v6) => format!("6{:.length$}", format!("{:0128b}", v6.network().to_bits())),
    }
}

/// In the language of 1999, which every engine speaks that runs such files.
const FUNCTIONS: &str = r#"
function FindProxyForURL(url, host) {
    host = host.toLowerCase().replace(/^\[|\]$/g, "").replace(/\.$/, "");
    var bits = addressBits(host), i;
    if (bits !== "") {
        for (i = 0; i < NETWORKS.length; i++) {
            if (bits.indexOf(NETWORKS[i]) === 0) { return "DIRECT"; }
        }
        return PROXY;
    }
    if (host.indexOf(".") < 0) { return "DIRECT"; }
    for (i = 0; i < NAMES.length; i++) {
        var name = NAMES[i], dotted = name.charAt(0) === "." ? "." + host : host;
        if (dotted === name || name.charAt(0) === "." && dotted.slice(-name.length) === name) { return "DIRECT"; }
    }
    return PROXY;
}

function addressBits(host) {
    var v4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(host), bits, i;
    if (v4) {
        for (bits = "4", i = 1; i <= 4; i++) { bits += binary(Number(v4[i]), 8); }
        return bits;
    }
    if (host.indexOf(":") < 0) { return ""; }
    var text = host.split("%")[0], tail = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
    if (tail) {
        text = tail[1] + (tail[2] * 256 + Number(tail[3])).toString(16) + ":"
            + (tail[4] * 256 + Number(tail[5])).toString(16);
    }
    var halves = text.split("::"), first = groups(halves[0]), last = groups(halves[1] || "");
    for (bits = "6", i = 0; i < first.length; i++) { bits += binary(parseInt(first[i], 16), 16); }
    for (i = first.length + last.length; i < 8; i++) { bits += binary(0, 16); }
    for (i = 0; i < last.length; i++) { bits += binary(parseInt(last[i], 16), 16); }
    return bits;
}

function groups(text) {
    return text === "" ? [] : text.split(":");
}

function binary(number, width) {
    var text = number.toString(2);
    while (text.length < width) { text = "0" + text; }
    return text;
}
"#;
