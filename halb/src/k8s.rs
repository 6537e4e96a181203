//! `halb k8s`: from one file to a running cluster. `halb-k8s-bootstrap` knows how; here are files,
//! words and exit codes.

pub mod ask;
pub mod commands;
pub mod inventory;
pub mod kubeconfig;
pub mod site;
pub mod state;
pub mod status;

mod apply;
mod screen;
