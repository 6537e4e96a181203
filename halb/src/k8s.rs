//! `halb k8s`: from one file to a running cluster. `halb-k8s-bootstrap` knows how; here are files,
//! words and exit codes.

pub mod addon;
pub mod ask;
pub mod certs;
pub mod commands;
pub mod drill;
pub mod inventory;
pub mod kubeconfig;
pub mod life;
pub mod patroni_drill;
pub mod site;
pub mod state;
pub mod status;

mod apply;
mod backup;
mod change;
mod reset;
mod run;
mod screen;
