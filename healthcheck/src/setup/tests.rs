use std::error::Error;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::config::{ClientIdentity, Initial, Pace, Threshold, Verify};

fn told(probe: Probe) -> Result<(), String> {
    let one = NonZeroU32::MIN;
    let second = Duration::from_secs(1);
    let check = Check {
        probe,
        pace: Pace { interval: second, fast_interval: None, down_interval: None, timeout: second },
        threshold: Threshold { rise: one, fall: one },
        initial: Initial::Up,
        source: None,
        passive: true,
    };
    validate(&check).map_err(|error| {
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        format!("{error}{source}")
    })
}

fn http() -> HttpProbe {
    HttpProbe {
        method: "GET".into(),
        path: "/readyz".into(),
        host: None,
        headers: Vec::new(),
        bearer_token_file: None,
        expect_status: vec![200..=399],
        expect_body: None,
    }
}

fn tls(verify: Verify) -> TlsOptions {
    TlsOptions { verify, server_name: None, client: None }
}

fn script(words: &[&str]) -> Probe {
    Probe::Script(ScriptProbe { command: words.iter().map(ToString::to_string).collect() })
}

#[test]
fn checks_that_can_be_made_pass() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    let pair = rcgen::generate_simple_self_signed(vec!["a".into()]).unwrap();
    let cert_file = file("crt", &pair.cert.pem());
    let key_file = file("key", &pair.signing_key.serialize_pem());
    let mut full = tls(Verify::CaFile(cert_file.clone()));
    full.server_name = Some("api.example.com".into());
    full.client = Some(ClientIdentity { cert_file, key_file });
    let mut authorized = http();
    authorized.bearer_token_file = Some(file("token", "secret\n"));

    assert_eq!(told(Probe::Tcp), Ok(()));
    assert_eq!(told(Probe::Tls(full.clone())), Ok(()));
    assert_eq!(told(Probe::Http(http())), Ok(()));
    assert_eq!(told(Probe::Https(authorized, full)), Ok(()));
    assert_eq!(told(script(&["/bin/sh", "-c", "true"])), Ok(()));
}

#[test]
fn bad_tls_files_are_told_with_their_paths() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let ca = |path: PathBuf| told(Probe::Tls(tls(Verify::CaFile(path)))).unwrap_err();
    let missing = ca(path("missing.crt"));
    assert!(missing.starts_with("cannot read ca_file /"), "{missing}");
    assert!(missing.contains("missing.crt: No such file"), "{missing}");

    fs::write(path("empty"), "no certificate").unwrap();
    let empty = ca(path("empty"));
    assert!(empty.ends_with("holds no certificate (-----BEGIN CERTIFICATE-----)"), "{empty}");
    fs::write(path("cut"), "-----BEGIN CERTIFICATE-----\nMIIB").unwrap();
    let cut = ca(path("cut"));
    assert!(cut.contains("is not PEM with certificates: "), "{cut}");
    fs::write(path("long"), vec![b'\n'; 2 * 1024 * 1024]).unwrap();
    let long = ca(path("long"));
    assert!(long.contains("longer than 1048576 bytes"), "{long}");
    fs::write(path("junk"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    let junk = ca(path("junk"));
    assert!(junk.contains("a certificate that can't be used"), "{junk}");
}

#[test]
fn a_client_key_must_fit_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let [one, other] = [(), ()].map(|()| rcgen::generate_simple_self_signed(["a".into()]).unwrap());
    let (cert_file, key_file) = (dir.path().join("crt"), dir.path().join("key"));
    fs::write(&cert_file, one.cert.pem()).unwrap();
    fs::write(&key_file, other.signing_key.serialize_pem()).unwrap();
    let mut options = tls(Verify::None);
    options.client = Some(ClientIdentity { cert_file, key_file: key_file.clone() });
    let mismatch = told(Probe::Tls(options.clone())).unwrap_err();
    assert!(mismatch.contains("can't be used together"), "{mismatch}");
    fs::write(&key_file, one.cert.pem()).unwrap();
    let no_key = told(Probe::Tls(options)).unwrap_err();
    assert!(no_key.contains("is not PEM with a private key"), "{no_key}");
}

#[test]
fn a_server_name_must_be_one() {
    let mut options = tls(Verify::None);
    options.server_name = Some("api example".into());
    let told = told(Probe::Tls(options)).unwrap_err();
    assert_eq!(told, "server_name 'api example' is neither a host name nor an address");
}

#[test]
fn requests_that_cannot_be_made_are_told() {
    let with = |change: &dyn Fn(&mut HttpProbe)| {
        let mut http = http();
        change(&mut http);
        told(Probe::Http(http)).unwrap_err()
    };
    assert!(with(&|http| http.method = "G E T".into()).starts_with("'G E T' is no HTTP method"));
    for path in ["readyz", "http://a/b", "/a b", "*", ""] {
        let told = with(&|http| http.path = path.into());
        assert!(told.contains("is no request path"), "{told}");
    }
    assert!(with(&|http| http.host = Some("a\nb".into())).starts_with("'host' is no HTTP header"));
    let header = with(&|http| http.headers = vec![("X Y".into(), "1".into())]);
    assert!(header.starts_with("'X Y' is no HTTP header"), "{header}");
    let smuggled = with(&|http| http.headers = vec![("X".into(), "1\r\nY: 2".into())]);
    assert!(smuggled.starts_with("'X' is no HTTP header"), "{smuggled}");
    assert!(with(&|http| http.expect_status = Vec::new()).contains("at least one"));
    assert!(with(&|http| http.expect_status = vec![200..=999]).contains("100 to 599"));
    let reversed = with(&|http| http.expect_status = vec![RangeInclusive::new(300, 200)]);
    assert!(reversed.contains("100 to 599"), "{reversed}");
    let token = with(&|http| http.bearer_token_file = Some("/nonexistent".into()));
    assert!(token.starts_with("cannot read bearer_token_file /nonexistent: No such"), "{token}");
}

#[test]
fn scripts_that_cannot_be_started_are_told() {
    let told = |words: &[&str]| told(script(words)).unwrap_err();
    assert!(told(&[]).starts_with("the command of a script check is empty"));
    assert!(told(&["sh"]).starts_with("'sh' is no absolute path"));
    assert!(
        told(&["/nonexistent"]).starts_with("cannot find the check's program /nonexistent: No")
    );
    assert!(told(&["/bin"]).starts_with("/bin can't be run as a check"));
    assert!(told(&["/etc/passwd"]).contains("chmod +x"));
}
