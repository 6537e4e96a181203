//! What the kernel forwards, as the status tells it: a section of its own, and its figures in the
//! frontends and servers that it concerns.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use halb_config::settings::Forwarded;
use halb_forward::accounts::Served;
use halb_forward::driver;
use serde::{Deserialize, Serialize};

use super::notices::Severity;
use super::words::{count, things};
use super::{Backend, ForwardedBy, Frontend, FrontendState, Listener};

/// What the kernel forwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forward {
    /// The kernel has the rules that it should have.
    pub applied: bool,
    /// Forwarded addresses whose packets come to this node.
    pub held: Vec<String>,
    /// Connections that it forwards for them.
    pub connections: u64,
    /// Connections that were ended because their server went down.
    pub ended: u64,
    /// Times that rules which somebody else had changed were put right.
    pub repairs: u64,
    /// Connections whose server sees another port than their client's, since that was taken.
    pub renumbered: u64,
    /// Segments that would have begun a connection beyond `maxconn` or `accept_rate` and were dropped.
    pub held_back: u64,
    /// Connections of the other balancer that this node could go on with.
    pub copies: u64,
    /// Connections told to the other balancer, also again.
    pub copies_told: u64,
    /// Messages of the other balancer that never came; the next round makes up for them.
    pub copies_lost: u64,
    /// Connections of the other balancer that weren't taken: the two have different servers or
    /// addresses, or the kernel refused them.
    pub copies_refused: u64,
    /// How long the latest change waited there before it was sent.
    pub copy_age_seconds: f64,
    /// Settings of the kernel that were changed, and are put back at the end.
    pub settings: Vec<Setting>,
}

/// A setting of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Its name, as sysctl has it.
    pub name: String,
    /// What it was.
    pub before: String,
    /// What it is now.
    pub now: String,
}

/// What the daemon knows of it.
#[derive(Debug, Clone)]
pub struct View {
    /// What the thread says.
    pub status: driver::Status,
    /// Frontends that the kernel forwards.
    pub forwarded: Vec<Forwarded>,
    /// Forwarded addresses whose packets come here.
    pub held: Vec<IpAddr>,
}

impl View {
    /// Puts frontends and figures where those of the proxy are, and returns the section.
    #[must_use]
    pub fn put_in(
        self,
        frontends: &mut Vec<Frontend>,
        backends: &mut [Backend],
        stopping: bool,
    ) -> Forward {
        for one in &self.forwarded {
            let served = || self.status.served.iter().filter(|s| one.binds.contains(&s.bind));
            frontends.push(self.frontend(one, served(), stopping));
            if let Some(backend) = backends.iter_mut().find(|b| b.name == one.backend.as_str()) {
                served().for_each(|served| credit(backend, served));
            }
        }
        let held_back = self.status.limited.iter().map(|limited| limited.held_back).sum();
        let connections = self.status.served.iter().map(|served| served.open).sum();
        let setting = |changed: driver::Changed| Setting {
            name: changed.name,
            before: changed.before,
            now: changed.now,
        };
        Forward {
            applied: self.status.is_applied,
            held: self.held.iter().map(ToString::to_string).collect(),
            connections,
            ended: self.status.ended.ended,
            repairs: self.status.repairs,
            renumbered: self.status.renumbered,
            held_back,
            copies: u64::try_from(self.status.copies).unwrap_or(u64::MAX),
            copies_told: self.status.published.told,
            copies_lost: self.status.shadow.lost,
            copies_refused: self.status.shadow.refused.saturating_add(self.status.refused),
            copy_age_seconds: f64::from(self.status.shadow.age_ms) / 1000.0,
            settings: self.status.settings.into_iter().map(setting).collect(),
        }
    }

    fn frontend<'a>(
        &self,
        one: &Forwarded,
        served: impl Iterator<Item = &'a Served> + Clone,
        stopping: bool,
    ) -> Frontend {
        let sum = |figure: fn(&Served) -> u64| served.clone().map(figure).sum::<u64>();
        let listener = |bind: &SocketAddr| Listener { address: bind.to_string(), paused: None };
        let state = match self.status.is_applied && !stopping {
            true => FrontendState::Open,
            false => FrontendState::Stop,
        };
        let limited = self.status.limited.iter().find(|of| of.frontend == one.name.as_str());
        let denied = limited.map_or(0, |limited| limited.denied);
        Frontend {
            name: one.name.to_string(),
            state,
            forward: ForwardedBy::Kernel,
            listeners: one.binds.iter().map(listener).collect(),
            backends: vec![one.backend.to_string()],
            connections: sum(|served| served.open),
            connections_max: one.limits.maxconn.map(|most| most.get().into()),
            accepted: sum(|served| served.begun),
            denied,
            bytes_in: sum(|served| served.bytes_in),
            bytes_out: sum(|served| served.bytes_out),
        }
    }
}

/// Two servers of one address share what it was given: the first has it all.
fn credit(backend: &mut Backend, served: &Served) {
    let address = served.server.to_string();
    let of_address = |server: &&mut super::Server| server.address == address && !server.removed;
    if let Some(server) = backend.servers.iter_mut().find(of_address) {
        server.connections = server.connections.saturating_add(served.open);
        server.established = server.established.saturating_add(served.begun);
        server.bytes_in = server.bytes_in.saturating_add(served.bytes_in);
        server.bytes_out = server.bytes_out.saturating_add(served.bytes_out);
    }
}

/// What is unusual about it.
pub fn notices(forward: &Forward, add: &mut impl FnMut(Severity, String)) {
    if !forward.applied {
        let what = "the kernel doesn't have the rules of kernel forwarding; the log says why";
        add(Severity::Alert, what.to_owned());
    }
    if forward.repairs > 0 {
        let times = things(forward.repairs, "time", "times");
        let what = format!("somebody else changed the rules of kernel forwarding {times}");
        add(Severity::Warning, what + "; they were put right");
    }
}

/// What it does, in a line.
#[must_use]
pub fn sentence(forward: &Forward) -> String {
    let connections = things(forward.connections, "connection", "connections");
    let mut line = match &forward.held[..] {
        [] => "none of its addresses is here".to_owned(),
        held => format!("{connections} to {}", held.join(" ")),
    };
    if forward.copies > 0 {
        let _ = write!(line, ", {} of the other node copied here", count(forward.copies));
    }
    if forward.held_back > 0 {
        let _ = write!(line, ", {} held back by limits", count(forward.held_back));
    }
    if forward.ended > 0 {
        let _ = write!(line, ", {} ended with their server", count(forward.ended));
    }
    line
}

#[cfg(test)]
pub(crate) mod samples {
    use halb_forward::ending::Counters;

    use super::*;

    /// One connection, one that was ended, and everything else once.
    pub(crate) fn busy() -> View {
        let file = "[frontend.api]\nforward = \"kernel\"\nbind = [\"172.16.16.100:6444\"]\n\
                    backend = \"masters\"\nmaxconn = 500\n[backend.masters]\ncheck = false\n\
                    [backend.masters.server]\nkmaster1 = \"172.16.16.101:6443\"\n";
        let bind: SocketAddr = "172.16.16.100:6444".parse().unwrap();
        let server = "172.16.16.101:6443".parse().unwrap();
        let served = Served { bind, server, open: 1, begun: 5, bytes_in: 100, bytes_out: 2_000 };
        let changed = driver::Changed {
            name: "net.ipv4.ip_forward".to_owned(),
            before: "0".to_owned(),
            now: "1".to_owned(),
        };
        let limited = driver::Limited { frontend: "api".to_owned(), denied: 2, held_back: 7 };
        View {
            status: driver::Status {
                limited: vec![limited],
                is_applied: true,
                repairs: 1,
                served: vec![served],
                ended: Counters { ended: 3, beyond: 0 },
                settings: vec![changed],
                ..driver::Status::default()
            },
            forwarded: halb_config::parse(file, "test.toml").unwrap().settings.forwarded,
            held: vec![bind.ip()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;

    #[test]
    fn figures_of_the_kernel_are_added_to_those_of_the_proxy() {
        let mut sample = samples::all_fine();
        let before = sample.status();
        sample.forward = Some(super::samples::busy());
        let mut status = sample.status();
        let frontend = status.frontends.last().unwrap();
        assert_eq!(
            (frontend.name.as_str(), frontend.accepted, frontend.bytes_out),
            ("api", 5, 2_000)
        );
        assert_eq!((frontend.denied, frontend.connections_max), (2, Some(500)));
        assert_eq!(frontend.listeners[0].address, "172.16.16.100:6444");
        let server = |status: &crate::status::Status| status.backends[0].servers[0].clone();
        assert_eq!(server(&status).connections, server(&before).connections + 1);
        assert_eq!(server(&status).bytes_in, server(&before).bytes_in + 100);
        assert!(status.readiness.ready);
        let forward = status.forward.as_mut().unwrap();
        assert_eq!(
            super::sentence(forward),
            "1 connection to 172.16.16.100, 7 held back by limits, 3 ended with their server"
        );
        (forward.held, forward.ended, forward.copies) = (Vec::new(), 0, 24);
        forward.held_back = 0;
        assert_eq!(
            super::sentence(forward),
            "none of its addresses is here, 24 of the other node copied here"
        );
    }

    #[test]
    fn whoever_looks_sees_who_forwards_and_how_many_in_all() {
        let mut sample = samples::all_fine();
        sample.forward = Some(super::samples::busy());
        let status = sample.status();
        let text = crate::status::text::render(&status, crate::status::text::Colour::Plain);
        assert!(text.starts_with("Serving, but look at this: 3 of 3 servers up, 13 connections\n"));
        assert!(text.contains("\n  172.16.16.100:6444 -> masters, by the kernel\n"), "{text}");
        assert!(text.contains("\n  0.0.0.0:6443 -> masters\n"), "{text}");
    }

    #[test]
    fn without_its_rules_nobody_is_served() {
        let mut sample = samples::all_fine();
        let mut view = super::samples::busy();
        view.status.is_applied = false;
        sample.forward = Some(view);
        let status = sample.status();
        assert!(!status.readiness.ready);
        let notices = crate::status::notices::of(&status);
        assert!(notices.iter().any(|notice| notice.text.contains("doesn't have the rules")));
    }
}
