//! What a step has to say, for people and for programs.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use lab::Lab;
use lab::events::Line;
use lab::internet::{WEB_V4, WEB_V6};
use lab::process;
use serde_json::json;

use super::{CITY, Step, TOWN};

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

/// One step's findings.
#[derive(Debug, Default)]
pub struct Report {
    sent: Vec<String>,
    arrived: Vec<String>,
    verdicts: Vec<String>,
    promises: usize,
    broken: Vec<String>,
}

impl Report {
    /// What was sent.
    pub fn sent(&mut self, what: impl Into<String>) {
        self.sent.push(what.into());
    }

    /// What arrived at the far end, as counted there.
    pub fn arrived(&mut self, what: impl Into<String>) {
        self.arrived.push(what.into());
    }

    /// What the gateway said about a packet.
    pub fn verdict(&mut self, line: &Line) {
        let text = verdict_text(line);
        if !self.verdicts.contains(&text) {
            self.verdicts.push(text);
        }
    }

    /// What the gateway's counters say.
    pub fn counted(&mut self, what: impl Into<String>) {
        self.verdicts.push(what.into());
    }

    /// A promise: `what` should be so.
    pub fn expect(&mut self, is_so: bool, what: impl Into<String>) {
        self.promises += 1;
        if !is_so {
            self.broken.push(what.into());
        }
    }

    /// A promise about a number.
    pub fn expect_count(&mut self, found: u64, wanted: u64, what: &str) {
        self.expect(found == wanted, format!("{what}: {found}, should be {wanted}"));
    }

    /// Whether every promise was kept, and there was one.
    pub fn held(&self) -> bool {
        self.promises > 0 && self.broken.is_empty()
    }

    /// Prints the step.
    pub fn print(&self, form: Form, number: usize, step: &Step) {
        if form == Form::Json {
            let object = json!({
                "step": number, "name": step.name, "title": step.title,
                "sent": self.sent, "arrived": self.arrived, "verdict": self.verdicts,
                "held": self.held(), "problems": self.broken,
            });
            println!("{object}");
            return;
        }
        println!("{} {} {}", paint(BOLD, &format!("{number:>2}  {}", step.title)), paint(DIM, "·"), step.title_ja);
        for (label, lines) in [("sent", &self.sent), ("arrived", &self.arrived), ("verdict", &self.verdicts)] {
            for (index, line) in lines.iter().enumerate() {
                let label = if index == 0 { label } else { "" };
                println!("    {} {line}", paint(DIM, &format!("{label:<8}")));
            }
        }
        for problem in &self.broken {
            println!("    {} {problem}", paint(RED, "broken  "));
        }
        let outcome = if self.held() {
            paint(GREEN, "✔ held · 守られた")
        } else {
            paint(RED, "✘ NOT HELD · 守られなかった")
        };
        println!("    {outcome}\n");
    }
}

/// `drop · rule "no-quic" (municipalities/shiomi.toml:44) · tcp 10.10.0.7:4000 > 198.51.100.80:443 · 潮見市`.
fn verdict_text(line: &Line) -> String {
    let mut text = format!("{} ({})", line.verdict, line.reason);
    if let Some(set) = &line.set {
        text += &format!(", set {set}");
    }
    if let Some(rule) = &line.rule {
        text += &format!(", rule “{rule}”");
    }
    if let Some(location) = &line.rule_location {
        text += &format!(" at {location}");
    }
    let end = |address: &Option<String>, port: Option<u16>| match (address, port) {
        (Some(address), Some(port)) if address.contains(':') => format!("[{address}]:{port}"),
        (Some(address), Some(port)) => format!("{address}:{port}"),
        (Some(address), None) => address.clone(),
        (None, _) => "?".to_owned(),
    };
    text += &format!(
        " — {} {} > {}",
        protocol(line.protocol),
        end(&line.source, line.source_port),
        end(&line.destination, line.destination_port)
    );
    if let Some(address) = &line.public_address {
        text += &format!(", as {address}");
    }
    if let Some(municipality) = &line.municipality {
        text += &format!(", {municipality}");
    }
    text
}

fn protocol(number: Option<u8>) -> String {
    match number {
        Some(1) => "icmp".to_owned(),
        Some(6) => "tcp".to_owned(),
        Some(17) => "udp".to_owned(),
        Some(58) => "icmpv6".to_owned(),
        Some(other) => format!("protocol {other}"),
        None => "?".to_owned(),
    }
}

/// The first lines of the tour.
pub fn welcome(form: Form) {
    if form == Form::Text {
        println!("{}", paint(BOLD, "番傘 Bangasa · one umbrella over a prefecture · 県をまるごと、一本の傘で"));
        println!("building it from network namespaces; nothing leaves this machine ...\n");
    }
}

/// What was built.
pub fn built(form: Form, lab: &Lab, took: Duration) {
    if form == Form::Json {
        return;
    }
    let policy = lab.policy();
    println!("{} ({}), lab {}, ready after {:.1} s", policy.name, policy.id, lab.id(), took.as_secs_f64());
    for site in lab.sites() {
        let name = policy.municipalities.iter().find(|town| town.id == site.municipality).map_or("", |town| &town.name);
        let hosts: Vec<String> = site.hosts.iter().map(ToString::to_string).collect();
        println!("  {:<10} {name} at {:<12} {}", site.municipality, site.attachment, paint(DIM, &hosts.join(" ")));
    }
    println!("  {:<10} nginx {WEB_V4} {WEB_V6}, dnsmasq, iperf3, and an attacker\n", "internet");
}

/// `bangasa status`, as an operator sees it.
pub fn status(form: Form, lab: &Lab) -> Result<()> {
    let arguments: &[&str] = if form == Form::Json { &["status", "--json"] } else { &["status"] };
    let output = process::run(&mut lab.daemon()?.bangasa(arguments)?)?;
    if form == Form::Text {
        println!("{}", paint(BOLD, "bangasa status"));
    }
    println!("{}", process::text(&output.stdout).trim_end());
    Ok(())
}

/// What a drill repeats.
pub fn incident(form: Form, incident: &str, built: Duration) {
    if form == Form::Text {
        println!("{} {}", paint(BOLD, incident), paint(DIM, &format!("· a lab in {} ms", built.as_millis())));
    }
}

/// The last line of the drills.
pub fn practised(form: Form, held: usize, drills: usize) {
    if form == Form::Json {
        println!("{}", json!({ "drills": drills, "held": held }));
        return;
    }
    let colour = if held == drills { GREEN } else { RED };
    println!("{}", paint(colour, &format!("{held} of {drills} drills held")));
}

/// The last line of the tour.
pub fn farewell(form: Form, held: usize, steps: usize, took: Duration) {
    if form == Form::Json {
        println!("{}", json!({ "steps": steps, "held": held, "seconds": took.as_secs() }));
        return;
    }
    let colour = if held == steps { GREEN } else { RED };
    let verdict = if held == steps {
        "every step held · すべて守られました"
    } else {
        "NOT every step held · 守られなかったものがあります"
    };
    println!("\n{}", paint(colour, &format!("{held} of {steps}: {verdict}, in {} s", took.as_secs())));
}

/// What to try next in a lab that is kept.
pub fn invitation(lab: &Lab) -> Result<String> {
    let files = lab.daemon()?.files().clone();
    let bangasa = lab::daemon::find_binary("bangasa")?;
    let bangasa = format!("{} --socket {}", bangasa.display(), files.socket.display());
    let namespace =
        |site: &str| lab.site(site).map(|site| format!("nsenter --net={}", site.namespace().path().display()));
    let (city, town) = (namespace(CITY), namespace(TOWN));
    let mut text = format!("\nlab {} stays · このまま動いています。Try:\n", lab.id());
    let mut add = |line: String| text += &format!("  {line}\n");
    add(format!("{bangasa} status"));
    add(format!("{bangasa} events --follow"));
    if let (Ok(city), Ok(town)) = (city, town) {
        add(format!("{town} curl http://{WEB_V4}/"));
        add(format!("{city} curl http://{WEB_V4}/            # inspected"));
        add(format!("{town} ping -c 3 198.51.100.66           # blocked"));
    }
    add(format!("{bangasa} plan {}          # edit something first", lab.policy_directory().display()));
    add(format!("{bangasa} apply {}", lab.policy_directory().display()));
    add(format!("nsenter --net={} curl http://{}/metrics", lab.gateway().path().display(), lab::daemon::METRICS));
    let own = std::env::current_exe()?;
    add(format!("{} down {}", own.display(), lab.id()));
    Ok(text)
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";

fn paint(style: &str, text: &str) -> String {
    if std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        format!("\x1b[{style}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}
