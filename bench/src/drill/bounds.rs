//! What a drill may cost: halb's promises, and where each comes from. The same bounds are held
//! against what halb replaces, for comparison.

use std::time::Duration;

use super::plan::{Drill, Fault, SERVER_DOWN_WATCHED, Setting};

/// What a drill may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Longest time for which nobody may answer for the address.
    pub address: Duration,
    /// Longest time without an answer to any request; none: it depends on the servers.
    pub service: Option<Duration>,
    /// The same, counted from the mending.
    pub service_after: Option<Duration>,
    /// Requests that may fail or hang; none: all that fall into the gap.
    pub lost_requests: Option<usize>,
    /// Connections that may be lost; none: all of them are the balancer's own.
    pub lost_connections: Option<usize>,
    /// Longest time that one which lasts may wait for a byte.
    pub stall: Option<Duration>,
    /// How long both nodes may hold the address while the fault lasts; none: VRRP can't help it.
    pub both: Option<Duration>,
    /// The same once it is mended.
    pub both_after: Duration,
    /// How often the address may move.
    pub moves: usize,
    /// Who must hold it at the end.
    pub holder: Holder,
    /// Longest time from having the address to announcing it, where it moves.
    pub announcing: Duration,
    /// Where the times come from.
    pub because: String,
}

/// Who must hold the address at the end of a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// loadbalancer01, which held it first.
    First,
    /// loadbalancer02.
    Second,
    /// Exactly one of them.
    One,
}

impl Holder {
    /// Whether it is so.
    #[must_use]
    pub fn is(self, holders: [bool; 2]) -> bool {
        match self {
            Self::First => holders == [true, false],
            Self::Second => holders == [false, true],
            Self::One => holders[0] != holders[1],
        }
    }

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::First => "loadbalancer01 alone",
            Self::Second => "loadbalancer02 alone",
            Self::One => "one of them",
        }
    }
}

/// What a drill may cost.
#[must_use]
pub fn of(drill: Drill) -> Bound {
    let bound = bound(drill.fault, drill.setting);
    if !drill.subject.keeps_connections() {
        return bound;
    }
    // TCP repeats what was lost after 200 ms, and then after ever twice the time, so that up to
    // twice the gap passes until something gets through.
    let stall = bound.address * 2 + REPEATED;
    Bound { lost_connections: Some(0), stall: Some(stall), ..bound }
}

/// What a fault may cost at a setting, whoever balances.
#[must_use]
pub fn bound(fault: Fault, setting: Setting) -> Bound {
    let (skew, down) = (setting.skew(), setting.down_interval());
    match fault {
        Fault::LinkCut => there_and_back(down, "three adverts and the skew (RFC 9568, 6.1)"),
        Fault::HostGone => once(down, "three adverts and the skew (RFC 9568, 6.1)"),
        Fault::Flapping => {
            let because = "three adverts and the skew, however often the link comes and goes";
            there_and_back(down, because)
        }
        Fault::Kill => once(GUARD + skew, "the guard's 50 ms and the other node's skew"),
        Fault::ServerBetween => Bound {
            service: Some(SERVER_DOWN_WATCHED),
            ..once(
                GUARD + skew,
                "as kill -9; new connections may meet the dead host until checks say so",
            )
        },
        Fault::Freeze => {
            let gone = setting.freeze_limit() + FROZEN;
            let because = "the freeze limit, the guard's 20 ms and the other node's skew";
            Bound { moves: 2, holder: Holder::First, ..once(gone + skew, because) }
        }
        Fault::Stop | Fault::Yield => Bound {
            lost_requests: Some(UNDER_WAY),
            ..once(HAND_OVER, "a node that is told to go hands over while it still serves")
        },
        Fault::PeerReturns => Bound {
            lost_requests: Some(UNDER_WAY),
            holder: Holder::First,
            ..once(HAND_OVER, "a better node that comes back is handed the address")
        },
        Fault::ProxyHung => Bound {
            service: Some(HEARTBEAT + LOOK + skew + OF_REQUESTS),
            ..once(HAND_OVER, "three missed heartbeats of the data path, then a hand-over")
        },
        Fault::ServerDown => Bound {
            service: Some(OF_REQUESTS),
            lost_requests: Some(UNDER_WAY),
            moves: 0,
            holder: Holder::First,
            ..once(HAND_OVER, "another server is tried at once, and the address stays")
        },
        // Whoever serves finds out first, at the fall and at the rise, and hands over to the other
        // one, who finds out then; nothing is lost by it.
        Fault::ServersDown => Bound {
            service: None,
            service_after: Some(SERVERS_BACK),
            moves: 4,
            holder: Holder::One,
            ..once(
                HAND_OVER,
                "the address stays with one; servers that are back are found by two checks, two seconds apart",
            )
        },
        // Nobody can tell a node that is heard by nobody from one that is gone, and it hears nothing
        // that would make it give up.
        Fault::OneWay => Bound {
            both: None,
            both_after: setting.interval() + MACHINE,
            ..there_and_back(
                down,
                "three adverts and the skew; two hold it while it lasts, by VRRP's design",
            )
        },
    }
}

/// The address moves once, and nobody answers for so long at most.
fn once(gap: Duration, because: &str) -> Bound {
    Bound {
        address: gap + MACHINE,
        service: Some(gap + OF_REQUESTS),
        service_after: None,
        lost_requests: None,
        lost_connections: None,
        stall: None,
        both: Some(MACHINE),
        both_after: MACHINE,
        moves: 1,
        holder: Holder::Second,
        announcing: MACHINE,
        because: because.to_owned(),
    }
}

/// It moves, and comes back when all is well again.
fn there_and_back(gap: Duration, because: &str) -> Bound {
    Bound { moves: 2, holder: Holder::First, ..once(gap, because) }
}

/// What a machine may add that does other things too, and a kernel that tells of addresses.
pub const MACHINE: Duration = Duration::from_millis(50);

/// What requests add to a gap: their pace, a handshake, a client that runs when it is its turn.
pub const OF_REQUESTS: Duration = Duration::from_millis(250);

/// The first repetition of a segment, and what the machine adds.
const REPEATED: Duration = Duration::from_millis(250);

/// After a death the guard takes the address off within this time (docs/measurements.md).
const GUARD: Duration = Duration::from_millis(50);

/// What the guard adds to the freeze limit (docs/measurements.md).
const FROZEN: Duration = Duration::from_millis(20);

/// A hand-over between two halbs is without a gap; what is allowed is the machine's.
const HAND_OVER: Duration = Duration::ZERO;

/// A thread of the data path that doesn't come round for so long is stuck.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// Between two looks at these threads.
const LOOK: Duration = Duration::from_millis(200);

/// Requests that may be under way when the connection below them ends.
const UNDER_WAY: usize = 5;

/// Two checks two seconds apart after one that had just failed, and an answer of the second.
const SERVERS_BACK: Duration = Duration::from_millis(2 * 2000 + 1000);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::plan::Subject;

    #[test]
    fn each_fault_has_a_bound_with_a_reason_at_each_setting() {
        for fault in Fault::ALL {
            for setting in Setting::ALL {
                let bound = bound(fault, setting);
                assert!(!bound.because.is_empty());
                assert!(bound.address <= setting.down_interval() + Duration::from_secs(2));
                assert!(bound.service.is_some() || bound.service_after.is_some());
            }
        }
    }

    #[test]
    fn a_death_is_cheaper_than_a_pulled_cable_and_a_stop_costs_nothing() {
        for setting in [Setting::Guides, Setting::Second, Setting::Tenth] {
            let of = |fault| bound(fault, setting).address;
            assert!(of(Fault::Kill) < of(Fault::LinkCut));
            assert!(of(Fault::Stop) < of(Fault::Kill));
            assert_eq!(of(Fault::Stop), MACHINE);
        }
    }

    #[test]
    fn where_the_kernel_forwards_no_connection_may_be_lost() {
        let of = |subject| of(Drill { fault: Fault::LinkCut, subject, setting: Setting::Tenth });
        let forwards = of(Subject::KernelFlow);
        assert_eq!(forwards.lost_connections, Some(0));
        assert!(forwards.stall.unwrap() <= Duration::from_millis(1100));
        assert_eq!((of(Subject::Halb).lost_connections, of(Subject::Peers).stall), (None, None));
    }

    #[test]
    fn holders_are_judged_by_name_and_number() {
        assert!(Holder::First.is([true, false]) && !Holder::First.is([true, true]));
        assert!(Holder::Second.is([false, true]) && !Holder::Second.is([false, false]));
        assert!(Holder::One.is([false, true]) && !Holder::One.is([true, true]));
    }
}
