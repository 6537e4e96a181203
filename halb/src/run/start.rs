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
use super::forward::Forward;
use super::haproxy::{Compatibility, Served};
use super::names::Names;
use super::peer::Peer;
use super::upgrade::{Doors, Estate, Taker, Upgrades};
use super::vip::Vip;
use super::{Begin, ORDERS_MAX, answers, haproxy, limits, names, verdicts};
use crate::admin;
use crate::control::bound::BoundSocket;
use crate::control::server::ControlSocket;
use crate::logs::{Logs, access};
use crate::status::Process;
use halb_config::render::Style;
use halb_config::settings::{HaproxyLevel, Settings};
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

/// A daemon that could serve, were it told to.
struct Prepared {
    daemon: Arc<Daemon>,
    engine: Engine,
    access_log: JoinHandle<()>,
    carrier: verdicts::Carrier,
    events: tokio::sync::mpsc::Receiver<halb_healthcheck::Event>,
    name_events: tokio::sync::mpsc::Receiver<halb_resolver::driver::Event>,
    control: ControlSocket,
    http: Option<TcpListener>,
    runtime_socket: Option<(BoundSocket, HaproxyLevel)>,
}

/// Starts everything, or takes it over from the daemon that runs.
///
/// # Errors
/// With the reason told to the daemon that runs, which goes on.
pub(super) async fn start(
    loaded: Loaded,
    config: &Path,
    socket: Option<&Path>,
    logs: Logs,
    mut taker: Option<Taker>,
) -> anyhow::Result<Started> {
    match prepare(loaded, config, socket, logs, taker.as_mut()).await {
        Ok(prepared) => Ok(serve(prepared, taker)),
        Err(error) => {
            if let Some(taker) = &mut taker {
                taker.refuse(&format!("{error:#}"));
            }
            Err(error)
        }
    }
}

/// Brings everything up to where it could serve. The control socket comes first: it tells a second
/// daemon from the first before that one's ports do. Blocks while the daemon that runs is asked.
async fn prepare(
    loaded: Loaded,
    config: &Path,
    socket: Option<&Path>,
    logs: Logs,
    taker: Option<&mut Taker>,
) -> anyhow::Result<Prepared> {
    let (mut taker, mut estate) = (taker, Estate::default());
    if let Some(taker) = &mut taker {
        estate = taker.gather()?;
    }
    let lints = tell_lints(&loaded);
    let settings = loaded.settings;
    if taker.is_some() {
        estate.fits(&settings.vrrp)?;
    }
    let fd_limit = limits::raise_descriptors().context("can't read the descriptor limit")?;
    let (doors, control, http, runtime_socket) = open_doors(&settings, socket, &mut estate).await?;
    let haproxy = Compatibility::new(&settings.haproxy, fd_limit);
    let (records, access_log_switch, access_log) = start_access_log(&settings, &logs, &haproxy)?;
    let (checks, events) = Checks::start(seed());
    let (names, name_events) = Names::start(&settings.names).await;
    let (lb, targets) = names.place(&settings);
    if taker.is_some() {
        estate.knows_no_more_than(&targets, &settings.names)?;
    }
    checks.apply_with(targets, std::mem::take(&mut estate.checks)).await;
    let options = options(&settings, fd_limit, records, &checks);
    let engine = Engine::take_over(lb, options, std::mem::take(&mut estate.listeners))?;
    let begin = if taker.is_some() { Begin::TakeOver } else { Begin::Anew };
    let (peer, vip) = start_pair(&settings, control.path(), begin).await?;
    let changes = Arc::<Changes>::default();
    let forward = open_forwarding(&peer, &settings.global.state_dir);
    let daemon = Arc::new(Daemon {
        engine: engine.handle(),
        checks: checks.clone(),
        runtime: runtime::Handle::current(),
        config_file: config.to_owned(),
        logs,
        access_log: access_log_switch,
        started: Instant::now(),
        stopping: AtomicBool::new(false),
        in_force: Mutex::new(InForce { settings, lints, reloads: Reloads::default() }),
        reloading: Arc::default(),
        orders: Arc::new(Semaphore::new(ORDERS_MAX)),
        reloaded: Arc::new(Notify::new()),
        changed: Arc::new(Notify::new()),
        stirred: Arc::new(Notify::new()),
        changes: Arc::clone(&changes),
        vip: Arc::clone(&vip),
        forward: Arc::clone(&forward),
        peer,
        haproxy,
        upgrades: Upgrades::new(socket.map(Path::to_owned), doors, &mut estate),
        names,
    });
    let mut carrier = verdicts::Carrier::new(
        checks,
        engine.handle(),
        Arc::clone(&vip),
        Arc::clone(&forward),
        changes,
    );
    if let Some(taker) = taker {
        come_into(&mut estate, taker, &daemon, &mut carrier).await?;
    }
    // Last of what can fail: what it leaves in the kernel outlives the process. Another daemon that
    // runs has let go of it by now.
    daemon.forward_anew()?;
    let prepared = Prepared {
        daemon,
        engine,
        access_log,
        carrier,
        events,
        name_events,
        control,
        http,
        runtime_socket,
    };
    Ok(prepared)
}

/// Logs the lints of the configuration, and counts them.
fn tell_lints(loaded: &Loaded) -> u64 {
    if !loaded.lints.is_empty() {
        warn!("the configuration has lints:\n{}", loaded.lints_text(Style::Plain).trim_end());
    }
    u64::try_from(loaded.lints.len()).unwrap_or(u64::MAX)
}

/// What the data path is told beside its configuration.
fn options(settings: &Settings, fd_limit: u64, records: Records, checks: &Checks) -> Options {
    let (servers, names) = (settings.checks.len(), settings.names.servers.len());
    let signal = checks.clone();
    Options {
        workers: workers(settings),
        fd_limit,
        fds_elsewhere: limits::descriptors_elsewhere(servers, names),
        records: Some(records),
        connect_failed: Arc::new(move |server| signal.connect_failed(&server.to_string())),
    }
}

/// The last that is taken over, and the first that the daemon which runs gives up for it.
async fn come_into(
    estate: &mut Estate,
    taker: &mut Taker,
    daemon: &Daemon,
    carrier: &mut verdicts::Carrier,
) -> anyhow::Result<()> {
    estate.obey_orders(&daemon.engine);
    carrier.learn_anew().await;
    daemon.vip.await_guard().await?;
    let roles = taker.await_go()?;
    let vrrp = daemon.in_force().settings.vrrp.clone();
    daemon.vip.inherit(&vrrp, roles)?;
    estate.remove_files();
    Ok(())
}

/// Serves. From here on nothing can fail.
fn serve(prepared: Prepared, taker: Option<Taker>) -> Started {
    let Prepared {
        daemon,
        engine,
        access_log,
        carrier,
        events,
        name_events,
        control,
        http,
        runtime_socket,
    } = prepared;
    daemon.engine.begin_accepting();
    daemon.upgrades.own_files(true);
    // The first verdicts are told the way that those after a reload are.
    daemon.reloaded.notify_one();
    let (reloaded, changed) = (Arc::clone(&daemon.reloaded), Arc::clone(&daemon.changed));
    let mut servers = vec![task::spawn(carrier.carry(events, reloaded, changed))];
    servers.push(task::spawn(names::carry(Arc::clone(&daemon), name_events)));
    servers.push(task::spawn(serve_control(control, Arc::clone(&daemon))));
    servers.push(task::spawn(daemon.logs.clone().end_orders()));
    servers.push(task::spawn(daemon.logs.clone().tell_what_is_left_out()));
    if let Some(listener) = http {
        servers.push(task::spawn(admin::serve(listener, looks(&daemon))));
    }
    servers.push(task::spawn(haproxy::look(Arc::clone(&daemon))));
    if let Some((socket, level)) = runtime_socket {
        let served = Arc::new(Served(Arc::clone(&daemon)));
        servers.push(task::spawn(crate::haproxy::socket::serve(socket, level, served)));
    }
    if let Some(former) = taker.map(Taker::serve) {
        start_link(&daemon);
        if let Err(error) = former.follow(Arc::clone(&daemon)) {
            warn!(%error, "there is no thread to hear of the former daemon's connections in");
        }
    }
    Started { daemon, engine, access_log, servers }
}

/// Starts the link to the other balancer, whose port the former daemon has given up by now.
fn start_link(daemon: &Arc<Daemon>) {
    let daemon = Arc::clone(daemon);
    // What became of it is logged.
    drop(task::spawn_blocking(move || {
        let wanted = daemon.in_force().settings.peer.clone();
        if let Err(error) = daemon.peer.apply(wanted.as_ref()) {
            warn!("there is no link to the other balancer: {error:#}");
        }
    }));
}

type Sockets = (Doors, ControlSocket, Option<TcpListener>, Option<(BoundSocket, HaproxyLevel)>);

/// Opens or takes over where people and scripts knock, and keeps copies for the next daemon.
async fn open_doors(
    settings: &Settings,
    socket: Option<&Path>,
    estate: &mut Estate,
) -> anyhow::Result<Sockets> {
    let path = socket.unwrap_or(&settings.admin.socket);
    let control = match estate.take_socket(path) {
        Some(listener) => ControlSocket::inherit(path, listener)?,
        None => ControlSocket::bind(path)?,
    };
    let http = bind_http(settings, estate).await?;
    let runtime_socket = haproxy::bind(&settings.haproxy, estate)?;
    let mut doors = Doors::default();
    doors.control(control.bound());
    if let (Some(listener), Some(address)) = (&http, settings.admin.http) {
        doors.admin(listener, address);
    }
    if let Some((socket, _)) = &runtime_socket {
        doors.haproxy(socket);
    }
    Ok((doors, control, http, runtime_socket))
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
async fn start_pair(
    settings: &Settings,
    socket: &Path,
    begin: Begin,
) -> anyhow::Result<(Arc<Peer>, Arc<Vip>)> {
    // The port of the link is the running daemon's until it has handed everything over.
    let peer = Peer::start(settings.peer.as_ref().filter(|_| begin == Begin::Anew))?;
    let link = Arc::clone(&peer);
    let carry = Arc::new(move |word: &Word| link.tell(word));
    let vip =
        Vip::start(settings, socket, carry, begin).await.context("can't hold the virtual IP")?;
    let hearing = Arc::downgrade(&vip);
    peer.bring_words_to(Arc::new(move |from, word| {
        if let Some(vip) = hearing.upgrade() {
            vip.hear(from, word);
        }
    }));
    Ok((peer, vip))
}

/// What the kernel may come to forward, and its way to the other balancer, which has copies of it.
fn open_forwarding(peer: &Arc<Peer>, state_dir: &Path) -> Arc<Forward> {
    let link = Arc::clone(peer);
    let copy = Arc::new(move |flows: &[u8]| link.copy(flows));
    let forward = Arc::new(Forward::new(copy, state_dir));
    let hearing = Arc::downgrade(&forward);
    peer.bring_flows_to(Arc::new(move |flows| {
        if let Some(forward) = hearing.upgrade() {
            forward.deliver(flows);
        }
    }));
    forward
}

async fn bind_http(
    settings: &Settings,
    estate: &mut Estate,
) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = settings.admin.http else { return Ok(None) };
    if let Some(listener) = estate.take_admin(address) {
        let listener = std::net::TcpListener::from(listener);
        listener.set_nonblocking(true)?;
        return Ok(Some(TcpListener::from_std(listener)?));
    }
    let bound = TcpListener::bind(address).await;
    let bound = bound.with_context(|| {
        format!("can't serve status and metrics on {address} (another address: admin.http)")
    })?;
    Ok(Some(bound))
}

type Records = mpsc::SyncSender<Box<halb_lb::snapshot::ConnectionRecord>>;

type AccessLog = (Records, access::Switch, JoinHandle<()>);

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
