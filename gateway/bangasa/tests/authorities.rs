//! `bangasa ca`: what lies in the directory, who may read it, and what OpenSSL makes of it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Exit code, stdout, stderr.
fn ca(directory: &Path, arguments: &[&str]) -> (i32, Vec<u8>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bangasa"))
        .arg("ca")
        .arg("--dir")
        .arg(directory)
        .args(arguments)
        .output()
        .unwrap();
    (output.status.code().unwrap(), output.stdout, String::from_utf8(output.stderr).unwrap())
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let (code, stdout, stderr) = ca(directory, arguments);
    assert_eq!(code, 0, "{arguments:?}: {stderr}");
    String::from_utf8(stdout).unwrap()
}

fn refused(directory: &Path, arguments: &[&str], code: i32, because: &str) {
    let (got, stdout, stderr) = ca(directory, arguments);
    assert_eq!((got, stdout.as_slice()), (code, &[][..]), "{arguments:?}: {stderr}");
    assert!(stderr.contains(because), "{arguments:?}: {stderr}");
}

fn openssl(arguments: &[&str]) -> String {
    let output = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn from_a_root_to_a_rotated_authority() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("ca");
    let path = |name: &str| directory.join(name).to_str().unwrap().to_owned();
    refused(&directory, &["issue", "shiomi"], 1, "`bangasa ca init` makes one");
    refused(&directory, &["export"], 1, "`bangasa ca init` makes one");

    done(&directory, &["init", "--name", "見本県"]);
    let key = fs::read(path("root.key")).unwrap();
    refused(&directory, &["init", "--name", "見本県"], 1, "is there already");
    assert_eq!(fs::read(path("root.key")).unwrap(), key);

    done(&directory, &["issue", "shiomi", "--name", "潮見市", "--exclude", "intra.example.lg.jp"]);
    refused(&directory, &["issue", "shiomi"], 1, "`bangasa ca rotate shiomi` replaces it");
    refused(&directory, &["rotate", "takao"], 1, "`bangasa ca issue takao` makes one");
    for bad in ["../x", "Shiomi", "", "潮見", "."] {
        refused(&directory, &["issue", bad], 2, "is not a municipality's id");
    }
    refused(&directory, &["issue", "takao", "--exclude", "*.jp"], 2, "neither a domain");
    let first = fs::read(path("shiomi/current/key.pem")).unwrap();
    let told = done(&directory, &["rotate", "shiomi", "--json"]);
    let lines: Vec<serde_json::Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        assert_eq!((line["number"].as_u64(), line["current"].as_bool()), (Some(2), Some(true)));
        assert!(line["subject"].as_str().unwrap().contains("潮見市"), "{line}");
        assert!(line["excludes"].as_array().unwrap().contains(&"intra.example.lg.jp".into()), "{line}");
    }
    assert_ne!(fs::read(path("shiomi/current/key.pem")).unwrap(), first);
    assert_eq!(fs::read(path("shiomi/1/key.pem")).unwrap(), first);
    assert_eq!(done(&directory, &["show", "--json"]).lines().count(), 5);

    // Nobody but the owner reads anything, and nothing unfinished stays.
    let mut waiting = vec![directory.clone()];
    while let Some(at) = waiting.pop() {
        assert!(!at.to_str().unwrap().contains("unfinished"), "{}", at.display());
        let metadata = fs::symlink_metadata(&at).unwrap();
        if metadata.is_dir() {
            waiting.extend(fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path()));
        }
        assert!(metadata.is_symlink() || metadata.permissions().mode() & 0o077 == 0, "{}", at.display());
    }

    for chain in ["chain.pem", "rsa-chain.pem"] {
        for number in ["1", "2"] {
            let chain = path(&format!("shiomi/{number}/{chain}"));
            openssl(&["verify", "-x509_strict", "-CAfile", &path("root.pem"), &chain]);
            let text = openssl(&["x509", "-noout", "-text", "-nameopt", "utf8", "-in", &chain]);
            for part in ["CA:TRUE, pathlen:0", "DNS:lgwan.jp", "IP:10.0.0.0/255.0.0.0", "TLS Web Server Authentication"]
            {
                assert!(text.contains(part), "{part} is not in {text}");
            }
        }
    }
    let fingerprint = openssl(&["x509", "-noout", "-fingerprint", "-sha256", "-in", &path("root.pem")]);
    let (code, der, stderr) = ca(&directory, &["export", "--format", "der"]);
    assert_eq!((code, der.first()), (0, Some(&0x30)));
    assert!(stderr.contains(fingerprint.trim().split('=').next_back().unwrap()), "{stderr}");
    assert_eq!(done(&directory, &["export", "shiomi"]).matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!done(&directory, &["export"]).contains("PRIVATE"));
    refused(&directory, &["export", "shiomi", "--format", "der"], 2, "DER holds one certificate");
}
