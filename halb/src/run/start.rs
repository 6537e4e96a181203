//! Starts the parts, each only when those before it stand: a failure leaves nothing behind.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use halb_healthcheck::Checks;
use halb_lb::driver::{Engine, Options};
use halb_vrrp::link::Word;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::{runtime, task};
use tracing::{info, warn};

use super::changes::Changes;
use super::daemon::{Daemon, InForce, Reloads};
use super::haproxy::{Compatibility, Served};
use super::peer::Peer;
use super::vip::Vip;
use super::{ORDERS_MAX, answers, haproxy, limits, verdicts};
use crate::admin;
use crate::control::server::ControlSocket;
use crate::logs::{Logs, access};
use crate::status::Process;
use halb_config::render::Style;
use halb_config::settings::Settings;
use halb_config::{Loaded, defaults};

/// A daemon that serves.
pub(super) struct Started {
    pub(super) daemon: Arc<Daemon>,
    pub(super) engine: Engine,
    /// Ends when the engine has.
    pub(super) access_log: JoinHandle<()>,
    /// Control socket, admin address, verdicts: tasks that never end by themselves.
    pub(super) servers: Vec<task::JoinHandle<()>>,
}

/// Starts everything. The control socket comes first: it tells a second daemon from the first
/// before that one's ports do.
pub(super) async fn start(
    loaded: Loaded,
    config: &Path,
    socket: Option<&Path>,
    logs: Logs,
) -> anyhow::Result<Started> {
    let lints = u64::try_from(loaded.lints.len()).unwrap_or(u64::MAX);
    if lints > 0 {
        warn!("the configuration has lints:\n{}", loaded.lints_text(Style::Plain).trim_end());
    }
    let settings = loaded.settings;
    let fd_limit = limits::raise_descriptors().context("can't read the descriptor limit")?;
    let control = ControlSocket::bind(socket.unwrap_or(&settings.admin.socket))?;
    let http = bind_http(&settings).await?;
    let runtime_socket = haproxy::bind(&settings.haproxy)?;
    let haproxy = Compatibility::new(&settings.haproxy, fd_limit);
    let (records, access_switch, access_log) = start_access_log(&settings, &logs, &haproxy)?;
    let (checks, events) = Checks::start(seed());
    checks.apply(settings.checks.clone()).await;
    let signal = checks.clone();
    let options = Options {
        workers: workers(&settings),
        fd_limit,
        fds_elsewhere: limits::descriptors_elsewhere(settings.checks.len()),
        records: Some(records),
        connect_failed: Arc::new(move |server| signal.connect_failed(&server.to_string())),
    };
    let engine = Engine::start(settings.lb.clone(), options)?;
    let socket = control.path().to_owned();
    let (peer, vip) = start_pair(&settings, &socket).await?;
    let (reloaded, changed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let changes = Arc::<Changes>::default();
    let daemon = Arc::new(Daemon {
        engine: engine.handle(),
        checks: checks.clone(),
        runtime: runtime::Handle::current(),
        config_file: config.to_owned(),
        logs: logs.clone(),
        access_log: access_switch,
        started: Instant::now(),
        stopping: AtomicBool::new(false),
        in_force: Mutex::new(InForce { settings, lints, reloads: Reloads::default() }),
        reloading: Arc::default(),
        orders: Arc::new(Semaphore::new(ORDERS_MAX)),
        reloaded: Arc::clone(&reloaded),
        changed: Arc::clone(&changed),
        stirred: Arc::new(Notify::new()),
        changes: Arc::clone(&changes),
        vip: Arc::clone(&vip),
        peer,
        haproxy,
    });
    // The first verdicts are told the way that those after a reload are.
    reloaded.notify_one();
    let carrier = verdicts::Carrier::new(checks, engine.handle(), vip, changes);
    let mut servers = vec![task::spawn(carrier.carry(events, reloaded, changed))];
    servers.push(task::spawn(serve_control(control, Arc::clone(&daemon))));
    servers.push(task::spawn(logs.tell_what_is_left_out()));
    if let Some(listener) = http {
        servers.push(task::spawn(admin::serve(listener, looks(&daemon))));
    }
    servers.push(task::spawn(haproxy::look(Arc::clone(&daemon))));
    if let Some((socket, level)) = runtime_socket {
        let served = Arc::new(Served(Arc::clone(&daemon)));
        servers.push(task::spawn(crate::haproxy::socket::serve(socket, level, served)));
    }
    Ok(Started { daemon, engine, access_log, servers })
}

/// How the admin address looks at the daemon.
fn looks(daemon: &Arc<Daemon>) -> admin::Looks {
    let (shown, measured) = (Arc::clone(daemon), Arc::clone(daemon));
    admin::Looks {
        status: Arc::new(move || {
            let shown = Arc::clone(&shown);
            Box::pin(async move { shown.status().await })
        }),
        more_metrics: Arc::new(move || {
            let measured = Arc::clone(&measured);
            Box::pin(async move { haproxy::metrics(&measured).await })
        }),
    }
}

/// Starts the virtual IPs and the link to the other balancer, which carries their words.
async fn start_pair(settings: &Settings, socket: &Path) -> anyhow::Result<(Arc<Peer>, Arc<Vip>)> {
    let peer = Peer::start(settings.peer.as_ref())?;
    let link = Arc::clone(&peer);
    let carry = Arc::new(move |word: &Word| link.tell(word));
    let vip = Vip::start(settings, socket, carry).await.context("can't hold the virtual IP")?;
    let hearing = Arc::downgrade(&vip);
    peer.bring_words_to(Arc::new(move |from, word| {
        if let Some(vip) = hearing.upgrade() {
            vip.hear(from, word);
        }
    }));
    Ok((peer, vip))
}

async fn bind_http(settings: &Settings) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = settings.admin.http else { return Ok(None) };
    let bound = TcpListener::bind(address).await;
    let bound = bound.with_context(|| {
        format!("can't serve status and metrics on {address} (another address: admin.http)")
    })?;
    Ok(Some(bound))
}

type AccessLog =
    (mpsc::SyncSender<Box<halb_lb::snapshot::ConnectionRecord>>, access::Switch, JoinHandle<()>);

fn start_access_log(
    settings: &Settings,
    logs: &Logs,
    haproxy: &Arc<Compatibility>,
) -> anyhow::Result<AccessLog> {
    let (sender, records) = mpsc::sync_channel(access::RECORDS_MAX);
    let switch = Arc::new(AtomicBool::new(settings.log.access));
    let counted = Arc::clone(haproxy);
    let log = access::AccessLog {
        outlet: logs.outlets().access(&settings.log.access_to),
        format: settings.log.format,
        on: Arc::clone(&switch),
        also: Box::new(move |record| counted.ended(record)),
    };
    let thread = access::start(records, log).context("can't start the access log")?;
    Ok((sender, switch, thread))
}

/// As configured, else one per core within reason.
fn workers(settings: &Settings) -> usize {
    let most = usize::try_from(defaults::WORKERS_MAX).unwrap_or(usize::MAX);
    match settings.global.workers {
        Some(workers) => usize::try_from(workers.get()).unwrap_or(most),
        None => thread::available_parallelism().map_or(1, usize::from).min(most),
    }
}

/// Two balancers started together still check out of step.
fn seed() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since_epoch.subsec_nanos()) << 32 | u64::from(std::process::id())
}

async fn serve_control(socket: ControlSocket, daemon: Arc<Daemon>) {
    socket.serve(move |request| answers::answer(Arc::clone(&daemon), request)).await;
}

/// Says in the log what is served.
pub(super) async fn announce(daemon: &Daemon) {
    let status = daemon.status().await;
    for frontend in &status.frontends {
        let listeners: Vec<&str> = frontend.listeners.iter().map(|l| l.address.as_str()).collect();
        let name = &frontend.name;
        info!(
            frontend = name,
            listeners = listeners.join(" "),
            backends = frontend.backends.join(" "),
            "listening"
        );
    }
    let servers: usize = status.backends.iter().map(|backend| backend.servers.len()).sum();
    info!(
        version = status.process.halb_version,
        config = status.process.config_file,
        servers,
        workers = status.process.workers.len(),
        room_for_connections = status.process.connections_max,
        because = status.process.connections_max_reason,
        "halb serves"
    );
    warn_of_shortage(daemon, &status.process);
}

/// Says where more connections are configured than fit.
fn warn_of_shortage(daemon: &Daemon, process: &Process) {
    let in_force = daemon.in_force();
    let falls_short = |maxconn: Option<NonZeroU32>| {
        maxconn.map(|most| u64::from(most.get())).filter(|most| *most > process.connections_max)
    };
    if falls_short(in_force.settings.lb.maxconn()).is_some() {
        warn!("{}", process.connections_max_reason);
    }
    for frontend in in_force.settings.lb.frontends() {
        if let Some(maxconn) = falls_short(frontend.maxconn) {
            let (name, fits) = (&frontend.name, process.connections_max);
            warn!("maxconn of frontend {name} is {maxconn}, but {fits} connections fit in all");
        }
    }
}
