//! HTTPS from kubeadm and kubelet to the API, one request for a connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme, Stream,
};
use serde_json::Value;

use crate::crypto::Pair;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Longest answer.
const ANSWER_MAX: u64 = 16 << 20;

/// Whoever asks, and whom they believe.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// `HOST:PORT`.
    pub(crate) server: String,
    /// The authority's certificate; none to believe anyone.
    pub(crate) authority: Option<String>,
    /// A certificate of their own.
    pub(crate) identity: Option<Pair>,
    /// Or a token.
    pub(crate) token: Option<String>,
}

impl Client {
    /// Asks; the status and the document.
    pub(crate) fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, Value), String> {
        let url = format!("{method} \"https://{}{path}\"", self.server);
        let (status, text) =
            self.exchange(method, path, body).map_err(|why| format!("{url}: {why}"))?;
        Ok((status, serde_json::from_str(&text).unwrap_or(Value::String(text))))
    }

    /// Asks; a refusal is an error with its message.
    pub(crate) fn must(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let (status, answer) = self.ask(method, path, body)?;
        if (200..300).contains(&status) {
            return Ok(answer);
        }
        Err(answer["message"].as_str().map_or_else(|| answer.to_string(), str::to_owned))
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(u16, String), String> {
        let (host, _) = self.server.rsplit_once(':').ok_or("no port in the server's address")?;
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let mut tls = ClientConnection::new(Arc::new(self.config()?), name)
            .map_err(|error| error.to_string())?;
        let mut tcp = self.connect()?;
        let mut stream = Stream::new(&mut tls, &mut tcp);
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if method == "PATCH" { "merge-patch+json" } else { "json" };
        let token = self.token.as_ref();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Accept: application/json\r\nContent-Type: application/{kind}\r\n\
             Content-Length: {}\r\n{}\r\n{body}",
            self.server,
            body.len(),
            token.unwrap_or_default(),
        );
        stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        let read = stream.take(ANSWER_MAX).read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, text) = answer.split_once("\r\n\r\n").ok_or_else(|| match &read {
            Err(error) => error.to_string(),
            Ok(_) => "EOF".to_owned(),
        })?;
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Ok((status.ok_or("malformed HTTP response")?, text.to_owned()))
    }

    fn connect(&self) -> Result<TcpStream, String> {
        let addresses = self.server.to_socket_addrs();
        let addresses = addresses.map_err(|error| format!("lookup {}: {error}", self.server))?;
        let mut why = "no such host".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    let limits = stream.set_read_timeout(Some(TIMEOUT));
                    limits.and_then(|()| stream.set_write_timeout(Some(TIMEOUT))).ok();
                    return Ok(stream);
                }
                Err(error) => why = format!("dial tcp {address}: connect: {error}"),
            }
        }
        Err(why)
    }

    fn config(&self) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match &self.authority {
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                let authority = CertificateDer::from_pem_slice(pem.as_bytes())
                    .map_err(|error| error.to_string())?;
                roots.add(authority).map_err(|error| error.to_string())?;
                builder.with_root_certificates(roots)
            }
            None => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            }
        };
        let Some(Pair { certificate, key }) = &self.identity else {
            return Ok(builder.with_no_client_auth());
        };
        let chain = CertificateDer::from_pem_slice(certificate.as_bytes());
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
        let chain = chain.map_err(|error| error.to_string())?;
        let key = key.map_err(|error| error.to_string())?;
        builder.with_client_auth_cert(vec![chain], key).map_err(|error| error.to_string())
    }
}

/// Believes anyone, as kubeadm does until it knows the authority.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
