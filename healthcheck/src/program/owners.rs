//! Whether strangers could put another program in the place of one that halb starts.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use nix::unistd::Uid;

/// Why a program isn't trusted.
#[derive(Debug, thiserror::Error)]
pub enum NotOurs {
    /// Not absolute, so that it depends on where halb runs.
    #[error("'{0}' is not an absolute path")]
    Relative(PathBuf),
    /// Another user owns it, or a directory on the way to it.
    #[error("{path} belongs to user {owner}, who could replace it; give it to root (chown root)")]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// Its owner's number.
        owner: u32,
    },
    /// Others may write to it, or to a directory on the way to it.
    #[error("others may write to {path}; take that away (chmod go-w {path})")]
    Writable {
        /// The file or directory.
        path: PathBuf,
    },
    /// It isn't there, or can't be looked at.
    #[error("can't look at {path}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Symbolic links without end.
    #[error("{0} leads through too many symbolic links")]
    Links(PathBuf),
}

/// Most symbolic links on a way: the kernel's own limit.
const LINKS_MAX: usize = 40;

/// The sticky bit: in such a directory only its owner may replace a file.
const STICKY: u32 = 0o1000;

/// Write permission of group and others.
const WRITABLE: u32 = 0o022;

/// Checks a path and every directory and symbolic link that leads to it: each must belong to root
/// or to this process's user, and be writable for nobody else. A sticky directory such as `/tmp`
/// is fine, since what lies in it is looked at too.
///
/// # Errors
/// The first thing on the way that others could change.
pub fn only_owners_may_change(path: &Path) -> Result<(), NotOurs> {
    if !path.is_absolute() {
        return Err(NotOurs::Relative(path.to_owned()));
    }
    let mut rest: VecDeque<OsString> = names(path).collect();
    let mut at = PathBuf::from("/");
    let mut links = 0;
    look(&at)?;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(name);
        if !look(&at)?.is_symlink() {
            continue;
        }
        links += 1;
        if links > LINKS_MAX {
            return Err(NotOurs::Links(path.to_owned()));
        }
        let target = fs::read_link(&at);
        let target = target.map_err(|source| NotOurs::Io { path: at.clone(), source })?;
        at.pop();
        if target.is_absolute() {
            at = PathBuf::from("/");
        }
        for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
            rest.push_front(name);
        }
    }
    Ok(())
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    })
}

fn look(path: &Path) -> Result<fs::FileType, NotOurs> {
    let metadata = fs::symlink_metadata(path);
    let metadata = metadata.map_err(|source| NotOurs::Io { path: path.to_owned(), source })?;
    let owner = metadata.uid();
    if owner != 0 && owner != Uid::effective().as_raw() {
        return Err(NotOurs::Owner { path: path.to_owned(), owner });
    }
    let kind = metadata.file_type();
    let mode = metadata.mode();
    // A link's own mode means nothing, and group root is root's.
    let by_root = mode & 0o002 == 0 && metadata.gid() == 0;
    let sticky = kind.is_dir() && mode & STICKY != 0;
    if mode & WRITABLE != 0 && !kind.is_symlink() && !by_root && !sticky {
        return Err(NotOurs::Writable { path: path.to_owned() });
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// A directory with a program in it, both as they should be.
    fn installed() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let directory = top.path().join("bin");
        fs::create_dir(&directory).unwrap();
        set_mode(&directory, 0o755);
        let program = directory.join("hook");
        fs::write(&program, "#!/bin/sh\n").unwrap();
        set_mode(&program, 0o755);
        (top, program)
    }

    #[test]
    fn a_program_of_root_or_of_this_user_is_ours() {
        assert!(only_owners_may_change(Path::new("/bin/sh")).is_ok());
        let (_top, program) = installed();
        assert!(only_owners_may_change(&program).is_ok(), "a sticky /tmp above is no harm");
        assert!(only_owners_may_change(&program.parent().unwrap().join("../bin/hook")).is_ok());
    }

    #[test]
    fn a_program_or_parent_that_others_may_write_to_is_not() {
        let (_top, program) = installed();
        let group = nix::unistd::Gid::from_raw(12345);
        for path in [&program, program.parent().unwrap()] {
            set_mode(path, 0o777);
            let error = only_owners_may_change(&program).unwrap_err();
            assert!(matches!(&error, NotOurs::Writable { path: found } if found == path));
            assert!(error.to_string().contains("chmod go-w"), "{error}");
            set_mode(path, 0o755);
        }
        if nix::unistd::chown(&program, None, Some(group)).is_ok() {
            set_mode(&program, 0o775);
            assert!(matches!(only_owners_may_change(&program), Err(NotOurs::Writable { .. })));
        }
    }

    #[test]
    fn what_a_link_leads_through_counts_too() {
        let (top, program) = installed();
        let open = top.path().join("open");
        fs::create_dir(&open).unwrap();
        set_mode(&open, 0o777);
        let swapped = open.join("link");
        symlink(&program, &swapped).unwrap();
        let link = top.path().join("link");
        symlink("open/link", &link).unwrap();
        let error = only_owners_may_change(&link).unwrap_err();
        assert!(matches!(&error, NotOurs::Writable { path } if path == &open), "{error}");
        set_mode(&open, 0o755);
        assert!(only_owners_may_change(&link).is_ok());
        let round = top.path().join("round");
        symlink("round", &round).unwrap();
        assert!(matches!(only_owners_may_change(&round), Err(NotOurs::Links(_))));
    }

    #[test]
    fn a_relative_or_missing_path_is_refused() {
        assert!(matches!(only_owners_may_change(Path::new("hook")), Err(NotOurs::Relative(_))));
        let missing = only_owners_may_change(Path::new("/nonexistent/hook"));
        assert!(matches!(missing, Err(NotOurs::Io { .. })));
    }
}
