//! What one node is told about its virtual routers: the cores' configuration, and what only the
//! driver needs, such as interfaces.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use crate::config::RouterConfig;
use crate::track::Tracker;
use crate::values::BasePriority;

/// Everything that the driver is told. Names of instances are unique, and no two have interface,
/// family and id in common; whoever makes one sees to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The virtual routers, in the order of the configuration.
    pub instances: Vec<Instance>,
    /// Routers that move together; each instance is in one group at most.
    pub groups: Vec<Group>,
    /// Priority of the thread under `SCHED_FIFO`, 1 to 99; none: scheduled as any other.
    pub realtime: Option<NonZeroU8>,
    /// How long the thread may stand still before its guard takes the addresses away; none:
    /// [`Settings::freeze_limit`] follows from the intervals.
    pub freeze_limit: Option<Duration>,
}

/// A virtual router on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Where its adverts go and come; it need not exist yet.
    pub interface: Arc<str>,
    /// What the election needs.
    pub router: RouterConfig,
    /// Configured priority.
    pub priority: BasePriority,
    /// Address to send from; none: the interface's first that is no virtual one.
    pub source: Option<IpAddr>,
    /// How each address of [`RouterConfig::addresses`] is put on an interface, in that order.
    pub placements: Vec<Placement>,
    /// What the priority depends on.
    pub trackers: Vec<Tracker>,
}

/// How a virtual address is put on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix; 32 or 128 bring no route along.
    pub prefix_len: u8,
    /// On which interface; none: that of the instance.
    pub interface: Option<Arc<str>>,
    /// Label that older tools show, at most 15 bytes; IPv4 only.
    pub label: Option<Arc<str>>,
}

/// Routers that move together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Names of its instances.
    pub members: Vec<Arc<str>>,
}

/// Shortest freeze limit: below, a busy host looks frozen.
pub const FREEZE_LIMIT_MIN: Duration = Duration::from_millis(30);

/// Longest freeze limit that follows from the intervals: above, another node has long taken over.
const FREEZE_LIMIT_MAX: Duration = Duration::from_secs(2);

/// Adverts that a frozen node may miss.
const FREEZE_ADVERTS: u32 = 3;

impl Settings {
    /// How long the thread may stand still: as configured, else three of the shortest advert
    /// interval (or as many as backups wait for, if those are fewer), within 30 ms to 2 s.
    #[must_use]
    pub fn freeze_limit(&self) -> Duration {
        let silences = self.instances.iter().map(|Instance { router, .. }| {
            let missed = u32::from(router.behaviour.down_timer_adverts.get());
            router.interval().duration() * missed.min(FREEZE_ADVERTS)
        });
        let follows = silences
            .min()
            .map_or(FREEZE_LIMIT_MAX, |silence| silence.clamp(FREEZE_LIMIT_MIN, FREEZE_LIMIT_MAX));
        self.freeze_limit.unwrap_or(follows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Behaviour, ChecksumChoice, Delivery, Protocol};
    use crate::packet::VirtualAddresses;
    use crate::values::{Centiseconds, DownTimerAdverts, VrId};

    /// Instances with these intervals and numbers of missed adverts.
    fn settings(list: &[(u16, u16)]) -> Settings {
        let instance = |(centiseconds, missed): &(u16, u16)| {
            let interval = Centiseconds::new(*centiseconds).unwrap();
            let protocol = Protocol::V3 { interval, checksum: ChecksumChoice::Auto };
            let addresses = VirtualAddresses::new(vec![[10, 0, 0, 100].into()]).unwrap();
            let down_timer_adverts = DownTimerAdverts::new(*missed).unwrap();
            let behaviour = Behaviour { down_timer_adverts, ..Behaviour::default() };
            let (vrid, delivery) = (VrId::new(1).unwrap(), Delivery::Multicast);
            Instance {
                name: "VI".into(),
                interface: "eth1".into(),
                router: RouterConfig::new(vrid, protocol, addresses, delivery, behaviour).unwrap(),
                priority: BasePriority::new(100).unwrap(),
                source: None,
                placements: Vec::new(),
                trackers: Vec::new(),
            }
        };
        let instances = list.iter().map(instance).collect();
        Settings { instances, groups: Vec::new(), realtime: None, freeze_limit: None }
    }

    #[test]
    fn a_frozen_node_misses_as_many_adverts_as_backups_wait_for_and_three_at_most() {
        for (list, expected_ms) in [
            (&[(10, 3)][..], 300),
            (&[(10, 1)], 100),
            (&[(10, 100)], 300),
            (&[(100, 3), (20, 3)], 600),
            (&[(1, 1)], 30),
            (&[(4095, 3)], 2_000),
            (&[], 2_000),
        ] {
            let limit = settings(list).freeze_limit();
            assert_eq!(limit, Duration::from_millis(expected_ms), "{list:?}");
        }
        let configured = Some(Duration::from_millis(77));
        let settings = Settings { freeze_limit: configured, ..settings(&[(10, 3)]) };
        assert_eq!(Some(settings.freeze_limit()), configured);
    }
}
