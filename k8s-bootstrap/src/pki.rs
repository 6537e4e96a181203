//! What a cluster's trust rests on: authorities, the key of service accounts, the token to join by.
//!
//! It is made here before there is any cluster, so that the hash which new nodes check is known when
//! their files are written, and nothing has to be read from what kubeadm prints. kubeadm takes a
//! pair that it finds in `/etc/kubernetes/pki` and makes all certificates below it by itself. All
//! masters get the same pairs over ssh, so nothing is uploaded into the cluster either, and no
//! certificate key with its two hours is needed.

use pem::Pem;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use ring::digest::{SHA256, digest};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use time::{Duration, OffsetDateTime};

use crate::secret::Secret;

mod files;

pub(crate) use files::NODE_FILES;
pub use files::{STATE_FILES, StateError};

/// How long authorities are good for, as kubeadm's own: ten years.
const AUTHORITY_VALIDITY: Duration = Duration::days(3650);

/// By how much their validity begins before they are made: hosts whose clocks are behind take them.
const BACKDATED: Duration = Duration::minutes(5);

/// Everything secret of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Material {
    /// Signs the API servers' and all clients' certificates.
    pub ca: Pair,
    /// Signs what aggregated API servers ask with.
    pub front_proxy_ca: Pair,
    /// Signs etcd's certificates.
    pub etcd_ca: Pair,
    /// Signs tokens of service accounts: private and public key.
    pub service_accounts: Pair,
    /// What new nodes show: `abcdef.0123456789abcdef`.
    pub token: Secret,
}

/// A public part and its key, both in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Certificate, or public key.
    pub public: String,
    /// The private key, in PKCS #8.
    pub key: Secret,
}

/// Why material couldn't be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// The system has no random numbers.
    #[error("the system's random source failed")]
    Random,
    /// A certificate couldn't be signed.
    #[error("certificate of {0} can't be made")]
    Certificate(&'static str, #[source] rcgen::Error),
}

impl Material {
    /// Makes everything anew; `now` is the wall clock.
    ///
    /// # Errors
    /// The random source failed.
    pub fn make(random: &dyn SecureRandom, now: OffsetDateTime) -> Result<Self, MakeError> {
        Ok(Self {
            ca: authority("kubernetes", random, now)?,
            front_proxy_ca: authority("front-proxy-ca", random, now)?,
            etcd_ca: authority("etcd-ca", random, now)?,
            service_accounts: service_accounts(random)?,
            token: token(random)?,
        })
    }

    /// Makes everything anew from the system's random source.
    ///
    /// # Errors
    /// The random source failed.
    #[cfg(feature = "driver")]
    pub fn make_with_system(now: std::time::SystemTime) -> Result<Self, MakeError> {
        Self::make(&ring::rand::SystemRandom::new(), OffsetDateTime::from(now))
    }

    /// What nodes compare with before they trust a cluster: `sha256:` and the hash of the
    /// authority's public key, as kubeadm computes it.
    #[must_use]
    pub fn ca_hash(&self) -> String {
        let key = spki_of(&self.ca).expect("checked where material is made and read");
        format!("sha256:{}", sha256(&key))
    }

    /// The part of the token that isn't secret.
    #[must_use]
    pub fn token_id(&self) -> &str {
        self.token.expose().split('.').next().unwrap_or_default()
    }

    /// Every text in it that nobody may see.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Secret> {
        let pairs = [&self.ca, &self.front_proxy_ca, &self.etcd_ca, &self.service_accounts];
        pairs.into_iter().map(|pair| &pair.key).chain([&self.token]).collect()
    }
}

/// DER of a pair's public key (SubjectPublicKeyInfo).
fn spki_of(pair: &Pair) -> Result<Vec<u8>, rcgen::Error> {
    Ok(KeyPair::from_pem(pair.key.expose())?.subject_public_key_info())
}

pub(crate) fn key_pair(random: &dyn SecureRandom, of: &'static str) -> Result<KeyPair, MakeError> {
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, random)
        .map_err(|_| MakeError::Random)?;
    let text = pem::encode(&Pem::new("PRIVATE KEY", document.as_ref()));
    KeyPair::from_pkcs8_pem_and_sign_algo(&text, &PKCS_ECDSA_P256_SHA256)
        .map_err(|error| MakeError::Certificate(of, error))
}

/// What an authority's certificate says.
pub(crate) fn authority_params(name: &str, now: OffsetDateTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.not_before = now - BACKDATED;
    params.not_after = now + AUTHORITY_VALIDITY;
    params
}

/// An authority that is made anew.
pub(crate) fn authority(
    name: &'static str,
    random: &dyn SecureRandom,
    now: OffsetDateTime,
) -> Result<Pair, MakeError> {
    let key = key_pair(random, name)?;
    let params = authority_params(name, now);
    let issuer = Issuer::from_params(&params, &key);
    let certificate =
        params.signed_by(&key, &issuer).map_err(|error| MakeError::Certificate(name, error))?;
    Ok(Pair { public: unix(&certificate.pem()), key: Secret::new(unix(&key.serialize_pem())) })
}

fn service_accounts(random: &dyn SecureRandom) -> Result<Pair, MakeError> {
    let key = key_pair(random, "service accounts")?;
    let public = unix(&key.public_key_pem());
    Ok(Pair { public, key: Secret::new(unix(&key.serialize_pem())) })
}

/// Line endings as files on hosts have them.
pub(crate) fn unix(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The letters of a token.
const TOKEN_LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// Letters of a token's public and secret part.
const TOKEN_PARTS: (usize, usize) = (6, 16);

fn token(random: &dyn SecureRandom) -> Result<Secret, MakeError> {
    let (id, secret) = (letters(random, TOKEN_PARTS.0)?, letters(random, TOKEN_PARTS.1)?);
    Ok(Secret::new(format!("{id}.{secret}")))
}

/// So many letters, each as likely as any other.
pub(crate) fn letters(random: &dyn SecureRandom, count: usize) -> Result<String, MakeError> {
    // 252 is the largest multiple of 36 in a byte; larger bytes would favour the first letters.
    const FAIR: u8 = 252;
    let mut text = String::with_capacity(count);
    while text.len() < count {
        let mut bytes = [0; 32];
        random.fill(&mut bytes).map_err(|_| MakeError::Random)?;
        let fair = bytes.iter().filter(|byte| **byte < FAIR);
        let letters = fair.map(|byte| char::from(TOKEN_LETTERS[usize::from(byte % 36)]));
        text.extend(letters.take(count - text.len()));
    }
    Ok(text)
}

/// SHA-256 in hexadecimal digits, as `sha256sum` prints it.
#[must_use]
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest(&SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
