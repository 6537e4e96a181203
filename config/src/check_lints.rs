//! What is allowed in a check, and probably not wanted.

use std::net::SocketAddr;
use std::time::Duration;

use halb_healthcheck::config::{Probe, Verify};

use crate::address::ServerAddress;
use crate::check::{CheckDraft, Kind, detection_time};
use crate::diagnostic::{Diagnostic, Span};
use crate::units::DurationText;

/// Port of the Kubernetes API.
pub(super) const API_SERVER_PORT: u16 = 6443;

/// An API server that is told to stop serves on for about so long, and kubelets lose their patience
/// soon after; a verdict that takes longer comes too late.
const DETECTION_MAX: Duration = Duration::from_secs(30);

/// Compares a check with itself and with the servers that it is for.
pub(super) fn report(draft: &CheckDraft<'_>, servers: &[(ServerAddress, Span)], sends_proxy: bool) {
    lint_pace(draft);
    lint_detection(draft);
    lint_token(draft);
    lint_one_address(draft, servers);
    lint_proxy_header(draft, sends_proxy);
    lint_api_servers(draft, servers);
    check_source_family(draft, servers);
}

/// A lint at a key, or at the check as a whole where the key isn't written.
fn lint(draft: &CheckDraft<'_>, key: &str, what: String, consequence: &str, remedy: String) {
    let table = &draft.table;
    let span = table.get(key).map_or_else(|| table.key_span.clone(), |entry| entry.span.clone());
    table.sink.report(Diagnostic::lint(span, what).consequence(consequence).remedy(remedy));
}

fn lint_pace(draft: &CheckDraft<'_>) {
    let pace = &draft.check.pace;
    let (interval, timeout) = (DurationText(pace.interval), DurationText(pace.timeout));
    if pace.timeout > pace.interval {
        let what = format!("the timeout of {timeout} is longer than the interval of {interval}");
        let consequence =
            "checks of one server never overlap, so a silent one is checked less often";
        lint(
            draft,
            "timeout",
            what,
            consequence,
            format!("write at most `timeout = \"{interval}\"`"),
        );
    }
    if let Some(fast) = pace.fast_interval.filter(|fast| *fast > pace.interval) {
        let what = format!("the fast interval of {} isn't fast", DurationText(fast));
        let consequence =
            "a server that is going down or coming up is checked less often than others";
        lint(draft, "fast_interval", what, consequence, format!("write less than \"{interval}\""));
    }
}

fn lint_detection(draft: &CheckDraft<'_>) {
    let time = detection_time(&draft.check.pace, draft.check.threshold.fall);
    if time > DETECTION_MAX {
        let what = format!("a dead server is noticed only after up to {}", DurationText(time));
        let key = if draft.table.has("fall") { "fall" } else { "interval" };
        lint(
            draft,
            key,
            what,
            "until then it gets its share of connections, and its sessions hang",
            "lower 'interval', 'timeout' or 'fall', or add a 'fast_interval'".to_owned(),
        );
    }
}

fn lint_token(draft: &CheckDraft<'_>) {
    let (http, why) = match &draft.check.probe {
        Probe::Http(http) => (http, "it is sent in clear text"),
        Probe::Https(http, tls) if tls.verify == Verify::None => {
            (http, "nobody's name is verified")
        }
        Probe::Https(..) | Probe::Tcp | Probe::Tls(_) | Probe::Script(_) => return,
    };
    if http.bearer_token_file.is_some() {
        let what = format!("a bearer token goes to whoever answers: {why}");
        let consequence = "who takes the server's place gets a token that works elsewhere";
        let remedy = "use type = \"https\" with a 'ca_file'".to_owned();
        lint(draft, "bearer_token_file", what, consequence, remedy);
    }
}

fn lint_one_address(draft: &CheckDraft<'_>, servers: &[(ServerAddress, Span)]) {
    if draft.table.has("address") && servers.len() > 1 {
        lint(
            draft,
            "address",
            "all servers are checked at one address".to_owned(),
            "all of them are up or down together",
            "remove 'address'; for another port of each server there is 'port'".to_owned(),
        );
    }
}

fn lint_proxy_header(draft: &CheckDraft<'_>, sends_proxy: bool) {
    let speaks = matches!(draft.kind, Kind::Tls | Kind::Http | Kind::Https);
    if sends_proxy && speaks && draft.asks_the_service() {
        lint(
            draft,
            "type",
            "checks send no PROXY header".to_owned(),
            "a server that insists on one fails its checks",
            "check a port that takes plain connections (`port = …`), or use type = \"tcp\""
                .to_owned(),
        );
    }
}

/// Checks that don't find out what matters about a Kubernetes API server.
fn lint_api_servers(draft: &CheckDraft<'_>, servers: &[(ServerAddress, Span)]) {
    let api_servers = servers.iter().any(|(server, _)| server.port() == API_SERVER_PORT);
    if !api_servers || !draft.asks_the_service() {
        return;
    }
    let readyz = || "for API servers write `type = \"https\", path = \"/readyz\"`".to_owned();
    match &draft.check.probe {
        Probe::Tcp | Probe::Tls(_) => lint(
            draft,
            "type",
            format!("a {} check doesn't see whether an API server works", kind(draft)),
            "one that hangs, starts or shuts down goes on getting connections",
            readyz(),
        ),
        Probe::Http(_) => lint(
            draft,
            "type",
            "API servers speak HTTPS, not HTTP".to_owned(),
            "they answer with status 400, and every server is down",
            readyz(),
        ),
        Probe::Https(http, _) if ["/healthz", "/livez"].contains(&http.path.as_str()) => lint(
            draft,
            "path",
            format!("{} stays good while an API server shuts down", http.path),
            "it gets connections until it is gone; only /readyz turns bad at once",
            "write `path = \"/readyz\"`".to_owned(),
        ),
        Probe::Https(..) | Probe::Script(_) => {}
    }
}

fn kind(draft: &CheckDraft<'_>) -> &'static str {
    if draft.kind == Kind::Tcp { "tcp" } else { "tls" }
}

/// A probe from IPv4 can't reach IPv6, nor the reverse. Where the source is the backend's own, the
/// backend has been told already.
fn check_source_family(draft: &CheckDraft<'_>, servers: &[(ServerAddress, Span)]) {
    let (Some(entry), Some(source)) = (draft.table.get("source"), draft.own_source) else {
        return;
    };
    let target = |server: SocketAddr| draft.address_for(server);
    let targets = servers.iter().filter_map(|(server, span)| Some((target(server.ip()?), span)));
    let other = targets.into_iter().find(|(target, _)| target.is_ipv4() != source.is_ipv4());
    if let Some((target, span)) = other {
        let what = format!("{source} and {} are of different families", target.ip());
        draft.table.sink.report(
            Diagnostic::error(entry.span.clone(), what)
                .consequence("no check could connect, and every server would be down")
                .remedy("write a source of the servers' family, or leave it out")
                .related(span.clone(), "can't be reached from it"),
        );
    }
}
