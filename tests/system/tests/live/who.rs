//! `bangasa who` of real connections: one municipality and client for each public port, also between twins, and over the
//! daemon's death.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use control::Holder;
use lab::internet::WEB_V4;
use lab::{Lab, process};

use crate::peers::{Service, converse, noise, settle};

fn who(lab: &Lab, public: &str, more: &[&str]) -> Holder {
    let arguments = ["who", public, "--json"].into_iter().chain(more.iter().copied());
    let output = process::run(&mut lab.daemon().unwrap().bangasa(arguments).unwrap()).unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_public_port_has_one_client_also_when_the_daemon_was_killed() {
    let mut lab = crate::lab();
    let server = SocketAddr::new(WEB_V4.into(), 53);
    let since = lab.daemon().unwrap().events().mark();
    {
        let _mirror = Service::mirror(lab.internet().namespace(), server, "");
        // Shiomi and Shirakaba use the same addresses.
        for id in ["shiomi", "shirakaba"] {
            let site = lab.site(id).unwrap();
            for size in 1..=5 {
                let from = (site.v4().unwrap(), 0).into();
                assert_eq!(converse(site.namespace(), from, server, &noise(size)).unwrap(), noise(size));
            }
        }
    }
    settle();
    let began =
        lab.daemon().unwrap().events().since(since, |line| {
            line.new_flow == Some(true) && line.public_address.is_some() && line.protocol == Some(6)
        });
    let publics: Vec<(String, String, String)> = began
        .iter()
        .map(|line| {
            let public = format!("{}:{}", line.public_address.clone().unwrap(), line.public_port.unwrap());
            (public, line.municipality.clone().unwrap(), line.source.clone().unwrap())
        })
        .collect();
    assert!(publics.len() >= 10, "{publics:?}");
    let check = |lab: &Lab, more: &[&str]| -> Vec<Holder> {
        let answers = publics.iter().map(|(public, municipality, client)| {
            let who = who(lab, public, more);
            assert_eq!((&who.municipality, who.client.map(|it| it.to_string()).as_ref()), (municipality, Some(client)));
            assert!(who.to.is_none() && !who.inspector && who.what == "port_block");
            who
        });
        answers.collect()
    };
    let before = check(&lab, &["--proto", "tcp"]);
    lab.daemon_mut().unwrap().kill().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    lab.start_daemon().unwrap();
    assert_eq!(check(&lab, &[]), before, "the same blocks since the same moments");
    let from = before[0].from.clone().unwrap();
    assert_eq!(who(&lab, &publics[0].0, &["--at", &from]).municipality, publics[0].1);

    // Nobody's, before its time, and an address that is published.
    for (public, more) in [("203.0.113.19:65000", &[][..]), (&*publics[0].0, &["--at", "2020-01-01T00:00:00Z"])] {
        let arguments = ["who", public].into_iter().chain(more.iter().copied());
        let output = lab.daemon().unwrap().bangasa(arguments).unwrap().output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(process::text(&output.stderr).contains("nobody's"), "{}", process::text(&output.stderr));
    }
    let published: IpAddr = "203.0.113.10".parse().unwrap();
    let found = who(&lab, "203.0.113.10:443", &[]);
    assert_eq!(
        (found.what.as_str(), found.municipality.as_str(), found.client),
        ("published", "shiomi", Some(published))
    );

    let status = lab.daemon().unwrap().status().unwrap();
    let shiomi = status.municipalities.iter().find(|it| it.municipality.as_deref() == Some("shiomi")).unwrap();
    let nat = shiomi.nat.unwrap();
    assert!(
        nat.blocks >= 1 && nat.ports == nat.blocks * 512 && nat.clients >= 1 && nat.clients_at_limit == 0,
        "{nat:?}"
    );
}
