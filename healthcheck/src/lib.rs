//! Health checks of halb: decides from probes whether a server is up.
pub mod config;
