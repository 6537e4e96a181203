//! Routers on a virtual clock and a virtual segment, at random but repeatable:
//! `HALB_SIM_SEED=7` replays one seed, `HALB_SIM_SEEDS=20000` runs more of them.
//!
//! The routers speak in real packets. Everything can fail: packets are lost, doubled and late,
//! segments fall apart, hosts freeze and crash, links flap, operators reload. What must hold then
//! is checked at each instant by [`checks`], and [`scenarios`] say what happens.

#![expect(clippy::unwrap_used, reason = "a test panics where its world is broken")]

mod checks;
mod dice;
mod handovers;
mod host;
mod keepalived;
mod mind;
mod scenarios;
mod stage;
mod world;
