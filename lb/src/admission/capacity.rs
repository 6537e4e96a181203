//! How many connections the process carries under a limit on file descriptors.

use std::fmt;
use std::num::NonZeroU32;

/// A connection holds two: the client's and the server's.
pub const FDS_PER_CONNECTION: u64 = 2;

/// Descriptors kept at least for everything that isn't a connection or a pipe: standard streams,
/// listeners, readiness queues, log, control socket, admin connections, and a probe per server
/// under check.
pub const RESERVED_FDS: u64 = 200;

/// Connections that `fd_limit` descriptors carry if `reserve` of them are kept. Pipes don't count:
/// they are given up when descriptors run short.
fn fits(fd_limit: u64, reserve: u64) -> u32 {
    let connections = fd_limit.saturating_sub(reserve) / FDS_PER_CONNECTION;
    u32::try_from(connections).unwrap_or(u32::MAX)
}

/// Most connections of the process, and why. Displayed in words, for the start-up message.
///
/// Nothing is allocated after it: a limit of a milliard descriptors costs no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    fd_limit: u64,
    reserve: u64,
    fits: u32,
    configured: Option<NonZeroU32>,
}

impl Capacity {
    /// What fits under a hard limit of `fd_limit` descriptors of which others need `reserve`, and
    /// under `maxconn` if the operator set one. At least [`RESERVED_FDS`] are kept.
    #[must_use]
    pub fn new(fd_limit: u64, reserve: u64, configured: Option<NonZeroU32>) -> Self {
        let reserve = reserve.max(RESERVED_FDS);
        Self { fd_limit, reserve, fits: fits(fd_limit, reserve), configured }
    }

    /// Connections that the descriptors carry, `maxconn` or not; at least one.
    #[must_use]
    pub fn fits(&self) -> u32 {
        self.fits.max(1)
    }

    /// Most connections at a time. At least one: with none, nothing could be served, and the
    /// kernel's own error is the better message.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.configured.map_or(self.fits, |configured| configured.get().min(self.fits)).max(1)
    }

    /// The operator asked for more than fits: worth a warning.
    #[must_use]
    pub fn falls_short(&self) -> bool {
        self.configured.is_some_and(|configured| configured.get() > self.fits)
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fd_limit, reserve, fits, configured } = self;
        let limit = format_args!(
            "the hard limit of {fd_limit} file descriptors carries {fits} connections \
             ({FDS_PER_CONNECTION} each, {reserve} kept for listeners, checks and control)"
        );
        match configured {
            None => write!(f, "{limit}"),
            Some(maxconn) if self.falls_short() => {
                let wanted = u64::from(maxconn.get()) * FDS_PER_CONNECTION + reserve;
                write!(
                    f,
                    "{limit}, not the {maxconn} of `maxconn`: raise the limit to {wanted} \
                     (LimitNOFILE= of the service) or lower `maxconn`"
                )
            }
            Some(maxconn) => write!(f, "`maxconn` is {maxconn}; {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_thousand_descriptors_carry_9_900_connections() {
        assert_eq!(fits(20_000, RESERVED_FDS), 9_900);
        assert_eq!(fits(20_001, RESERVED_FDS), 9_900);
        assert_eq!(fits(200, RESERVED_FDS), 0);
        assert_eq!(fits(0, u64::MAX), 0);
        assert_eq!(fits(u64::MAX, 0), u32::MAX);
    }

    #[test]
    fn a_large_host_keeps_more_for_itself() {
        assert_eq!(Capacity::new(20_000, 600, None).connections(), 9_700);
    }

    #[test]
    fn the_operators_bound_holds_where_it_fits() {
        let capacity = |maxconn| Capacity::new(20_000, 0, NonZeroU32::new(maxconn));
        assert_eq!(capacity(0).connections(), 9_900);
        assert_eq!(capacity(5_000).connections(), 5_000);
        assert_eq!(capacity(9_901).connections(), 9_900);
        assert!(capacity(9_901).falls_short() && !capacity(9_900).falls_short());
        assert_eq!(Capacity::new(3, 0, None).connections(), 1);
    }

    #[test]
    fn the_message_says_what_fits_and_what_to_do() {
        let words = |maxconn| Capacity::new(20_000, 0, NonZeroU32::new(maxconn)).to_string();
        let limit = "the hard limit of 20000 file descriptors carries 9900 connections \
                     (2 each, 200 kept for listeners, checks and control)";
        assert_eq!(words(0), limit);
        assert_eq!(words(5_000), format!("`maxconn` is 5000; {limit}"));
        assert_eq!(
            words(12_000),
            format!(
                "{limit}, not the 12000 of `maxconn`: raise the limit to 24200 \
                 (LimitNOFILE= of the service) or lower `maxconn`"
            )
        );
    }
}
