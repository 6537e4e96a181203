//! What the dispatcher publishes for readers: who exists, and in which state. Republished when
//! that changes; counters are read live through it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shared::{BackendNow, FrontendNow, ListenerState, ServerShared};
use crate::snapshot::{
    Admin, BackendSnapshot, FrontendSnapshot, Health, ListenerSnapshot, ServerSnapshot,
};

#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) frontends: Vec<FrontendView>,
    pub(super) backends: Vec<BackendView>,
    pub(super) places_reason: String,
}

#[derive(Debug)]
pub(super) struct FrontendView {
    pub(super) frontend: Arc<FrontendNow>,
    pub(super) listeners: Vec<Arc<ListenerState>>,
}

#[derive(Debug)]
pub(super) struct BackendView {
    pub(super) backend: Arc<BackendNow>,
    pub(super) servers: Vec<ServerState>,
}

#[derive(Debug)]
pub(super) struct ServerState {
    pub(super) server: Arc<ServerShared>,
    pub(super) health: Health,
    pub(super) admin: Admin,
    pub(super) weight: u16,
    pub(super) slow_start_percent: u8,
    pub(super) backup: bool,
    pub(super) removed: bool,
    pub(super) connections_max: Option<u64>,
}

impl View {
    pub(super) fn frontends(&self) -> Vec<FrontendSnapshot> {
        self.frontends.iter().map(FrontendView::snapshot).collect()
    }

    pub(super) fn backends(&self) -> Vec<BackendSnapshot> {
        self.backends.iter().map(BackendView::snapshot).collect()
    }
}

impl FrontendView {
    fn snapshot(&self) -> FrontendSnapshot {
        let FrontendNow { options, stats } = &*self.frontend;
        FrontendSnapshot {
            name: options.name.clone(),
            listeners: self.listeners.iter().map(|listener| snapshot_of(listener)).collect(),
            connections: stats.connections(),
            connections_max: options.maxconn.map(|max| u64::from(max.get())),
            accepted: stats.accepted.get(),
            denied: stats.denied_at_accept.get() + stats.workers.sum(|counts| &counts.denied),
            bytes_in: stats.workers.sum(|counts| &counts.bytes_in),
            bytes_out: stats.workers.sum(|counts| &counts.bytes_out),
        }
    }
}

fn snapshot_of(listener: &ListenerState) -> ListenerSnapshot {
    ListenerSnapshot { address: listener.address, paused: listener.paused() }
}

impl BackendView {
    fn snapshot(&self) -> BackendSnapshot {
        let BackendNow { options, stats } = &*self.backend;
        BackendSnapshot {
            name: options.name.clone(),
            balance: options.balance,
            queued: u64::from(stats.queued.load(Ordering::Relaxed)),
            refused: stats.refused.get(),
            retries: stats.workers.sum(|counts| &counts.retries),
            redispatches: stats.workers.sum(|counts| &counts.redispatches),
            servers: self.servers.iter().map(ServerState::snapshot).collect(),
        }
    }
}

impl ServerState {
    fn snapshot(&self) -> ServerSnapshot {
        let counts = &self.server.workers;
        ServerSnapshot {
            name: self.server.name.clone(),
            address: self.server.address,
            health: self.health,
            admin: self.admin,
            weight: self.weight,
            slow_start_percent: self.slow_start_percent,
            backup: self.backup,
            removed: self.removed,
            connections: u64::from(self.server.active()),
            connections_max: self.connections_max,
            established: counts.sum(|counts| &counts.established),
            connect_errors: counts.sum(|counts| &counts.connect_errors),
            local_errors: counts.sum(|counts| &counts.local_errors),
            connect_time: Duration::from_nanos(counts.sum(|counts| &counts.connect_nanos)),
            bytes_in: counts.sum(|counts| &counts.bytes_in),
            bytes_out: counts.sum(|counts| &counts.bytes_out),
        }
    }
}
