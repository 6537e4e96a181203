use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use ring::rand::SystemRandom;

use super::*;

fn made() -> Material {
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range");
    Material::make(&SystemRandom::new(), now).expect("the system has random numbers")
}

/// What openssl makes of a text.
fn openssl(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl starts");
    child.stdin.take().expect("piped").write_all(input).expect("openssl reads");
    let output = child.wait_with_output().expect("openssl ends");
    assert!(output.status.success(), "openssl {}", arguments.join(" "));
    output.stdout
}

#[test]
fn the_hash_of_the_authority_is_what_openssl_computes() {
    let material = made();
    let public = openssl(&["x509", "-pubkey", "-noout"], material.ca.public.as_bytes());
    let der = openssl(&["pkey", "-pubin", "-outform", "der"], &public);
    let hash = openssl(&["dgst", "-sha256", "-r"], &der);
    let hash = String::from_utf8(hash).expect("digits");
    let hash = hash.split(' ').next().expect("a word");
    assert_eq!(material.ca_hash(), format!("sha256:{hash}"));
    assert_eq!(hash.len(), 64);
}

#[test]
fn openssl_reads_authorities_and_keys() {
    let material = made();
    for pair in [&material.ca, &material.front_proxy_ca, &material.etcd_ca] {
        let text = openssl(&["x509", "-text", "-noout"], pair.public.as_bytes());
        let text = String::from_utf8_lossy(&text).into_owned();
        for words in ["CA:TRUE", "prime256v1", "Certificate Sign", "ecdsa-with-SHA256"] {
            assert!(text.contains(words), "{words} in {text}");
        }
        let key = openssl(&["pkey", "-pubout"], pair.key.expose().as_bytes());
        let of_certificate = openssl(&["x509", "-pubkey", "-noout"], pair.public.as_bytes());
        assert_eq!(key, of_certificate);
    }
    let accounts = &material.service_accounts;
    let public = openssl(&["pkey", "-pubout"], accounts.key.expose().as_bytes());
    assert_eq!(String::from_utf8_lossy(&public), accounts.public);
}

#[test]
fn a_token_has_the_form_that_kubernetes_wants_and_none_comes_twice() {
    let tokens: Vec<_> = (0..50).map(|_| token(&SystemRandom::new()).expect("random")).collect();
    for (index, token) in tokens.iter().enumerate() {
        let (id, secret) = token.expose().split_once('.').expect("a dot");
        assert_eq!((id.len(), secret.len()), TOKEN_PARTS);
        assert!(!tokens[..index].contains(token));
    }
}

#[test]
fn what_was_kept_is_what_was_made() {
    let material = made();
    let kept: BTreeMap<_, _> = material.to_state().into_iter().collect();
    let read = |name: &'static str| kept.get(name).map(|secret| secret.expose().to_owned());
    assert_eq!(Material::from_state(read).expect("whole"), material);
    for lost in STATE_FILES {
        let without = |name| if name == lost { None } else { read(name) };
        let error = Material::from_state(without).expect_err("a file is missing");
        assert!(error.to_string().contains(lost), "{error}");
    }
    let other = made();
    let mixed = |name| {
        if name == "ca.crt" { Some(other.ca.public.clone()) } else { read(name) }
    };
    let error = Material::from_state(mixed).expect_err("of another authority");
    assert!(error.to_string().contains("doesn't belong"), "{error}");
}

#[test]
fn debug_shows_no_secret() {
    let material = made();
    let shown = format!("{material:?}");
    for secret in material.secrets() {
        assert!(!shown.contains(secret.expose()));
    }
}
