//! The kernel's prefix tables against plain containment: thousands of nested prefixes of every length in block sets, and
//! a packet from the addresses at and beside every edge. The set that a drop names tells which class was found.
//!
//! A failure prints the seed; `BANGASA_SEED=<seed>` runs it again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use abi::ports::ROLE_UPLINK;
use dataplane::engine::{Engine, EngineSize, Entry};
use ipnet::IpNet;
use policy::{Model, Numbering, Source};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use system::frame::{Packet, Payload};

/// The longest prefixes are in the first set, so that every edge shows in the name of the first set that blocks.
const SETS: usize = 24;
const PREFIXES: usize = 4_000;

/// Where random prefixes crowd: the borders of what the tables treat alike.
const V4: [&str; 4] = ["0.0.0.0", "198.51.100.0", "203.0.112.255", "255.255.255.255"];
const V6: [&str; 7] = ["::", "1fff:ffff::", "2000::", "2001:db8:77::", "3fff:ffff::ffff", "4000::", "fd00::8000:0:0:0"];

#[test]
fn the_kernel_finds_every_edge_of_random_prefixes() {
    let seed =
        std::env::var("BANGASA_SEED").ok().map_or_else(|| rand::rng().random(), |it| it.parse().expect("a seed"));
    println!("BANGASA_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut prefixes = nested(&mut rng, 32, &V4);
    prefixes.extend(nested(&mut rng, 128, &V6));

    let checked = policy::check(&source(&prefixes));
    let policy = checked.policy.expect("the generated policy is right");
    let compiled = policy::compile(&policy, &Numbering::default()).expect("the policy compiles");
    let mut engine = Engine::new(EngineSize::fitting(&compiled)).expect("the program loads");
    engine.install(&compiled, 1).expect("the policy installs");
    let mut model = Model::empty();
    model.install(policy, 1);

    let entry = Entry { port: compiled.numbering.ports["wan0"], role: ROLE_UPLINK, municipality: 0 };
    let mut named: BTreeMap<Option<String>, u32> = BTreeMap::new();
    for address in edges(&prefixes) {
        let inside: IpAddr = match address {
            IpAddr::V4(_) => Ipv4Addr::new(10, 4, 0, 7).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 4, 0, 0, 0, 0, 7).into(),
        };
        let frame = Packet::new(address, inside, Payload::Udp { ports: (4_000, 53), data: 4 }).frame(&[]);
        let expected = model.judge("wan0", 1_000_000_000, &frame);
        let found = compiled.describe(&engine.judge(entry, 1_000_000_000, &frame).expect("the kernel judges"));
        assert_eq!(found, expected, "seed {seed}, from {address}");
        *named.entry(expected.set).or_default() += 1;
    }
    println!("{named:?}");
    assert!(named.len() > SETS / 2, "few sets were met: {named:?}");
}

/// Prefixes that share their beginnings with each other, of every length.
fn nested(rng: &mut StdRng, bits: u8, bases: &[&str]) -> Vec<IpNet> {
    let mut addresses: Vec<u128> = bases.iter().map(|it| number(it.parse().expect("an address"))).collect();
    let mut prefixes = Vec::new();
    while prefixes.len() < PREFIXES {
        let base = addresses[rng.random_range(0..addresses.len())];
        let kept = rng.random_range(0..=bits);
        let random = rng.random::<u128>() & u128::MAX.checked_shr(128 - u32::from(bits - kept)).unwrap_or(0);
        let address = base ^ random;
        let length = rng.random_range(0..=bits);
        let prefix = IpNet::new(ip(bits, address), length).expect("a length of its family").trunc();
        let mapped = matches!(prefix, IpNet::V6(net) if net.addr().to_ipv4_mapped().is_some());
        if !mapped {
            addresses.push(address);
            prefixes.push(prefix);
        }
    }
    prefixes
}

/// The first and the last address of each prefix, and their neighbours outside.
fn edges(prefixes: &[IpNet]) -> BTreeSet<IpAddr> {
    let around = |prefix: &IpNet| {
        let bits = prefix.max_prefix_len();
        let most = u128::MAX >> (128 - u32::from(bits));
        let (first, last) = (number(prefix.network()), number(prefix.broadcast()));
        [first.saturating_sub(1), first, last, most.min(last.saturating_add(1))].map(|it| ip(bits, it))
    };
    prefixes.iter().flat_map(around).collect()
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn ip(bits: u8, number: u128) -> IpAddr {
    if bits == 32 { Ipv4Addr::from_bits(number as u32).into() } else { Ipv6Addr::from_bits(number).into() }
}

fn source(prefixes: &[IpNet]) -> Source {
    let mut sets = vec![String::new(); SETS];
    for prefix in prefixes {
        let shortness = usize::from(prefix.max_prefix_len() - prefix.prefix_len());
        let set = shortness * SETS / (usize::from(prefix.max_prefix_len()) + 1);
        let _ = writeln!(sets[set], "{prefix}");
    }
    let list = |entry: &dyn Fn(usize) -> String| (0..SETS).map(entry).collect::<Vec<_>>();
    let prefecture = format!(
        "schema = 1\n[prefecture]\nid = \"test\"\nname = \"試験県\"\n[ports]\nuplink = [\"wan0\"]\naccess = [\"lan0\"]\n\
         [sets]\n{}\n[block]\nsets = [{}]\n",
        list(&|n| format!("set{n} = {{ file = \"sets/{n}.txt\" }}")).join("\n"),
        list(&|n| format!("\"set{n}\"")).join(", "),
    );
    let municipality = "id = \"town\"\nname = \"町\"\n\
         attach = [{ port = \"lan0\", vlan = 101, address = [\"10.4.0.1/24\", \"2001:db8:4::1/64\"] }]\n\
         prefixes = [\"10.4.0.0/16\", \"2001:db8:4::/48\"]\n[egress]\ndefault = \"deny\"\n";
    let mut source = Source::default();
    source.files.insert("prefecture.toml".to_owned(), prefecture.into_bytes());
    source.files.insert("municipalities/town.toml".to_owned(), municipality.to_owned().into_bytes());
    source.files.extend((0..).zip(sets).map(|(n, set)| (format!("sets/{n}.txt"), set.into_bytes())));
    source
}
