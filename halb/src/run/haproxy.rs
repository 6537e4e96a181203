//! What the daemon does for scripts and dashboards that were built around HAProxy: it looks at
//! itself every second, so that there are rates and highest values to tell, and answers the runtime
//! socket. Where neither socket nor names are wanted, nothing of it happens.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use halb_config::settings::{Haproxy, HaproxyLevel};
use halb_haproxy_api::conversation::{NO_SUCH_SESSION, Order};
use halb_haproxy_api::history::{Ended, History, Side};
use halb_haproxy_api::picture::{Admin, Picture};
use halb_haproxy_api::sessions::Session;
use halb_haproxy_api::{prometheus, sessions};
use halb_healthcheck::status::TargetStatus;
use halb_lb::snapshot::{Cause, ConnectionRecord, Termination};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::gethostname;
use tokio::time;
use tokio::time::MissedTickBehavior;

use super::answers::answer;
use super::daemon::Daemon;
use super::upgrade::Estate;
use crate::control::bound::BoundSocket;
use crate::control::protocol::{Kill, Request, Response, SESSIONS_MAX};
use crate::haproxy::picture::{Facts, draw};
use crate::haproxy::socket::{Coming, Host};
use crate::status;

/// From one look to the next: rates are per second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is kept for scripts and dashboards.
pub(super) struct Compatibility {
    history: Mutex<History>,
    wanted: AtomicBool,
    node: String,
    descriptors: u64,
    started_at: u64,
}

impl Compatibility {
    /// Of a process that may have so many descriptors.
    pub(super) fn new(settings: &Haproxy, descriptors: u64) -> Arc<Self> {
        let node = gethostname().map(|name| name.to_string_lossy().into_owned());
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Arc::new(Self {
            history: Mutex::default(),
            wanted: AtomicBool::new(wanted(settings)),
            node: node.unwrap_or_default(),
            descriptors,
            started_at: started.as_secs(),
        })
    }

    /// Takes what a reload put into force.
    pub(super) fn apply(&self, settings: &Haproxy) {
        self.wanted.store(wanted(settings), Ordering::Relaxed);
    }

    /// A connection has ended.
    pub(super) fn ended(&self, record: &ConnectionRecord) {
        let Some(backend) = record.backend.as_ref() else { return };
        if !self.wanted.load(Ordering::Relaxed) {
            return;
        }
        let Termination(cause, _) = record.termination;
        self.history().ended(&Ended {
            backend: backend.as_str(),
            server: record.server.as_ref().map(|server| server.as_str()),
            aborted: match cause {
                Cause::Client => Some(Side::Client),
                Cause::Server => Some(Side::Server),
                Cause::Normal
                | Cause::Proxy
                | Cause::Resource
                | Cause::Internal
                | Cause::Down
                | Cause::Killed
                | Cause::ClientTimeout
                | Cause::ServerTimeout => None,
            },
            queue: record.wait,
            connect: record.connect,
            total: record.total,
            retries: record.retries,
            redispatched: record.redispatched,
        });
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wanted(settings: &Haproxy) -> bool {
    settings.socket.is_some() || settings.metrics
}

/// Binds the runtime socket, if there is to be one, or takes it over.
pub(super) fn bind(
    settings: &Haproxy,
    estate: &mut Estate,
) -> anyhow::Result<Option<(BoundSocket, HaproxyLevel)>> {
    let Some(socket) = &settings.socket else { return Ok(None) };
    let bound = match estate.take_socket(&socket.path) {
        Some(listener) => BoundSocket::inherit(&socket.path, listener)?,
        None => BoundSocket::bind(&socket.path, socket.mode)
            .context("can't answer HAProxy's commands (another path: haproxy.socket)")?,
    };
    Ok(Some((bound, socket.level)))
}

/// Looks every second, as long as somebody may ask.
pub(super) async fn look(daemon: Arc<Daemon>) {
    let mut ticks = time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if daemon.haproxy.wanted.load(Ordering::Relaxed) {
            let _ = picture(&daemon).await;
        }
    }
}

/// The daemon at this moment, with what was seen of it before.
async fn picture(daemon: &Daemon) -> Picture {
    let targets = daemon.checks.status().await;
    let targets: HashMap<&str, &TargetStatus> =
        targets.iter().map(|target| (target.id.as_str(), target)).collect();
    let status = daemon.status().await;
    let kept = &daemon.haproxy;
    let facts = Facts {
        node: kept.node.clone(),
        started_at: kept.started_at,
        descriptors: kept.descriptors,
        processor_milliseconds: processor_milliseconds(),
    };
    let mut picture = draw(&status, &daemon.in_force().settings.lb, &targets, facts);
    kept.history().look(&mut picture, Instant::now());
    picture
}

/// Time that this process has spent on processors; 0 where the system doesn't tell.
fn processor_milliseconds() -> u64 {
    let milliseconds = |time: TimeVal| {
        let whole = u64::try_from(time.tv_sec()).unwrap_or(0).saturating_mul(1000);
        whole.saturating_add(u64::try_from(time.tv_usec()).unwrap_or(0) / 1000)
    };
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        milliseconds(usage.user_time()).saturating_add(milliseconds(usage.system_time()))
    })
}

/// HAProxy's metrics, where they are wanted.
pub(super) async fn metrics(daemon: &Daemon) -> Option<String> {
    let wanted = daemon.in_force().settings.haproxy.metrics;
    if wanted { Some(prometheus::render(&picture(daemon).await)) } else { None }
}

/// The daemon as its runtime socket holds it.
pub(super) struct Served(pub(super) Arc<Daemon>);

impl Host for Served {
    fn picture(&self) -> Coming<'_, Picture> {
        Box::pin(picture(&self.0))
    }

    fn carry_out(&self, order: Order) -> Coming<'_, String> {
        Box::pin(carry_out(Arc::clone(&self.0), order))
    }
}

/// Does what the control socket would do, and tells it in HAProxy's way: nothing where all is well.
async fn carry_out(daemon: Arc<Daemon>, order: Order) -> String {
    let request = match order {
        Order::ClearMaxima => {
            daemon.haproxy.history().clear_maxima();
            return String::new();
        }
        Order::Admin { backend, server, admin } => Request::ServerAdmin {
            server: format!("{backend}/{server}"),
            admin: match admin {
                Admin::Ready => status::Admin::Ready,
                Admin::Drain => status::Admin::Drain,
                Admin::Maint => status::Admin::Maint,
            },
        },
        Order::Weight { backend, server, weight } => {
            Request::ServerWeight { server: format!("{backend}/{server}"), weight: Some(weight) }
        }
        Order::EndSessions { backend, server } => {
            Request::Kill { sessions: Kill::Server(format!("{backend}/{server}")) }
        }
        Order::EndSession(number) => Request::Kill { sessions: Kill::Id(number) },
        Order::ListSessions => Request::Sessions { server: None, limit: SESSIONS_MAX },
    };
    let one = matches!(&request, Request::Kill { sessions: Kill::Id(_) });
    match answer(daemon, request).await {
        Response::Killed { count: 0 } if one => NO_SUCH_SESSION.to_owned(),
        Response::Sessions { sessions, .. } => {
            sessions::show(&sessions.iter().filter_map(session).collect::<Vec<_>>())
        }
        Response::Refused { message } => format!("{message}\n"),
        Response::Done { .. }
        | Response::Killed { .. }
        | Response::Status { .. }
        | Response::Reloaded { .. }
        | Response::Upgraded { .. }
        | Response::Vip { .. } => String::new(),
    }
}

/// None: its client's address isn't one, which the list never says.
fn session(one: &crate::control::protocol::Session) -> Option<Session> {
    let server = one.server.as_deref().and_then(|server| server.split_once('/'));
    Some(Session {
        id: one.id,
        client: one.client.parse().ok()?,
        frontend: one.frontend.clone(),
        server: server.map(|(backend, server)| (backend.to_owned(), server.to_owned())),
        age_seconds: Duration::try_from_secs_f64(one.age_seconds).unwrap_or_default().as_secs(),
    })
}
