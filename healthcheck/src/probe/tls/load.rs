//! From the options of a check to a configuration of rustls. Blocks: it reads files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::unverified::AnyCertificate;
use crate::config::{ClientIdentity, TlsOptions, Verify};
use crate::probe::{FileError, read_bounded};

/// Why the TLS files of a check can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is not what its key in the configuration says.
    #[error("{what} {} is not PEM with {expected}", path.display())]
    Pem {
        /// Key in the configuration.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// What is wrong with it.
        #[source]
        source: pem::Error,
    },
    /// A file has no certificate in it.
    #[error("{what} {} holds no certificate (-----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate {
        /// Key in the configuration.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A certificate in the CA file can't be a root of trust.
    #[error("ca_file {} holds a certificate that can't be used", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// Certificate and key of the client don't fit together.
    #[error("cert_file {} and key_file {} can't be used together", cert.display(), key.display())]
    Identity {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong with them.
        #[source]
        source: rustls::Error,
    },
    /// The cryptography built in can't do TLS 1.2 and 1.3.
    #[error("TLS can't be set up")]
    Library(#[source] rustls::Error),
}

/// Reads the files of a check. TLS 1.2 and 1.3; `alpn` in order of preference.
pub(crate) fn load(options: &TlsOptions, alpn: &[&[u8]]) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Library)?;
    let builder = match &options.verify {
        Verify::CaFile(path) => builder.with_root_certificates(roots(path)?),
        Verify::None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(algorithms))),
    };
    let mut config = match &options.client {
        Some(client) => {
            let (chain, key) = identity(client)?;
            builder.with_client_auth_cert(chain, key).map_err(|source| TlsError::Identity {
                cert: client.cert_file.clone(),
                key: client.key_file.clone(),
                source,
            })?
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Root { path: path.to_owned(), source })?;
    }
    Ok(roots)
}

fn identity(
    client: &ClientIdentity,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates("cert_file", &client.cert_file)?;
    let key = read_bounded("key_file", &client.key_file)?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|source| TlsError::Pem {
        what: "key_file",
        path: client.key_file.clone(),
        expected: "a private key",
        source,
    })?;
    Ok((chain, key))
}

fn certificates(what: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let content = read_bounded(what, path)?;
    let certificates = CertificateDer::pem_slice_iter(&content).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|source| TlsError::Pem {
        what,
        path: path.to_owned(),
        expected: "certificates",
        source,
    })?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { what, path: path.to_owned() });
    }
    Ok(certificates)
}
