//! What the control socket answers.

use halb_lb::config::{Config, Weight};
use halb_lb::driver::SessionFilter;
use halb_lb::names::{FrontendName, ServerRef};
use halb_lb::snapshot;
use halb_lb::snapshot::SessionSnapshot;
use tracing::info;

use super::daemon::Daemon;
use crate::control::protocol::{Kill, Request, Response, SESSIONS_MAX, Session};
use crate::status::Admin;
use crate::status::words::things;

/// Most names that a refusal lists.
const NAMES_MAX: usize = 10;

/// Does what is asked. Blocks for milliseconds, for a reload as long as the disk takes.
pub(super) fn answer(daemon: &Daemon, request: Request) -> Response {
    let answered = match request {
        Request::Status => Ok(Response::Status { status: Box::new(daemon.status()) }),
        Request::Reload => Ok(Response::Reloaded { reload: daemon.reload() }),
        Request::ServerAdmin { server, admin } => set_admin(daemon, &server, admin),
        Request::ServerWeight { server, weight } => set_weight(daemon, &server, weight),
        Request::Sessions { server, limit } => sessions(daemon, server.as_deref(), limit),
        Request::Kill { sessions } => kill(daemon, sessions),
    };
    answered.unwrap_or_else(|message| Response::Refused { message })
}

fn set_admin(daemon: &Daemon, name: &str, admin: Admin) -> Result<Response, String> {
    let server = resolve(&daemon.in_force().settings.lb, name)?;
    let id = server.to_string();
    let wanted = match admin {
        Admin::Ready => snapshot::Admin::Ready,
        Admin::Drain => snapshot::Admin::Drain,
        Admin::Maint => snapshot::Admin::Maint,
    };
    daemon.engine.set_admin(&server, wanted).map_err(|error| error.to_string())?;
    rest_or_check(daemon, &id, admin);
    info!(server = id, state = admin.word(), "an operator set the state of a server");
    let left = things(connections(daemon, &server), "connection", "connections");
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
    let server = resolve(&daemon.in_force().settings.lb, name)?;
    let parsed = match weight {
        None => None,
        Some(number) => match Weight::new(number) {
            Some(weight) => Some(weight),
            None => return Err(format!("a weight is 0 to {}, not {number}", Weight::MAX)),
        },
    };
    daemon.engine.set_weight(&server, parsed).map_err(|error| error.to_string())?;
    info!(%server, weight, "an operator set the weight of a server");
    let message = match weight {
        None => format!("{server} has the weight of the configuration again"),
        Some(0) => format!("{server} has weight 0: it gets no new connections"),
        Some(number) => format!("{server} has weight {number} until the daemon ends"),
    };
    Ok(Response::Done { message })
}

fn sessions(daemon: &Daemon, server: Option<&str>, limit: usize) -> Result<Response, String> {
    let server = match server {
        Some(name) => Some(resolve(&daemon.in_force().settings.lb, name)?),
        None => None,
    };
    let open = match &server {
        Some(server) => connections(daemon, server),
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
        Kill::Server(name) => SessionFilter::Server(resolve(&daemon.in_force().settings.lb, name)?),
        Kill::Frontend(name) => {
            SessionFilter::Frontend(resolve_frontend(&daemon.in_force().settings.lb, name)?)
        }
    };
    let count = daemon.engine.kill(&filter);
    info!(?sessions, count, "an operator ended sessions");
    Ok(Response::Killed { count })
}

fn connections(daemon: &Daemon, server: &ServerRef) -> u64 {
    let snapshot = daemon.engine.snapshot();
    let backend = snapshot.backends.iter().find(|backend| backend.name == server.backend);
    let servers = backend.map_or(&[][..], |backend| &backend.servers);
    servers.iter().find(|s| s.name == server.server).map_or(0, |s| s.connections)
}

/// `backend/server`, or a server's name alone where one backend alone has it.
fn resolve(config: &Config, name: &str) -> Result<ServerRef, String> {
    let all = config.backends().iter().flat_map(|backend| {
        backend
            .servers
            .iter()
            .map(|server| ServerRef { backend: backend.name.clone(), server: server.name.clone() })
    });
    let mut named = all.clone().filter(|s| s.to_string() == name || s.server.as_str() == name);
    match (named.next(), named.next()) {
        (Some(server), None) => Ok(server),
        (Some(one), Some(other)) => {
            Err(format!("'{name}' could be {one} or {other}; write it as BACKEND/SERVER"))
        }
        (None, _) => Err(format!(
            "there is no server '{name}'; there are: {}",
            listed(all.map(|s| s.to_string()))
        )),
    }
}

fn resolve_frontend(config: &Config, name: &str) -> Result<FrontendName, String> {
    let all = config.frontends().iter().map(|frontend| &frontend.name);
    match all.clone().find(|frontend| frontend.as_str() == name) {
        Some(frontend) => Ok(frontend.clone()),
        None => Err(format!(
            "there is no frontend '{name}'; there are: {}",
            listed(all.map(ToString::to_string))
        )),
    }
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
    use super::*;
    use crate::config;

    fn config() -> Config {
        let text = "[frontend.web]\nbind = [\"127.0.0.1:8080\"]\nbackend = \"a\"\n\
                    [frontend.other]\nbind = [\"127.0.0.1:8081\"]\nbackend = \"b\"\n\
                    [backend.a.server]\none = \"127.0.0.1:1\"\ntwo = \"127.0.0.1:2\"\n\
                    [backend.b.server]\ntwo = \"127.0.0.1:3\"\n";
        config::parse(text, "test.toml").expect("a good configuration").settings.lb
    }

    #[test]
    fn a_server_is_found_by_both_names_or_by_its_own() {
        let config = config();
        assert_eq!(resolve(&config, "b/two").unwrap().to_string(), "b/two");
        assert_eq!(resolve(&config, "one").unwrap().to_string(), "a/one");
    }

    #[test]
    fn a_name_that_two_servers_have_is_not_guessed() {
        let refusal = resolve(&config(), "two").unwrap_err();
        assert_eq!(refusal, "'two' could be a/two or b/two; write it as BACKEND/SERVER");
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let refusal = resolve(&config(), "a/three").unwrap_err();
        assert_eq!(refusal, "there is no server 'a/three'; there are: a/one, a/two, b/two");
        let refusal = resolve_frontend(&config(), "wob").unwrap_err();
        assert_eq!(refusal, "there is no frontend 'wob'; there are: web, other");
    }

    #[test]
    fn a_refusal_lists_no_thousand_names() {
        let many = listed((0..1000).map(|n| n.to_string()));
        assert_eq!(many, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …");
    }
}
