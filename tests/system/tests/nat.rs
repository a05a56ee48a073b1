//! Translation over many clients and much time: kernel and model choose the same, nobody shares a public port, the
//! blocks name every one's owner, and what nobody uses any more is freed and given again.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::net::Ipv4Addr;

use abi::{Reason, Verdict};
use dataplane::nat::Assigned;
use dataplane::{Engine, EngineSize};
use policy::{CompiledPolicy, Model, Numbering, Source};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use system::entry::entry;
use system::frame::{Packet, Payload};

const SECOND: u64 = 1_000_000_000;
const TRANSLATIONS: usize = 100_000;

/// Three municipalities that use the same addresses, with one, two and four public ones.
fn policy() -> policy::Policy {
    let mut source = Source::default();
    let prefecture = "schema = 1\n[prefecture]\nid = \"test\"\nname = \"試験県\"\n[ports]\nuplink = [\"wan0\"]\n\
                      access = [\"lan0\"]\n";
    source.files.insert("prefecture.toml".into(), prefecture.into());
    for (number, nat) in [
        "pool = [\"203.0.113.1\"]\nblock = 64\nblocks_per_client = 2",
        "pool = [\"203.0.113.2/31\"]\nblock = 4096\nblocks_per_client = 1",
        "pool = [\"203.0.113.4/30\"]\nblock = 256\nblocks_per_client = 8",
    ]
    .iter()
    .enumerate()
    {
        let text = format!(
            "id = \"town{number}\"\nname = \"{number}番町\"\n\
             attach = [{{ port = \"lan0\", vlan = {}, address = [\"10.10.0.1/16\"] }}]\nprefixes = [\"10.10.0.0/16\"]\n\
             [nat]\n{nat}\n[egress]\ndefault = \"allow\"\n",
            100 + number
        );
        source.files.insert(format!("municipalities/town{number}.toml"), text.into_bytes());
    }
    let checked = policy::check(&source);
    checked.policy.unwrap_or_else(|| panic!("{}", policy::render(&source, &checked.diagnostics, false)))
}

struct Gateway {
    engine: Engine,
    model: Model,
    compiled: CompiledPolicy,
    now_s: u64,
}

/// Municipality, client and port.
type Inside = (u16, Ipv4Addr, u16);

/// What became of a packet that begins a flow: verdict reason, and public side.
type Outcome = (Reason, Option<(Ipv4Addr, u16)>);

impl Gateway {
    fn new() -> Self {
        Self::with_room(8)
    }

    /// For so many public addresses.
    fn with_room(nat_addresses: u32) -> Self {
        let policy = policy();
        let compiled = policy::compile(&policy, &Numbering::default()).unwrap();
        let size = EngineSize { flow_buckets: 1 << 16, nat_addresses, ..EngineSize::fitting(&compiled) };
        let mut engine = Engine::new(size).unwrap();
        engine.install(&compiled, 1).unwrap();
        Self { engine, model: Model::new(policy, 1), compiled, now_s: 100_000 }
    }

    /// Both engines' word on a client's packet.
    fn send(&mut self, town: u16, client: Ipv4Addr, payload: Payload, server: Ipv4Addr) -> Outcome {
        let outcome = self.send_to_kernel(town, client, payload.clone(), server);
        let frame = Packet::new(client.into(), server.into(), payload).frame(&[100 + town]);
        let judgement = self.model.judge("lan0", self.now_s * SECOND, &frame);
        let translation = self.model.last_effects().translation;
        assert_eq!(outcome, (judgement.reason, translation), "town{town} {client} to {server} at {}", self.now_s);
        outcome
    }

    fn send_to_kernel(&mut self, town: u16, client: Ipv4Addr, payload: Payload, server: Ipv4Addr) -> Outcome {
        let frame = Packet::new(client.into(), server.into(), payload).frame(&[100 + town]);
        let entry = entry(&self.compiled.numbering, "lan0");
        let event = self.engine.judge(entry, self.now_s * SECOND, &frame).unwrap();
        let public = (event.verdict != Verdict::Drop as u8 && event.public_address != 0)
            .then(|| (Ipv4Addr::from(event.public_address.to_ne_bytes()), event.public_port));
        (Reason::from_number(event.reason).unwrap(), public)
    }

    fn blocks(&mut self) -> Vec<Assigned> {
        self.engine.nat().blocks().unwrap()
    }

    /// Whose block a public port is in, by the maps alone.
    fn owner(&mut self, (address, port): (Ipv4Addr, u16)) -> Option<(String, Ipv4Addr)> {
        let blocks = self.blocks();
        let mut found = blocks.iter().filter(|block| {
            block.address == address && (block.first_port..=block.first_port + (block.ports - 1)).contains(&port)
        });
        let block = found.next()?;
        assert!(found.next().is_none(), "two blocks have {address}:{port}");
        let town = self.compiled.municipality_name(block.owner.municipality).unwrap().to_owned();
        Some((town, block.client()))
    }
}

fn udp(port: u16) -> Payload {
    Payload::Udp { ports: (port, 53), data: 0 }
}

fn client(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 10, 1, last)
}

const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 4);

#[test]
fn a_hundred_thousand_translations_are_the_models_and_name_one_client_each() {
    let seed = std::env::var("BANGASA_SEED").map_or_else(|_| rand::rng().random(), |text| text.parse().unwrap());
    println!("BANGASA_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut gateway = Gateway::new();
    // By public address, protocol's space and port: whose it was last, until when he may have it.
    let mut holders: HashMap<(Ipv4Addr, bool, u16), (Inside, u64)> = HashMap::new();
    let (mut translated, mut exhausted, mut reused) = (0, 0, 0);
    while translated < TRANSLATIONS {
        if rng.random_bool(0.002) {
            gateway.now_s += rng.random_range(1..120);
        }
        let town = rng.random_range(0..3);
        let (client, port) = (client(rng.random_range(2..40)), 40_000 + rng.random_range(0..600));
        let server = Ipv4Addr::new(198, 51, 100, rng.random_range(1..6));
        let is_tcp = rng.random_bool(0.3);
        let payload = if is_tcp {
            Payload::Tcp { ports: (port, 443), flags: 2, sequence: 1_000, acknowledgement: 0, data: 0 }
        } else {
            udp(port)
        };
        let (reason, public) = gateway.send(town, client, payload, server);
        let Some((address, public_port)) = public else {
            assert_eq!(reason, Reason::NatExhausted);
            exhausted += 1;
            continue;
        };
        translated += 1;
        assert!(public_port >= 1_024);
        let (owner, now_s) = ((town, client, port), gateway.now_s);
        let (holder, until) = holders.entry((address, is_tcp, public_port)).or_insert((owner, 0));
        assert!(*holder == owner || now_s > *until, "{address}:{public_port} is {holder:?}'s until {until}");
        reused += usize::from(*holder != owner);
        (*holder, *until) = (owner, now_s + 30);
        if translated % 500 == 0 {
            let named = gateway.owner((address, public_port)).unwrap();
            assert_eq!(named, (format!("town{town}"), client));
        }
    }
    // In the end every public port that was ever given is of exactly one client's block, and the right one's.
    let blocks = gateway.blocks();
    for ((address, _, port), ((town, client, _), _)) in &holders {
        let of: Vec<_> = blocks
            .iter()
            .filter(|it| it.address == *address && (it.first_port..=it.first_port + (it.ports - 1)).contains(port))
            .collect();
        assert_eq!(of.len(), 1, "{address}:{port}");
        let number = gateway.compiled.numbering.municipalities[&format!("town{town}")];
        assert_eq!((of[0].owner.municipality, of[0].client()), (number, *client));
    }
    println!("{translated} translations, {} public ports, {reused} changed hands, {exhausted} drops", holders.len());
    assert!(exhausted > 1_000 && reused > 1_000, "the policy is tight: {exhausted}, {reused}");
}

#[test]
fn what_nobody_uses_is_freed_and_given_to_another() {
    let mut gateway = Gateway::new();
    let (_, first) = gateway.send_to_kernel(0, client(2), udp(5_000), SERVER);
    let (_, second) = gateway.send_to_kernel(0, client(3), udp(5_000), SERVER);
    assert_eq!((first.unwrap().1, second.unwrap().1), (1_024 + 5_000 % 64, 1_088 + 5_000 % 64));
    let retire = |gateway: &mut Gateway, quarantine_s| {
        let retired = gateway.engine.nat().retire(gateway.now_s as u32, quarantine_s).unwrap();
        retired.iter().map(|block| (block.client(), block.first_port)).collect::<Vec<_>>()
    };
    // Flow and slack are over after 61 s, and then the quarantine begins.
    gateway.now_s += 181;
    gateway.send_to_kernel(0, client(3), udp(5_000), SERVER);
    assert_eq!(retire(&mut gateway, 120), []);
    gateway.now_s += 1;
    assert_eq!(retire(&mut gateway, 120), [(client(2), 1_024)]);
    // What retires gives nothing: its client gets another block, and it is still not another's.
    let (_, again) = gateway.send_to_kernel(0, client(2), udp(5_000), SERVER);
    assert_eq!(again.unwrap().1, 1_152 + 5_000 % 64);
    let (_, other) = gateway.send_to_kernel(0, client(4), udp(5_000), SERVER);
    assert_eq!(other.unwrap().1, 1_216 + 5_000 % 64);
    // A daemon that was killed meanwhile finds it again.
    let retired = gateway.engine.nat().retire(gateway.now_s as u32, 120).unwrap();
    assert_eq!(retired.len(), 1);
    gateway.engine.nat().free(&retired).unwrap();
    assert_eq!(gateway.blocks().len(), 3);
    let (_, next) = gateway.send_to_kernel(0, client(5), udp(7_000), SERVER);
    assert_eq!(next.unwrap().1, 1_024 + 7_000 % 64);
    assert_eq!(gateway.owner(next.unwrap()), Some(("town0".to_owned(), client(5))));
    // All of it, in the end, and then everybody begins anew.
    gateway.now_s += 1_000;
    let retired = gateway.engine.nat().retire(gateway.now_s as u32, 120).unwrap();
    assert_eq!(retired.len(), 4);
    gateway.engine.nat().free(&retired).unwrap();
    assert!(gateway.blocks().is_empty());
    let (_, fresh) = gateway.send_to_kernel(0, client(6), udp(5_000), SERVER);
    assert_eq!(fresh.unwrap().1, 1_024 + 5_000 % 64);
}

#[test]
fn public_addresses_are_numbered_within_their_room() {
    let mut gateway = Gateway::with_room(9);
    let public = |gateway: &mut Gateway, pool: &str, generation: u64| {
        let mut policy = policy();
        let pool: Vec<Ipv4Addr> = pool.parse::<ipnet::Ipv4Net>().unwrap().hosts().collect();
        policy.municipalities[0].nat_pool = pool;
        let compiled = policy::compile(&policy, &gateway.compiled.numbering).unwrap();
        gateway.engine.install(&compiled, generation)
    };
    // Seven are the policy's of the beginning.
    let (_, kept) = gateway.send_to_kernel(0, client(2), udp(5_000), SERVER);
    assert_eq!(kept.unwrap().0, Ipv4Addr::new(203, 0, 113, 1));
    public(&mut gateway, "203.0.113.65/32", 2).unwrap();
    public(&mut gateway, "203.0.113.66/32", 3).unwrap();
    // One number may be given to another, but neither that of an address in force nor that of one with a block.
    let error = public(&mut gateway, "203.0.113.72/31", 4).unwrap_err().to_string();
    assert!(error.contains("--nat-addresses"), "{error}");
    let (_, moved) = gateway.send_to_kernel(0, client(2), udp(5_000), Ipv4Addr::new(198, 51, 100, 5));
    assert_eq!(moved.unwrap().0, Ipv4Addr::new(203, 0, 113, 66));
    assert_eq!(gateway.blocks().len(), 2, "the first block is still its client's");
    assert_eq!(gateway.owner(kept.unwrap()), Some(("town0".to_owned(), client(2))));
    public(&mut gateway, "203.0.113.72/32", 4).unwrap();
}
