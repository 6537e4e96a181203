//! What the control socket answers.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use halb_config::settings::LogLevel;
use halb_lb::config::{Config, Weight};
use halb_lb::driver::SessionFilter;
use halb_lb::names::{FrontendName, ServerRef};
use halb_lb::snapshot;
use halb_lb::snapshot::{SessionSnapshot, Snapshot};
use tokio::task;
use tracing::{info, warn};

use super::daemon::Daemon;
use super::upgrade;
use super::upgrade::{Order, another_is_installed};
use super::vip::orders::Refusal;
use crate::control::protocol::{Kill, Level, Request, Response, SESSIONS_MAX, Session, VipOutcome};
use crate::logs;
use crate::status::Admin;
use crate::status::words;
use crate::status::words::things;

/// Most names that a refusal lists.
const NAMES_MAX: usize = 10;

/// Does what is asked. A status comes at once; a reload and orders block threads of their own, of
/// which each has its share (see [`super`]).
pub(super) async fn answer(daemon: Arc<Daemon>, request: Request) -> Response {
    daemon.stirred.notify_one();
    let answered = match request {
        Request::Status => Ok(Response::Status { status: Box::new(daemon.status().await) }),
        Request::Reload => reload(daemon).await,
        Request::Upgrade { binary, if_changed } => upgrade(daemon, binary, if_changed).await,
        Request::LogLevel { level, seconds } => Ok(log_level(&daemon, level, seconds)),
        Request::ServerAdmin { server, admin } => {
            in_turn(daemon, move |daemon| set_admin(daemon, &server, admin)).await
        }
        Request::ServerWeight { server, weight } => {
            in_turn(daemon, move |daemon| set_weight(daemon, &server, weight)).await
        }
        Request::Sessions { server, limit } => {
            in_turn(daemon, move |daemon| sessions(daemon, server.as_deref(), limit)).await
        }
        Request::VipYield { instance, force } => vip(daemon.vip.give_away(instance, force).await),
        Request::VipResume { instance } => vip(daemon.vip.resume(instance).await),
        Request::Kill { sessions } => in_turn(daemon, move |daemon| kill(daemon, sessions)).await,
    };
    answered.unwrap_or_else(|message| Response::Refused { message })
}

fn vip(outcomes: Result<Vec<VipOutcome>, Refusal>) -> Result<Response, String> {
    outcomes.map(|outcomes| Response::Vip { outcomes }).map_err(|Refusal(why)| why)
}

async fn reload(daemon: Arc<Daemon>) -> Result<Response, String> {
    let Ok(alone) = Arc::clone(&daemon.reloading).try_lock_owned() else {
        return Err("a reload is under way; look at 'halb status', and ask again".to_owned());
    };
    let reload = task::spawn_blocking(move || daemon.reload(alone)).await;
    reload.map(|reload| Response::Reloaded { reload }).map_err(|_| ending())
}

/// Hands over to another binary; `if_changed`: only if another one is installed than the one that
/// runs, and else reads the configuration again.
async fn upgrade(
    daemon: Arc<Daemon>,
    binary: Option<PathBuf>,
    if_changed: bool,
) -> Result<Response, String> {
    if if_changed {
        if !task::spawn_blocking(another_is_installed).await.unwrap_or(false) {
            return reload(daemon).await;
        }
        if let Err(why) = upgrade::may(&daemon) {
            warn!("another binary is installed, and can't take over: {why}");
            return reload(daemon).await;
        }
    }
    let message = upgrade::give(daemon, Order { binary }).await?;
    Ok(Response::Upgraded { message })
}

/// Carries out an order, which may wait for the data path.
async fn in_turn(
    daemon: Arc<Daemon>,
    order: impl FnOnce(&Daemon) -> Result<Response, String> + Send + 'static,
) -> Result<Response, String> {
    // The turn travels with the work, which goes on when its client leaves.
    let turn = Arc::clone(&daemon.orders).acquire_owned().await.map_err(|_| ending())?;
    let work = task::spawn_blocking(move || {
        let answered = order(&daemon);
        drop(turn);
        answered
    });
    work.await.unwrap_or_else(|_| Err(ending()))
}

fn log_level(daemon: &Daemon, level: Option<Level>, seconds: Option<u64>) -> Response {
    let level = level.map(|level| match level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Trace => LogLevel::Trace,
    });
    let lasts = seconds.map(Duration::from_secs);
    daemon.logs.order_level(level, lasts);
    let of_file = logs::word(daemon.logs.level().of_file());
    let message = match (level, lasts) {
        (None, _) => format!("logging as the file says: {of_file}"),
        (Some(level), None) => {
            format!("logging from {} on ({of_file} in the file)", logs::word(level))
        }
        (Some(level), Some(lasts)) => {
            let (level, lasts) = (logs::word(level), words::span(lasts.as_secs_f64()));
            format!("logging from {level} on for {lasts}, then as the file says: {of_file}")
        }
    };
    info!(level = level.map(logs::word), seconds, "an operator ordered a log level");
    Response::Done { message }
}

fn ending() -> String {
    "the daemon is ending".to_owned()
}

fn set_admin(daemon: &Daemon, name: &str, admin: Admin) -> Result<Response, String> {
    let server = resolve(&configured(&daemon.in_force().settings.lb), name)?;
    let id = server.to_string();
    let wanted = match admin {
        Admin::Ready => snapshot::Admin::Ready,
        Admin::Drain => snapshot::Admin::Drain,
        Admin::Maint => snapshot::Admin::Maint,
    };
    daemon.engine.set_admin(&server, wanted).map_err(|error| error.to_string())?;
    rest_or_check(daemon, &id, admin);
    daemon.changed.notify_one();
    info!(server = id, state = admin.word(), "an operator set the state of a server");
    // Those of a server of the same name that a reload removed obey no order.
    let left = connections(&daemon.engine.snapshot(), &server, |server| !server.removed);
    let left = things(left, "connection", "connections");
    let message = match admin {
        Admin::Ready => format!("{id} is ready: it gets connections while it is up"),
        Admin::Drain => format!("{id} drains: no new connections, {left} left"),
        Admin::Maint => format!("{id} is in maintenance: no connections, no checks"),
    };
    Ok(Response::Done { message })
}

/// Checks rest in maintenance only. A server without a check has none to rest.
fn rest_or_check(daemon: &Daemon, id: &str, admin: Admin) {
    match admin {
        Admin::Maint => daemon.wait(daemon.checks.pause(id)),
        Admin::Ready | Admin::Drain => daemon.wait(daemon.checks.resume(id)),
    };
}

fn set_weight(daemon: &Daemon, name: &str, weight: Option<u16>) -> Result<Response, String> {
    let server = resolve(&configured(&daemon.in_force().settings.lb), name)?;
    let parsed = match weight {
        None => None,
        Some(number) => match Weight::new(number) {
            Some(weight) => Some(weight),
            None => return Err(format!("a weight is 0 to {}, not {number}", Weight::MAX)),
        },
    };
    daemon.engine.set_weight(&server, parsed).map_err(|error| error.to_string())?;
    daemon.changed.notify_one();
    info!(%server, weight, "an operator set the weight of a server");
    let message = match weight {
        None => format!("{server} has the weight of the configuration again"),
        Some(0) => format!("{server} has weight 0: it gets no new connections"),
        Some(number) => {
            format!("{server} has weight {number} until it is changed back, here or in the file")
        }
    };
    Ok(Response::Done { message })
}

fn sessions(daemon: &Daemon, server: Option<&str>, limit: usize) -> Result<Response, String> {
    let snapshot = daemon.engine.snapshot();
    let server = match server {
        Some(name) => Some(resolve(&present(&snapshot), name)?),
        None => None,
    };
    let open = match &server {
        Some(server) => connections(&snapshot, server, |_| true),
        None => daemon.connections(),
    };
    let sessions = daemon.engine.sessions(server.as_ref(), limit.min(SESSIONS_MAX));
    Ok(Response::Sessions { sessions: sessions.iter().map(session).collect(), open })
}

fn session(lb: &SessionSnapshot) -> Session {
    Session {
        id: lb.id,
        client: lb.client.to_string(),
        frontend: lb.frontend.to_string(),
        server: lb.server.as_ref().map(ServerRef::to_string),
        age_seconds: lb.age.as_secs_f64(),
        idle_seconds: lb.idle.as_secs_f64(),
        bytes_in: lb.bytes_in,
        bytes_out: lb.bytes_out,
    }
}

fn kill(daemon: &Daemon, sessions: Kill) -> Result<Response, String> {
    let filter = match &sessions {
        Kill::Id(id) => SessionFilter::Id(*id),
        Kill::Server(name) => {
            SessionFilter::Server(resolve(&present(&daemon.engine.snapshot()), name)?)
        }
        Kill::Frontend(name) => match FrontendName::new(name) {
            Ok(name) => SessionFilter::Frontend(name),
            Err(error) => return Err(error.to_string()),
        },
    };
    let count = daemon.engine.kill(&filter);
    if let (0, Kill::Frontend(name)) = (count, &sessions) {
        // Sessions outlive a frontend that a reload removed, so only now is its name a wrong one.
        is_frontend(&daemon.in_force().settings.lb, name)?;
    }
    info!(?sessions, count, "an operator ended sessions");
    Ok(Response::Killed { count })
}

/// Connections at all servers of that name that are meant.
fn connections(
    snapshot: &Snapshot,
    server: &ServerRef,
    meant: impl Fn(&snapshot::ServerSnapshot) -> bool,
) -> u64 {
    let backends = snapshot.backends.iter().filter(|backend| backend.name == server.backend);
    let servers = backends.flat_map(|backend| &backend.servers);
    servers.filter(|s| s.name == server.server && meant(s)).map(|s| s.connections).sum()
}

/// Servers that take orders: those of the configuration.
fn configured(config: &Config) -> Vec<ServerRef> {
    let of = |backend: &halb_lb::config::Backend| {
        let name = backend.name.clone();
        let named = |server: &halb_lb::config::Server| ServerRef {
            backend: name.clone(),
            server: server.name.clone(),
        };
        backend.servers.iter().map(named).collect::<Vec<_>>()
    };
    config.backends().iter().flat_map(of).collect()
}

/// Servers that may have sessions: those that a reload removed, too. Each name once.
fn present(snapshot: &Snapshot) -> Vec<ServerRef> {
    let mut present = Vec::new();
    for backend in &snapshot.backends {
        for server in &backend.servers {
            let server = ServerRef { backend: backend.name.clone(), server: server.name.clone() };
            if !present.contains(&server) {
                present.push(server);
            }
        }
    }
    present
}

/// `backend/server`, or a server's name alone where one backend alone has it.
fn resolve(all: &[ServerRef], name: &str) -> Result<ServerRef, String> {
    let mut named = all.iter().filter(|s| s.to_string() == name || s.server.as_str() == name);
    match (named.next(), named.next()) {
        (Some(server), None) => Ok(server.clone()),
        (Some(one), Some(other)) => {
            Err(format!("'{name}' could be {one} or {other}; write it as BACKEND/SERVER"))
        }
        (None, _) => Err(format!(
            "there is no server '{name}'; there are: {}",
            listed(all.iter().map(ServerRef::to_string))
        )),
    }
}

fn is_frontend(config: &Config, name: &str) -> Result<(), String> {
    let mut all = config.frontends().iter().map(|frontend| &frontend.name);
    if all.clone().any(|frontend| frontend.as_str() == name) {
        return Ok(());
    }
    Err(format!(
        "there is no frontend '{name}'; there are: {}",
        listed(all.by_ref().map(ToString::to_string))
    ))
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let mut names = names.peekable();
    let mut list: Vec<String> = names.by_ref().take(NAMES_MAX).collect();
    if names.peek().is_some() {
        list.push("…".to_owned());
    }
    list.join(", ")
}

#[cfg(test)]
mod tests {
    use halb_lb::names::ServerName;

    use super::*;
    use crate::status::samples;

    fn config() -> Config {
        let text = "[frontend.web]\nbind = [\"127.0.0.1:8080\"]\nbackend = \"a\"\n\
                    [frontend.other]\nbind = [\"127.0.0.1:8081\"]\nbackend = \"b\"\n\
                    [backend.a.server]\none = \"127.0.0.1:1\"\ntwo = \"127.0.0.1:2\"\n\
                    [backend.b.server]\ntwo = \"127.0.0.1:3\"\n";
        halb_config::parse(text, "test.toml").expect("a good configuration").settings.lb
    }

    #[test]
    fn a_server_is_found_by_both_names_or_by_its_own() {
        let servers = configured(&config());
        assert_eq!(resolve(&servers, "b/two").unwrap().to_string(), "b/two");
        assert_eq!(resolve(&servers, "one").unwrap().to_string(), "a/one");
    }

    #[test]
    fn a_name_that_two_servers_have_is_not_guessed() {
        let refusal = resolve(&configured(&config()), "two").unwrap_err();
        assert_eq!(refusal, "'two' could be a/two or b/two; write it as BACKEND/SERVER");
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let refusal = resolve(&configured(&config()), "a/three").unwrap_err();
        assert_eq!(refusal, "there is no server 'a/three'; there are: a/one, a/two, b/two");
        let refusal = is_frontend(&config(), "wob").unwrap_err();
        assert_eq!(refusal, "there is no frontend 'wob'; there are: web, other");
    }

    #[test]
    fn sessions_at_a_removed_server_are_found_and_counted_with_those_of_its_successor() {
        let mut sample = samples::all_fine();
        let mut removed = sample.server(0).clone();
        removed.removed = true;
        removed.connections = 3;
        let mut gone = removed.clone();
        gone.name = ServerName::new("old").unwrap();
        sample.snapshot.backends[0].servers.extend([removed, gone]);
        let present = present(&sample.snapshot);
        assert_eq!(present.len(), 4, "each name once: {present:?}");
        let at = |name: &str, removed_too: bool| {
            let server = resolve(&present, name).unwrap();
            connections(&sample.snapshot, &server, |server| removed_too || !server.removed)
        };
        assert_eq!((at("kmaster1", true), at("kmaster1", false)), (7, 4));
        assert_eq!((at("old", true), at("old", false)), (3, 0));
    }

    #[test]
    fn a_refusal_lists_no_thousand_names() {
        let many = listed((0..1000).map(|n| n.to_string()));
        assert_eq!(many, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …");
    }
}
