//! One check of one server, on tokio. Each probe walks through stages; at the deadline the stage
//! says what the server owed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::config::{Probe, Target};
use crate::outcome::{FailureKind, Layer, Outcome};
use crate::program::Gate;

mod closing;
mod files;
mod http;
mod script;
mod shortage;
mod tcp;
mod tls;

pub(crate) use closing::Closing;
pub use files::{FILE_READS_MAX, FileError};
pub(crate) use files::{Reading, read_bounded};
pub use http::HttpError;
pub(crate) use http::{bearer, request};
pub use tls::TlsError;
pub(crate) use tls::{load, server_name};

/// What is kept between the checks of one target: files that were read, the script's leash.
pub(crate) struct Prober {
    target: Arc<Target>,
    tls: Option<tls::Connector>,
    token: http::TokenGate,
    script: Gate,
    shared: Shared,
}

/// What the checks of all targets share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    closing: Closing,
    reading: Reading,
}

/// Part of a check's time that its files may take before those read before are used; small, since
/// the rest is what the server has.
const FILES_SHARE: u32 = 10;

impl Shared {
    pub(crate) fn new() -> Self {
        Self { closing: Closing::new(), reading: Reading::new() }
    }
}

impl Prober {
    pub(crate) fn new(target: Arc<Target>, shared: Shared) -> Self {
        let tls = match &target.check.probe {
            Probe::Tls(tls) => Some(tls::Connector::new(tls.clone(), &[])),
            Probe::Https(_, tls) => Some(tls::Connector::new(tls.clone(), &[b"http/1.1"])),
            Probe::Tcp | Probe::Http(_) | Probe::Script(_) => None,
        };
        Self { target, tls, token: Default::default(), script: Default::default(), shared }
    }

    /// Whether this one asks the server in the same way as `target` wants it.
    pub(crate) fn serves(&self, target: &Target) -> bool {
        self.target.address == target.address
            && self.target.check.source == target.check.source
            && self.target.check.probe == target.check.probe
    }

    /// Asks the server. The caller ends the check after `timeout` by dropping the future.
    pub(crate) async fn run(&self, progress: &Progress, timeout: Duration) -> Outcome {
        self.ask(progress, timeout).await.unwrap_or_else(|ended| ended)
    }

    async fn ask(&self, progress: &Progress, timeout: Duration) -> Result<Outcome, Outcome> {
        let address = self.target.address;
        let Shared { closing, reading } = &self.shared;
        if let Probe::Script(script) = &self.target.check.probe {
            progress.enter(Stage::Script);
            return script::run(script, address, &self.script).await;
        }
        let request = match &self.target.check.probe {
            Probe::Http(probe) | Probe::Https(probe, _) => {
                Some((probe, http::prepare(probe, address, &self.token, reading).await?))
            }
            Probe::Tcp | Probe::Tls(_) | Probe::Script(_) => None,
        };
        let client = match &self.tls {
            Some(tls) => Some((tls, tls.client(reading, timeout / FILES_SHARE).await?)),
            None => None,
        };

        progress.enter(Stage::Connect);
        let bare = request.is_none() && client.is_none();
        let stream = tcp::connect(address, self.target.check.source, bare).await?;
        let Some((tls, client)) = client else {
            let Some((probe, request)) = request else {
                return Ok(Outcome::passed(Layer::Connect, "connected"));
            };
            progress.enter(Stage::Response);
            return http::exchange(stream, probe, request, closing).await;
        };

        progress.enter(Stage::Tls);
        let stream = tls.handshake(&client, stream, address).await?;
        let outcome = if let Some((probe, request)) = request {
            progress.enter(Stage::Response);
            http::exchange(stream, probe, request, closing).await?
        } else {
            let outcome = Outcome::passed(Layer::Tls, &tls::describe_session(&stream));
            closing.later(tls::part(stream));
            outcome
        };
        Ok(client.with_trouble(outcome))
    }
}

/// How far a probe has come; read by whoever ends it at the deadline.
#[derive(Default)]
pub(crate) struct Progress(AtomicU8);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connect,
    Tls,
    Response,
    Script,
}

impl Progress {
    fn enter(&self, stage: Stage) {
        let code = match stage {
            Stage::Connect => 1,
            Stage::Tls => 2,
            Stage::Response => 3,
            Stage::Script => 4,
        };
        self.0.store(code, Ordering::Relaxed);
    }

    fn stage(&self) -> Option<Stage> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Stage::Connect),
            2 => Some(Stage::Tls),
            3 => Some(Stage::Response),
            4 => Some(Stage::Script),
            _ => None,
        }
    }

    /// The check has had its time; says what was still awaited.
    pub(crate) fn timed_out(&self, timeout: Duration) -> Outcome {
        let (kind, what) = match self.stage() {
            // The server hasn't been asked yet.
            None => {
                let detail = format!("files of the check were not read within {timeout:?}");
                return Outcome::inconclusive(&detail);
            }
            Some(Stage::Connect) => (FailureKind::ConnectTimeout, "connection attempt unanswered"),
            Some(Stage::Tls) => (FailureKind::TlsTimeout, "TLS handshake unfinished"),
            Some(Stage::Response) => (FailureKind::ResponseTimeout, "no complete HTTP answer"),
            Some(Stage::Script) => (FailureKind::ScriptTimeout, "script still running, killed"),
        };
        Outcome::failed(kind, &format!("{what} after {timeout:?}"))
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::num::NonZeroU32;
    use std::path::Path;

    use super::*;
    use crate::config::{Check, HttpProbe, Initial, Pace, Threshold, TlsOptions, Verify};

    const TIMEOUT: Duration = Duration::from_secs(20);

    /// Far more than a check takes that waits for nothing.
    const SHORT: Duration = Duration::from_millis(200);

    /// A check of a port that refuses (the socket keeps it from others).
    fn refused(probe: Probe, shared: Shared) -> (Prober, socket2::Socket) {
        let port = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let port = port.unwrap();
        port.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        let address = port.local_addr().unwrap().as_socket().unwrap();
        let pace =
            Pace { interval: TIMEOUT, fast_interval: None, down_interval: None, timeout: TIMEOUT };
        let threshold = Threshold { rise: NonZeroU32::MIN, fall: NonZeroU32::MIN };
        let initial = Initial::Up;
        let check = Check { probe, pace, threshold, initial, source: None, passive: true };
        let target = Target { id: "b/s".into(), address, check };
        (Prober::new(Arc::new(target), shared), port)
    }

    fn tls(verify: Verify) -> Probe {
        Probe::Tls(TlsOptions { verify, server_name: None, client: None })
    }

    fn ca_file(directory: &Path) -> Probe {
        let path = directory.join("ca.crt");
        let pair = rcgen::generate_simple_self_signed(vec!["a".into()]).unwrap();
        std::fs::write(&path, pair.cert.pem()).unwrap();
        tls(Verify::CaFile(path))
    }

    async fn code(prober: &Prober) -> &'static str {
        prober.run(&Progress::default(), TIMEOUT).await.code().as_str()
    }

    fn all_reads_hang(shared: &Shared) -> tokio::sync::OwnedSemaphorePermit {
        shared.reading.hang(FILE_READS_MAX.try_into().unwrap())
    }

    #[tokio::test]
    async fn a_check_that_names_no_file_waits_for_no_read() {
        let shared = Shared::new();
        let _hung = all_reads_hang(&shared);
        let (prober, _port) = refused(tls(Verify::None), shared);
        assert_eq!(tokio::time::timeout(TIMEOUT, code(&prober)).await, Ok("L4CON"));
    }

    #[tokio::test]
    async fn a_check_goes_on_with_the_files_read_before_while_reads_hang() {
        let (shared, directory) = (Shared::new(), tempfile::tempdir().unwrap());
        let (prober, _port) = refused(ca_file(directory.path()), shared.clone());
        assert_eq!(code(&prober).await, "L4CON");
        let hung = all_reads_hang(&shared);
        let timeout = Duration::from_millis(50);
        let progress = Progress::default();
        let outcome = prober.run(&progress, timeout);
        let outcome = tokio::time::timeout(TIMEOUT, outcome).await.expect("no read is awaited");
        assert_eq!(outcome.code().as_str(), "L4CON");
        let client = prober.tls.as_ref().unwrap().client(&shared.reading, timeout).await;
        let passed = client.unwrap().with_trouble(Outcome::passed(Layer::Tls, "done"));
        assert!(passed.detail().contains("not read again within 50ms"), "{passed}");
        drop(hung);
        assert_eq!(code(&prober).await, "L4CON");
    }

    #[tokio::test]
    async fn a_check_that_never_read_its_files_waits_for_them_and_blames_no_server() {
        let (shared, directory) = (Shared::new(), tempfile::tempdir().unwrap());
        let token = directory.path().join("token");
        std::fs::write(&token, "secret").unwrap();
        let authorized = Probe::Http(HttpProbe {
            method: "GET".into(),
            path: "/".into(),
            host: None,
            headers: Vec::new(),
            bearer_token_file: Some(token),
            expect_status: vec![200..=299],
            expect_body: None,
        });
        for probe in [ca_file(directory.path()), authorized] {
            let hung = all_reads_hang(&shared);
            let (prober, _port) = refused(probe, shared.clone());
            let progress = Progress::default();
            let run = tokio::time::timeout(SHORT, prober.run(&progress, SHORT));
            assert!(run.await.is_err(), "it went on without its files");
            let outcome = progress.timed_out(SHORT);
            assert!(matches!(outcome, Outcome::Inconclusive { .. }), "{outcome}");
            drop(hung);
            assert_eq!(code(&prober).await, "L4CON");
        }
    }

    #[test]
    fn a_timeout_says_what_was_awaited() {
        let code = |stage: Option<Stage>| {
            let progress = Progress::default();
            if let Some(stage) = stage {
                progress.enter(stage);
            }
            progress.timed_out(Duration::from_secs(1)).code().as_str()
        };
        assert_eq!(code(None), "SOCKERR");
        assert_eq!(code(Some(Stage::Connect)), "L4TOUT");
        assert_eq!(code(Some(Stage::Tls)), "L6TOUT");
        assert_eq!(code(Some(Stage::Response)), "L7TOUT");
        assert_eq!(code(Some(Stage::Script)), "PROCTOUT");
    }
}
