//! What a certificate and an opened connection cost: `cargo run --release -p inspect --example cost`.
//!
//! Everything on one thread and over memory, so that neither the kernel nor a second processor is in the figures: client,
//! gateway and server each make their half of two handshakes (TLS 1.3, X25519MLKEM768, ECDSA P-256, nothing resumed).

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use bytes::Bytes;
use certify::{Authority, DAY, KeyType, Moment, Name, Press, Root, Shown, ShownKey, Validity};
use inspect::mint::Mint;
use inspect::rewind::Rewind;
use inspect::serve::Serve;
use inspect::upstream::{Connected, Target, Trust, Upstream};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

const LIMIT: Duration = Duration::from_secs(20);
const HOST: &str = "www.example.jp";

fn main() -> anyhow::Result<()> {
    let now = Moment::from(SystemTime::now());
    minting(now)?;
    tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(handshakes(now))
}

fn authority(now: Moment) -> anyhow::Result<(Root, Authority)> {
    let root = Root::create("cost", now)?;
    let municipal = root.issue("cost", "cost", &[], now)?;
    Ok((root, Authority::try_from(&municipal)?))
}

fn shown(now: Moment) -> Shown {
    Shown {
        names: Name::host(HOST).into_iter().collect(),
        left_out: 0,
        common_name: None,
        validity: Validity { from: now.plus(-DAY), until: now.plus(30 * DAY) },
        key: ShownKey::Curve(256),
        has_weak_signature: false,
        is_self_issued: false,
    }
}

fn minting(now: Moment) -> anyhow::Result<()> {
    let press = Press::new(authority(now)?.1, now)?;
    for (key_type, times) in [(KeyType::Ecdsa, 20_000_u32), (KeyType::Rsa, 2_000)] {
        // The RSA key is made at its first use.
        press.mint(&shown(now), None, key_type, now).map_err(|error| anyhow::anyhow!("{error}"))?;
        let begin = Instant::now();
        for _ in 0..times {
            press.mint(&shown(now), None, key_type, now).map_err(|error| anyhow::anyhow!("{error}"))?;
        }
        let each = begin.elapsed().as_secs_f64() / f64::from(times);
        println!("a minted certificate, {}: {:.1} µs", key_type.label(), each * 1e6);
    }
    let mint = Mint::new(authority(now)?.1, now)?;
    let times = 200_000_u32;
    let begin = Instant::now();
    for _ in 0..times {
        mint.certificate(&shown(now), None, KeyType::Ecdsa, now)?;
    }
    println!("a kept certificate: {:.2} µs", begin.elapsed().as_secs_f64() / f64::from(times) * 1e6);
    Ok(())
}

fn roots(root: &Root) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.certificate_pem().as_bytes())?)?;
    Ok(roots)
}

async fn handshakes(now: Moment) -> anyhow::Result<()> {
    let provider = Arc::new(default_provider());
    let (server_root, server_authority) = authority(now)?;
    let (gateway_root, gateway_authority) = authority(now)?;
    let origin = Mint::new(server_authority, now)?;
    let server_root_pem = server_root.certificate_pem();
    let serve = Serve::new(provider.clone())?;
    let mint = Mint::new(gateway_authority, now)?;
    let mut client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(&gateway_root)?)
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    let client = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from(HOST)?;
    let target = Target::new(Some(HOST), std::net::Ipv4Addr::LOCALHOST.into());
    let original = origin.certificate(&shown(now), None, KeyType::Ecdsa, now)?;
    // One for each, so that nothing is resumed, and made before the clock runs.
    let times = 1_000_u32;
    let mut upstreams = Vec::new();
    for _ in 0..times {
        upstreams.push(Upstream::new(provider.clone(), Trust::new(&[&server_root_pem], &[])?.0)?);
    }
    let (mut of_gateway, begin) = (Duration::ZERO, Instant::now());
    for upstream in &upstreams {
        let (client_side, gateway_side) = tokio::io::duplex(1 << 16);
        let (upstream_side, server_side) = tokio::io::duplex(1 << 16);
        let gateway = async {
            let verified = match upstream.connect(upstream_side, &target, Vec::new(), LIMIT).await {
                Connected::Verified(verified) => verified,
                _ => bail!("the server is not verified"),
            };
            let presented = mint.certificate(&verified.seen().shown, None, KeyType::Ecdsa, now)?;
            let client = Rewind::new(Bytes::new(), gateway_side);
            let served = serve.accept(client, &presented, &[], LIMIT).await.context("the client is not served")?;
            // Both stay until everybody is done.
            Ok((verified, served))
        };
        let server = serve.accept(Rewind::new(Bytes::new(), server_side), &original, &[], LIMIT);
        let asked = client.connect(name.clone(), client_side);
        let (gateway, server, asked) = tokio::join!(timed(gateway, &mut of_gateway), server, asked);
        gateway?;
        server?;
        asked?;
    }
    let all = begin.elapsed().as_secs_f64() / f64::from(times);
    let gateway = of_gateway.as_secs_f64() / f64::from(times);
    println!("client, gateway and server together: {:.0} µs a connection", all * 1e6);
    println!("the gateway's part: {:.0} µs, {:.0} connections a second and processor", gateway * 1e6, 1.0 / gateway);
    Ok(())
}

/// Runs a future and adds up the time in which it is polled.
async fn timed<T>(future: impl Future<Output = T>, spent: &mut Duration) -> T {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| {
        let begin = Instant::now();
        let polled = future.as_mut().poll(cx);
        *spent += begin.elapsed();
        polled
    })
    .await
}
