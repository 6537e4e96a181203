//! What a configuration names of the host that it is for: certificates, keys, programs.

use std::error::Error;
use std::path::Path;

use halb_healthcheck::config::{Check, Probe};

use crate::Drafts;
use crate::check::PlacedCheck;
use crate::diagnostic::{Diagnostic, Span};
use crate::sink::Sink;
use crate::vrrp::{GroupDraft, RouterDraft};

/// The host that a configuration is for.
pub trait Host {
    /// Whether a check can be made: its certificates, its token, its program.
    ///
    /// # Errors
    /// The first thing that stands in the way, with the path.
    fn check(&self, check: &Check) -> Result<(), Unusable>;

    /// Whether a program of a tracker or a hook can be started.
    ///
    /// # Errors
    /// Why it can't, or had better not be.
    fn program(&self, program: &str) -> Result<(), Unusable>;

    /// Whether a file holds the key that two balancers share.
    fn peer_key(&self, path: &Path) -> PeerKey;
}

/// What a file that should hold the key of two balancers is found to be. Nothing of the key itself
/// is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerKey {
    /// A key.
    Usable,
    /// There is none to look at, or it isn't ours to read. The link waits for it, and nothing else
    /// does: the virtual IP needs VRRP alone.
    Absent(Unusable),
    /// No key, or one that others know.
    Bad(Unusable),
}

/// Why something of a host can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong, the path in it.
    pub why: String,
    /// What to do about it.
    pub remedy: String,
}

impl Unusable {
    /// Of an error and its causes, in one line.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static), remedy: impl Into<String>) -> Self {
        let chain = std::iter::successors(Some(error), |error| (*error).source());
        let chain: Vec<_> = chain.map(ToString::to_string).collect();
        Self { why: chain.join(": "), remedy: remedy.into() }
    }

    pub(crate) fn at(self, span: Span) -> Diagnostic {
        Diagnostic::error(span, self.why).remedy(self.remedy)
    }
}

/// Asks the host for all that the tables name of it.
pub(super) fn check_named(host: &dyn Host, sink: &Sink, drafts: &Drafts<'_>) {
    for placed in drafts.backends.iter().filter_map(|backend| backend.check.as_ref()) {
        for probe in parts(&placed.check.probe) {
            let check = Check { probe, ..placed.check.clone() };
            if let Err(unusable) = host.check(&check) {
                sink.report(unusable_check(placed, unusable));
            }
        }
    }
    drafts.routers.iter().for_each(|router| RouterDraft::check_programs(router, host));
    drafts.groups.iter().for_each(|group| GroupDraft::check_program(group, host));
    if let Some((path, span)) = drafts.peer.as_ref().and_then(|peer| peer.key_file.as_ref()) {
        check_peer_key(host.peer_key(path), sink, span);
    }
}

fn check_peer_key(found: PeerKey, sink: &Sink, span: &Span) {
    match found {
        PeerKey::Usable => {}
        PeerKey::Absent(Unusable { why, remedy }) => sink.report(
            Diagnostic::lint(span.clone(), why)
                .consequence(
                    "there is no link to the other balancer until a reload finds it; the virtual \
                     IP goes by VRRP alone",
                )
                .remedy(remedy),
        ),
        PeerKey::Bad(unusable) => sink.report(
            unusable
                .at(span.clone())
                .consequence("the two balancers couldn't tell each other from anybody else"),
        ),
    }
}

/// A probe, taken apart so that what is wrong with its request doesn't hide what is wrong with its
/// TLS: the first problem of each part is told.
fn parts(probe: &Probe) -> Vec<Probe> {
    match probe {
        Probe::Https(http, tls) => vec![Probe::Http(http.clone()), Probe::Tls(tls.clone())],
        Probe::Tcp | Probe::Tls(_) | Probe::Http(_) | Probe::Script(_) => vec![probe.clone()],
    }
}

fn unusable_check(check: &PlacedCheck, unusable: Unusable) -> Diagnostic {
    let named = check.files.iter().find(|(name, _)| unusable.why.contains(name.as_str()));
    let span = named.map_or(&check.span, |(_, span)| span).clone();
    unusable.at(span).consequence("no check could be made, and every server would be down")
}
