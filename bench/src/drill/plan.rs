//! Which drills there are, and which of them are played.

use std::{fmt, str::FromStr, time::Duration};

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The cable of the active node is pulled, and put back later.
    LinkCut,
    /// Everything that balances on the active node gets SIGKILL.
    Kill,
    /// The same gets SIGSTOP, and SIGCONT later.
    Freeze,
    /// The same is stopped as a service manager does.
    Stop,
    /// The active node loses its power.
    HostGone,
    /// What forwards on the active node hangs, while what speaks VRRP lives.
    ProxyHung,
    /// One API server dies.
    ServerDown,
    /// All API servers die, and come back later.
    ServersDown,
    /// The cable of the active node has a loose contact for a while.
    Flapping,
    /// What the active node sends is lost while it hears everything, for a while.
    OneWay,
    /// The better node starts while the other one serves.
    PeerReturns,
    /// The active node is asked to give the address to the other one.
    Yield,
    /// As [`Fault::Kill`]; and once the other node serves, the host of one API server is gone.
    ServerBetween,
}

/// Who balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Two halbs with `[peer]`.
    Halb,
    /// The same, and the kernel forwards, by the hash of `balance = "flow"`.
    KernelFlow,
    /// The same by `balance = "roundrobin"`.
    KernelRoundRobin,
    /// HAProxy and keepalived on both nodes, with the guide's files.
    Peers,
}

/// How fast adverts follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The guides': version 2, every 5 s.
    Guides,
    /// Version 2, every second.
    Second,
    /// Version 3, every 100 ms.
    Tenth,
    /// Version 3, every 10 ms.
    Hundredth,
}

/// A fault on somebody at a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drill {
    /// What fails.
    pub fault: Fault,
    /// Who balances.
    pub subject: Subject,
    /// How fast adverts follow each other.
    pub setting: Setting,
}

/// A word that names none of those that can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {kind} '{word}'; there are: {known}")]
pub struct Unknown {
    kind: &'static str,
    word: String,
    known: String,
}

impl Fault {
    /// Each of them, in the order of a report.
    pub const ALL: [Self; 13] = [
        Self::LinkCut,
        Self::Kill,
        Self::Freeze,
        Self::Stop,
        Self::HostGone,
        Self::ProxyHung,
        Self::ServerDown,
        Self::ServersDown,
        Self::Flapping,
        Self::OneWay,
        Self::PeerReturns,
        Self::Yield,
        Self::ServerBetween,
    ];

    /// The word on the command line and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LinkCut => "link-cut",
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Stop => "stop",
            Self::HostGone => "host-gone",
            Self::ProxyHung => "proxy-hung",
            Self::ServerDown => "server-down",
            Self::ServersDown => "servers-down",
            Self::Flapping => "flapping-link",
            Self::OneWay => "one-way",
            Self::PeerReturns => "peer-returns",
            Self::Yield => "yield",
            Self::ServerBetween => "server-between",
        }
    }

    /// The same for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::LinkCut => "link cut",
            Self::Kill => "kill -9",
            Self::Freeze => "SIGSTOP",
            Self::Stop => "clean stop",
            Self::HostGone => "host gone",
            Self::ProxyHung => "proxy hung, VRRP lives",
            Self::ServerDown => "API server down",
            Self::ServersDown => "all API servers down",
            Self::Flapping => "flapping link",
            Self::OneWay => "one-way partition",
            Self::PeerReturns => "peer returns",
            Self::Yield => "yield",
            Self::ServerBetween => "kill -9, then API server gone",
        }
    }
}

impl Subject {
    /// Each of them, those first that are judged.
    pub const ALL: [Self; 4] = [Self::Halb, Self::KernelFlow, Self::KernelRoundRobin, Self::Peers];

    /// What is compared where nothing else is said.
    pub const COMPARED: [Self; 2] = [Self::Halb, Self::Peers];

    /// The word on the command line and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Halb => "halb",
            Self::KernelFlow => "kernel-flow",
            Self::KernelRoundRobin => "kernel-roundrobin",
            Self::Peers => "haproxy+keepalived",
        }
    }

    /// The same for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Halb => "halb",
            Self::KernelFlow => "halb, kernel, flow",
            Self::KernelRoundRobin => "halb, kernel, roundrobin",
            Self::Peers => "HAProxy + keepalived",
        }
    }

    /// Whether connections are meant to outlive a node.
    #[must_use]
    pub fn keeps_connections(self) -> bool {
        match self {
            Self::KernelFlow | Self::KernelRoundRobin => true,
            Self::Halb | Self::Peers => false,
        }
    }

    /// Whether a fault means anything to it: where the kernel forwards there is no proxy to hang,
    /// and nobody who would try another server.
    #[must_use]
    pub fn meets(self, fault: Fault) -> bool {
        match fault {
            Fault::ProxyHung | Fault::ServerDown | Fault::ServersDown => !self.keeps_connections(),
            Fault::LinkCut
            | Fault::Kill
            | Fault::Freeze
            | Fault::Stop
            | Fault::HostGone
            | Fault::Flapping
            | Fault::OneWay
            | Fault::PeerReturns
            | Fault::Yield
            | Fault::ServerBetween => true,
        }
    }
}

impl Setting {
    /// Each of them, the slowest first.
    pub const ALL: [Self; 4] = [Self::Guides, Self::Second, Self::Tenth, Self::Hundredth];

    /// The word on the command line and in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Guides => "5s",
            Self::Second => "1s",
            Self::Tenth => "100ms",
            Self::Hundredth => "10ms",
        }
    }

    /// From one advert to the next.
    #[must_use]
    pub fn interval(self) -> Duration {
        match self {
            Self::Guides => Duration::from_secs(5),
            Self::Second => Duration::from_secs(1),
            Self::Tenth => Duration::from_millis(100),
            Self::Hundredth => Duration::from_millis(10),
        }
    }

    /// Version of VRRP; intervals below a second take 3.
    #[must_use]
    pub fn version(self) -> u8 {
        match self {
            Self::Guides | Self::Second => 2,
            Self::Tenth | Self::Hundredth => 3,
        }
    }

    /// How much later than the best a node of the backup's priority takes over: version 2 counts in
    /// parts of a second (RFC 3768, 5.3.1), version 3 in parts of the interval (RFC 9568, 6.1).
    #[must_use]
    pub fn skew(self) -> Duration {
        let unit = if self.version() == 2 { Duration::from_secs(1) } else { self.interval() };
        unit * (256 - u32::from(BACKUP_PRIORITY)) / 256
    }

    /// Silence of the active node after which the backup takes over.
    #[must_use]
    pub fn down_interval(self) -> Duration {
        self.interval() * 3 + self.skew()
    }

    /// How long halb's thread of the virtual IP may stand still before its guard gives the address
    /// up, where nothing is configured.
    #[must_use]
    pub fn freeze_limit(self) -> Duration {
        (self.interval() * 3).clamp(Duration::from_millis(30), Duration::from_secs(2))
    }

    /// Drills at a time: the shorter the times that are measured, the less may run beside.
    #[must_use]
    pub fn side_by_side(self) -> usize {
        match self {
            Self::Guides => 6,
            Self::Second => 4,
            Self::Tenth => 2,
            Self::Hundredth => 1,
        }
    }
}

impl Drill {
    /// About how long it takes, for an estimate of what is left.
    #[must_use]
    pub fn takes(self) -> Duration {
        let down = self.setting.down_interval();
        let seconds = Duration::from_secs;
        // halb's data path is watched by itself; the guide's script needs five failures.
        let of_proxy = match self.subject {
            Subject::Halb | Subject::KernelFlow | Subject::KernelRoundRobin => seconds(4),
            Subject::Peers => seconds(20),
        };
        let played = match self.fault {
            Fault::Kill | Fault::HostGone => down + seconds(1),
            Fault::Freeze | Fault::LinkCut | Fault::OneWay => down * 2 + seconds(2),
            Fault::Stop | Fault::Yield => seconds(7),
            Fault::ServerBetween => down + SERVER_DOWN_WATCHED + seconds(3),
            Fault::ProxyHung => of_proxy + down,
            Fault::ServerDown => SERVER_DOWN_WATCHED + seconds(1),
            Fault::ServersDown => SERVERS_DOWN_FOR + seconds(8),
            Fault::Flapping => down * 6 + seconds(2),
            Fault::PeerReturns => down + seconds(8),
        };
        // Starting, and electing whoever is active first.
        seconds(2) + down + played
    }

    /// Whether its verdict decides how the command ends.
    #[must_use]
    pub fn counts(self) -> bool {
        match self.subject {
            Subject::Halb | Subject::KernelFlow | Subject::KernelRoundRobin => true,
            Subject::Peers => false,
        }
    }
}

/// All combinations of what is chosen and makes sense, those first that may run beside most others; of a setting
/// those first that take longest, so that the last ones don't run alone.
#[must_use]
pub fn plan(faults: &[Fault], subjects: &[Subject], settings: &[Setting]) -> Vec<Drill> {
    let mut drills: Vec<Drill> = settings
        .iter()
        .flat_map(|setting| subjects.iter().map(move |subject| (setting, subject)))
        .flat_map(|(setting, subject)| faults.iter().map(move |fault| (setting, subject, fault)))
        .filter(|(_, subject, fault)| subject.meets(**fault))
        .map(|(&setting, &subject, &fault)| Drill { fault, subject, setting })
        .collect();
    drills.sort_by_key(|drill| (drill.setting, std::cmp::Reverse(drill.takes())));
    drills.dedup();
    drills
}

/// About how long the rest of a plan takes.
#[must_use]
pub fn time_left(rest: &[Drill]) -> Duration {
    let of = |setting: Setting| {
        let drills = rest.iter().filter(|drill| drill.setting == setting);
        let (sum, longest) = drills.fold((Duration::ZERO, Duration::ZERO), |(sum, most), drill| {
            (sum + drill.takes(), most.max(drill.takes()))
        });
        let lanes = u32::try_from(setting.side_by_side()).expect("a handful fits 32 bits");
        (sum / lanes).max(longest)
    };
    Setting::ALL.into_iter().map(of).sum()
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fault, subject, setting } = self;
        write!(f, "{}, {}, {}", setting.word(), fault.title(), subject.title())
    }
}

macro_rules! from_word {
    ($type:ty, $kind:literal) => {
        impl FromStr for $type {
            type Err = Unknown;

            fn from_str(word: &str) -> Result<Self, Unknown> {
                let found = Self::ALL.into_iter().find(|one| one.word() == word);
                found.ok_or_else(|| Unknown {
                    kind: $kind,
                    word: word.to_owned(),
                    known: Self::ALL.map(Self::word).join(", "),
                })
            }
        }
    };
}

from_word!(Fault, "fault");
from_word!(Subject, "subject");
from_word!(Setting, "setting");

/// Priority of loadbalancer01, which is active at first.
pub const ACTIVE_PRIORITY: u8 = 101;

/// Priority of loadbalancer02. The guides' weight of -2 turns the order round.
pub const BACKUP_PRIORITY: u8 = 100;

/// How long a dead server is watched: until its third check has failed, two seconds apart.
pub const SERVER_DOWN_WATCHED: Duration = Duration::from_secs(7);

/// How long all servers are dead: until the guide's script has failed five times, three seconds
/// apart, on both nodes.
pub const SERVERS_DOWN_FOR: Duration = Duration::from_secs(18);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_names_what_it_is_the_word_of() {
        for fault in Fault::ALL {
            assert_eq!(fault.word().parse(), Ok(fault));
        }
        for setting in Setting::ALL {
            assert_eq!(setting.word().parse(), Ok(setting));
        }
        for subject in Subject::ALL {
            assert_eq!(subject.word().parse(), Ok(subject));
        }
        for subject in Subject::ALL {
            assert_eq!(subject.word().parse(), Ok(subject));
        }
        assert_eq!(
            "2s".parse::<Setting>().unwrap_err().to_string(),
            "there is no setting '2s'; there are: 5s, 1s, 100ms, 10ms"
        );
    }

    #[test]
    fn timers_are_those_of_the_protocol() {
        let [guides, second, tenth, hundredth] = Setting::ALL.map(Setting::down_interval);
        assert_eq!(guides, Duration::from_micros(15_609_375));
        assert_eq!(second, Duration::from_micros(3_609_375));
        assert_eq!(tenth, Duration::from_nanos(360_937_500));
        assert_eq!(hundredth, Duration::from_nanos(36_093_750));
    }

    #[test]
    fn a_plan_has_each_combination_once_and_its_time_is_bounded_by_the_lanes() {
        let all = plan(&Fault::ALL, &Subject::COMPARED, &Setting::ALL[1..]);
        assert_eq!(all.len(), 13 * 2 * 3);
        let forwards = plan(&Fault::ALL, &[Subject::KernelFlow], &[Setting::Tenth]);
        assert_eq!(forwards.len(), 13 - 3, "no proxy hangs where the kernel forwards");
        assert_eq!(
            plan(&[Fault::Kill, Fault::Kill], &Subject::ALL[..1], &Setting::ALL[1..2]).len(),
            1
        );
        let left = time_left(&all);
        assert!(left < Duration::from_secs(600), "{left:?}");
        assert!(all.iter().map(|drill| drill.takes()).sum::<Duration>() > left);
        assert_eq!(time_left(&[]), Duration::ZERO);
    }
}
