use std::process::{Command, Stdio};

use super::*;

fn authority() -> Authority {
    use rcgen::{BasicConstraints, IsCa};
    let key = KeyPair::generate().unwrap();
    let mut params = parameters("kubernetes", &[], &Purpose::Client).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let certificate = params.self_signed(&key).unwrap();
    Authority::new(certificate.pem(), key.serialize_pem()).unwrap()
}

#[test]
fn the_hash_of_an_authority_is_openssls() {
    let authority = authority();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.crt");
    std::fs::write(&path, &authority.certificate).unwrap();
    let script = "openssl x509 -pubkey -noout -in \"$0\" | openssl pkey -pubin -outform der | \
                  openssl dgst -sha256 -r | cut -d ' ' -f 1";
    let mut openssl = Command::new("sh");
    let output = openssl.args(["-euc", script]).arg(&path).stderr(Stdio::inherit()).output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    assert_eq!(hash_of(&authority.certificate).unwrap(), format!("sha256:{}", said.trim()));
}

#[test]
fn what_was_sealed_opens_with_its_key_only() {
    let (key, other) = ("0f".repeat(32), "f0".repeat(32));
    let sealed = seal(&key, b"a key").unwrap();
    assert_eq!(open(&key, &sealed).unwrap(), b"a key");
    assert!(open(&other, &sealed).unwrap_err().contains("authentication failed"));
    let mut changed = sealed;
    *changed.last_mut().unwrap() ^= 1;
    assert!(open(&key, &changed).is_err());
    assert!(seal("short", b"").is_err());
}

#[test]
fn a_signature_depends_on_text_token_and_secret() {
    let one = jws("kubeconfig", "abcdef", "0123456789abcdef");
    assert_eq!(one, jws("kubeconfig", "abcdef", "0123456789abcdef"));
    assert_eq!(one.split('.').nth(1), Some(""), "the text itself isn't in it");
    for other in [jws("other", "abcdef", "0123456789abcdef"), jws("kubeconfig", "abcdef", "x")] {
        assert_ne!(one, other);
    }
}

#[test]
fn a_request_is_signed_for_nodes_and_for_nobody_else() {
    let authority = authority();
    let (request_of_node, key) = request("system:node:kworker01", "system:nodes").unwrap();
    let (name, certificate) = authority.sign(&request_of_node, "system:nodes").unwrap();
    assert_eq!(name, "system:node:kworker01");
    assert!(belongs(&key, &certificate));
    let der = pem::parse(&certificate).unwrap();
    let (name, of) = subject(der.contents()).unwrap();
    assert_eq!((name.as_str(), of), ("system:node:kworker01", vec!["system:nodes".to_owned()]));
    let (request_of_admin, _) = request("admin", "system:masters").unwrap();
    assert!(authority.sign(&request_of_admin, "system:nodes").is_err());
}

#[test]
fn a_key_of_another_certificate_makes_no_authority() {
    let (one, other) = (authority(), authority());
    assert!(Authority::new(one.certificate, other.key).is_err());
}
