//! A node's program, whichever it is.

use std::net::IpAddr;

use halb_lab::process::Signal;
use halb_lab::subject::{Frr, Keepalived, frr, keepalived};
use halb_lab::{Host, Process, eventually};
use tempfile::TempDir;

use super::PATIENCE;
use super::daemon::Daemon;
use super::router::{ROUTER_ID, Router};

/// A program that speaks VRRP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Halb,
    Keepalived,
    Frr,
}

/// One that runs on a host.
pub(crate) enum Member {
    Halb(Daemon, StateDir),
    Keepalived(Keepalived),
    Frr(Frr),
}

/// Where a halb keeps what outlives it.
pub(crate) struct StateDir(TempDir);

impl Member {
    pub(crate) fn start(kind: Kind, host: &Host, router: &Router) -> Self {
        match kind {
            Kind::Halb => {
                let state = StateDir(TempDir::new().unwrap());
                Self::Halb(Daemon::start(host, &router.for_halb(state.0.path())), state)
            }
            Kind::Keepalived => {
                Self::Keepalived(keepalived(host, &router.for_keepalived()).unwrap())
            }
            Kind::Frr => {
                add_macvlans(host, &router.addresses);
                Self::Frr(frr(host, &router.for_frr()).unwrap())
            }
        }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&self) {
        self.process().stop(PATIENCE).unwrap();
    }

    /// Kills it, with whoever supervises it in the same group; halb's guard isn't.
    pub(crate) fn kill(&self) {
        self.process().kill().unwrap();
    }

    /// Gives it other settings while it runs.
    pub(crate) fn reload(&self, router: &Router) {
        match self {
            Self::Halb(daemon, state) => {
                daemon.files().write(&router.for_halb(state.0.path()));
                daemon.done(&["reload"]);
            }
            Self::Keepalived(keepalived) => keepalived.reload(&router.for_keepalived()).unwrap(),
            Self::Frr(_) => panic!("FRR isn't reloaded in any scenario"),
        }
    }

    /// What it found wrong with the packets that it got, in its own words.
    pub(crate) fn faults(&self) -> Vec<String> {
        match self {
            Self::Halb(daemon, _) => {
                let stats = serde_json::to_value(daemon.status()).unwrap();
                let stats = &stats["vrrp"]["instances"][0]["stats"];
                let counters = stats.as_object().expect("counters of a virtual router");
                let faults = counters
                    .iter()
                    .filter(|(name, count)| FAULTS.contains(&name.as_str()) && **count != 0);
                faults.map(|(name, count)| format!("{name}: {count}")).collect()
            }
            Self::Keepalived(keepalived) => {
                let faults = keepalived.report().unwrap().faults();
                faults.into_iter().map(|(name, count)| format!("{name}: {count}")).collect()
            }
            Self::Frr(frr) => {
                let output = frr.vrrpd().output();
                let complaint =
                    |line: &&str| line.contains("Checksum") || line.contains("malformed");
                output.lines().filter(complaint).map(str::to_owned).collect()
            }
        }
    }

    pub(crate) fn process(&self) -> &Process {
        match self {
            Self::Halb(daemon, _) => daemon,
            Self::Keepalived(keepalived) => keepalived,
            Self::Frr(frr) => frr.vrrpd(),
        }
    }

    /// Waits until halb hears the other node over the link of `[peer]`, and knows how it is.
    #[track_caller]
    pub(crate) fn wait_for_link(&self) {
        eventually("the link is up", PATIENCE, || {
            let status = serde_json::to_value(self.halb().status()).unwrap();
            let state = &status["peer"]["state"];
            let words = &status["vrrp"]["instances"][0]["words"];
            let is_up = state == "up" && words.as_array().is_some_and(|words| !words.is_empty());
            if is_up { Ok(()) } else { Err((state.clone(), words.clone())) }
        });
    }

    pub(crate) fn halb(&self) -> &Daemon {
        let Self::Halb(daemon, _) = self else { panic!("it isn't halb") };
        daemon
    }

    pub(crate) fn freeze(&self) {
        self.process().signal(Signal::SIGSTOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        self.process().signal(Signal::SIGCONT).unwrap();
    }
}

/// Counters of adverts that weren't as they should be, by keepalived's names, which halb has too.
const FAULTS: [&str; 8] = [
    "packet_len_err",
    "advert_interval_err",
    "ip_ttl_err",
    "invalid_type_rcvd",
    "addr_list_err",
    "invalid_authtype",
    "authtype_mismatch",
    "auth_failure",
];

/// Where FRR wants its virtual addresses: on interfaces with the virtual router's hardware address.
fn add_macvlans(host: &Host, addresses: &[IpAddr]) {
    let (four, six): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().copied().partition(IpAddr::is_ipv4);
    for (name, family, length, addresses) in [("vrrp4", 1, 32, four), ("vrrp6", 2, 128, six)] {
        let texts: Vec<_> = addresses.iter().map(|ip| format!("{ip}/{length}")).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        if !texts.is_empty() {
            host.add_macvlan(name, [0, 0, 0x5e, 0, family, ROUTER_ID], &texts).unwrap();
        }
    }
}
