//! How servers are checked: which of several check options HAProxy obeys, and what that means.

use std::time::Duration;

use super::super::model::{Proxy, begins_with};
use super::super::parse::{Line, place_of};
use super::super::units;
use super::super::work::Work;
use super::check_http;
use super::globals::Globals;
use super::servers::{Server, common, settle_common};
use super::timeouts::{INTERVAL, WAIT, timeout};
use crate::document::{Table, Value};
use crate::finding::Class;
use halb_config::defaults;

/// Port of the Kubernetes API.
const API_SERVER_PORT: u16 = 6443;

/// Keys of a check, in their order.
pub(super) type Pairs = Vec<(String, Value)>;

/// Adds a key.
pub(super) fn push(pairs: &mut Pairs, key: &str, value: impl Into<Value>) {
    pairs.push((key.to_owned(), value.into()));
}

/// What HAProxy asks servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Whether they accept a connection.
    Connect,
    /// An HTTP request.
    Http,
    /// A ClientHello written by hand; any TLS record is a good answer.
    SslHello,
    /// A program.
    External,
    /// The first words of another protocol.
    Other,
}

const KINDS: [(&str, Kind); 10] = [
    ("tcp-check", Kind::Connect),
    ("httpchk", Kind::Http),
    ("ssl-hello-chk", Kind::SslHello),
    ("external-check", Kind::External),
    ("smtpchk", Kind::Other),
    ("mysql-check", Kind::Other),
    ("pgsql-check", Kind::Other),
    ("redis-check", Kind::Other),
    ("ldap-check", Kind::Other),
    ("spop-check", Kind::Other),
];

fn kind_of(line: &Line) -> Option<Kind> {
    let known = KINDS.iter().find(|(name, _)| begins_with(line, &["option", name]));
    known.map(|(_, kind)| *kind)
}

/// What the last check option says; earlier ones are settled.
fn kind<'a>(proxy: &Proxy<'a>, work: &mut Work<'_>) -> (Kind, Option<&'a Line>) {
    let mut said: Option<(Kind, &Line)> = None;
    for line in &proxy.lines {
        if let Some(kind) = kind_of(line) {
            if let Some((earlier_kind, earlier)) = said.replace((kind, line)) {
                replaced(earlier, earlier_kind, line, kind, work);
            }
        } else if line.word(0) == "no" && line.word(1) == "option" {
            let taken_back = KINDS.iter().any(|(name, _)| line.word(2) == *name);
            if taken_back && let Some((_, earlier)) = said.take() {
                work.settle(earlier, Class::meaningless("a later line takes it back"));
            }
            if taken_back {
                work.settle(line, Class::meaningless("it is off unless it is switched on"));
            }
        }
    }
    said.map_or((Kind::Connect, None), |(kind, line)| (kind, Some(line)))
}

/// Of several check options HAProxy obeys the last, and says nothing of it.
fn replaced(earlier: &Line, kind: Kind, later: &Line, later_kind: Kind, work: &mut Work<'_>) {
    let words = later.texts().join(" ");
    let because = format!("HAProxy obeys the last check option: `{words}` takes its place");
    work.settle(earlier, Class::meaningless(because));
    if kind == Kind::Http && later_kind != Kind::Http {
        work.hint(
            earlier.place(),
            format!(
                "HAProxy has never asked this: `{words}` on line {} replaces it, so whatever \
                 accepts there counts as up",
                later.place().line
            ),
            "for API servers write `check = { type = \"https\", path = \"/readyz\", verify = \
             \"none\", … }`",
        );
    }
}

/// `check` of a backend.
pub(super) fn translate(
    proxy: &Proxy<'_>,
    servers: &[Server<'_>],
    globals: &Globals<'_>,
    table: &mut Table,
    work: &mut Work<'_>,
) {
    let path = format!("{}.check", table.path.join("."));
    let (kind, line) = kind(proxy, work);
    let checked: Vec<_> = servers.iter().filter(|server| server.is_checked()).collect();
    for server in servers {
        if let Some(words) = server.words("check") {
            let off = server.on("check").is_none() || server.is_disabled();
            work.settle_words(words, if off { Class::DefaultAnyway } else { Class::to(&path) });
        }
    }
    if checked.is_empty() {
        if let Some(line) = line {
            work.settle(line, Class::meaningless("no server is checked"));
        }
        table.set_because("check", false, "as HAProxy: no server is checked");
        return;
    }
    let mut check = Check { proxy, checked: &checked, globals, path, pairs: Pairs::new(), work };
    let speaks = check.probe(kind, line);
    check.pace(speaks);
    check.rest();
    let pairs = check.pairs;
    table.set("check", Value::Inline(pairs));
}

/// A check that is being written.
pub(super) struct Check<'c, 'a, 'w> {
    pub(super) proxy: &'c Proxy<'a>,
    checked: &'c [&'c Server<'a>],
    globals: &'c Globals<'a>,
    pub(super) path: String,
    pub(super) pairs: Pairs,
    pub(super) work: &'c mut Work<'w>,
}

impl<'a> Check<'_, 'a, '_> {
    /// What is asked; true where more than a connect is.
    fn probe(&mut self, kind: Kind, line: Option<&'a Line>) -> bool {
        let http_connect = check_http::connect(self, kind == Kind::Http);
        let tls = self.speaks_tls(http_connect.tls);
        let to = |key: &str| Class::to(format!("{}.{key}", self.path));
        match kind {
            Kind::Http => {
                push(&mut self.pairs, "type", if tls { "https" } else { "http" });
                check_http::request(self, line);
                self.tls_options(tls);
                if let Some(port) = http_connect.port {
                    push(&mut self.pairs, "port", port);
                }
                true
            }
            Kind::SslHello => {
                if let Some(line) = line {
                    self.work.settle(line, to("type"));
                }
                push(&mut self.pairs, "type", "tls");
                push(&mut self.pairs, "verify", "none");
                self.hint_weak("a handshake");
                true
            }
            Kind::External => self.external(line),
            Kind::Connect | Kind::Other => {
                if let Some(line) = line {
                    let class = self.connect_class(kind, line);
                    self.work.settle(line, class);
                }
                let tls = tls | self.tcp_rules(kind);
                push(&mut self.pairs, "type", if tls { "tls" } else { "tcp" });
                self.tls_options(tls);
                self.hint_weak(if tls { "a handshake" } else { "a connect" });
                tls
            }
        }
    }

    fn connect_class(&self, kind: Kind, line: &Line) -> Class {
        if kind == Kind::Connect {
            return Class::to(format!("{}.type", self.path));
        }
        let what = format!("halb speaks no such protocol; '{}' becomes a connect", line.word(1));
        Class::lost(what).instead("a check of type \"script\"")
    }

    /// `tcp-check` rules; true where they connect over TLS.
    fn tcp_rules(&mut self, kind: Kind) -> bool {
        let rules: Vec<_> = self.proxy.all(&["tcp-check"]).collect();
        let obeyed = kind == Kind::Connect && self.proxy.last(&["option", "tcp-check"]).is_some();
        let mut tls = false;
        for rule in rules {
            let class = match rule.word(1) {
                _ if !obeyed => Class::meaningless("the check is of another kind"),
                "comment" => Class::meaningless("it is a comment"),
                "connect" => {
                    let more = rule.texts().into_iter().skip(2);
                    let foreign =
                        more.into_iter().find(|w| !matches!(*w, "ssl" | "default" | "linger"));
                    tls |= rule.texts().contains(&"ssl");
                    match foreign {
                        Some(word) => Class::lost(format!("halb's check can't do '{word}' here"))
                            .instead("`port`, `address` or `server_name` of the check"),
                        None => Class::to(format!("{}.type", self.path)),
                    }
                }
                _ => Class::lost("halb's tcp check sends and expects nothing")
                    .instead("a check of type \"http\", \"https\" or \"script\""),
            };
            self.work.settle(rule, class);
        }
        tls
    }

    /// Whether checks speak TLS: by their own option, or because the connections do and go to the
    /// same place.
    fn speaks_tls(&mut self, by_rule: bool) -> bool {
        let by_server = |server: &Server<'a>| {
            let elsewhere = server.on("port").is_some() || server.on("addr").is_some();
            let own = server.words("check-ssl").map(|_| server.on("check-ssl").is_some());
            own.unwrap_or_else(|| server.on("ssl").is_some() && !elsewhere)
        };
        let most = common(self.checked.iter().copied(), by_server).unwrap_or(false);
        let class = if most {
            Class::to(format!("{}.type", self.path))
        } else {
            Class::meaningless("the check speaks no TLS")
        };
        let checked = self.checked.iter().copied();
        settle_common(checked, &["check-ssl"], by_server, &most, &class, self.work);
        most || by_rule
    }

    /// Which certificates are taken, and the name that is asked for.
    fn tls_options(&mut self, tls: bool) {
        if !tls {
            return;
        }
        let unverified = self.globals.verify_none.is_some();
        let no_verify = |server: &Server<'a>| match server.value("verify") {
            Some(word) => word == "none",
            None => unverified,
        };
        let none = common(self.checked.iter().copied(), no_verify).unwrap_or(true);
        let servers = self.checked;
        let checked = || servers.iter().copied();
        let verify =
            Class::to(format!("{}.{}", self.path, if none { "verify" } else { "ca_file" }));
        settle_common(checked(), &["verify"], no_verify, &none, &verify, self.work);
        if none {
            push(&mut self.pairs, "verify", "none");
            if let Some(line) = self.globals.verify_none {
                self.work.settle(line, verify);
            }
        } else {
            self.ca_file(&verify);
        }
        let name = |server: &Server<'a>| {
            let verified = server.value("verifyhost").filter(|_| !none);
            verified.or_else(|| server.value("check-sni")).map(str::to_owned)
        };
        if let Some(Some(kept)) = common(checked(), name) {
            let class = Class::to(format!("{}.server_name", self.path));
            let names = ["check-sni", "verifyhost"];
            settle_common(checked(), &names, name, &Some(kept.clone()), &class, self.work);
            push(&mut self.pairs, "server_name", kept);
        }
        self.client_certificate();
    }

    fn ca_file(&mut self, class: &Class) {
        let globals = self.globals;
        let file = |server: &Server<'a>| server.value("ca-file").map(|file| globals.ca_file(file));
        let servers = self.checked;
        let checked = || servers.iter().copied();
        let kept = common(checked(), file).flatten();
        settle_common(checked(), &["ca-file"], file, &kept, class, self.work);
        if kept.is_none()
            && let Some(server) = self.checked.first()
        {
            let class = Class::lost("it names no authority, so HAProxy refuses to start")
                .instead("`ca-file`, or `verify none`");
            self.work.settle_words(server.head, class);
        }
        push(&mut self.pairs, "ca_file", kept.unwrap_or_else(|| globals.ca_file("@system-ca")));
        if let Some(server) = self.checked.first() {
            self.work.hint(
                place_of(server.head),
                "halb also compares the name: each server's certificate must carry its address, or \
                 `server_name`",
                "have a look with `openssl s_client`, or name it with `server_name`",
            );
        }
    }

    /// One PEM file holds certificate and key.
    fn client_certificate(&mut self) {
        let globals = self.globals;
        let file = |server: &Server<'a>| server.value("crt").map(|file| globals.certificate(file));
        let servers = self.checked;
        let checked = || servers.iter().copied();
        if let Some(Some(kept)) = common(checked(), file) {
            let class = Class::to(format!("{}.cert_file", self.path));
            settle_common(checked(), &["crt"], file, &Some(kept.clone()), &class, self.work);
            push(&mut self.pairs, "cert_file", kept.clone());
            push(&mut self.pairs, "key_file", kept);
        }
    }

    /// A program, which HAProxy gives its own address and port and then the server's.
    fn external(&mut self, line: Option<&'a Line>) -> bool {
        let proxy = self.proxy;
        let said = proxy.take(&["external-check", "command"], &mut self.work.ledger);
        let command = said.map(|line| line.word(2)).filter(|path| path.starts_with('/'));
        let class = match (command, self.globals.external_check) {
            (Some(_), true) => Class::to(format!("{}.command", self.path)),
            (Some(_), false) => Class::meaningless("`global` doesn't allow it by `external-check`"),
            (None, _) => Class::lost("it names no program by an absolute path"),
        };
        let path = proxy.take(&["external-check", "path"], &mut self.work.ledger);
        for line in [line, said, path].into_iter().flatten() {
            self.work.settle(line, class.clone());
        }
        let Some(command) = command.filter(|_| self.globals.external_check) else {
            push(&mut self.pairs, "type", "tcp");
            return false;
        };
        push(&mut self.pairs, "type", "script");
        let arguments = [command, "NOT_USED", "NOT_USED", "{address}", "{port}"];
        push(&mut self.pairs, "command", arguments.to_vec());
        if let Some(said) = said {
            self.work.hint(
                said.place(),
                "the program gets HAProxy's arguments, but none of its HAPROXY_… variables",
                "have a look at what it reads",
            );
        }
        true
    }

    /// Servers of the Kubernetes API that nobody asks how they are.
    fn hint_weak(&mut self, what: &str) {
        let api = self.checked.iter().find(|server| server.place.port() == API_SERVER_PORT);
        if let Some(server) = api {
            self.work.hint(
                place_of(server.head),
                format!("{what} doesn't tell whether an API server works: one that hangs passes"),
                "write `type = \"https\", path = \"/readyz\", verify = \"none\"`",
            );
        }
    }

    /// Intervals, thresholds and the deadline.
    fn pace(&mut self, speaks: bool) {
        let interval = self.time("inter", "interval", Some(defaults::CHECK_INTERVAL));
        let interval = interval.unwrap_or(defaults::CHECK_INTERVAL);
        self.time("fastinter", "fast_interval", None);
        self.time("downinter", "down_interval", None);
        let deadline = self.deadline(interval, speaks);
        push(&mut self.pairs, "timeout", units::written(deadline, WAIT.0, WAIT.1));
        self.count("fall", defaults::CHECK_FALL.get());
        self.count("rise", defaults::CHECK_RISE.get());
    }

    /// An interval that servers share; with a default it is always written.
    fn time(&mut self, word: &str, key: &str, default: Option<Duration>) -> Option<Duration> {
        let value = |server: &Server<'a>| server.value(word).and_then(units::time).or(default);
        let kept = common(self.checked.iter().copied(), value).flatten();
        let class = Class::to(format!("{}.{key}", self.path));
        let checked = self.checked.iter().copied();
        settle_common(checked, &[word], value, &kept, &class, self.work);
        if let Some(kept) = kept {
            push(&mut self.pairs, key, units::written(kept, INTERVAL.0, INTERVAL.1));
        }
        kept
    }

    /// Without `timeout check` a check has the interval; with it the connect has its own deadline
    /// and the answer this one.
    fn deadline(&mut self, interval: Duration, speaks: bool) -> Duration {
        let Some(check) = timeout(self.proxy, "check", self.work) else { return interval };
        let connect = timeout(self.proxy, "connect", self.work).map(|connect| connect.duration);
        let connect = connect.map_or(interval, |connect| connect.min(interval));
        if !speaks {
            let class = Class::meaningless("a connect has no answer to wait for");
            self.work.settle(check.line, class);
            return connect;
        }
        self.work.settle(check.line, Class::to(format!("{}.timeout", self.path)));
        let deadline = connect.saturating_add(check.duration);
        if deadline > interval {
            self.work.hint(
                check.line.place(),
                format!(
                    "a server that hangs is found only after several checks of up to {} each",
                    units::written(deadline, WAIT.0, WAIT.1)
                ),
                "write a `timeout` below the `interval`",
            );
        }
        deadline
    }

    /// A threshold; written where it is said.
    fn count(&mut self, word: &str, default: u32) {
        let number = |text: &str| units::number(text).filter(|n| (1..=1000).contains(n));
        let value = |server: &Server<'a>| server.value(word).and_then(number).unwrap_or(default);
        let servers = self.checked;
        let checked = || servers.iter().copied();
        let kept = common(checked(), value).unwrap_or(default);
        let class = Class::to(format!("{}.{word}", self.path));
        settle_common(checked(), &[word], value, &kept, &class, self.work);
        if checked().any(|server| server.value(word).is_some()) {
            push(&mut self.pairs, word, kept);
        }
    }

    /// State at the start, real clients' failures, and another address or port.
    fn rest(&mut self) {
        let initial = |server: &Server<'a>| match server.value("init-state") {
            Some(state @ ("fully-up" | "down" | "fully-down")) => state,
            Some(_) | None => "up",
        };
        let servers = self.checked;
        let checked = || servers.iter().copied();
        if let Some(kept) = common(checked(), initial) {
            let class = Class::to(format!("{}.initial", self.path));
            settle_common(checked(), &["init-state"], initial, &kept, &class, self.work);
            if kept != "up" {
                push(&mut self.pairs, "initial", kept);
            }
        }
        let observes = |server: &Server<'a>| server.on("observe").is_some();
        let passive = common(checked(), observes).unwrap_or(false);
        settle_common(
            checked(),
            &["observe"],
            observes,
            &passive,
            &Class::DefaultAnyway,
            self.work,
        );
        if !passive {
            push(&mut self.pairs, "passive", false);
        }
        self.elsewhere();
    }

    fn elsewhere(&mut self) {
        let address = |server: &Server<'a>| {
            server.value("addr").and_then(|ip| ip.parse::<std::net::IpAddr>().ok())
        };
        let port = |server: &Server<'a>| server.value("port").and_then(|p| p.parse::<u16>().ok());
        let servers = self.checked;
        let checked = || servers.iter().copied();
        let (kept_address, kept_port) = (common(checked(), address), common(checked(), port));
        let class = |key: &str| Class::to(format!("{}.{key}", self.path));
        if let Some(kept) = kept_address {
            settle_common(checked(), &["addr"], address, &kept, &class("address"), self.work);
            if let Some(ip) = kept {
                push(&mut self.pairs, "address", ip.to_string());
            }
        }
        if let Some(kept) = kept_port {
            settle_common(checked(), &["port"], port, &kept, &class("port"), self.work);
            let said = self.pairs.iter().any(|(key, _)| key == "port");
            if let Some(port) = kept.filter(|port| *port > 0 && !said) {
                push(&mut self.pairs, "port", u32::from(port));
            }
        }
    }
}
