//! What this process does for all of its virtual routers: the thread, its guard, hooks and files.

use serde::{Deserialize, Serialize};

/// The thread of the virtual routers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Thread {
    /// Time since it last told of itself; it does so each second.
    pub heartbeat_age_seconds: f64,
    /// How it is scheduled: `normal`, `fifo`, `refused` or `demoted`.
    pub scheduling: String,
    /// The same in words, with what follows from it.
    pub scheduling_detail: String,
    /// Memory of this process can't be swapped out.
    pub memory_locked: bool,
    /// Why it can.
    pub memory_detail: Option<String>,
    /// The guard process: `watching`, `dead` or `none`.
    pub guard: String,
    /// Its process id.
    pub guard_pid: Option<u32>,
    /// How many were replaced.
    pub guard_replaced: u64,
    /// How it is scheduled: `normal`, `fifo` or `refused`; none: none watches.
    pub guard_scheduling: Option<String>,
    /// The same in words.
    pub guard_scheduling_detail: Option<String>,
    /// Its memory can't be swapped out; none: none watches.
    pub guard_memory_locked: Option<bool>,
    /// Times that a guard took the addresses away because this process stood still.
    pub guard_revocations: u64,
    /// Time since the last of them.
    pub guard_revoked_ago_seconds: Option<f64>,
    /// How long it took a guard last to give everything up.
    pub guard_sweep_seconds: Option<f64>,
    /// Addresses and goodbyes that a guard failed with.
    pub guard_failures: u64,
    /// How long the thread may stand still before its guard takes the addresses away.
    pub freeze_limit_seconds: f64,
    /// How it is known which addresses are halb's, also after its death: by marks of the `kernel`,
    /// by a `file`, or `unknown`.
    pub address_marks: String,
    /// The file, or why there is none; none: the kernel keeps marks.
    pub address_marks_detail: Option<String>,
    /// Times that changes of interfaces were missed, so that all was read anew.
    pub netlink_overruns: u64,
    /// Events that nobody took.
    pub events_dropped: u64,
    /// Adverts for virtual routers that this node doesn't have.
    pub strays: u64,
    /// Packets that can't hold an advert.
    pub broken: u64,
}

/// Commands that are run after a change of state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Changes that wait for theirs.
    pub waiting: u64,
    /// Runs that ended well.
    pub succeeded: u64,
    /// Runs that failed or took too long.
    pub failed: u64,
    /// Changes without a run of their own because later ones came before their turn.
    pub skipped: u64,
    /// What went wrong last.
    pub last_failure: Option<String>,
}

/// The FIFO that changes are told in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyFifo {
    /// Its path.
    pub path: String,
    /// Changes that found no room in it, or no FIFO.
    pub lost: u64,
    /// Why the last change isn't in it; none: it is.
    pub error: Option<String>,
}

/// The file in which transitions outlast the process.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalFile {
    /// Its path; none: they are kept in memory alone.
    pub path: Option<String>,
    /// Why it isn't written.
    pub error: Option<String>,
}
