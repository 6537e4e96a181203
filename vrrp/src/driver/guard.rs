//! The guard: a small process that gives the addresses up if this one can't.
//!
//! ```text
//!   VRRP thread ── page: beat, leave, plan ──▶ ┌─────────┐ ── priority 0 ──▶ segment
//!               ◀── page: revoked, swept ───── │  guard  │ ── removal ─────▶ kernel
//!               ══ pipe, which hangs up ═════▶ └─────────┘
//! ```
//!
//! - **Death** it learns from a pipe whose other end is in the VRRP thread's own descriptor table:
//!   that closes at once, while the kernel may take hundreds of milliseconds to close the
//!   connections of the process.
//! - **Freezes**, among them core dumps, it learns from a beat that stays out for the freeze
//!   limit. It takes the daemon's leave away first, in the same word that the daemon writes its
//!   beat and its acts to, so that either knows what the other did before.
//! - Its own death changes nothing: another one is started.
//!
//! What it can't do: outlive a container or control group that is killed as a whole, the daemon's
//! pid namespace if the daemon is its first process, or the host. Then a peer's timer decides, and
//! [`release`](fn@super::release) cleans up.

mod judge;
mod leash;
mod page;
mod process;
mod stamp;

pub use self::leash::{AbsentError, Leash, Notice, Revoked};
pub use self::page::Report;
pub use self::process::{GuardError, run};
