use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use halb_healthcheck::Checks;
use halb_healthcheck::config::{ClientIdentity, Probe, TlsOptions, Verify};
use halb_healthcheck::health::Verdict;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::support::{
    answering, ask, ask_shortly, get, listener, ok, silent, target, until, unverified,
};

/// An authority, and files of it in a directory.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, dir: tempfile::tempdir().unwrap() };
        fs::write(authority.ca_file(), authority.issuer.pem()).unwrap();
        authority
    }

    fn ca_file(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    fn verified(&self) -> TlsOptions {
        TlsOptions { verify: Verify::CaFile(self.ca_file()), server_name: None, client: None }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    fn identity(&self) -> ClientIdentity {
        let (certificate, key) = self.issue("checker");
        let client = ClientIdentity {
            cert_file: self.dir.path().join("client.crt"),
            key_file: self.dir.path().join("client.key"),
        };
        fs::write(&client.cert_file, certificate.pem()).unwrap();
        fs::write(&client.key_file, key.serialize_pem()).unwrap();
        client
    }

    /// Serves with a certificate for `name`; asks clients for one of its own if `mutual`.
    async fn serve(
        &self,
        name: &str,
        mutual: bool,
    ) -> (SocketAddr, mpsc::UnboundedReceiver<Visit>) {
        let (certificate, key) = self.issue(name);
        let chain = vec![CertificateDer::from(certificate)];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = if mutual {
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        accept(TlsAcceptor::from(Arc::new(config))).await
    }
}

/// What a server saw of a connection.
#[derive(Debug)]
struct Visit {
    sni: Option<String>,
    alpn: Option<Vec<u8>>,
    client_certificate: bool,
    /// The request, or how the connection ended without one.
    end: Result<String, String>,
}

async fn accept(acceptor: TlsAcceptor) -> (SocketAddr, mpsc::UnboundedReceiver<Visit>) {
    let (listener, address) = listener().await;
    let (visits, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, visits) = (acceptor.clone(), visits.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 1024];
                let end = match stream.read(&mut request).await {
                    Ok(len) => Ok(String::from_utf8_lossy(&request[..len]).into_owned()),
                    Err(error) => Err(error.to_string()),
                };
                let (_, session) = stream.get_ref();
                let visit = Visit {
                    sni: session.server_name().map(str::to_owned),
                    alpn: session.alpn_protocol().map(<[u8]>::to_vec),
                    client_certificate: session.peer_certificates().is_some(),
                    end,
                };
                // The test may not be interested, and the client may have gone.
                let _ = visits.send(visit);
                let _ = stream.write_all(ok("ok").as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, seen)
}

#[tokio::test]
async fn a_verified_server_passes_and_sees_a_whole_handshake_and_a_goodbye() {
    let authority = Authority::new();
    let (address, mut visits) = authority.serve("127.0.0.1", false).await;
    let (code, detail) = ask(address, Probe::Tls(authority.verified())).await;
    assert_eq!((code, &*detail), ("L6OK", "TLS handshake done (TLSv1_3)"));
    let visit = visits.recv().await.unwrap();
    assert_eq!(visit.end, Ok(String::new()), "closed in good order, without a byte");
    assert_eq!(visit.sni, None, "an address is not sent");
}

#[tokio::test]
async fn the_server_name_is_sent_and_verified() {
    let authority = Authority::new();
    let (address, mut visits) = authority.serve("api.example.com", false).await;
    let mut named = authority.verified();
    named.server_name = Some("api.example.com".into());
    assert_eq!(ask(address, Probe::Tls(named.clone())).await.0, "L6OK");
    assert_eq!(visits.recv().await.unwrap().sni.as_deref(), Some("api.example.com"));

    named.server_name = Some("other.example.com".into());
    let (code, detail) = ask(address, Probe::Tls(named)).await;
    assert_eq!(code, "L6RSP");
    assert!(detail.contains("not valid for"), "{detail}");
    let (code, detail) = ask(address, Probe::Tls(authority.verified())).await;
    assert_eq!(code, "L6RSP", "its address is not in the certificate: {detail}");
}

#[tokio::test]
async fn a_certificate_of_another_authority_fails_unless_nothing_is_verified() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (address, _visits) = theirs.serve("127.0.0.1", false).await;
    let (code, detail) = ask(address, Probe::Tls(ours.verified())).await;
    assert_eq!(code, "L6RSP");
    assert!(detail.contains("invalid peer certificate"), "{detail}");
    assert_eq!(ask(address, Probe::Tls(unverified())).await.0, "L6OK");
    let https = Probe::Https(get("/readyz"), unverified());
    assert_eq!(ask(address, https).await, ("L7OK", "HTTP status 200 OK".into()));
}

#[tokio::test]
async fn https_speaks_http_1_1_and_shows_the_client_certificate() {
    let authority = Authority::new();
    let (address, mut visits) = authority.serve("127.0.0.1", true).await;
    let mut tls = authority.verified();
    tls.client = Some(authority.identity());
    assert_eq!(ask(address, Probe::Https(get("/readyz"), tls)).await.0, "L7OK");
    let visit = visits.recv().await.unwrap();
    assert_eq!(visit.alpn.as_deref(), Some(&b"http/1.1"[..]));
    assert!(visit.client_certificate);
    assert!(visit.end.unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));

    let bare = Probe::Https(get("/readyz"), authority.verified());
    let (code, detail) = ask(address, bare).await;
    assert!(matches!(code, "L6RSP" | "L7RSP"), "{code}: {detail}");
}

#[tokio::test]
async fn a_server_without_tls_fails_and_a_silent_one_times_out() {
    let (plain, _requests) = answering(ok("")).await;
    let (listener, greeting) = listener().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        stream.read_to_end(&mut Vec::new()).await
    });
    assert_eq!(ask(greeting, Probe::Tls(unverified())).await.0, "L6RSP");
    assert_eq!(ask_shortly(plain, Probe::Tls(unverified())).await.0, "L6TOUT", "awaits a request");
    let (code, detail) = ask_shortly(silent().await, Probe::Tls(unverified())).await;
    assert_eq!((code, &*detail), ("L6TOUT", "TLS handshake unfinished after 300ms"));
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_and_are_no_verdict_on_their_own() {
    let authority = Authority::new();
    let (address, _visits) = authority.serve("127.0.0.1", false).await;
    fs::write(authority.ca_file(), "nonsense").unwrap();
    let (code, detail) = ask(address, Probe::Tls(authority.verified())).await;
    assert_eq!(code, "SOCKERR");
    assert!(detail.contains("holds no certificate"), "{detail}");
}

#[tokio::test]
async fn changed_files_are_read_again_and_bad_ones_replace_no_good_ones() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (address, _visits) = authority.serve("127.0.0.1", false).await;
    let (checks, _events) = Checks::start(1);
    checks.apply(vec![target(address, Probe::Tls(authority.verified()))]).await;
    let last = async |code: &str, text: &str| {
        until(&format!("{code} with '{text}'"), async || {
            let status = checks.status().await.remove(0);
            let found = status.code().as_str() == code
                && status.last.is_some_and(|last| last.outcome.detail().contains(text));
            found.then_some(status.verdict)
        })
        .await
    };
    assert_eq!(last("L6OK", "").await, Verdict::Up);
    fs::write(authority.ca_file(), "nonsense").unwrap();
    assert_eq!(last("L6OK", "still with the files read before").await, Verdict::Up);
    fs::write(authority.ca_file(), other.issuer.pem()).unwrap();
    last("L6RSP", "invalid peer certificate").await;
    fs::write(authority.ca_file(), authority.issuer.pem()).unwrap();
    last("L6OK", "").await;
}
