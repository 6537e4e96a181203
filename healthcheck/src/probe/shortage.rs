//! Tells a shortage on this host from a failure of the server. The only place that does.

use std::error::Error;
use std::io;

use nix::errno::Errno;

use crate::outcome::{FailureKind, Outcome};

/// An error of a system call or a connection as the outcome of a check: inconclusive if this host
/// was short of something, a failure of the given kind otherwise. Told by its innermost cause.
pub(super) fn outcome(kind: FailureKind, what: &str, error: &(dyn Error + 'static)) -> Outcome {
    judge(kind, &format!("{what}: {}", innermost(error)), error)
}

/// The same for a check that can't be made as configured; told by the whole chain of causes.
pub(super) fn setup_outcome(error: &(dyn Error + 'static)) -> Outcome {
    let mut causes: Vec<_> = causes(error).map(ToString::to_string).collect();
    causes.dedup(); // an `io::Error` speaks as what it wraps
    judge(FailureKind::Setup, &causes.join(": "), error)
}

fn judge(kind: FailureKind, detail: &str, error: &(dyn Error + 'static)) -> Outcome {
    if errno(error).is_some_and(|errno| is_shortage(errno) || is_veto(kind, errno)) {
        Outcome::inconclusive(detail)
    } else {
        Outcome::failed(kind, detail)
    }
}

/// Errors that say nothing of the server: this host has no more descriptors (EMFILE, ENFILE), memory
/// (ENOMEM, ENOBUFS), ports (EADDRINUSE, EADDRNOTAVAIL, EAGAIN), source addresses (EADDRNOTAVAIL)
/// or processes (EAGAIN) to ask it with. Unreachable networks and hosts are not among them: that
/// is what clients of this host meet as well, and a host that lost its power looks like that.
/// The data path holds the same errors against nobody when it connects for a client.
fn is_shortage(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::EMFILE
            | Errno::ENFILE
            | Errno::ENOMEM
            | Errno::ENOBUFS
            | Errno::EADDRNOTAVAIL
            | Errno::EADDRINUSE
            | Errno::EAGAIN
    )
}

/// A firewall of this host forbids to connect or to send. Of files and programs the same number is
/// what any other is: a check that can't be made.
fn is_veto(kind: FailureKind, errno: Errno) -> bool {
    let on_network = match kind {
        FailureKind::Connect | FailureKind::Tls | FailureKind::Response => true,
        FailureKind::Setup
        | FailureKind::ConnectTimeout
        | FailureKind::TlsTimeout
        | FailureKind::ResponseTimeout
        | FailureKind::Status
        | FailureKind::ScriptTimeout
        | FailureKind::Script => false,
    };
    on_network && errno == Errno::EPERM
}

/// The first error number in the chain of causes.
fn errno(error: &(dyn Error + 'static)) -> Option<Errno> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .find_map(io::Error::raw_os_error)
        .map(Errno::from_raw)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&cause| match cause.downcast_ref::<io::Error>() {
        // It hides what it wraps: its source is the source of that.
        Some(wrapper) => wrapper.get_ref().map(|inner| inner as &(dyn Error + 'static)),
        None => cause.source(),
    })
}

/// The cause that tells most, without the layers around it.
fn innermost(error: &(dyn Error + 'static)) -> String {
    if let Some(errno) = errno(error) {
        return errno.desc().to_owned();
    }
    causes(error).last().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("connection error")]
    struct Wrapper(#[source] io::Error);

    #[test]
    fn each_error_number_has_its_side() {
        // The same rows as in the data path's table, where they are about a client's connect.
        let local = [
            Errno::EPERM,
            Errno::EMFILE,
            Errno::ENFILE,
            Errno::ENOMEM,
            Errno::ENOBUFS,
            Errno::EADDRNOTAVAIL,
            Errno::EADDRINUSE,
            Errno::EAGAIN,
        ];
        let servers = [
            Errno::ECONNREFUSED,
            Errno::ECONNRESET,
            Errno::EPIPE,
            Errno::ETIMEDOUT,
            Errno::EHOSTUNREACH,
            Errno::ENETUNREACH,
            Errno::ENETDOWN,
            Errno::EACCES,
            Errno::ENOENT,
        ];
        let judge =
            |errno: Errno| outcome(FailureKind::Connect, "connect", &io::Error::from(errno));
        for errno in local {
            assert!(matches!(judge(errno), Outcome::Inconclusive { .. }), "{errno}");
        }
        for errno in servers {
            assert!(matches!(judge(errno), Outcome::Failed { .. }), "{errno}");
        }
    }

    #[test]
    fn a_firewalls_veto_is_told_from_a_file_that_may_not_be_used() {
        let judged = |kind| {
            matches!(
                outcome(kind, "x", &io::Error::from(Errno::EPERM)),
                Outcome::Inconclusive { .. }
            )
        };
        assert!(judged(FailureKind::Connect) && judged(FailureKind::Tls));
        assert!(judged(FailureKind::Response));
        assert!(!judged(FailureKind::Setup) && !judged(FailureKind::Script));
    }

    #[test]
    fn the_error_number_is_found_below_wrappers() {
        let inner = Wrapper(Errno::EMFILE.into());
        let error = io::Error::other(inner);
        let judged = outcome(FailureKind::Response, "HTTP", &error);
        assert_eq!(judged, Outcome::inconclusive("HTTP: Too many open files"));
    }

    #[test]
    fn a_check_that_cannot_be_set_up_tells_the_whole_chain() {
        let judged = setup_outcome(&Wrapper(io::Error::other("no such file")));
        assert_eq!(judged.to_string(), "SOCKERR: connection error: no such file");
    }

    #[test]
    fn the_innermost_cause_is_told() {
        let inner = io::Error::other("certificate expired");
        let judged = outcome(FailureKind::Tls, "TLS handshake", &Wrapper(inner));
        assert_eq!(judged.to_string(), "L6RSP: TLS handshake: certificate expired");
    }
}
