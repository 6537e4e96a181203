//! One check of one server, on tokio. Each probe walks through stages; at the deadline the stage
//! says what the server owed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::config::{Probe, Target};
use crate::outcome::{FailureKind, Layer, Outcome};

mod closing;
mod files;
mod http;
mod script;
mod shortage;
mod tcp;
mod tls;

pub(crate) use closing::Closing;
pub use files::FileError;
pub(crate) use files::read_bounded;
pub use http::HttpError;
pub(crate) use http::{bearer, request};
pub use tls::TlsError;
pub(crate) use tls::{load, server_name};

/// Checks a server once, outside of any schedule and whatever its thresholds. For diagnosis.
/// Needs a tokio runtime with I/O and time.
pub async fn probe_once(target: &Target) -> (Outcome, Duration) {
    let prober = Prober::new(Arc::new(target.clone()), Closing::new());
    let progress = Progress::default();
    let (start, timeout) = (Instant::now(), target.check.pace.timeout);
    let outcome = tokio::time::timeout(timeout, prober.run(&progress))
        .await
        .unwrap_or_else(|_| progress.timed_out(timeout));
    (outcome, start.elapsed())
}

/// What is kept between the checks of one target: files that were read, the script's leash.
pub(crate) struct Prober {
    target: Arc<Target>,
    tls: Option<tls::Connector>,
    token: http::TokenGate,
    script: script::Gate,
    closing: Closing,
}

impl Prober {
    pub(crate) fn new(target: Arc<Target>, closing: Closing) -> Self {
        let tls = match &target.check.probe {
            Probe::Tls(tls) => Some(tls::Connector::new(tls.clone(), &[])),
            Probe::Https(_, tls) => Some(tls::Connector::new(tls.clone(), &[b"http/1.1"])),
            Probe::Tcp | Probe::Http(_) | Probe::Script(_) => None,
        };
        Self { target, tls, token: Default::default(), script: Default::default(), closing }
    }

    /// Whether this one asks the server in the same way as `target` wants it.
    pub(crate) fn serves(&self, target: &Target) -> bool {
        self.target.address == target.address
            && self.target.check.source == target.check.source
            && self.target.check.probe == target.check.probe
    }

    /// Asks the server. Has no deadline: dropping the future ends the check.
    pub(crate) async fn run(&self, progress: &Progress) -> Outcome {
        self.ask(progress).await.unwrap_or_else(|ended| ended)
    }

    async fn ask(&self, progress: &Progress) -> Result<Outcome, Outcome> {
        let address = self.target.address;
        if let Probe::Script(script) = &self.target.check.probe {
            progress.enter(Stage::Script);
            return script::run(script, address, &self.script).await;
        }
        let request = match &self.target.check.probe {
            Probe::Http(probe) | Probe::Https(probe, _) => {
                Some((probe, http::prepare(probe, address, &self.token).await?))
            }
            Probe::Tcp | Probe::Tls(_) | Probe::Script(_) => None,
        };
        let client = match &self.tls {
            Some(tls) => Some((tls, tls.client().await?)),
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
            return http::exchange(stream, probe, request, &self.closing).await;
        };

        progress.enter(Stage::Tls);
        let stream = tls.handshake(&client, stream, address).await?;
        let outcome = if let Some((probe, request)) = request {
            progress.enter(Stage::Response);
            http::exchange(stream, probe, request, &self.closing).await?
        } else {
            let outcome = Outcome::passed(Layer::Tls, &tls::describe_session(&stream));
            self.closing.later(tls::part(stream));
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
    use super::*;

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
