//! How things are, in the few words that are read first.

use super::notices::{Notice, Severity};
use super::{Admin, FrontendState, Status, peer, readiness, vrrp};

/// The state of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Clients aren't served, or not all; why.
    NotReady(&'static str),
    /// Two nodes hold the address.
    SplitBrain,
    /// Clients are served, but something failed; this.
    ServingBut(String),
    /// Clients are served; something is as ordered, or passes by itself.
    Serving,
    /// Nothing is unusual.
    Well,
}

/// The verdict; `notices` are those of `status`, the worst first.
#[must_use]
pub fn of(status: &Status, notices: &[Notice]) -> Verdict {
    match notices.first().map(|notice| notice.severity) {
        Some(Severity::Alert) => Verdict::NotReady(obstacle(status)),
        Some(Severity::Warning) if status.vrrp.as_ref().is_some_and(vrrp::notices::is_split) => {
            Verdict::SplitBrain
        }
        Some(Severity::Warning) => Verdict::ServingBut(trouble(status)),
        Some(Severity::Note) => Verdict::Serving,
        None => Verdict::Well,
    }
}

/// What keeps clients from being served, the widest first.
fn obstacle(status: &Status) -> &'static str {
    let servers = || status.backends.iter().flat_map(|backend| &backend.servers);
    let is_in = |state| status.frontends.iter().any(|frontend| frontend.state == state);
    if status.process.stopping {
        "it is stopping"
    } else if !readiness::stuck_threads(&status.process).is_empty() {
        "a thread is stuck"
    } else if !servers().any(|server| server.usable) {
        "no server is left"
    } else if status.forward.as_ref().is_some_and(|forward| !forward.applied) {
        "the kernel lacks its rules"
    } else if is_in(FrontendState::Stop) {
        "a frontend has no listener"
    } else if is_in(FrontendState::Full) {
        "a frontend is full"
    } else {
        "a backend has no server left"
    }
}

/// What is most likely to have got somebody out of bed; the notices have the rest.
fn trouble(status: &Status) -> String {
    let servers = status.backends.iter().flat_map(|backend| &backend.servers);
    let wanted = servers.filter(|server| !server.removed && server.admin == Admin::Ready);
    match wanted.filter(|server| !server.healthy).count() {
        0 => beside_servers(status).to_owned(),
        1 => "a server is DOWN".to_owned(),
        many => format!("{many} servers are DOWN"),
    }
}

/// A bad reload comes late: it may be from yesterday, and whoever did it was told.
fn beside_servers(status: &Status) -> &'static str {
    let routers = || status.vrrp.iter().flat_map(|vrrp| &vrrp.instances);
    if routers().any(|router| router.state == vrrp::State::Fault) {
        "a virtual IP is in FAULT"
    } else if status.vrrp.as_ref().is_some_and(vrrp::notices::is_claimed) {
        "another machine claimed the address"
    } else if status.peer.as_ref().is_some_and(|peer| peer.state == peer::State::Silent) {
        "the other balancer is silent"
    } else if routers().any(|router| router.priority.sick && !router.yielded) {
        "something tracked is down"
    } else if status.reload.last.as_ref().is_some_and(|last| last.error.is_some()) {
        "the last reload failed"
    } else {
        "look at this"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{forward, notices, samples};

    fn verdict(status: &Status) -> Verdict {
        of(status, &notices::of(status))
    }

    fn serving_but(words: &str) -> Verdict {
        Verdict::ServingBut(words.to_owned())
    }

    #[test]
    fn each_situation_has_its_words() {
        let of = |sample: samples::Sample| verdict(&sample.status());
        assert_eq!(of(samples::all_fine()), Verdict::Well);
        assert_eq!(of(samples::draining()), Verdict::Serving);
        assert_eq!(of(samples::one_down()), serving_but("a server is DOWN"));
        assert_eq!(of(samples::all_down()), Verdict::NotReady("no server is left"));
        assert_eq!(of(samples::after_failed_reload()), serving_but("the last reload failed"));
        let active = |word: &mut halb_vrrp::link::Word| {
            word.state = halb_vrrp::router::State::Active;
        };
        assert_eq!(of(samples::pair(samples::one_down(), active)), Verdict::SplitBrain);
    }

    #[test]
    fn the_other_nodes_silence_and_what_is_tracked_have_words() {
        let mut sample = samples::pair(samples::after_failed_reload(), |_| {});
        assert_eq!(verdict(&sample.status()), serving_but("the last reload failed"));
        sample.vrrp.as_mut().unwrap().instances[0].priority.sick = true;
        assert_eq!(verdict(&sample.status()), serving_but("something tracked is down"));
        sample.peer.as_mut().unwrap().state = peer::State::Silent;
        assert_eq!(verdict(&sample.status()), serving_but("the other balancer is silent"));
    }

    #[test]
    fn what_keeps_clients_out_is_named() {
        let named = |change: fn(&mut Status), words: &'static str| {
            let mut status = samples::all_fine().status();
            change(&mut status);
            let readiness = readiness::judge(&status.process, &status.frontends, &status.backends);
            status.readiness = readiness;
            assert_eq!(verdict(&status), Verdict::NotReady(words));
        };
        named(|status| status.process.stopping = true, "it is stopping");
        named(|status| status.process.dispatcher_heartbeat_age_seconds = 9.0, "a thread is stuck");
        named(
            |status| status.frontends[0].state = FrontendState::Stop,
            "a frontend has no listener",
        );
        named(|status| status.frontends[0].state = FrontendState::Full, "a frontend is full");
        named(|status| status.backends[0].up = false, "a backend has no server left");
        let mut sample = samples::all_fine();
        let mut view = forward::samples::busy();
        view.status.is_applied = false;
        sample.forward = Some(view);
        let words = "the kernel lacks its rules";
        assert_eq!(verdict(&sample.status()), Verdict::NotReady(words));
    }

    #[test]
    fn of_several_troubles_the_worst_is_named() {
        let mut sample = samples::after_failed_reload();
        sample.vrrp = Some(vrrp::samples::fault().vrrp());
        assert_eq!(verdict(&sample.status()), serving_but("a virtual IP is in FAULT"));
        sample.refuse(0);
        assert_eq!(verdict(&sample.status()), serving_but("a server is DOWN"));
        sample.refuse(1);
        assert_eq!(verdict(&sample.status()), serving_but("2 servers are DOWN"));
    }

    #[test]
    fn a_server_that_is_out_of_service_as_ordered_is_no_trouble() {
        let mut sample = samples::all_fine();
        sample.refuse(0);
        sample.server(0).admin = halb_lb::snapshot::Admin::Drain;
        assert_eq!(verdict(&sample.status()), Verdict::Serving);
    }

    #[test]
    fn what_has_no_words_of_its_own_is_to_be_looked_at() {
        let mut sample = samples::all_fine();
        sample.snapshot.process.accept_pauses = 1;
        assert_eq!(verdict(&sample.status()), serving_but("look at this"));
    }
}
