//! The Internet of the lab: one namespace that is the router next to the gateway and every server behind it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::http3::Http3;
use crate::link::End;
use crate::namespace::Namespace;
use crate::pki::Pki;
use crate::server::Server;

/// The router's end of the uplink.
pub const DEVICE: &str = "gw0";
/// The router and the gateway on the uplink.
pub const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// See [`ROUTER_V4`].
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// See [`ROUTER_V4`].
pub const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 1);
/// See [`ROUTER_V4`].
pub const GATEWAY_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xfffe, 0, 0, 0, 0, 2);
/// The web server, and a second name of the same machine that tests may choose freely.
pub const WEB_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 80);
/// See [`WEB_V4`].
pub const WEB_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x80);
/// The DNS server.
pub const DNS_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// See [`DNS_V4`].
pub const DNS_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 0x53);
/// The attacker's own address, when it does not lie about it.
pub const ATTACKER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 99);
/// The name that the DNS server knows.
pub const WEB_NAME: &str = "www.example.jp";
/// Another name of the web server, which the example's rules leave closed.
pub const CLOSED_NAME: &str = "www.bank.example";
/// A name that the example's rules leave closed, of another server.
pub const ELSEWHERE_NAME: &str = "elsewhere.bank.example";
/// A name of the web server whose certificate nobody has issued.
pub const SELF_SIGNED_NAME: &str = "self-signed.example.jp";
/// A name of the web server under which it notes every field of every request: see [`Internet::witnessed`].
pub const WITNESS_NAME: &str = "witness.example.jp";
/// Where nginx listens.
pub const WEB_PORTS: [u16; 2] = [80, 8080];
/// Where nginx speaks TLS, HTTP/2 as well as HTTP/1.1.
pub const TLS_PORT: u16 = 443;
/// Where iperf3 listens.
pub const IPERF_PORT: u16 = 5201;
/// Size of `/large`.
pub const LARGE_BYTES: usize = 16 << 20;

/// The router and its servers.
#[derive(Debug)]
pub struct Internet {
    namespace: Namespace,
    directory: PathBuf,
    servers: Vec<Server>,
    pki: Pki,
    http3: Option<Http3>,
}

impl Internet {
    /// Sets up addresses and routes in a namespace whose uplink exists: whole documentation networks are local, so
    /// that any address in them answers.
    pub fn new(namespace: Namespace, directory: &Path) -> Result<Self> {
        namespace.sysctl(&[
            ("net.ipv6.conf.lo.disable_ipv6", "0"),
            ("net.ipv4.conf.all.forwarding", "0"),
            // The attacker's floods must not make the router stingy with its answers.
            ("net.ipv4.icmp_ratelimit", "0"),
            ("net.ipv6.icmp.ratelimit", "0"),
        ])?;
        namespace.ip(&format!(
            "addr add {ROUTER_V4}/30 dev {DEVICE}\n\
             addr add {ROUTER_V6}/64 dev {DEVICE} nodad\n\
             addr add {WEB_V4}/32 dev lo\n\
             addr add {DNS_V4}/32 dev lo\n\
             addr add {ATTACKER_V4}/32 dev lo\n\
             addr add {WEB_V6}/128 dev lo nodad\n\
             addr add {DNS_V6}/128 dev lo nodad\n\
             route add local 198.51.100.0/24 dev lo\n\
             route add local 2001:db8:ffff::/48 dev lo\n"
        ))?;
        fs::create_dir_all(directory).with_context(|| format!("cannot create `{}`", directory.display()))?;
        let pki = Pki::create(&directory.join("pki"), "Lab's Internet")?;
        Ok(Self { namespace, directory: directory.to_owned(), servers: Vec::new(), pki, http3: None })
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The router's end of the uplink, where what left the gateway arrives.
    pub fn uplink(&self) -> End<'_> {
        End { namespace: &self.namespace, device: DEVICE }
    }

    /// Makes further addresses answer.
    pub fn own(&self, addresses: &[IpAddr]) -> Result<()> {
        let lines: String = addresses.iter().map(|address| format!("addr replace {address} dev lo\n")).collect();
        self.namespace.ip(&lines)
    }

    /// Sends everything for `prefix` to the gateway.
    pub fn route(&self, prefix: ipnet::IpNet) -> Result<()> {
        let via = match prefix {
            ipnet::IpNet::V4(_) => IpAddr::from(GATEWAY_V4),
            ipnet::IpNet::V6(_) => IpAddr::from(GATEWAY_V6),
        };
        self.namespace.ip(&format!("route replace {prefix} via {via} dev {DEVICE}\n"))
    }

    /// Starts nginx, dnsmasq and iperf3.
    pub fn serve(&mut self) -> Result<()> {
        self.serve_web()?;
        self.serve_names()?;
        let mut iperf = self.namespace.command("iperf3");
        iperf.args(["--server", "--forceflush", "--port", &IPERF_PORT.to_string()]);
        self.start("iperf3", iperf, IPERF_PORT)
    }

    /// The authority of its servers' certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// What nginx serves as `/large`.
    pub fn large_file(&self) -> PathBuf {
        self.file("large")
    }

    /// One line per request that nginx has answered: client address, client port, address it came to, request.
    pub fn requests(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.directory.join("access.log")).context("nginx keeps no log")?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The lines and fields of all requests so far to [`WITNESS_NAME`], word for word as they arrived.
    pub fn witnessed(&self) -> Result<Vec<String>> {
        const LINES: [&str; 4] = ["http request line: ", "http header: ", "http2 pseudo-header: ", "http2 header: "];
        let log = fs::read(self.directory.join("witness.log")).context("nginx keeps no log of fields")?;
        let field =
            |line: &str| LINES.iter().find_map(|word| Some(line.split_once(word)?.1.trim_matches('"').to_owned()));
        Ok(String::from_utf8_lossy(&log).lines().filter_map(field).collect())
    }

    /// A file that nginx serves, or takes by `PUT`, under this path.
    pub fn file(&self, path: &str) -> PathBuf {
        self.directory.join("www").join(path)
    }

    /// Lets the servers run on without a guard.
    pub fn release(&mut self) {
        self.servers.iter_mut().for_each(Server::release);
    }

    /// Starts nginx with TLS, HTTP/2 as well as HTTP/1.1; the same pages, the same log, and `/uploads/` for `PUT`.
    pub fn serve_tls(&mut self) -> Result<()> {
        let listens = format!("listen {TLS_PORT} ssl http2; listen [::]:{TLS_PORT} ssl http2;");
        let identity = self.pki.issue(&[WEB_NAME, CLOSED_NAME, WITNESS_NAME])?;
        let (chain, key) = (identity.chain.display(), identity.key.display());
        let server = format!(
            "{listens} ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {chain}; ssl_certificate_key {key};\n\
             client_max_body_size 2g; location /uploads/ {{ dav_methods PUT; }}\n{}",
            self.http3.as_ref().map_or(String::new(), |_| format!("add_header Alt-Svc 'h3=\":{TLS_PORT}\"';\n")),
        );
        let (log, www) = (self.directory.join("witness.log"), self.directory.join("www"));
        let witness = format!(
            "server {{ {server} server_name {WITNESS_NAME}; root {}; error_log {} debug; }}\n",
            www.display(),
            log.display()
        );
        let lonely = self.pki.self_signed(SELF_SIGNED_NAME)?;
        let (chain, key) = (lonely.chain.display(), lonely.key.display());
        let further = format!(
            "{witness}server {{ {listens} server_name {SELF_SIGNED_NAME};\n\
             ssl_certificate {chain}; ssl_certificate_key {key}; }}\n"
        );
        self.serve_pages("nginx-tls", &server, &further, TLS_PORT)
    }

    /// Starts a server of HTTP/3 beside nginx, which tells clients of it once [`serve_tls`](Self::serve_tls) is called.
    pub fn serve_http3(&mut self) -> Result<()> {
        let identity = self.pki.issue(&[WEB_NAME, CLOSED_NAME])?;
        let at = [IpAddr::from(WEB_V4), WEB_V6.into()].map(|address| SocketAddr::new(address, TLS_PORT));
        let server = Http3::start(&self.namespace, at.to_vec(), &identity, &self.large_file())?;
        self.http3 = Some(server);
        Ok(())
    }

    /// Ends the HTTP/3 server; what was announced stays announced.
    pub fn stop_http3(&mut self) {
        self.http3 = None;
    }

    /// One line per request that came over HTTP/3: client address, method, path.
    pub fn http3_requests(&self) -> Vec<String> {
        self.http3.as_ref().map(Http3::requests).unwrap_or_default()
    }

    fn serve_web(&mut self) -> Result<()> {
        let www = self.directory.join("www");
        fs::create_dir_all(www.join("uploads"))?;
        fs::write(www.join("index.html"), "番傘: this page came through the gateway\n")?;
        fs::write(www.join("large"), noise(LARGE_BYTES))?;
        let listens: String = WEB_PORTS.iter().map(|port| format!("listen {port}; listen [::]:{port};\n")).collect();
        self.serve_pages("nginx", &listens, "", WEB_PORTS[0])
    }

    /// An nginx of its own, which answers at `port`.
    fn serve_pages(&mut self, name: &str, server: &str, further: &str, port: u16) -> Result<()> {
        let directory = self.directory.display();
        let configuration = format!(
            "daemon off; user root; worker_processes 1; pid {directory}/{name}.pid; error_log {directory}/{name}.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{\n\
               log_format arrivals '$remote_addr $remote_port $server_addr $request';\n\
               access_log {directory}/access.log arrivals;\n\
               default_type text/plain;\n\
               client_body_temp_path {directory}/{name}-body; proxy_temp_path {directory}/proxy;\n\
               fastcgi_temp_path {directory}/fastcgi; uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;\n\
               server {{ {server} root {directory}/www; }}\n\
               {further}\n\
             }}\n"
        );
        let file = self.directory.join(format!("{name}.conf"));
        fs::write(&file, configuration)?;
        let mut nginx = self.namespace.command("nginx");
        nginx.arg("-e").arg(self.directory.join(format!("{name}.log"))).arg("-c").arg(&file);
        self.start(name, nginx, port)
    }

    fn serve_names(&mut self) -> Result<()> {
        let mut dnsmasq = self.namespace.command("dnsmasq");
        dnsmasq.args(["--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root"]);
        dnsmasq.args(["--bind-interfaces", "--pid-file="]);
        dnsmasq.args([DNS_V4.into(), IpAddr::from(DNS_V6)].map(|address| format!("--listen-address={address}")));
        dnsmasq.arg(format!("--host-record={CLOSED_NAME},{WEB_V4},{WEB_V6}"));
        dnsmasq.arg(format!("--host-record={ELSEWHERE_NAME},{ATTACKER_V4}"));
        for name in [WEB_NAME, WITNESS_NAME] {
            dnsmasq
                .args([WEB_V4.into(), IpAddr::from(WEB_V6)].map(|address| format!("--host-record={name},{address}")));
        }
        self.start("dnsmasq", dnsmasq, 53)
    }

    fn start(&mut self, name: &str, mut command: std::process::Command, port: u16) -> Result<()> {
        let address = if port == 53 { DNS_V4 } else { WEB_V4 };
        let namespace = self.namespace.clone();
        let log = self.directory.join(format!("{name}.out"));
        let server = Server::start(name, &mut command, &log, || {
            namespace.enter(|| Ok(answers(SocketAddr::new(address.into(), port))))
        })?;
        self.servers.push(server);
        Ok(())
    }
}

/// Whether something accepts TCP connections there.
fn answers(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(300)).is_ok()
}

/// Bytes that no two places of share: a repeated or swapped piece of a download would show in its hash.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}
