//! The DNS guard: what a guarded server is spared, and what is none of its business.

use abi::{Limit, Reason};

use super::frames::{Message, changed, extended, extension, fragment, syn, udp, udp_with, with_options};
use super::policies::usual_but;
use super::{Case, Expected, drop, forward};
use crate::source::Source;

const SERVER: &str = "10.8.5.53:53";
const SERVER_V6: &str = "[2001:db8:8::53]:53";

pub(super) fn cases() -> Vec<Case> {
    [sources(), names(), windows(), messages(), bystanders(), policies()].concat()
}

/// Tome, which allows everything both ways, with a guard that has these numbers.
fn tome(numbers: &str) -> Source {
    let dns = "[dns]\nservers = [\"10.8.5.53\", \"2001:db8:8::53\"]\nzones = [\"tome.example\", \"a.tome.example\"]";
    usual_but("[nat]\npool = [\"203.0.113.64\"]\n", &format!("{dns}\n{numbers}\n"))
}

fn few_names() -> Source {
    tome("names = { enter = 16, leave = 4 }")
}

fn passed(reason: Reason) -> Expected {
    forward(reason).of("tome")
}

fn answered(limit: Limit) -> Expected {
    drop(Reason::DnsGuard).of("tome").limit(limit)
}

fn bad() -> Expected {
    drop(Reason::BadQuery).of("tome")
}

fn query(from: &str, to: &str, name: &str) -> Vec<u8> {
    udp_with(from, to, &Message::query(name).octets())
}

impl Case {
    /// Queries for so many different names below a zone, each from another source.
    fn ask(mut self, second: u64, numbers: std::ops::Range<u16>, zone: &str, expected: &Expected) -> Self {
        for number in numbers {
            let [high, low] = number.to_be_bytes();
            let from = format!("192.0.{high}.{low}:{}", 2_000 + number);
            self = self.packet("wan0", second, &query(&from, SERVER, &format!("x{number}.{zone}")), expected.clone());
        }
        self
    }
}

fn sources() -> Vec<Case> {
    let over = answered(Limit::DnsQueries);
    let new = passed(Reason::DefaultAllow);
    let from = |port: u16| query(&format!("192.0.2.4:{port}"), SERVER, "www.tome.example");
    let from_v6 = |host: &str, port: u16| query(&format!("[2001:db8:f::{host}]:{port}"), SERVER_V6, "tome.example");
    vec![
        Case::without_policy("queries of one source in a second, and in the next")
            .install(tome("queries_per_source = 3"))
            .packet("wan0", 0, &from(1), new.clone())
            .packet("wan0", 0, &from(2), new.clone())
            .packet("wan0", 0, &from(3), new.clone())
            .packet("wan0", 0, &from(4), over.clone())
            // Also on a flow that there is already, which stays.
            .packet("wan0", 0, &from(1), over.clone())
            .packet("wan0", 0, &query("192.0.2.5:1", SERVER, "www.tome.example"), new.clone())
            .packet("wan0", 1, &from(1), passed(Reason::Established))
            .packet("wan0", 1, &from(5), new.clone()),
        Case::without_policy("a network of the other family is one source")
            .install(tome("queries_per_source = 2"))
            .packet("wan0", 0, &from_v6("1", 1), new.clone())
            .packet("wan0", 0, &from_v6("2", 1), new.clone())
            .packet("wan0", 0, &from_v6("3", 1), over.clone())
            .packet("wan0", 0, &query("[2001:db8:f:1::1]:1", SERVER_V6, "tome.example"), new),
    ]
}

fn names() -> Vec<Case> {
    let over = answered(Limit::DnsNames);
    let new = passed(Reason::DefaultAllow);
    let known = |number: u16| query(&format!("192.0.2.7:{number}"), SERVER, "www.tome.example");
    let mut one_name = Case::without_policy("one name however often, in whatever case, is one").install(few_names());
    for number in 1..60 {
        let name = if number % 2 == 0 { "WWW.tome.EXAMPLE" } else { "www.tome.example" };
        one_name = one_name.packet("wan0", 0, &query(&format!("192.0.2.7:{number}"), SERVER, name), new.clone());
    }
    vec![
        one_name,
        Case::without_policy("different names are an attack on their zone, and on no other")
            .install(few_names())
            .ask(0, 0..15, "tome.example", &new)
            .ask(0, 15..40, "tome.example", &over)
            // Of an existing flow as well.
            .packet("wan0", 0, &query("192.0.0.3:2003", SERVER, "x3.tome.example"), over.clone())
            .packet("wan0", 0, &known(1), over.clone())
            .packet("wan0", 0, &query("192.0.2.7:2", SERVER, "www.a.tome.example"), new.clone())
            .packet("wan0", 0, &query("192.0.2.7:3", SERVER, "example"), new.clone())
            .packet("wan0", 0, &query("192.0.2.7:4", SERVER, "."), new.clone())
            .packet("wan0", 0, &syn("192.0.2.7:5", SERVER), new.clone()),
        Case::without_policy("servers of one municipality share what they are asked")
            .install(few_names())
            .ask(0, 0..15, "tome.example", &new)
            .packet("wan0", 0, &query("[2001:db8:f::7]:7", SERVER_V6, "y.tome.example"), over.clone()),
        Case::without_policy("names of no zone are one zone")
            .install(few_names())
            .ask(0, 0..15, "elsewhere.example", &new)
            .ask(0, 15..20, "tome.exampl", &over)
            .ask(0, 20..21, "tome.example", &new),
    ]
}

fn windows() -> Vec<Case> {
    let over = answered(Limit::DnsNames);
    let new = passed(Reason::DefaultAllow);
    let established = passed(Reason::Established);
    vec![
        Case::without_policy("an attack that lasts is held to last, a calm window ends it")
            .install(few_names())
            .ask(0, 0..15, "tome.example", &new)
            .ask(3, 15..20, "tome.example", &over)
            // Fewer than began it, as many as keep it up.
            .ask(4, 20..26, "tome.example", &over)
            .ask(8, 26..28, "tome.example", &over)
            .ask(12, 28..30, "tome.example", &new)
            .ask(13, 28..30, "tome.example", &established),
        Case::without_policy("an attack that nobody goes on with is over")
            .install(few_names())
            .ask(0, 0..15, "tome.example", &new)
            .ask(1, 15..30, "tome.example", &over)
            .ask(40, 30..44, "tome.example", &new)
            .ask(40, 45..46, "tome.example", &new)
            .ask(40, 46..50, "tome.example", &over),
    ]
}

fn messages() -> Vec<Case> {
    let new = passed(Reason::DefaultAllow);
    let message = |message: Message| udp_with("192.0.2.4:9", SERVER, &message.octets());
    let sound = Message::query("www.tome.example");
    let octets = sound.octets();
    let cut = |octets: &[u8]| udp_with("192.0.2.4:9", SERVER, octets);
    let labels = |count: usize, length: usize| vec!["y".repeat(length); count].join(".");
    let plain = message(sound.clone());
    let options = with_options(&plain, &[1, 1, 1, 1]);
    let options_v6 = extended(&query("[2001:db8:f::1]:9", SERVER_V6, "tome.example"), 60, &extension(17));
    vec![
        Case::without_policy("what is a query")
            .install(tome(""))
            .packet("wan0", 0, &plain, new.clone())
            .packet(
                "wan0",
                0,
                &message(Message { opcode: 4, answers: 1, ..sound.clone() }),
                passed(Reason::Established),
            )
            .packet("wan0", 0, &query("192.0.2.4:1", SERVER, "."), new.clone())
            .packet("wan0", 0, &query("192.0.2.4:2", SERVER, &labels(4, 62)), new.clone())
            .packet("wan0", 0, &query("192.0.2.4:3", SERVER, &labels(127, 1)), new.clone())
            .packet("wan0", 0, &cut(&[&octets[..], &[0; 300]].concat()), passed(Reason::Established))
            .packet("wan0", 0, &options, passed(Reason::Established))
            .packet("wan0", 0, &options_v6, new),
        Case::without_policy("what is none")
            .install(tome(""))
            .packet("wan0", 0, &udp("192.0.2.4:9", SERVER), bad())
            .packet("wan0", 0, &cut(&[]), bad())
            .packet("wan0", 0, &cut(&octets[..octets.len() - 1]), bad())
            .packet("wan0", 0, &cut(&octets[..20]), bad())
            .packet("wan0", 0, &message(Message { is_answer: true, ..sound.clone() }), bad())
            .packet("wan0", 0, &message(Message { opcode: 5, ..sound.clone() }), bad())
            .packet("wan0", 0, &message(Message { questions: 0, ..sound.clone() }), bad())
            .packet("wan0", 0, &message(Message { questions: 2, ..sound.clone() }), bad())
            // A pointer, a label of 64, and a name of 257 octets.
            .packet("wan0", 0, &cut(&changed(&octets, 12, &[0xc0, 12])), bad())
            .packet("wan0", 0, &cut(&changed(&octets, 12, &[64])), bad())
            .packet("wan0", 0, &query("192.0.2.4:2", SERVER, &labels(128, 1)), bad())
            .packet("wan0", 0, &fragment(&plain, 7, 0, 24), bad()),
    ]
}

fn bystanders() -> Vec<Case> {
    let new = passed(Reason::DefaultAllow);
    let established = passed(Reason::Established);
    let other = "10.8.5.54:53";
    vec![
        Case::without_policy("other ports, other servers, other directions are not looked at")
            .install(few_names())
            .packet("wan0", 0, &udp("192.0.2.4:9", other), new.clone())
            .packet("wan0", 0, &udp("192.0.2.4:9", "10.8.5.53:5353"), new.clone())
            .packet("lan0.103", 0, &udp(SERVER, "192.0.2.9:53"), new.clone())
            // The answer to what the server itself has asked.
            .packet("wan0", 0, &udp("192.0.2.9:53", SERVER), established.clone())
            .packet("wan0", 0, &query("192.0.2.4:9", SERVER, "tome.example"), new)
            .packet("lan0.103", 0, &udp(SERVER, "192.0.2.4:9"), established),
    ]
}

fn policies() -> Vec<Case> {
    let over = answered(Limit::DnsNames);
    let new = passed(Reason::DefaultAllow);
    let closed = usual_but(
        "[nat]\npool = [\"203.0.113.64\"]\n[sections]\nward = [\"10.8.1.0/24\"]\n[egress]\ndefault = \"allow\"\n\
         [ingress]\ndefault = \"allow\"\n",
        "[dns]\nservers = [\"10.8.5.53\"]\nqueries_per_source = 2\n[sections]\nward = [\"10.8.1.0/24\"]\n[egress]\n\
         default = \"allow\"\n[ingress]\n[[ingress.rule]]\nname = \"friends\"\nfrom = [\"192.0.2.0/25\"]\n\
         ports = [\"udp/53\"]\naction = \"allow\"\n",
    );
    let from = |address: &str, port: u16| query(&format!("{address}:{port}"), SERVER, "tome.example");
    vec![
        Case::without_policy("who is denied gets no answer, and the rule that let in who is limited is told")
            .install(closed)
            .packet("wan0", 0, &from("192.0.2.200", 1), drop(Reason::DefaultDeny).of("tome"))
            .packet("wan0", 0, &from("192.0.2.4", 1), forward(Reason::Rule).rule("friends").of("tome"))
            .packet("wan0", 0, &from("192.0.2.4", 2), forward(Reason::Rule).rule("friends").of("tome"))
            .packet("wan0", 0, &from("192.0.2.4", 3), answered(Limit::DnsQueries).rule("friends"))
            .packet("wan0", 0, &from("192.0.2.4", 1), answered(Limit::DnsQueries).rule("friends"))
            .packet("wan0", 0, &udp("192.0.2.5:1", SERVER), bad().rule("friends")),
        Case::without_policy("an apply forgets no attack, nor a guard that begins what there is")
            .install(few_names())
            .ask(0, 0..15, "tome.example", &new)
            .ask(0, 15..17, "tome.example", &over)
            .install(few_names())
            .ask(0, 17..19, "tome.example", &over)
            .ask(0, 17..19, "a.tome.example", &new),
        Case::without_policy("a zone that takes another one's place begins anew")
            .install(few_names())
            .ask(0, 0..15, "tome.example", &new)
            .ask(0, 15..17, "tome.example", &over)
            .install(usual_but(
                "[nat]\npool = [\"203.0.113.64\"]\n",
                "[dns]\nservers = [\"10.8.5.53\"]\nzones = [\"tome.example\"]\nnames = { enter = 16 }\n",
            ))
            .ask(0, 17..32, "tome.example", &new)
            .ask(0, 32..34, "tome.example", &over),
    ]
}
