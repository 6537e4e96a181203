//! What a check is: whom it asks, how, how often, and how many answers make a verdict.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// One server under check. `id` is whatever the owner calls it (`masters/kmaster1`).
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Unique; a changed target with the same id keeps its state.
    pub id: String,
    /// Where the probe connects.
    pub address: SocketAddr,
    /// What to do and how often.
    pub check: Check,
}

/// How a server is checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// When it is asked.
    pub pace: Pace,
    /// Answers that make a verdict.
    pub threshold: Threshold,
    /// The verdict before the first answer.
    pub initial: Initial,
    /// Local address of the probe; none: the kernel chooses.
    pub source: Option<IpAddr>,
    /// Failed connects of real clients bring the next check forward.
    pub passive: bool,
}

/// When checks start. The cadence is fixed, from start to start; chance takes up to
/// [`JITTER_PERCENT`](crate::fleet::JITTER_PERCENT) off each interval and never adds to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// From one start to the next while the server is fully up.
    pub interval: Duration,
    /// The same while it is going down or coming up. None: `interval`.
    pub fast_interval: Option<Duration>,
    /// The same while it is fully down. None: `interval`.
    pub down_interval: Option<Duration>,
    /// One deadline for the whole check: connect, handshake, request and answer. Longer than the
    /// interval, it stretches the cadence, since checks of one server never overlap.
    pub timeout: Duration,
}

/// Consecutive answers that make a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// Successes that make a server up.
    pub rise: NonZeroU32,
    /// Failures that make it down.
    pub fall: NonZeroU32,
}

/// The verdict before the first answer (HAProxy's `init-state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initial {
    /// Up, and it takes `fall` failures to change that.
    FullyUp,
    /// Up, and the first failure changes that. HAProxy's way, and the default.
    Up,
    /// Down, and the first success changes that.
    Down,
    /// Down, and it takes `rise` successes to change that.
    FullyDown,
}

/// What is asked of a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// A connection is accepted.
    Tcp,
    /// A TLS handshake succeeds.
    Tls(TlsOptions),
    /// A request is answered as expected.
    Http(HttpProbe),
    /// The same within TLS.
    Https(HttpProbe, TlsOptions),
    /// A program ends with status 0.
    Script(ScriptProbe),
}

/// The request, and what counts as a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// `GET`, `HEAD`, `OPTIONS`, …
    pub method: String,
    /// Path and query: `/readyz`.
    pub path: String,
    /// The `Host` header; none: the server's address and port.
    pub host: Option<String>,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// A file whose content goes out as `Authorization: Bearer …`, read anew for each check.
    pub bearer_token_file: Option<PathBuf>,
    /// Statuses that count as success; not empty.
    pub expect_status: Vec<RangeInclusive<u16>>,
    /// Text that the answer's body must hold (looked for in its first [`BODY_LEN_MAX`] bytes).
    pub expect_body: Option<String>,
}

/// Most of a body that is read, in bytes; the rest is left unread.
pub const BODY_LEN_MAX: usize = 64 * 1024;

/// TLS of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsOptions {
    /// Whether and against what the server's certificate is verified.
    pub verify: Verify,
    /// Server name sent and verified; none: the server's address (no SNI is sent then).
    pub server_name: Option<String>,
    /// Certificate (chain) and key shown to the server, both PEM, read when the check is set up
    /// and again when a file changes.
    pub client: Option<ClientIdentity>,
}

/// Trust in the server's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// Any certificate will do. Said explicitly by the operator.
    None,
    /// It must be signed by a certificate in this PEM file.
    CaFile(PathBuf),
}

/// A client certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// PEM file with the certificate, issuers after it.
    pub cert_file: PathBuf,
    /// PEM file with the private key.
    pub key_file: PathBuf,
}

/// A program that judges the server. It is started directly, never through a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptProbe {
    /// The program, absolute; then its arguments. `{address}` and `{port}` stand for the server's.
    pub command: Vec<String>,
}
