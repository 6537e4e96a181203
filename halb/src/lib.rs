//! The binary's parts: configuration, wiring, control, and what an operator sees.

pub mod admin;
pub mod control;
pub mod logs;
pub mod metrics;
pub mod status;
