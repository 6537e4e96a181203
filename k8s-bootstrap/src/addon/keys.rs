//! What add-ons have that nobody may see: the registry's small authority and its password.

use std::net::Ipv4Addr;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use ring::rand::SecureRandom;
use time::{Duration, OffsetDateTime};

use crate::pki::{self, MakeError, Pair};
use crate::secret::Secret;

/// How long a certificate of the registry is good for.
const VALIDITY: Duration = Duration::days(365);

/// A certificate with less left than this is made anew by the next apply.
const RENEW_BEFORE: Duration = Duration::days(60);

/// By how much validity begins before a certificate is made: nodes' clocks may be behind.
const BACKDATED: Duration = Duration::minutes(5);

/// Letters of a password: 24 of 36 are 124 bits.
const PASSWORD_LETTERS: usize = 24;

const AUTHORITY: &str = "halb-registry-ca";

/// Keys and passwords of add-ons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// Signs the registry's certificate, and nothing else.
    pub authority: Pair,
    /// The registry's certificate and key.
    pub registry: Pair,
    /// The password of the registry's user.
    pub password: Secret,
    /// The line of that user as the registry reads it: name and bcrypt hash.
    pub htpasswd: Secret,
    /// The password of the database's superuser.
    pub superuser: Secret,
    /// The password that replicas copy the database with.
    pub replication: Secret,
}

/// The user who may read and write in the registry.
pub const USER: &str = "halb";

impl Keys {
    /// An authority that is made anew.
    ///
    /// # Errors
    /// The random source failed.
    pub fn authority(random: &dyn SecureRandom, now: OffsetDateTime) -> Result<Pair, MakeError> {
        pki::authority(AUTHORITY, random, now)
    }

    /// A password that is made anew.
    ///
    /// # Errors
    /// The random source failed.
    pub fn password(random: &dyn SecureRandom) -> Result<Secret, MakeError> {
        pki::letters(random, PASSWORD_LETTERS).map(Secret::new)
    }

    /// Name and password as HTTP sends them.
    #[must_use]
    pub fn basic(&self) -> String {
        base64(format!("{USER}:{}", self.password.expose()).as_bytes())
    }
}

/// A certificate for an address, signed by this authority.
///
/// # Errors
/// The random source failed, or the authority is none.
pub fn certificate(
    authority: &Pair,
    address: Ipv4Addr,
    random: &dyn SecureRandom,
    now: OffsetDateTime,
) -> Result<Pair, MakeError> {
    const OF: &str = "the registry";
    let refused = |error| MakeError::Certificate(OF, error);
    let issuer_key = KeyPair::from_pem(authority.key.expose()).map_err(refused)?;
    let issuer_params = pki::authority_params(AUTHORITY, now);
    let issuer = Issuer::from_params(&issuer_params, &issuer_key);
    let key = pki::key_pair(random, OF)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "registry");
    params.subject_alt_names = vec![SanType::IpAddress(address.into())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (now - BACKDATED, now + VALIDITY);
    let certificate = params.signed_by(&key, &issuer).map_err(refused)?;
    Ok(Pair {
        public: pki::unix(&certificate.pem()),
        key: Secret::new(pki::unix(&key.serialize_pem())),
    })
}

/// Whether a certificate is one for this address that need not be made anew yet.
#[must_use]
pub fn is_current(certificate: &str, address: Ipv4Addr, now: OffsetDateTime) -> bool {
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(certificate.as_bytes()) else {
        return false;
    };
    let Ok(certificate) = pem.parse_x509() else { return false };
    let names = certificate.subject_alternative_name().ok().flatten();
    let has_address = names.is_some_and(|names| {
        let own = address.octets();
        let is_own = |name: &x509_parser::extensions::GeneralName<'_>| {
            matches!(name, x509_parser::extensions::GeneralName::IPAddress(it) if **it == own)
        };
        names.value.general_names.iter().any(is_own)
    });
    let ends = certificate.validity().not_after.timestamp();
    has_address && ends > (now + RENEW_BEFORE).unix_timestamp()
}

/// Standard base64 (RFC 4648), as Secrets and HTTP have it.
pub(super) fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
