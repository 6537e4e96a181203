//! The binary's parts: configuration, wiring, control, and what an operator sees.

pub mod admin;
pub mod cli;
pub mod config;
pub mod control;
pub mod demo;
mod ends;
pub mod haproxy;
pub mod k8s;
pub mod logs;
pub mod metrics;
#[cfg(test)]
mod pictures;
pub mod run;
pub mod status;
mod top;
