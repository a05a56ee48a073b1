//! Debian's packages: which, whether they are there, and bringing those that are not.

use std::process::Command;

use crate::machine;
use crate::run::{Failure, Outcome, output, step};
use crate::setup::services;

/// A package and what it is needed for.
struct Package {
    name: &'static str,
    does: &'static str,
}

const PACKAGES: [Package; 29] = [
    Package { name: "rustc-web", does: "builds the eBPF programs" },
    Package { name: "cargo-web", does: "builds the eBPF programs" },
    Package { name: "rust-web-src", does: "core, built for the eBPF target" },
    Package { name: "llvm-22-dev", does: "what bpf-linker links with" },
    Package { name: "g++", does: "builds libFuzzer" },
    Package { name: "iproute2", does: "namespaces and links of the lab" },
    Package { name: "ethtool", does: "offload settings of the lab's links" },
    Package { name: "nftables", does: "the peer of the benchmarks" },
    Package { name: "xdp-tools", does: "another peer of the benchmarks" },
    Package { name: "haproxy", does: "another peer of the benchmarks" },
    Package { name: "squid-openssl", does: "another peer of the benchmarks" },
    Package { name: "sslsplit", does: "another peer of the benchmarks" },
    Package { name: "bpftool", does: "a look into the kernel from outside" },
    Package { name: "tcpdump", does: "counts what arrives" },
    Package { name: "iputils-ping", does: "a client" },
    Package { name: "curl", does: "a client" },
    Package { name: "nghttp2-client", does: "a client of many requests at once" },
    Package { name: "bind9-dnsutils", does: "a client" },
    Package { name: "iperf3", does: "a client and server" },
    Package { name: "nginx", does: "a server" },
    Package { name: "dnsmasq-base", does: "a server" },
    Package { name: "openssl", does: "certificates of the lab's servers, and a client" },
    Package { name: "chromium", does: "a client, as people's" },
    Package { name: "libnss3-tools", does: "tells chromium whom to trust" },
    Package { name: "sslscan", does: "a client that tries all that it knows" },
    Package { name: "testssl.sh", does: "another one" },
    Package { name: "python3-h2", does: "hyperframe and hpack, of which clients that break HTTP/2 are made" },
    Package { name: "ca-certificates", does: "what servers on the Internet are trusted by" },
    Package { name: "procps", does: "looks after processes of the lab" },
];

/// What only the tests on old kernels need: large, and on a machine that has another build of qemu not to be had beside it.
const FOR_KERNELS: [Package; 1] =
    [Package { name: "qemu-system-x86", does: "the virtual machine that old kernels run in" }];

/// Installs the packages that are missing.
pub fn ensure() -> Outcome {
    ensure_all(&PACKAGES)
}

/// The same of those that the tests on old kernels need besides.
pub fn ensure_for_kernels() -> Outcome {
    ensure_all(&FOR_KERNELS)
}

fn ensure_all(packages: &'static [Package]) -> Outcome {
    let state = output(
        Command::new("dpkg-query")
            .args(["-W", "-f", "${db:Status-Abbrev} ${Package}\n"])
            .args(packages.iter().map(|package| package.name)),
    )
    .map_err(|Failure(why)| not_debian(&why))?;
    let missing = missing(packages, &state);
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        eprintln!("── setup: {} is missing ({})", package.name, package.does);
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    if !machine::is_root() {
        return Err(Failure(format!(
            "only root may install packages; run `sudo apt-get update && sudo apt-get install {}`",
            names.join(" ")
        )));
    }
    step("setup: reading Debian's package lists", apt_get().args(["--quiet", "update"]))?;
    {
        let _no_service_starts = services::keep_from_starting()?;
        step(
            "setup: installing Debian's packages",
            apt_get().args(["--quiet", "--yes", "--no-install-recommends", "install"]).args(&names),
        )
        .map_err(|Failure(why)| {
            Failure(format!(
                "{why}; if a package was not found, check that apt's sources name bookworm and bookworm-security"
            ))
        })?;
    }
    services::keep_from_booting(&names)
}

/// Those that dpkg does not call installed.
fn missing(packages: &'static [Package], state: &str) -> Vec<&'static Package> {
    let installed = |package: &&Package| state.lines().any(|line| line.split_once("  ") == Some(("ii", package.name)));
    packages.iter().filter(|package| !installed(package)).collect()
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        // Another apt may be running, as on a machine that has just booted.
        .args(["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"]);
    command
}

fn not_debian(why: &str) -> Failure {
    let names: Vec<_> = PACKAGES.iter().map(|package| package.name).collect();
    Failure(format!(
        "{why}; the set-up knows Debian 12 only. Elsewhere install what these packages hold ({}) and bpf-linker, \
         then call make with SETUP=skip",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> String {
        PACKAGES.iter().map(|package| format!("ii  {}\n", package.name)).collect()
    }

    #[test]
    fn nothing_is_missing_when_all_are_installed() {
        assert!(missing(&PACKAGES, &everything()).is_empty());
    }

    #[test]
    fn unknown_removed_and_half_installed_packages_are_missing() {
        let state = everything()
            .replace("ii  nginx\n", "rc  nginx\n")
            .replace("ii  curl\n", "iU  curl\n")
            .replace("ii  g++\n", "");
        let names: Vec<_> = missing(&PACKAGES, &state).iter().map(|package| package.name).collect();
        assert_eq!(names, ["g++", "curl", "nginx"]);
    }

    #[test]
    fn a_longer_name_is_another_package() {
        let state = everything().replace("ii  nginx\n", "ii  nginx-common\n");
        assert_eq!(missing(&PACKAGES, &state).len(), 1);
    }
}
