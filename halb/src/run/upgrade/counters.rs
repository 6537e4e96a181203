//! What a daemon has counted, so that counters go on where it ended.

use std::net::SocketAddr;
use std::time::Duration;

use halb_lb::snapshot::Snapshot;
use serde::{Deserialize, Serialize};

use super::roles::RouterCounters;
use crate::status::Reload;

/// All counters of a daemon and of those before it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Counters {
    accept_pauses: u64,
    log_lines_dropped: u64,
    reloads_applied: u64,
    reloads_failed: u64,
    frontends: Vec<FrontendCounters>,
    backends: Vec<BackendCounters>,
    #[serde(default)]
    routers: Vec<RouterCounters>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct FrontendCounters {
    name: String,
    accepted: u64,
    denied: u64,
    bytes_in: u64,
    bytes_out: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct BackendCounters {
    name: String,
    refused: u64,
    retries: u64,
    redispatches: u64,
    servers: Vec<ServerCounters>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct ServerCounters {
    name: String,
    /// A server with another address is another server.
    address: Option<SocketAddr>,
    established: u64,
    connect_errors: u64,
    local_errors: u64,
    connect_time: Duration,
    bytes_in: u64,
    bytes_out: u64,
}

impl Counters {
    /// What a daemon shows, which includes what those before it counted.
    pub(super) fn of(
        snapshot: &Snapshot,
        log_lines_dropped: u64,
        reload: &Reload,
        routers: Vec<RouterCounters>,
    ) -> Self {
        let frontends = snapshot.frontends.iter().map(|frontend| FrontendCounters {
            name: frontend.name.to_string(),
            accepted: frontend.accepted,
            denied: frontend.denied,
            bytes_in: frontend.bytes_in,
            bytes_out: frontend.bytes_out,
        });
        let backends = snapshot.backends.iter().map(|backend| BackendCounters {
            name: backend.name.to_string(),
            refused: backend.refused,
            retries: backend.retries,
            redispatches: backend.redispatches,
            servers: backend
                .servers
                .iter()
                .filter(|server| !server.removed)
                .map(|server| ServerCounters {
                    name: server.name.to_string(),
                    address: server.address,
                    established: server.established,
                    connect_errors: server.connect_errors,
                    local_errors: server.local_errors,
                    connect_time: server.connect_time,
                    bytes_in: server.bytes_in,
                    bytes_out: server.bytes_out,
                })
                .collect(),
        });
        Self {
            accept_pauses: snapshot.process.accept_pauses,
            log_lines_dropped: log_lines_dropped
                .saturating_add(snapshot.process.log_records_dropped),
            reloads_applied: reload.applied,
            reloads_failed: reload.failed,
            frontends: frontends.collect(),
            backends: backends.collect(),
            routers,
        }
    }

    /// Adds them to what a daemon counted itself.
    pub(super) fn add_to(&self, snapshot: &mut Snapshot) {
        let process = &mut snapshot.process;
        add(&mut process.accept_pauses, self.accept_pauses);
        add(&mut process.log_records_dropped, self.log_lines_dropped);
        for frontend in &mut snapshot.frontends {
            let name = frontend.name.as_str();
            let Some(former) = self.frontends.iter().find(|former| former.name == name) else {
                continue;
            };
            add(&mut frontend.accepted, former.accepted);
            add(&mut frontend.denied, former.denied);
            add(&mut frontend.bytes_in, former.bytes_in);
            add(&mut frontend.bytes_out, former.bytes_out);
        }
        for backend in &mut snapshot.backends {
            let name = backend.name.as_str();
            let Some(former) = self.backends.iter().find(|former| former.name == name) else {
                continue;
            };
            add(&mut backend.refused, former.refused);
            add(&mut backend.retries, former.retries);
            add(&mut backend.redispatches, former.redispatches);
            for server in backend.servers.iter_mut().filter(|server| !server.removed) {
                let (name, address) = (server.name.as_str(), server.address);
                let same = |one: &&ServerCounters| one.name == name && one.address == address;
                let Some(former) = former.servers.iter().find(same) else { continue };
                add(&mut server.established, former.established);
                add(&mut server.connect_errors, former.connect_errors);
                add(&mut server.local_errors, former.local_errors);
                server.connect_time = server.connect_time.saturating_add(former.connect_time);
                add(&mut server.bytes_in, former.bytes_in);
                add(&mut server.bytes_out, former.bytes_out);
            }
        }
    }

    /// What virtual routers have counted.
    pub(super) fn routers(&self) -> &[RouterCounters] {
        &self.routers
    }

    /// The same for reloads.
    pub(super) fn add_to_reloads(&self, reload: &mut Reload) {
        add(&mut reload.applied, self.reloads_applied);
        add(&mut reload.failed, self.reloads_failed);
    }
}

fn add(counter: &mut u64, former: u64) {
    *counter = counter.saturating_add(former);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::samples;

    #[test]
    fn counters_go_on_where_the_former_daemon_ended() {
        let mut former = samples::all_fine().snapshot;
        former.process.accept_pauses = 3;
        let reload = Reload { applied: 4, failed: 5, last: None };
        let counters = Counters::of(&former, 6, &reload, Vec::new());
        let written = serde_json::to_vec(&counters).unwrap();
        let counters: Counters = serde_json::from_slice(&written).unwrap();

        let mut now = former.clone();
        counters.add_to(&mut now);
        assert_eq!(now.process.accept_pauses, 6);
        assert_eq!(now.process.log_records_dropped, former.process.log_records_dropped * 2 + 6);
        assert_eq!(now.frontends[0].accepted, former.frontends[0].accepted * 2);
        assert_eq!(now.frontends[0].bytes_out, former.frontends[0].bytes_out * 2);
        let (server, before) = (&now.backends[0].servers[0], &former.backends[0].servers[0]);
        assert_eq!(server.established, before.established * 2);
        assert_eq!(server.connect_time, before.connect_time * 2);
        // What is now so isn't counted.
        assert_eq!(server.connections, before.connections);
        let mut reloads = Reload::default();
        counters.add_to_reloads(&mut reloads);
        assert_eq!((reloads.applied, reloads.failed), (4, 5));
    }

    #[test]
    fn a_server_with_another_address_begins_at_nothing() {
        let former = samples::all_fine().snapshot;
        let counters = Counters::of(&former, 0, &Reload::default(), Vec::new());
        let mut now = former.clone();
        now.backends[0].servers[0].address = "203.0.113.9:1".parse().ok();
        counters.add_to(&mut now);
        let (first, second) = (&now.backends[0].servers[0], &now.backends[0].servers[1]);
        assert_eq!(first.established, former.backends[0].servers[0].established);
        assert_eq!(second.established, former.backends[0].servers[1].established * 2);
    }
}
