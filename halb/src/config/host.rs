//! Looks at what a configuration names of this host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use halb_config::host::{Host, PeerKey, Unusable};
use halb_healthcheck::config::Check;
use halb_healthcheck::program::only_owners_may_change;

use crate::config::key_file;

/// The host that halb runs on.
pub(super) struct ThisHost;

impl Host for ThisHost {
    fn check(&self, check: &Check) -> Result<(), Unusable> {
        halb_healthcheck::validate(check).map_err(|error| Unusable::of(&error, CHECK_USABLE))
    }

    fn program(&self, program: &str) -> Result<(), Unusable> {
        let refused = |why| Err(Unusable { why, remedy: PROGRAM_USABLE.to_owned() });
        match fs::metadata(program) {
            Err(error) => refused(format!("can't find the program {program}: {error}")),
            // Whoever may change it decides what runs as halb's user.
            Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
                let ours = only_owners_may_change(Path::new(program));
                ours.map_err(|error| Unusable::of(&error, PROGRAM_USABLE))
            }
            Ok(_) => refused(format!("{program} is no executable file")),
        }
    }

    fn peer_key(&self, path: &Path) -> PeerKey {
        let Err(error) = key_file::read(path) else { return PeerKey::Usable };
        let unusable = Unusable::of(&error, error.remedy());
        if error.is_absence() { PeerKey::Absent(unusable) } else { PeerKey::Bad(unusable) }
    }
}

const CHECK_USABLE: &str =
    "correct the path or the file; the user that halb runs as must be able to use it";

const PROGRAM_USABLE: &str = "correct the path or the file: root's, executable by the user that \
                              halb runs as, and writable by nobody else";

#[cfg(test)]
mod tests {
    use super::*;

    fn unusable(program: &str) -> Option<String> {
        ThisHost.program(program).err().map(|unusable| unusable.why)
    }

    #[test]
    fn a_program_must_be_an_executable_file_that_nobody_else_may_change() {
        assert_eq!(unusable("/bin/sh"), None);
        assert!(unusable("/nonexistent/program").is_some_and(|why| why.contains("No such file")));
        let file = tempfile::NamedTempFile::new().unwrap();
        let plain = file.path().to_str().unwrap();
        for other in ["/etc", plain] {
            assert_eq!(unusable(other), Some(format!("{other} is no executable file")));
        }
        fs::set_permissions(plain, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(unusable(plain), None);
        fs::set_permissions(plain, fs::Permissions::from_mode(0o757)).unwrap();
        assert!(unusable(plain).is_some_and(|why| why.contains("others may write to")));
    }
}
