//! Proof: how much work halb does for how much machine, and how long clients wait when something
//! fails, beside the programs that it replaces.
//!
//! ```text
//!   Comparison ─ starts ─▶ contenders (halb, haproxy, nginx, envoy) and the backend
//!       │ each in turn, in rounds
//!       ├─ Load ──────▶ generator ─▶ contender ─▶ backend     what was done, how long it took
//!       └─ Usage (lab) ─▶ /proc                               processor time, memory
//!                 └──▶ Report ─▶ table, JSON, HTML
//! ```
//!
//! - [`load`]: connections and what they ask for; the generator, and the backend that answers.
//! - [`scenario`]: the kinds of load, and what each tells. [`compare`]: side-by-side runs.
//! - [`statistics`]: what several rounds say. [`report`]: all of it for people and programs.
//! - [`drill`]: what clients feel when something fails.
//! - [`target`]: whom a load may be sent to.
//!
//! # What this crate does not do
//! It sees a subject only as processes and packets, and knows no crate of the workspace but the lab
//! that it tries subjects in. So the same load and the same drill run on halb and on what it
//! replaces, and a fault in halb can't hide in the apparatus.

pub mod compare;
pub mod drill;
pub mod load;
pub mod report;
pub mod scenario;
pub mod statistics;
pub mod target;
