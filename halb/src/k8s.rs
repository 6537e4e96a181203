//! `halb k8s`: from one file to a running cluster. `halb-k8s-bootstrap` knows how; here are files,
//! words and exit codes.

pub mod inventory;
pub mod state;
