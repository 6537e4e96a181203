//! The numbers of VRRP, checked when they are made.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::time::Duration;

/// A number out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {got}, but must be {min} to {max}")]
pub struct OutOfRange {
    /// What the number is.
    pub what: &'static str,
    /// The number.
    pub got: i64,
    /// Least that is allowed.
    pub min: i64,
    /// Most that is allowed.
    pub max: i64,
}

/// Virtual router identifier, 1 to 255: which routers on a segment belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VrId(NonZeroU8);

impl VrId {
    /// Checks the range.
    ///
    /// # Errors
    /// For 0.
    pub fn new(id: u8) -> Result<Self, OutOfRange> {
        let error = OutOfRange { what: "the virtual router id", got: 0, min: 1, max: 255 };
        NonZeroU8::new(id).map(Self).ok_or(error)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for VrId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority as an advert carries it: 0 releases the addresses, 255 owns them, 1 to 254 compete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// The active router gives the addresses up.
    pub const RELEASE: Self = Self(0);
    /// The least that competes: a node that serves only if nobody else does.
    pub const LAST_RESORT: Self = Self(1);
    /// A node whose operator has given the addresses away: better than one that has failed, and
    /// worse than any that is configured with a priority worth the name.
    pub const YIELDED: Self = Self(2);
    /// The most that arithmetic reaches.
    pub const HIGHEST: Self = Self(254);
    /// The addresses are this router's own.
    pub const OWNER: Self = Self(255);

    /// Any value is a priority on the wire.
    #[must_use]
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Configured priority, 1 to 255, before trackers add to it. 255: the router owns the addresses
/// and always wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BasePriority(NonZeroU8);

impl BasePriority {
    /// Checks the range.
    ///
    /// # Errors
    /// For 0, which on the wire means that a router leaves.
    pub fn new(priority: u8) -> Result<Self, OutOfRange> {
        let error = OutOfRange { what: "the priority", got: 0, min: 1, max: 255 };
        NonZeroU8::new(priority).map(Self).ok_or(error)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }

    /// The addresses are this router's own.
    #[must_use]
    pub fn is_owner(self) -> bool {
        self.0.get() == Priority::OWNER.0
    }

    /// With what trackers add, kept within 1 to 254. An owner stays 255 whatever is added.
    #[must_use]
    pub fn plus(self, delta: i32) -> Priority {
        if self.is_owner() {
            return Priority::OWNER;
        }
        let (min, max) = (Priority::LAST_RESORT.0, Priority::HIGHEST.0);
        let sum = i32::from(self.get()).saturating_add(delta).clamp(min.into(), max.into());
        Priority(u8::try_from(sum).unwrap_or(max))
    }
}

/// Adverts that a backup misses before it takes over, 1 to 100; keepalived's
/// `down_timer_adverts`. All nodes need the same, or the order of their priorities breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownTimerAdverts(NonZeroU8);

impl DownTimerAdverts {
    const MAX: u8 = 100;

    /// Checks the range.
    ///
    /// # Errors
    /// For 0 and for more than 100.
    pub fn new(adverts: u16) -> Result<Self, OutOfRange> {
        let what = "the number of missed adverts";
        let error = OutOfRange { what, got: adverts.into(), min: 1, max: Self::MAX.into() };
        let in_range = u8::try_from(adverts).ok().filter(|count| *count <= Self::MAX);
        in_range.and_then(NonZeroU8::new).map(Self).ok_or(error)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

/// Three, as RFC 9568 §6.1 says.
impl Default for DownTimerAdverts {
    fn default() -> Self {
        const THREE: NonZeroU8 = NonZeroU8::new(3).expect("three is not zero");
        Self(THREE)
    }
}

/// Advertisement interval of VRRPv2: whole seconds, 1 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seconds(NonZeroU8);

impl Seconds {
    /// Checks the range.
    ///
    /// # Errors
    /// For 0 and for more than 255.
    pub fn new(seconds: u16) -> Result<Self, OutOfRange> {
        let what = "the advertisement interval of version 2, in seconds,";
        let error = OutOfRange { what, got: seconds.into(), min: 1, max: 255 };
        u8::try_from(seconds).ok().and_then(NonZeroU8::new).map(Self).ok_or(error)
    }

    /// The number of seconds.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

/// Advertisement interval of VRRPv3: centiseconds, 1 to 4095 (twelve bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Centiseconds(NonZeroU16);

impl Centiseconds {
    const MAX: u16 = 4095;

    /// Checks the range.
    ///
    /// # Errors
    /// For 0 and for more than 4095.
    pub fn new(centiseconds: u16) -> Result<Self, OutOfRange> {
        let what = "the advertisement interval of version 3, in hundredths of a second,";
        let error = OutOfRange { what, got: centiseconds.into(), min: 1, max: Self::MAX.into() };
        let in_range = NonZeroU16::new(centiseconds).filter(|value| value.get() <= Self::MAX);
        in_range.map(Self).ok_or(error)
    }

    /// The number of centiseconds.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

/// An interval between adverts, with the version that it belongs to: the two count differently,
/// and skew follows the interval only in version 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdvertInterval {
    /// Of version 2.
    V2(Seconds),
    /// Of version 3.
    V3(Centiseconds),
}

impl AdvertInterval {
    /// The time itself.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::V2(seconds) => Duration::from_secs(seconds.get().into()),
            Self::V3(centiseconds) => Duration::from_millis(10 * u64::from(centiseconds.get())),
        }
    }

    /// The version that it belongs to.
    #[must_use]
    pub fn version(self) -> Version {
        match self {
            Self::V2(_) => Version::V2,
            Self::V3(_) => Version::V3,
        }
    }
}

/// Version of the protocol. Routers of different versions don't hear each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// RFC 3768 with the authentication of RFC 2338: IPv4, whole seconds.
    V2,
    /// RFC 9568: IPv4 and IPv6, centiseconds.
    V3,
}

impl Version {
    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Family of addresses; a virtual router has addresses of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6, with version 3 only.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused_with_the_range() {
        assert!(VrId::new(0).is_err());
        assert!(BasePriority::new(0).is_err());
        assert!(Seconds::new(0).is_err() && Seconds::new(255).is_ok());
        let error = Seconds::new(300).unwrap_err().to_string();
        let expected = "the advertisement interval of version 2, in seconds, is 300, but must be \
                        1 to 255";
        assert_eq!(error, expected);
        assert!(Centiseconds::new(0).is_err() && Centiseconds::new(4095).is_ok());
        assert!(Centiseconds::new(4096).is_err());
        assert!(DownTimerAdverts::new(0).is_err() && DownTimerAdverts::new(1).is_ok());
        assert!(DownTimerAdverts::new(100).is_ok() && DownTimerAdverts::new(101).is_err());
        assert!(DownTimerAdverts::new(257).is_err());
    }

    #[test]
    fn sums_of_priorities_stay_within_1_and_254_and_an_owner_is_immune() {
        let base = |value| BasePriority::new(value).unwrap();
        assert_eq!(base(100).plus(-2).get(), 98);
        assert_eq!(base(100).plus(-253).get(), 1);
        assert_eq!(base(100).plus(253).get(), 254);
        assert_eq!(base(1).plus(i32::MIN).get(), 1);
        assert_eq!(base(254).plus(i32::MAX).get(), 254);
        assert_eq!(base(255).plus(-253), Priority::OWNER);
    }
}
