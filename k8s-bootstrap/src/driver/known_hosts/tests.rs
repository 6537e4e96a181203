use std::fs;
use std::os::unix::fs::symlink;

use russh::keys::key::safe_rng;
use russh::keys::{EcdsaCurve, PrivateKey};
use tempfile::TempDir;

use super::*;

fn key(algorithm: Algorithm) -> PublicKey {
    PrivateKey::random(&mut safe_rng(), algorithm).unwrap().public_key().clone()
}

fn file() -> (TempDir, KnownHosts) {
    let folder = tempfile::tempdir().unwrap();
    let known = KnownHosts::new(folder.path().join("known_hosts"));
    (folder, known)
}

#[test]
fn a_host_is_learned_once_and_known_ever_after() {
    let (_folder, known) = file();
    let key = key(Algorithm::Ed25519);
    let Verdict::Learned(fingerprint) = known.check("172.16.16.51", 22, &key).unwrap() else {
        panic!("a host that nobody knows is known");
    };
    assert!(fingerprint.contains("SHA256:"), "{fingerprint}");
    assert_eq!(known.check("172.16.16.51", 22, &key).unwrap(), Verdict::Known);
    let text = fs::read_to_string(known.path()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("172.16.16.51 ssh-ed25519 AAAA"), "{text}");
}

#[test]
fn another_key_is_refused_with_both_fingerprints_and_the_line() {
    let (_folder, known) = file();
    let (first, second) = (key(Algorithm::Ed25519), key(Algorithm::Ed25519));
    known.check("lb", 2222, &first).unwrap();
    let before = fs::read_to_string(known.path()).unwrap();
    let error = known.check("lb", 2222, &second).unwrap_err().to_string();
    for part in [
        "[lb]:2222",
        "line 1",
        &first.fingerprint(HashAlg::Sha256).to_string(),
        &second.fingerprint(HashAlg::Sha256).to_string(),
        "ssh-keygen -R",
    ] {
        assert!(error.contains(part), "no {part} in: {error}");
    }
    assert_eq!(fs::read_to_string(known.path()).unwrap(), before);
}

#[test]
fn a_key_of_another_type_is_no_way_round_the_one_that_is_known() {
    let (_folder, known) = file();
    known.check("lb", 22, &key(Algorithm::Ed25519)).unwrap();
    let other = key(Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 });
    assert!(matches!(known.check("lb", 22, &other), Err(HostKeyError::Changed { .. })));
    assert_eq!(known.algorithms("lb", 22).unwrap(), [Algorithm::Ed25519]);
}

#[test]
fn ports_of_one_address_are_hosts_of_their_own() {
    let (_folder, known) = file();
    known.check("lb", 22, &key(Algorithm::Ed25519)).unwrap();
    let other = known.check("lb", 2222, &key(Algorithm::Ed25519)).unwrap();
    assert!(matches!(other, Verdict::Learned(_)), "{other:?}");
}

#[test]
fn a_file_whose_last_line_has_no_end_is_continued_on_a_new_line() {
    let (_folder, known) = file();
    let first = key(Algorithm::Ed25519);
    fs::write(known.path(), format!("a ssh-ed25519 {}", first.public_key_base64())).unwrap();
    known.check("b", 22, &key(Algorithm::Ed25519)).unwrap();
    assert_eq!(known.check("a", 22, &first).unwrap(), Verdict::Known);
    assert_eq!(fs::read_to_string(known.path()).unwrap().lines().count(), 2);
}

#[test]
fn a_file_that_cant_be_read_or_has_nonsense_for_a_host_trusts_nobody() {
    let (folder, known) = file();
    symlink(folder.path(), known.path()).unwrap();
    let error = known.check("lb", 22, &key(Algorithm::Ed25519)).unwrap_err();
    assert!(!matches!(error, HostKeyError::Changed { .. }), "{error}");
    fs::remove_file(known.path()).unwrap();
    fs::write(known.path(), "lb ssh-ed25519 AAAA\n").unwrap();
    let error = known.check("lb", 22, &key(Algorithm::Ed25519)).unwrap_err();
    assert!(matches!(error, HostKeyError::Malformed { .. }), "{error}");
}
