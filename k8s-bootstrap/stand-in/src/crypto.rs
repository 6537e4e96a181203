//! What trust between nodes is made of: hashes of public keys, signatures by token, sealed files,
//! certificates.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose,
};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom as _, SystemRandom};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// How long certificates below the authority are good for, as kubeadm's.
const VALIDITY: Duration = Duration::days(365);

/// Of what kind a certificate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A server of these names and addresses.
    Server(Vec<String>),
    /// A client.
    Client,
    /// A member of etcd: both.
    Peer(Vec<String>),
}

/// `sha256:` and the hash of a certificate's SubjectPublicKeyInfo, as kubeadm's `pubkeypin`.
///
/// # Errors
/// The text is no certificate.
pub fn hash_of(certificate: &str) -> Result<String, String> {
    let der = pem::parse(certificate).map_err(|error| error.to_string())?;
    let (_, certificate) =
        X509Certificate::from_der(der.contents()).map_err(|error| error.to_string())?;
    let hash = digest(&SHA256, certificate.tbs_certificate.subject_pki.raw);
    Ok(format!("sha256:{}", hex(hash.as_ref())))
}

/// Common name and organisations of a certificate in DER.
#[must_use]
pub fn subject(der: &[u8]) -> Option<(String, Vec<String>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok()?.to_owned();
    let organisations = subject.iter_organization();
    let organisations = organisations.filter_map(|it| it.as_str().ok().map(str::to_owned));
    Some((name, organisations.collect()))
}

/// Common name, organisations and names of a certificate in PEM; addresses are among the names.
///
/// # Errors
/// The text is no certificate.
pub fn names(certificate: &str) -> Result<(String, Vec<String>, Vec<String>), String> {
    let der = pem::parse(certificate).map_err(|error| error.to_string())?;
    let (name, of) = subject(der.contents()).ok_or("a certificate without a name")?;
    let (_, certificate) =
        X509Certificate::from_der(der.contents()).map_err(|error| error.to_string())?;
    let alternatives = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for general in alternatives.iter().flat_map(|extension| &extension.value.general_names) {
        if let GeneralName::DNSName(name) = general {
            names.push((*name).to_owned());
        } else if let GeneralName::IPAddress([a, b, c, d]) = general {
            names.push(Ipv4Addr::new(*a, *b, *c, *d).to_string());
        } else {
            return Err(format!("a name of a kind that kubeadm doesn't make: {general}"));
        }
    }
    Ok((name, of, names))
}

/// When a certificate in PEM ends, in seconds since 1970.
///
/// # Errors
/// The text is no certificate.
pub fn expiry(certificate: &str) -> Result<i64, String> {
    let der = pem::parse(certificate).map_err(|error| error.to_string())?;
    let (_, certificate) =
        X509Certificate::from_der(der.contents()).map_err(|error| error.to_string())?;
    Ok(certificate.validity().not_after.timestamp())
}

/// Whether a private key belongs to a certificate, or to a public key; both in PEM.
#[must_use]
pub fn belongs(key: &str, public: &str) -> bool {
    use rcgen::PublicKeyData as _;
    let (Ok(key), Ok(public)) = (KeyPair::from_pem(key), pem::parse(public)) else { return false };
    let own = key.subject_public_key_info();
    public.contents().windows(own.len()).any(|window| window == own)
}

/// A detached JWS over a text (RFC 7515, appendix F) by the secret of a token, as the controller
/// manager's bootstrap signer makes it.
#[must_use]
pub fn jws(text: &str, id: &str, secret: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(format!("{{\"alg\":\"HS256\",\"kid\":\"{id}\"}}"));
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(text));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{header}..{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

/// Seals a file as `upload-certs` does: AES-256-GCM, the nonce before it.
///
/// # Errors
/// The key isn't 64 hexadecimal digits, or there are no random numbers.
pub fn seal(key: &str, text: &[u8]) -> Result<Vec<u8>, String> {
    let key = sealing_key(key)?;
    let mut nonce = [0; NONCE_LEN];
    SystemRandom::new().fill(&mut nonce).map_err(|_| "no random numbers")?;
    let mut sealed = text.to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(unique, Aad::empty(), &mut sealed).map_err(|_| "too long")?;
    Ok([&nonce[..], &sealed].concat())
}

/// Opens what [`seal`] has sealed.
///
/// # Errors
/// The key is another, or the file was changed.
pub fn open(key: &str, sealed: &[u8]) -> Result<Vec<u8>, String> {
    let key = sealing_key(key)?;
    let parts = sealed.split_at_checked(NONCE_LEN).ok_or("malformed ciphertext")?;
    let nonce = Nonce::try_assume_unique_for_key(parts.0).map_err(|_| "malformed ciphertext")?;
    let mut text = parts.1.to_vec();
    let opened = key.open_in_place(nonce, Aad::empty(), &mut text);
    Ok(opened.map_err(|_| "cipher: message authentication failed")?.to_vec())
}

fn sealing_key(key: &str) -> Result<LessSafeKey, String> {
    let bytes = unhex(key).filter(|bytes| bytes.len() == AES_256_GCM.key_len());
    let bytes = bytes.ok_or("invalid certificate key: it has to be 64 hexadecimal digits")?;
    let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| "invalid certificate key")?;
    Ok(LessSafeKey::new(key))
}

/// SHA-256 of a text, in hexadecimal digits.
#[must_use]
pub fn hash_of_text(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|letter| letter.to_digit(16)).collect();
    let pairs = digits?;
    pairs.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair.get(1)?).ok()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An authority that signs, as its two files have it.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its certificate in PEM.
    pub certificate: String,
    key: String,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// An authority out of two files.
    ///
    /// # Errors
    /// The key belongs to another certificate.
    pub fn new(certificate: String, key: String) -> Result<Self, String> {
        if !belongs(&key, &certificate) {
            return Err("the certificate and its private key don't belong together".to_owned());
        }
        Ok(Self { certificate, key })
    }

    /// A certificate for a new key.
    ///
    /// # Errors
    /// It can't be made.
    pub fn issue(&self, name: &str, of: &[&str], purpose: &Purpose) -> Result<Pair, String> {
        let make = || {
            let key = KeyPair::generate()?;
            let mut params = parameters(name, of, purpose)?;
            params.use_authority_key_identifier_extension = true;
            let certificate = params.signed_by(&key, &self.issuer()?)?;
            Ok::<_, rcgen::Error>(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
        };
        make().map_err(|error| format!("certificate for {name}: {error}"))
    }

    /// Signs a request for a client's certificate, if it is for this name and organisation.
    ///
    /// # Errors
    /// It is none, or asks for somebody else.
    pub fn sign(&self, request: &str, of: &str) -> Result<(String, String), String> {
        let make = |request: &str| CertificateSigningRequestParams::from_pem(request);
        let mut request = make(request).map_err(|error| error.to_string())?;
        let words = &request.params.distinguished_name;
        let word = |kind| match words.get(&kind) {
            Some(rcgen::DnValue::Utf8String(text)) => text.clone(),
            Some(rcgen::DnValue::PrintableString(text)) => text.as_str().to_owned(),
            _ => String::new(),
        };
        let (name, organisation) = (word(DnType::CommonName), word(DnType::OrganizationName));
        if organisation != of {
            return Err(format!("it asks for the organisation {organisation:?}"));
        }
        let issuer = self.issuer().map_err(|error| error.to_string())?;
        limit(&mut request.params);
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = request.signed_by(&issuer).map_err(|error| error.to_string())?;
        Ok((name, certificate.pem()))
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)
    }
}

/// A request for a client's certificate, and the key that it is for.
///
/// # Errors
/// It can't be made.
pub fn request(name: &str, of: &str) -> Result<(String, String), String> {
    let make = || {
        let key = KeyPair::generate()?;
        let params = parameters(name, &[of], &Purpose::Client)?;
        Ok::<_, rcgen::Error>((params.serialize_request(&key)?.pem()?, key.serialize_pem()))
    };
    make().map_err(|error| format!("certificate request for {name}: {error}"))
}

fn parameters(
    name: &str,
    of: &[&str],
    purpose: &Purpose,
) -> Result<CertificateParams, rcgen::Error> {
    let (names, usages) = match purpose {
        Purpose::Server(names) => (names.clone(), vec![ExtendedKeyUsagePurpose::ServerAuth]),
        Purpose::Client => (Vec::new(), vec![ExtendedKeyUsagePurpose::ClientAuth]),
        Purpose::Peer(names) => (
            names.clone(),
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        ),
    };
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    for organisation in of {
        params.distinguished_name.push(DnType::OrganizationName, *organisation);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = usages;
    limit(&mut params);
    Ok(params)
}

fn limit(params: &mut CertificateParams) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::minutes(5);
    params.not_after = now + VALIDITY;
}

#[cfg(test)]
mod tests;
