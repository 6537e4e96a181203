//! Making namespaces without being root.

use std::{fs, fs::File, io, thread};

use nix::{
    errno::Errno,
    sched::{CloneFlags, setns, unshare},
    unistd::{getegid, geteuid},
};

use super::Error;

/// Gives this program the right to make network namespaces, where it lacks it: it becomes root in a
/// user namespace of its own, with no more rights over files and processes than it had.
///
/// To be called at the start of `main`, before any thread is started. Whether the system allows it
/// is tried, not guessed; a program that may make namespaces already stays as it is.
///
/// # Errors
/// [`Error::Denied`] where the system forbids it, [`Error::Threads`] when threads run already. After
/// an error the program may go on, but not with a [`Lab`](super::Lab).
pub fn enter_user_namespace() -> Result<(), Error> {
    if may_make_namespaces()? {
        return Ok(());
    }
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|errno| {
        let source = errno.into();
        if errno == Errno::EINVAL { Error::Threads(source) } else { Error::Denied(source) }
    })?;
    // user_namespaces(7): one's own id may be mapped, and the group only once setgroups is given up.
    let maps = [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ];
    for (path, line) in maps {
        fs::write(path, line).map_err(Error::Denied)?;
    }
    // AppArmor on Ubuntu 24.04 gives the namespace but no rights in it. On another thread, because
    // there is no way back from the new network namespace to the machine's own.
    let tried = thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET)).join();
    match tried {
        Ok(outcome) => outcome.map_err(|errno| Error::Denied(errno.into())),
        Err(_) => Err(Error::Denied(io::Error::other("the attempt panicked"))),
    }
}

/// Whether a network namespace can be made as it is; leaves this thread where it was.
fn may_make_namespaces() -> Result<bool, Error> {
    let home = File::open("/proc/thread-self/ns/net")
        .map_err(Error::kernel("this program", "opening /proc/thread-self/ns/net"))?;
    if unshare(CloneFlags::CLONE_NEWNET).is_err() {
        return Ok(false);
    }
    setns(&home, CloneFlags::CLONE_NEWNET)
        .map_err(Error::kernel("this program", "going back to its network"))?;
    Ok(true)
}
