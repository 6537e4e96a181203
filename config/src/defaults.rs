//! What holds where the file says nothing, each with its reason. The tables of [`keys`] show the
//! same values to people; a test compares the two.
//!
//! [`keys`]: crate::keys

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU32;
use std::time::Duration;

use halb_lb::config::Keepalive;
use halb_vrrp::values::BasePriority;

/// A number that isn't zero, for constants.
const fn nonzero(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("written out, not zero")
}

/// Where the configuration is looked for.
pub const CONFIG_FILE: &str = "/etc/halb/halb.toml";

/// Accept queue of a listener: what `net.core.somaxconn` allows since Linux 5.4. More would be cut
/// in silence; less would drop clients that all come back at once after a failover.
pub const BACKLOG: NonZeroU32 = nonzero(4096);

/// Patience for a PROXY header or a ClientHello: both are the first thing that a peer sends, so
/// this covers two lost segments, and is short enough that silent clients don't pile up.
pub const INSPECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Silence of the second direction after the first was shut down: long enough for an answer that
/// is being computed, short enough that CLOSE_WAIT sockets don't pile up.
pub const FIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Keepalive of both sides. Together with [`SERVER_USER_TIMEOUT`] a peer that lost its power is
/// noticed after 30 s instead of the kernel's two hours, and three lost probes are forgiven.
pub const KEEPALIVE: Keepalive = Keepalive {
    idle: Duration::from_secs(15),
    interval: Duration::from_secs(5),
    count: nonzero(3),
};

/// Patience with a client whose host doesn't acknowledge: clients roam and sleep, and holding a
/// dead one costs little.
pub const CLIENT_USER_TIMEOUT: Duration = Duration::from_secs(120);

/// Patience with a server whose host doesn't acknowledge: as long as the keepalive takes (15 s and
/// three times 5 s), well below the kernel's 15 minutes, which is how long a kubelet once hung on
/// an API server that had lost its power.
pub const SERVER_USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Spread of `max_age` where none is given, as a share of it: a tenth keeps clients that connected
/// together from coming back together.
pub const MAX_AGE_JITTER_DIVISOR: u32 = 10;

/// One connect attempt. The kernel repeats a lost SYN after one second; two seconds cover that and
/// no more, since another server is tried next.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Attempts after the first: HAProxy's number.
pub const RETRIES: u32 = 3;

/// Waiting connections of a backend whose servers are all at their `maxconn`.
pub const QUEUE_MAX: u32 = 1024;

/// Longest wait in the queue: as long as a client's own patience with a connect usually is.
pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(5);

/// Time over which the sessions of a server that went down are reset: fast enough that watches
/// reconnect before anything expires, slow enough that clients don't come back all at once.
pub const ON_DOWN_SPREAD: Duration = Duration::from_secs(2);

/// From one check to the next: HAProxy's.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// One check from connect to answer. Half the interval, so that checks keep their cadence and a
/// hung server is found within `fall` × `interval` + `timeout`.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Failures that make a server down: HAProxy's.
pub const CHECK_FALL: NonZeroU32 = nonzero(3);

/// Successes that make a server up: HAProxy's.
pub const CHECK_RISE: NonZeroU32 = nonzero(2);

/// Statuses that count as success: HAProxy's and the kubelet's.
pub const CHECK_STATUS: (u16, u16) = (200, 399);

/// Name servers of this host.
pub const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Names that this host knows by itself.
pub const HOSTS_FILE: &str = "/etc/hosts";

/// Patience with one name server: HAProxy's.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(1);

/// Rounds over all name servers: the C library's.
pub const LOOKUP_ATTEMPTS: NonZeroU32 = nonzero(2);

/// A name is asked at most so often: a changed address is found soon, and a thousand names are
/// still nothing to a name server.
pub const REFRESH_MIN: Duration = Duration::from_secs(5);

/// A name is asked at least so often: an hour in a record that should have been a minute costs
/// five.
pub const REFRESH_MAX: Duration = Duration::from_secs(300);

/// An address outlives the denial of its name for so long: HAProxy's `hold nx`.
pub const HOLD_GONE: Duration = Duration::from_secs(30);

/// An address outlives answers with others for so long: HAProxy's `hold obsolete`.
pub const HOLD_OBSOLETE: Duration = Duration::ZERO;

/// Time for sessions to end by themselves when halb is stopped.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// `upgrade_drain_timeout`: watches of an API server end by themselves within ten minutes.
pub const UPGRADE_DRAIN_TIMEOUT: Duration = Duration::from_secs(3600);

/// What the process shares with the next one until the host starts anew.
pub const RUN_DIR: &str = "/run/halb";

/// What outlasts the process; the directory is made by systemd (`StateDirectory=halb`).
pub const STATE_DIR: &str = "/var/lib/halb";

/// Most worker threads. Control planes need one or two; beyond 64 the one acceptor is the limit.
pub const WORKERS_MAX: u32 = 64;

/// Status page and metrics: this host only.
pub const ADMIN_HTTP: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8404));

/// Control socket; the directory is made by systemd (`RuntimeDirectory=halb`).
pub const ADMIN_SOCKET: &str = "/run/halb/admin.sock";

/// What the reference calls the socket of HAProxy's runtime commands; there is none by default.
pub const HAPROXY_SOCKET: &str = "/run/halb/haproxy.sock";

/// Its permissions: owner and group, as the control socket has them.
pub const HAPROXY_SOCKET_MODE: u32 = 0o660;

/// Syslog's facility of daemons.
pub const SYSLOG_FACILITY: u8 = 3;

/// Most events of one kind in a second: each of a few hundred servers may go down at once and still
/// has its line.
pub const LOG_BURST: NonZeroU32 = NonZeroU32::new(500).expect("500 is not 0");

/// Between adverts: the protocol's, and keepalived's.
pub const ADVERT_INTERVAL: Duration = Duration::from_secs(1);

/// Priority of a virtual router: the protocol's, and keepalived's.
#[must_use]
pub fn vrrp_priority() -> BasePriority {
    BasePriority::new(100).expect("it isn't zero")
}

/// Between runs of a tracked script, or looks at a tracked file: keepalived's.
pub const TRACK_INTERVAL: Duration = Duration::from_secs(1);

/// Patience with a hook: hooks run one after the other, and the next one waits.
pub const NOTIFY_TIMEOUT: Duration = Duration::from_secs(10);
