//! Certificates that the stand-in makes itself, and what it offers in the TLS handshake.

use std::{fmt, fs, io, path::Path, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use super::api::Part;

/// A certificate authority of our own; clones are the same authority, so several servers share one
/// as the API servers of a cluster do.
#[derive(Clone)]
pub struct Ca {
    pem: Arc<str>,
    key_pem: Arc<str>,
}

/// Why a certificate authority or a certificate can't be had.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A certificate can't be made, as for a name that isn't one.
    #[error("no certificate for {names:?}")]
    Certificate {
        /// The names and addresses that it was for.
        names: Vec<String>,
        /// What the maker says.
        #[source]
        source: rcgen::Error,
    },
    /// What was made isn't accepted for TLS.
    #[error("the certificate for {names:?} can't be used for TLS")]
    Tls {
        /// The names and addresses that it is for.
        names: Vec<String>,
        /// What the TLS library says.
        #[source]
        source: rustls::Error,
    },
    /// A file of the authority can't be read or written.
    #[error("{path}: can't be read or written")]
    File {
        /// The file.
        path: String,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file of the authority has something else in it.
    #[error("{path}: {what}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong.
        what: String,
    },
}

impl Ca {
    /// A new authority.
    ///
    /// # Errors
    /// [`CaError::Certificate`], when no key can be made.
    pub fn new() -> Result<Self, CaError> {
        let made = KeyPair::generate().and_then(|key| {
            let certificate = authority().self_signed(&key)?;
            Ok(Self { pem: certificate.pem().into(), key_pem: key.serialize_pem().into() })
        });
        made.map_err(|source| CaError::Certificate { names: vec![NAME.to_owned()], source })
    }

    /// The authority whose files are in `directory`; a new one where there is none yet.
    ///
    /// The files are `authority.pem` (key and certificate) and `ca.crt` (the certificate alone, for
    /// clients). Programs that start at the same time agree on one authority.
    ///
    /// # Errors
    /// [`CaError::File`], [`CaError::Content`], or as [`Ca::new`].
    pub fn load_or_create(directory: &Path) -> Result<Self, CaError> {
        let path = directory.join("authority.pem");
        let failed = |source| CaError::File { path: path.display().to_string(), source };
        if !path.exists() {
            fs::create_dir_all(directory).map_err(failed)?;
            let fresh = Self::new()?;
            let draft = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
            fs::write(draft.path(), format!("{}{}", fresh.key_pem, fresh.pem)).map_err(failed)?;
            // Whoever is first wins, and the others read what the winner wrote.
            match draft.persist_noclobber(&path) {
                Err(lost) if lost.error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(failed(lost.error));
                }
                Ok(_) | Err(_) => {}
            }
        }
        let text = fs::read_to_string(&path).map_err(failed)?;
        let begin = text.find(CERTIFICATE).ok_or_else(|| CaError::Content {
            path: path.display().to_string(),
            what: "no certificate in it; remove the file and a new one is made".to_owned(),
        })?;
        let (key_pem, pem) = text.split_at(begin);
        let for_clients = directory.join("ca.crt");
        fs::write(&for_clients, pem)
            .map_err(|source| CaError::File { path: for_clients.display().to_string(), source })?;
        Ok(Self { pem: pem.into(), key_pem: key_pem.into() })
    }

    /// The certificate of the authority in PEM, for `--cacert` and the like.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What a server presents: a certificate for `names` (DNS names and IP addresses), ALPN `h2` and
    /// `http/1.1`, TLS 1.2 and 1.3.
    pub(super) fn server_config(&self, names: &[String]) -> Result<ServerConfig, CaError> {
        let (chain, key) = self
            .issue(names)
            .map_err(|source| CaError::Certificate { names: names.to_owned(), source })?;
        let refused = |source| CaError::Tls { names: names.to_owned(), source };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(refused)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    fn issue(
        &self,
        names: &[String],
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rcgen::Error> {
        // The issuer is its name and key; both are the same as when the authority was made.
        let issuer = Issuer::new(authority(), KeyPair::from_pem(&self.key_pem)?);
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes())
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok((vec![certificate.der().clone()], key))
    }
}

/// What the server of a cluster presents: a certificate that was made for it. Clients may show one of
/// the cluster's authority; whoever shows none is nobody in particular.
pub(super) fn given(part: &Part, names: &[String]) -> Result<ServerConfig, CaError> {
    let unreadable = |what: &str| CaError::Content {
        path: "the certificate or key of the server".to_owned(),
        what: what.to_owned(),
    };
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(part.certificate.as_bytes()).collect();
    let chain = chain.map_err(|error| unreadable(&error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(part.key.as_bytes())
        .map_err(|error| unreadable(&error.to_string()))?;
    let refused = |source| CaError::Tls { names: names.to_owned(), source };
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(part.clients.as_bytes())
        .map_err(|error| unreadable(&error.to_string()))?;
    roots.add(authority).map_err(refused)?;
    let provider = Arc::new(ring::default_provider());
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| unreadable(&error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(refused)?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(refused)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the key.
        f.debug_struct("Ca").field("pem", &self.pem).finish_non_exhaustive()
    }
}

/// What the certificate of each authority says of it.
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Common name of the authority, as kubeadm names its own.
const NAME: &str = "kubernetes";

/// Where the certificate begins in a file that has the key before it.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_kept_in_its_directory_and_shared_by_those_who_start_together() {
        let directory = tempfile::tempdir().unwrap();
        let path = &directory.path().join("pki");
        let pems: Vec<_> = std::thread::scope(|scope| {
            let starters: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| Ca::load_or_create(path).unwrap().pem().to_owned()))
                .collect();
            starters.into_iter().map(|starter| starter.join().unwrap()).collect()
        });
        assert!(pems.iter().all(|pem| *pem == pems[0]));
        assert_eq!(fs::read_to_string(path.join("ca.crt")).unwrap(), pems[0]);
        assert_eq!(fs::read_dir(path).unwrap().count(), 2, "drafts are gone");
    }

    #[test]
    fn a_file_that_is_no_authority_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("authority.pem"), "nothing").unwrap();
        let error = Ca::load_or_create(directory.path()).unwrap_err();
        assert!(error.to_string().contains("authority.pem: no certificate in it"), "{error}");
    }

    #[test]
    fn a_name_that_is_none_is_an_error() {
        let error = Ca::new().unwrap().server_config(&["sm\u{f8}r".to_owned()]).unwrap_err();
        assert!(matches!(error, CaError::Certificate { .. }), "{error}");
    }
}
