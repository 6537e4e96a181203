//! File descriptors: as many as the system grants without asking anybody.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one and returns what is in force.
pub(super) fn raise_descriptors() -> nix::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(getrlimit(Resource::RLIMIT_NOFILE)?.0)
}

/// Connections to the control socket and to the admin address, standard streams, log and event
/// loops.
const CONTROL_DESCRIPTORS: u64 = 100;

/// A probe's socket, and what it may read meanwhile: its files, or a script's output.
const DESCRIPTORS_PER_CHECK: u64 = 3;

/// A socket for each kind of address.
const DESCRIPTORS_PER_LOOKUP: u64 = 2;

/// Descriptors that everything but the data path may need with so many servers under check,
/// and so many that have a name. A reload that adds some doesn't change it: the reserve has room for some dozens more.
pub(super) fn descriptors_elsewhere(checks: usize, names: usize) -> u64 {
    let lookups = u64::try_from(names.min(halb_resolver::book::LOOKUPS_MAX)).unwrap_or(u64::MAX);
    let probes = u64::try_from(checks.min(halb_healthcheck::fleet::PROBES_MAX)).unwrap_or(u64::MAX);
    CONTROL_DESCRIPTORS + probes * DESCRIPTORS_PER_CHECK + lookups * DESCRIPTORS_PER_LOOKUP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_force_is_the_hard_one() {
        let raised = raise_descriptors().unwrap();
        assert_eq!(raised, getrlimit(Resource::RLIMIT_NOFILE).unwrap().1);
    }
}
