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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_force_is_the_hard_one() {
        let raised = raise_descriptors().unwrap();
        assert_eq!(raised, getrlimit(Resource::RLIMIT_NOFILE).unwrap().1);
    }
}
