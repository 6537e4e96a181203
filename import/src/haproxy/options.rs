//! The words behind an address on `bind`, `server` and `default-server` lines, taken apart into
//! options with their arguments.

use std::collections::BTreeMap;

use super::parse::place_of;
use super::words::Word;
use crate::finding::Class;
use crate::source::Place;

/// What becomes of an option that no code translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Code looks at it.
    Read,
    /// halb does so anyway.
    Default,
    /// Nothing here that it could be about.
    Meaningless(&'static str),
    /// Not kept, and not missed.
    LeftOut(&'static str),
    /// Not kept, and missed.
    Lost(&'static str),
}

impl Fate {
    /// As a class; None: code decides.
    pub(super) fn class(self) -> Option<Class> {
        match self {
            Self::Read => None,
            Self::Default => Some(Class::DefaultAnyway),
            Self::Meaningless(because) => Some(Class::meaningless(because)),
            Self::LeftOut(because) => Some(Class::left_out(because)),
            Self::Lost(because) => Some(Class::lost(because)),
        }
    }
}

/// An option that may stand on a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) name: &'static str,
    /// How many words follow.
    pub(super) arguments: usize,
    pub(super) fate: Fate,
}

const fn known(name: &'static str, arguments: usize, fate: Fate) -> Known {
    Known { name, arguments, fate }
}

const TLS: Fate = Fate::Meaningless("it says how TLS is spoken, and halb passes TLS on as it is");
const OF_UNIX_SOCKETS: Fate = Fate::Meaningless("it concerns unix sockets");
const OF_THREADS: Fate = Fate::Meaningless("halb's one acceptor hands connections to all threads");
const OF_HTTP: Fate = Fate::Meaningless("it concerns HTTP");
const OF_POOLS: Fate = Fate::Meaningless("it concerns connections that are used again, in HTTP");
const OF_NAMES: Fate = Fate::LeftOut("all servers of one name get one address, the lowest");
const OF_AGENTS: Fate = Fate::Meaningless("it concerns agent checks");

/// Options of `bind`.
pub(super) static BIND: &[Known] = &[
    known("accept-proxy", 0, Fate::Read),
    known("backlog", 1, Fate::Read),
    known("maxconn", 1, Fate::Read),
    known("ssl", 0, Fate::Read),
    known("tcp-ut", 1, Fate::Read),
    known("transparent", 0, Fate::Default),
    known("v4v6", 0, Fate::Read),
    known("v6only", 0, Fate::Read),
    known("interface", 1, Fate::Lost("halb listens on addresses, not on interfaces")),
    known("accept-netscaler-cip", 1, Fate::Lost("halb reads PROXY headers only")),
    known("namespace", 1, Fate::Lost("halb listens in its own network namespace")),
    known("tcp-md5sig", 1, Fate::Lost("halb signs no segments")),
    known("defer-accept", 0, Fate::LeftOut("halb accepts at once")),
    known("tfo", 0, Fate::LeftOut("halb takes no data with the first segment")),
    known("mss", 1, Fate::LeftOut("the kernel chooses the segment size")),
    known("cc", 1, Fate::LeftOut("the kernel's congestion control is used")),
    known("tcp-ss", 1, Fate::LeftOut("the kernel's defaults are used")),
    known("idle-ping", 1, OF_HTTP),
    known("proto", 1, OF_HTTP),
    known("alpn", 1, TLS),
    known("npn", 1, TLS),
    known("id", 1, Fate::Meaningless("halb numbers nothing")),
    known("guid-prefix", 1, Fate::Meaningless("halb numbers nothing")),
    known("name", 1, Fate::Meaningless("halb calls listeners by their addresses")),
    known("label", 1, Fate::Meaningless("halb calls listeners by their addresses")),
    known("nice", 1, Fate::Meaningless("halb treats all listeners alike")),
    known("process", 1, OF_THREADS),
    known("thread", 1, OF_THREADS),
    known("shards", 1, OF_THREADS),
    known("nbconn", 1, OF_THREADS),
    known("expose-fd", 1, OF_UNIX_SOCKETS),
    known("gid", 1, OF_UNIX_SOCKETS),
    known("group", 1, OF_UNIX_SOCKETS),
    known("level", 1, OF_UNIX_SOCKETS),
    known("mode", 1, OF_UNIX_SOCKETS),
    known("severity-output", 1, OF_UNIX_SOCKETS),
    known("uid", 1, OF_UNIX_SOCKETS),
    known("user", 1, OF_UNIX_SOCKETS),
    known("quic-cc-algo", 1, OF_HTTP),
    known("quic-force-retry", 0, OF_HTTP),
    known("quic-socket", 1, OF_HTTP),
];

/// Options of `server` and `default-server`.
pub(super) static SERVER: &[Known] = &[
    known("addr", 1, Fate::Read),
    known("backup", 0, Fate::Read),
    known("ca-file", 1, Fate::Read),
    known("check", 0, Fate::Read),
    known("check-sni", 1, Fate::Read),
    known("check-ssl", 0, Fate::Read),
    known("crt", 1, Fate::Read),
    known("disabled", 0, Fate::Read),
    known("enabled", 0, Fate::Read),
    known("downinter", 1, Fate::Read),
    known("fall", 1, Fate::Read),
    known("fastinter", 1, Fate::Read),
    known("init-state", 1, Fate::Read),
    known("inter", 1, Fate::Read),
    known("maxconn", 1, Fate::Read),
    known("maxqueue", 1, Fate::Read),
    known("observe", 1, Fate::Read),
    known("on-marked-down", 1, Fate::Read),
    known("port", 1, Fate::Read),
    known("rise", 1, Fate::Read),
    known("send-proxy", 0, Fate::Read),
    known("send-proxy-v2", 0, Fate::Read),
    known("send-proxy-v2-ssl", 0, Fate::Read),
    known("send-proxy-v2-ssl-cn", 0, Fate::Read),
    known("slowstart", 1, Fate::Read),
    known("source", 1, Fate::Read),
    known("ssl", 0, Fate::Read),
    known("tcp-ut", 1, Fate::Read),
    known("verify", 1, Fate::Read),
    known("verifyhost", 1, Fate::Read),
    known("weight", 1, Fate::Read),
    known("agent-check", 0, Fate::Lost("halb asks no agents; weights are set with `halb server`")),
    known("agent-addr", 1, OF_AGENTS),
    known("agent-inter", 1, OF_AGENTS),
    known("agent-port", 1, OF_AGENTS),
    known("agent-send", 1, OF_AGENTS),
    known("track", 1, Fate::Lost("halb lets no server follow another's checks")),
    known("usesrc", 1, Fate::Lost("halb connects with an address of its own")),
    known("interface", 1, Fate::Lost("the kernel's routes say which interface is used")),
    known("minconn", 1, Fate::Lost("a server's limit is the same at any load")),
    known("namespace", 1, Fate::Lost("halb connects within its own network namespace")),
    known("socks4", 1, Fate::Lost("halb connects to servers itself")),
    known("tcp-md5sig", 1, Fate::Lost("halb signs no segments")),
    known("on-marked-up", 1, Fate::Lost("sessions of backup servers end by themselves")),
    known("check-send-proxy", 0, Fate::Lost("halb's checks send no PROXY header")),
    known("check-via-socks4", 0, Fate::Lost("halb connects to servers itself")),
    known("error-limit", 1, Fate::LeftOut("the first failed connection brings the check forward")),
    known("on-error", 1, Fate::LeftOut("a failed connection brings the next check forward")),
    known("proxy-v2-options", 1, Fate::LeftOut("halb's PROXY headers carry addresses only")),
    known("tfo", 0, Fate::LeftOut("halb sends no data with the first segment")),
    known("cc", 1, Fate::LeftOut("the kernel's congestion control is used")),
    known("check-alpn", 1, Fate::LeftOut("halb's checks offer HTTP/1.1")),
    known("check-proto", 1, Fate::LeftOut("halb's checks speak HTTP/1.1")),
    known("check-pool-conn-name", 1, OF_POOLS),
    known("check-reuse-pool", 0, OF_POOLS),
    known("idle-ping", 1, OF_POOLS),
    known("max-reuse", 1, OF_POOLS),
    known("pool-conn-name", 1, OF_POOLS),
    known("pool-low-conn", 1, OF_POOLS),
    known("pool-max-conn", 1, OF_POOLS),
    known("pool-purge-delay", 1, OF_POOLS),
    known("strict-maxconn", 0, OF_POOLS),
    known("cookie", 1, OF_HTTP),
    known("proto", 1, OF_HTTP),
    known("redir", 1, OF_HTTP),
    known("ws", 1, OF_HTTP),
    known("log-bufsize", 1, Fate::Meaningless("it concerns logs as a load")),
    known("log-proto", 1, Fate::Meaningless("it concerns logs as a load")),
    known("non-stick", 0, Fate::Meaningless("halb has no stick tables")),
    known("stick", 0, Fate::Meaningless("halb has no stick tables")),
    known("shard", 1, Fate::Meaningless("it concerns peers of stick tables")),
    known("hash-key", 1, Fate::LeftOut("halb hashes servers by their names")),
    known("id", 1, Fate::Meaningless("halb numbers nothing")),
    known("guid", 1, Fate::Meaningless("halb numbers nothing")),
    known("init-addr", 1, Fate::Meaningless("halb starts whether or not a name has an address")),
    known("resolve-net", 1, OF_NAMES),
    known("resolve-opts", 1, OF_NAMES),
    known("resolve-prefer", 1, Fate::Read),
    known("resolvers", 1, Fate::Read),
    known("sni", 1, TLS),
    known("alpn", 1, TLS),
    known("npn", 1, TLS),
];

/// Options about TLS of either side that only say how it is spoken.
static TLS_DETAILS: &[Known] = &[
    known("0rtt", 0, TLS),
    known("allow-0rtt", 0, TLS),
    known("ca-file", 1, TLS),
    known("ca-ignore-err", 1, TLS),
    known("ca-sign-file", 1, TLS),
    known("ca-sign-pass", 1, TLS),
    known("ca-verify-file", 1, TLS),
    known("check-sni-auto", 0, TLS),
    known("ciphers", 1, TLS),
    known("ciphersuites", 1, TLS),
    known("client-sigalgs", 1, TLS),
    known("crl-file", 1, TLS),
    known("crt", 1, TLS),
    known("crt-ignore-err", 1, TLS),
    known("crt-list", 1, TLS),
    known("curves", 1, TLS),
    known("default-crt", 1, TLS),
    known("ecdhe", 1, TLS),
    known("force-sslv3", 0, TLS),
    known("force-tlsv10", 0, TLS),
    known("force-tlsv11", 0, TLS),
    known("force-tlsv12", 0, TLS),
    known("force-tlsv13", 0, TLS),
    known("generate-certificates", 0, TLS),
    known("ktls", 1, TLS),
    known("ocsp-update", 1, TLS),
    known("prefer-client-ciphers", 0, TLS),
    known("renegotiate", 0, TLS),
    known("sigalgs", 1, TLS),
    known("sni-auto", 0, TLS),
    known("ssl-max-ver", 1, TLS),
    known("ssl-min-ver", 1, TLS),
    known("ssl-reuse", 0, TLS),
    known("sslv3", 0, TLS),
    known("strict-sni", 0, TLS),
    known("tls-ticket-keys", 1, TLS),
    known("tls-tickets", 0, TLS),
    known("tlsv10", 0, TLS),
    known("tlsv11", 0, TLS),
    known("tlsv12", 0, TLS),
    known("tlsv13", 0, TLS),
    known("verify", 1, TLS),
    known("ca-names", 0, TLS),
];

/// One option of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opt<'a> {
    /// Without a leading `no-`.
    pub(super) name: &'a str,
    /// Not negated by `no-`.
    pub(super) on: bool,
    /// Itself and its arguments; at least one.
    pub(super) words: &'a [Word],
    /// None: nobody knows it.
    pub(super) known: Option<&'static Known>,
}

impl<'a> Opt<'a> {
    /// Its first argument; empty where there is none.
    pub(super) fn argument(&self) -> &'a str {
        self.words.get(1).map_or("", |word| word.text.as_str())
    }

    pub(super) fn place(&self) -> Place {
        place_of(self.words)
    }
}

/// Takes the words behind an address apart.
pub(super) fn split<'a>(words: &'a [Word], table: &'static [Known]) -> Vec<Opt<'a>> {
    let mut options = Vec::new();
    let mut rest = words;
    while let Some(first) = rest.first() {
        let (name, on, known) = find(&first.text, table);
        let arguments = known.map_or(0, |known| if on { known.arguments } else { 0 });
        let (these, left) = rest.split_at((1 + arguments).min(rest.len()));
        options.push(Opt { name, on, words: these, known });
        rest = left;
    }
    options
}

fn find<'a>(word: &'a str, table: &'static [Known]) -> (&'a str, bool, Option<&'static Known>) {
    // "set-proxy-v2-tlv-fmt(0x20)" carries its number in its name.
    if word.starts_with("set-proxy-v2-tlv-fmt(") {
        static TLV: Known = known("set-proxy-v2-tlv-fmt", 1, Fate::LeftOut("halb adds no TLV"));
        return (word, true, Some(&TLV));
    }
    let named = |name: &str| table.iter().chain(TLS_DETAILS).find(|known| known.name == name);
    if let Some(known) = named(word) {
        return (word, true, Some(known));
    }
    match word.strip_prefix("no-").and_then(|name| Some((name, named(name)?))) {
        Some((name, known)) => (name, false, Some(known)),
        None => (word, true, None),
    }
}

/// Names of the options that a line may have, for suggestions.
pub(super) fn names(table: &'static [Known]) -> impl Iterator<Item = &'static str> {
    table.iter().chain(TLS_DETAILS).map(|known| known.name)
}

/// The options that hold for a server: the last word on each.
pub(super) type Options<'a> = BTreeMap<&'a str, Opt<'a>>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::haproxy::words::{Variables, split as words_of};
    use crate::source::Nothing;

    fn taken_apart(line: &str, table: &'static [Known]) -> Vec<(String, bool, String, bool)> {
        let words = words_of(line, 0, 1, &Variables::new(&Nothing)).unwrap();
        let of =
            |o: &Opt<'_>| (o.name.to_owned(), o.on, o.argument().to_owned(), o.known.is_some());
        split(&words, table).iter().map(of).collect()
    }

    #[test]
    fn options_take_their_arguments_along() {
        let line = "check inter 2s no-backup frobnicate verify none rise";
        let expected = [
            ("check", true, "", true),
            ("inter", true, "2s", true),
            ("backup", false, "", true),
            ("frobnicate", true, "", false),
            ("verify", true, "none", true),
            ("rise", true, "", true),
        ];
        let expected = expected.map(|(n, on, a, k)| (n.to_owned(), on, a.to_owned(), k));
        assert_eq!(taken_apart(line, SERVER), expected);
        let binds = taken_apart("ssl crt /x.pem no-tlsv10 v4v6", BIND);
        assert_eq!(binds[1], ("crt".to_owned(), true, "/x.pem".to_owned(), true));
        assert_eq!((binds[2].1, binds[2].3, binds.len()), (false, true, 4));
    }

    #[test]
    fn no_option_is_listed_twice() {
        for table in [BIND, SERVER] {
            let mut names: Vec<_> = table.iter().map(|known| known.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
