//! Timeouts, retries and keepalive: what holds, and what halb is told.

use std::time::Duration;

use super::super::model::{Proxy, begins_with};
use super::super::parse::Line;
use super::super::units;
use super::super::work::Work;
use crate::document::{Table, Value};
use crate::finding::Class;

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Shortest and longest of `connect_timeout`, of `timeout` in checks and queues.
pub(super) const WAIT: (Duration, Duration) = (Duration::from_millis(10), HOUR);

/// Shortest and longest of a check's intervals.
pub(super) const INTERVAL: (Duration, Duration) = (Duration::from_millis(10), DAY);

/// Shortest and longest of `idle_timeout`.
const IDLE: (Duration, Duration) = (SECOND, Duration::from_secs(366 * 24 * 3600));

/// Shortest and longest of `fin_timeout` and `slow_start`.
pub(super) const LONG: (Duration, Duration) = (SECOND, DAY);

/// Shortest and longest of `user_timeout`.
const USER: (Duration, Duration) = (SECOND, Duration::from_secs(20 * 24 * 3600));

/// The kernel gives a connect up by itself after its sixth repetition.
const KERNEL_CONNECT: Duration = Duration::from_secs(127);

/// What the kernel takes for keepalive where nothing else is said: idle, interval, count.
const KERNEL_KEEPALIVE: (Duration, Duration, u128) =
    (Duration::from_secs(7200), Duration::from_secs(75), 9);

/// An idle timeout below this ends watches and `kubectl logs -f` in daily use.
const IDLE_LONG: Duration = HOUR;

/// What halb does where nothing is said.
const FIN_DEFAULT: Duration = halb_config::defaults::FIN_TIMEOUT;

/// The names that a timeout had over the years.
const OLD_NAMES: [(&str, &str); 3] =
    [("client", "clitimeout"), ("connect", "contimeout"), ("server", "srvtimeout")];

/// A timeout that is set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeout<'a> {
    pub(super) line: &'a Line,
    pub(super) duration: Duration,
}

/// The timeout of a name that holds for a section. None: there is none, or zero, which is none too.
pub(super) fn timeout<'a>(
    proxy: &Proxy<'a>,
    name: &str,
    work: &mut Work<'_>,
) -> Option<Timeout<'a>> {
    let old = OLD_NAMES.iter().find(|(new, _)| *new == name).map(|(_, old)| *old);
    let is = |line: &Line| {
        begins_with(line, &["timeout", name]) || old.is_some_and(|old| line.word(0) == old)
    };
    let lines: Vec<_> = proxy.lines.iter().copied().filter(|line| is(line)).collect();
    let (line, earlier) = lines.split_last()?;
    for line in earlier {
        work.settle(line, Class::meaningless("a later line says otherwise"));
    }
    let value = if line.word(0) == "timeout" { line.word(2) } else { line.word(1) };
    let Some(duration) = units::time(value) else {
        work.settle(line, Class::lost(format!("'{value}' is no time, and HAProxy refuses it")));
        return None;
    };
    if duration.is_zero() {
        work.settle(line, Class::DefaultAnyway);
        return None;
    }
    Some(Timeout { line, duration })
}

/// How long a backend lets sessions be silent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Patience<'a> {
    server: Option<Timeout<'a>>,
    tunnel: Option<Timeout<'a>>,
}

impl<'a> Patience<'a> {
    pub(super) fn of(backend: &Proxy<'a>, work: &mut Work<'_>) -> Self {
        let tunnel = timeout(backend, "tunnel", work);
        Self { server: timeout(backend, "server", work), tunnel }
    }

    /// The timeouts that decide, for sessions of a frontend with `client`.
    fn deciding(self, client: Option<Timeout<'a>>) -> Vec<Timeout<'a>> {
        match self.tunnel {
            Some(tunnel) => vec![tunnel],
            None => client.into_iter().chain(self.server).collect(),
        }
    }

    /// The shortest silence that ends a session; none: no silence does.
    fn idle(self, client: Option<Timeout<'a>>) -> Option<Duration> {
        self.deciding(client).iter().map(|timeout| timeout.duration).min()
    }
}

/// `idle_timeout` and `fin_timeout` of a frontend, out of its own timeouts and its backends'.
pub(super) fn client_side<'a>(
    frontend: &Proxy<'a>,
    backends: &[Patience<'a>],
    table: &mut Table,
    work: &mut Work<'_>,
) {
    let key = |name: &str| format!("{}.{name}", table.path.join("."));
    let (idle_key, fin_key) = (key("idle_timeout"), key("fin_timeout"));
    let client = timeout(frontend, "client", work);
    let idle = backends.iter().filter_map(|patience| patience.idle(client)).min();
    let decides = |timeout: &Timeout<'_>| Some(timeout.duration) == idle;
    let shortest = backends.iter().flat_map(|patience| patience.deciding(client)).find(decides);
    if let Some(shortest) = &shortest {
        hint_short(shortest, work);
    }
    for patience in backends {
        let deciding = patience.deciding(client);
        for timeout in &deciding {
            work.settle(timeout.line, Class::to(&idle_key));
        }
        let superseded = [client, patience.server].into_iter().flatten();
        for timeout in superseded.filter(|_| patience.tunnel.is_some()) {
            work.settle(
                timeout.line,
                Class::meaningless("`timeout tunnel` takes its place in TCP"),
            );
        }
    }
    if let Some(idle) = idle {
        let comment = (idle < IDLE_LONG).then_some("ends quiet watches too: better left out");
        set(table, "idle_timeout", units::written(idle, IDLE.0, IDLE.1), comment);
    }
    fin_timeout(frontend, "client-fin", idle, &fin_key, table, work);
}

fn hint_short(timeout: &Timeout<'_>, work: &mut Work<'_>) {
    if timeout.duration < IDLE_LONG {
        work.hint(
            timeout.line.place(),
            format!(
                "`{}` ends sessions in use: `kubectl get -w`, `exec` and `logs -f` may be silent \
                 for longer",
                timeout.line.texts().join(" ")
            ),
            "remove `idle_timeout` with `keepalive = false` and `user_timeout = false`: dead peers \
             are found without it",
        );
    }
}

/// HAProxy lets the second direction be silent as long as any, unless it is told otherwise.
pub(super) fn fin_timeout(
    proxy: &Proxy<'_>,
    name: &str,
    idle: Option<Duration>,
    key: &str,
    table: &mut Table,
    work: &mut Work<'_>,
) {
    let said = timeout(proxy, name, work);
    if let Some(said) = &said {
        work.settle(said.line, Class::to(key));
    }
    let fin = said.map(|said| said.duration).or(idle).unwrap_or(LONG.1);
    if fin != FIN_DEFAULT {
        let comment = if said.is_some() {
            None
        } else if idle.is_some() {
            Some("as long as any silence")
        } else {
            Some("HAProxy would wait for ever")
        };
        set(table, "fin_timeout", units::written(fin, LONG.0, LONG.1), comment);
    }
}

/// The idle time that backends impose by themselves, for their `fin_timeout`.
pub(super) fn server_side<'a>(
    backend: &Proxy<'a>,
    patience: Patience<'a>,
    table: &mut Table,
    work: &mut Work<'_>,
) {
    let key = format!("{}.fin_timeout", table.path.join("."));
    fin_timeout(backend, "server-fin", patience.idle(None), &key, table, work);
}

/// `connect_timeout`; where nothing is said the kernel decides.
pub(super) fn connect(backend: &Proxy<'_>, table: &mut Table, work: &mut Work<'_>) {
    let key = format!("{}.connect_timeout", table.path.join("."));
    let said = timeout(backend, "connect", work);
    match said {
        Some(said) => {
            work.settle(said.line, Class::to(key));
            table.set("connect_timeout", units::written(said.duration, WAIT.0, WAIT.1));
        }
        None => set(
            table,
            "connect_timeout",
            units::written(KERNEL_CONNECT, WAIT.0, WAIT.1),
            Some("HAProxy was told none; then the kernel gives up"),
        ),
    }
}

/// `retries` and `redispatch`.
pub(super) fn retries(backend: &Proxy<'_>, table: &mut Table, work: &mut Work<'_>) {
    let key = |name: &str| format!("{}.{name}", table.path.join("."));
    let (retries_key, redispatch_key) = (key("retries"), key("redispatch"));
    if let Some(line) = backend.take(&["retries"], &mut work.ledger) {
        match units::number(line.word(1)) {
            Some(halb_config::defaults::RETRIES) => work.settle(line, Class::DefaultAnyway),
            Some(retries) if retries <= 100 => {
                work.settle(line, Class::to(retries_key));
                table.set("retries", retries);
            }
            Some(_) | None => work.settle(line, Class::lost("halb takes 0 to 100 retries")),
        }
    }
    let old = backend.take(&["redispatch"], &mut work.ledger);
    let said = backend.option("redispatch", &mut work.ledger).or(old);
    match said {
        Some(line) if line.word(2) == "0" => {
            work.settle(line, Class::to(redispatch_key));
            table.set("redispatch", false);
        }
        Some(line) => work.settle(line, Class::DefaultAnyway),
        None => {
            let comment = "HAProxy tries the same server again; better left out";
            set(table, "redispatch", false, Some(comment));
        }
    }
}

/// One side's `keepalive` and `user_timeout`.
pub(super) struct Side {
    /// `option` that switches keepalive on, beside `tcpka`.
    pub(super) option: &'static str,
    /// `TCP_USER_TIMEOUT`, if it is set.
    pub(super) user_timeout: Option<Duration>,
}

/// `keepalive` and `user_timeout`, which HAProxy has off where nothing is said.
pub(super) fn side(proxy: &Proxy<'_>, side: &Side, table: &mut Table, work: &mut Work<'_>) {
    let key = format!("{}.keepalive", table.path.join("."));
    let both = proxy.option("tcpka", &mut work.ledger);
    let one = proxy.option(side.option, &mut work.ledger);
    let switches: Vec<_> = both.into_iter().chain(one).collect();
    for line in &switches {
        work.settle(line, Class::to(&key));
    }
    let number = |suffix: &str, work: &mut Work<'_>| {
        let word = format!("{}-{suffix}", side.option);
        let line = proxy.take(&[word.as_str()], &mut work.ledger)?;
        let duration = if suffix == "cnt" {
            units::number(line.word(1)).map(|count| MILLISECOND * count)
        } else {
            // Here a bare number is in seconds.
            let bare = line.word(1).parse::<u32>().ok().map(|seconds| SECOND * seconds);
            bare.or_else(|| units::time(line.word(1)))
        };
        let class = match duration {
            Some(_) if !switches.is_empty() => Class::to(&key),
            Some(_) => Class::meaningless("keepalive is off"),
            None => Class::lost(format!("'{}' is no time, and HAProxy refuses it", line.word(1))),
        };
        work.settle(line, class);
        duration
    };
    let (idle, interval) = (number("idle", work), number("intvl", work));
    let count = number("cnt", work).map(|count| count.as_millis());
    if switches.is_empty() {
        set(table, "keepalive", false, Some("as HAProxy; better left out"));
    } else {
        let second = |given: Option<Duration>, kernels: Duration| {
            units::written(given.unwrap_or(kernels), SECOND, 9 * HOUR)
        };
        let count = i64::try_from(count.unwrap_or(KERNEL_KEEPALIVE.2).clamp(1, 127)).unwrap_or(1);
        let pairs = [
            ("idle", Value::from(second(idle, KERNEL_KEEPALIVE.0))),
            ("interval", second(interval, KERNEL_KEEPALIVE.1).into()),
            ("count", count.into()),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value));
        let comment = idle.is_none().then_some("the kernel's; a dead peer is found after hours");
        set(table, "keepalive", Value::Inline(pairs.into()), comment);
    }
    match side.user_timeout {
        Some(timeout) => table.set("user_timeout", units::written(timeout, USER.0, USER.1)),
        None => set(table, "user_timeout", false, Some("as HAProxy; better left out")),
    }
}

/// A key, with a comment if there is one.
pub(super) fn set(table: &mut Table, key: &str, value: impl Into<Value>, comment: Option<&str>) {
    match comment {
        Some(comment) => table.set_because(key, value, comment),
        None => table.set(key, value),
    }
}
