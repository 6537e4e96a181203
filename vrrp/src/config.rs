//! What a virtual router is told. Values are checked when they are made; nothing here knows a file
//! format.

use std::net::IpAddr;
use std::time::Duration;

use crate::packet::{ChecksumForm, HOP_LIMIT, Origin, Password, VirtualAddresses};
use crate::values::{AdvertInterval, Centiseconds, DownTimerAdverts, Family, Seconds, VrId};

/// One virtual router on one interface. Its base priority comes with the
/// [`Standing`](crate::track::Standing).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterConfig {
    vrid: VrId,
    protocol: Protocol,
    addresses: VirtualAddresses,
    delivery: Delivery,
    /// How it behaves.
    pub behaviour: Behaviour,
}

/// Version, with what only that version has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 3768: IPv4 only.
    V2 {
        /// Interval of this router's adverts; all nodes need the same.
        interval: Seconds,
        /// Password, if there is one.
        auth: Option<Auth>,
    },
    /// RFC 9568.
    V3 {
        /// Interval of this router's adverts; backups go by the active router's.
        interval: Centiseconds,
        /// How IPv4 adverts are summed.
        checksum: ChecksumChoice,
    },
}

/// Passwords of version 2, as keepalived's `auth_type PASS`. They travel in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// What this node sends and accepts.
    pub password: Password,
    /// What it accepts as well, while a new password is rolled out.
    pub also: Option<Password>,
}

/// Which sum an IPv4 advert of version 3 gets; received ones may have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumChoice {
    /// As the peer was last heard; until then with a pseudo-header, as keepalived's default.
    Auto,
    /// This one.
    Fixed(ChecksumForm),
}

/// Where adverts go and come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The group of the family, on the segment.
    Multicast,
    /// These nodes, and nobody else is heard.
    Unicast {
        /// The other nodes.
        peers: Vec<IpAddr>,
        /// Least time to live or hop limit that is accepted; [`HOP_LIMIT`] unless a peer is
        /// behind a router.
        hop_limit_min: u8,
    },
}

/// How a router behaves beside its election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behaviour {
    /// Whether it takes the addresses from a router of lower priority.
    pub preempt: Preempt,
    /// Time from the start in which it only waits, for links that take long to pass packets.
    pub startup_delay: Duration,
    /// How it tells the segment that the addresses are here.
    pub announcements: Announcements,
    /// Adverts that it misses before it takes over.
    pub down_timer_adverts: DownTimerAdverts,
    /// Whether, and what, an active router answers to the advert of another one.
    pub answers: Answers,
    /// It exchanges [words](crate::link::Word) with another halb.
    pub peer_link: bool,
}

/// What an active router answers to the advert of another active one, beside yielding or not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answers {
    /// No advert at once to one of lower priority, which is left to hear the next one; the
    /// addresses are announced all the same. RFC 3768 and keepalived's `lower_prio_no_advert`.
    pub lower_prio_no_advert: bool,
    /// A last advert to one of higher priority before yielding to it, so that it announces the
    /// addresses once more: this node's announcements may have come after its own. keepalived's
    /// `higher_prio_send_advert`.
    pub higher_prio_send_advert: bool,
}

/// Whether a backup takes the addresses from a router of lower priority. An owner always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preempt {
    /// As soon as its timer runs out.
    Immediately,
    /// Not before this time after the first lower advert.
    After(Duration),
    /// Never.
    Never,
}

/// Gratuitous ARP or unsolicited neighbour advertisements; keepalived's numbers by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcements {
    /// Times that each address is announced in one go; at least once.
    pub repeats: u8,
    /// Time from one go to the second; none: only one.
    pub again_after: Option<Duration>,
    /// Time between further goes while active; none: no more.
    pub refresh: Option<Duration>,
}

impl Default for Announcements {
    fn default() -> Self {
        Self { repeats: 5, again_after: Some(Duration::from_secs(5)), refresh: None }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            preempt: Preempt::Immediately,
            startup_delay: Duration::ZERO,
            announcements: Announcements::default(),
            down_timer_adverts: DownTimerAdverts::default(),
            answers: Answers::default(),
            peer_link: false,
        }
    }
}

/// Why the parts of a virtual router don't fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Version 2 with IPv6.
    #[error("version 2 knows no IPv6 addresses; set version 3")]
    Ipv6InVersion2,
    /// Unicast without peers.
    #[error("unicast needs at least one peer")]
    NoPeers,
    /// More peers than [`PEERS_MAX`].
    #[error("{got} peers are more than {PEERS_MAX}")]
    TooManyPeers {
        /// How many there are.
        got: usize,
    },
    /// A peer of the other family.
    #[error("peer '{0}' is of another family than the addresses")]
    PeerFamily(IpAddr),
    /// A peer twice.
    #[error("peer '{0}' is given twice")]
    DuplicatePeer(IpAddr),
    /// A peer that is a virtual address.
    #[error("peer '{0}' is a virtual address; give the address that the node has of its own")]
    PeerIsVirtual(IpAddr),
}

/// Most peers of a router with unicast: each costs a packet per interval.
pub const PEERS_MAX: usize = 32;

/// Longest delay that is told apart; keeps sums of times in range.
const DELAY_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

impl RouterConfig {
    /// Puts the parts together. Delays beyond a year count as a year.
    ///
    /// # Errors
    /// The first thing that doesn't fit.
    pub fn new(
        vrid: VrId,
        protocol: Protocol,
        addresses: VirtualAddresses,
        delivery: Delivery,
        mut behaviour: Behaviour,
    ) -> Result<Self, ConfigError> {
        match (&protocol, addresses.family()) {
            (Protocol::V2 { .. }, Family::V6) => return Err(ConfigError::Ipv6InVersion2),
            (Protocol::V2 { .. } | Protocol::V3 { .. }, Family::V4)
            | (Protocol::V3 { .. }, Family::V6) => {}
        }
        check_delivery(&delivery, &addresses)?;
        behaviour.clamp();
        Ok(Self { vrid, protocol, addresses, delivery, behaviour })
    }

    /// Its id.
    #[must_use]
    pub fn vrid(&self) -> VrId {
        self.vrid
    }

    /// Version, with what only that version has.
    #[must_use]
    pub fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// The virtual addresses.
    #[must_use]
    pub fn addresses(&self) -> &VirtualAddresses {
        &self.addresses
    }

    /// Where adverts go and come from.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Interval of this router's adverts.
    #[must_use]
    pub fn interval(&self) -> AdvertInterval {
        match &self.protocol {
            Protocol::V2 { interval, .. } => AdvertInterval::V2(*interval),
            Protocol::V3 { interval, .. } => AdvertInterval::V3(*interval),
        }
    }

    /// Passwords that are accepted.
    pub(crate) fn passwords(&self) -> Vec<Password> {
        match &self.protocol {
            Protocol::V2 { auth: Some(auth), .. } => {
                std::iter::once(auth.password).chain(auth.also).collect()
            }
            Protocol::V2 { auth: None, .. } | Protocol::V3 { .. } => Vec::new(),
        }
    }

    pub(crate) fn origin(&self) -> (Origin<'_>, u8) {
        match &self.delivery {
            Delivery::Multicast => (Origin::Multicast, HOP_LIMIT),
            Delivery::Unicast { peers, hop_limit_min } => (Origin::Unicast(peers), *hop_limit_min),
        }
    }

    /// Both are the same virtual router, so that one can become the other in operation.
    #[must_use]
    pub fn is_same_router(&self, other: &Self) -> bool {
        self.vrid == other.vrid
            && self.interval().version() == other.interval().version()
            && self.addresses.family() == other.addresses.family()
    }
}

impl Behaviour {
    fn clamp(&mut self) {
        self.startup_delay = self.startup_delay.min(DELAY_MAX);
        if let Preempt::After(delay) = &mut self.preempt {
            *delay = DELAY_MAX.min(*delay);
        }
        let announcements = &mut self.announcements;
        announcements.repeats = announcements.repeats.max(1);
        announcements.again_after = announcements.again_after.map(|time| time.min(DELAY_MAX));
        announcements.refresh =
            announcements.refresh.map(|time| time.clamp(REFRESH_MIN, DELAY_MAX));
    }
}

/// Shortest time between refreshing announcements: a refresh must not become a flood.
const REFRESH_MIN: Duration = Duration::from_secs(1);

fn check_delivery(delivery: &Delivery, addresses: &VirtualAddresses) -> Result<(), ConfigError> {
    let Delivery::Unicast { peers, .. } = delivery else { return Ok(()) };
    if peers.is_empty() {
        return Err(ConfigError::NoPeers);
    }
    if peers.len() > PEERS_MAX {
        return Err(ConfigError::TooManyPeers { got: peers.len() });
    }
    for (index, peer) in peers.iter().enumerate() {
        if Family::of(*peer) != addresses.family() {
            return Err(ConfigError::PeerFamily(*peer));
        }
        if peers[..index].contains(peer) {
            return Err(ConfigError::DuplicatePeer(*peer));
        }
        if addresses.contains(*peer) {
            return Err(ConfigError::PeerIsVirtual(*peer));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> VirtualAddresses {
        VirtualAddresses::new(list.iter().map(|text| text.parse().unwrap()).collect()).unwrap()
    }

    fn router(addresses: VirtualAddresses, peers: &[&str]) -> Result<RouterConfig, ConfigError> {
        let interval = Seconds::new(1).unwrap();
        let delivery = Delivery::Unicast {
            peers: peers.iter().map(|text| text.parse().unwrap()).collect(),
            hop_limit_min: HOP_LIMIT,
        };
        let vrid = VrId::new(1).unwrap();
        let protocol = Protocol::V2 { interval, auth: None };
        RouterConfig::new(vrid, protocol, addresses, delivery, Behaviour::default())
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let vip = || addresses(&["10.0.0.100"]);
        assert!(router(vip(), &["10.0.0.2"]).is_ok());
        assert_eq!(router(addresses(&["fd00::1"]), &["fd00::2"]), Err(ConfigError::Ipv6InVersion2));
        assert_eq!(router(vip(), &[]), Err(ConfigError::NoPeers));
        assert_eq!(router(vip(), &["fd00::2"]), Err(ConfigError::PeerFamily(ip("fd00::2"))));
        let twice = router(vip(), &["10.0.0.2", "10.0.0.2"]);
        assert_eq!(twice, Err(ConfigError::DuplicatePeer(ip("10.0.0.2"))));
        let own = router(vip(), &["10.0.0.100"]);
        assert_eq!(own, Err(ConfigError::PeerIsVirtual(ip("10.0.0.100"))));
        let many: Vec<_> = (1..=33).map(|n| format!("10.0.0.{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(router(vip(), &many), Err(ConfigError::TooManyPeers { got: 33 }));
    }

    #[test]
    fn times_without_end_are_cut_to_a_year() {
        let mut behaviour = Behaviour {
            preempt: Preempt::After(Duration::MAX),
            startup_delay: Duration::MAX,
            announcements: Announcements {
                repeats: 0,
                again_after: Some(Duration::MAX),
                refresh: Some(Duration::ZERO),
            },
            ..Behaviour::default()
        };
        behaviour.clamp();
        assert_eq!(behaviour.preempt, Preempt::After(DELAY_MAX));
        assert_eq!(behaviour.startup_delay, DELAY_MAX);
        let expected =
            Announcements { repeats: 1, again_after: Some(DELAY_MAX), refresh: Some(REFRESH_MIN) };
        assert_eq!(behaviour.announcements, expected);
    }
}
