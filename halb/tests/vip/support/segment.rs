//! The network of two balancers and a client, and what is to be seen on it.

use std::net::IpAddr;
use std::ops::Deref;
use std::thread;
use std::time::{Duration, Instant};

use halb_lab::capture::{Advert, Checksum};
use halb_lab::net::Watch;
use halb_lab::pair::BALANCERS;
use halb_lab::{Pair, eventually};

use super::PATIENCE;
use super::member::{Kind, Member};
use super::router::{Router, VIP};

/// loadbalancer01, loadbalancer02 and a client that asks the virtual address all the time.
pub(crate) struct Segment(Pair);

/// Often enough to see who answers; measurements ask more often.
const AT_EASE: Duration = Duration::from_millis(5);

impl Segment {
    pub(crate) fn new() -> Self {
        Self::with(VIP, AT_EASE)
    }

    /// With another address that the client asks, and another pace.
    pub(crate) fn with(vip: IpAddr, pace: Duration) -> Self {
        Self(Pair::new(vip, pace).unwrap())
    }

    /// Starts a program on the balancer with this number.
    pub(crate) fn start(&self, number: usize, kind: Kind, router: &Router) -> Member {
        Member::start(kind, &self.balancers[number], router)
    }

    /// Starts two and waits until the one on loadbalancer01 serves: its priority must be higher.
    pub(crate) fn pair(&self, kinds: [Kind; 2], router: impl Fn(u8) -> Router) -> [Member; 2] {
        let [one, other] = kinds;
        let members = [self.start(0, one, &router(101)), self.start(1, other, &router(100))];
        self.wait_for_holder(0);
        members
    }

    /// Which of the balancers have the address.
    pub(crate) fn holders(&self) -> [bool; 2] {
        self.0.holders().unwrap()
    }

    /// Waits until this balancer alone has the address, and the client is answered by it.
    #[track_caller]
    pub(crate) fn wait_for_holder(&self, number: usize) {
        self.wait_for_holders(number, [number == 0, number == 1]);
    }

    /// Waits until these balancers have the address, and the client is answered by one of them.
    #[track_caller]
    pub(crate) fn wait_for_holders(&self, answers: usize, wanted: [bool; 2]) {
        let what = format!("{wanted:?} hold the address and {} answers", BALANCERS[answers]);
        eventually(&what, PATIENCE, || {
            let (holders, answerer) = (self.holders(), self.prober.answerer());
            let right = holders == wanted && answerer.as_deref() == Some(BALANCERS[answers]);
            if right { Ok(()) } else { Err((holders, answerer)) }
        });
    }

    /// Watches for a while that nothing moves.
    #[track_caller]
    pub(crate) fn stays_for(&self, while_: Duration) {
        let (before, since) = (self.holders(), Instant::now());
        thread::sleep(while_);
        let moves: Vec<_> = self
            .watches
            .iter()
            .flat_map(Watch::changes)
            .filter(|change| change.at >= since && change.address == self.vip())
            .collect();
        assert!(moves.is_empty(), "the address moved: {moves:?}");
        assert_eq!(self.holders(), before);
    }

    /// Adverts over IPv4 of a balancer after the first `mark` frames.
    pub(crate) fn adverts_of(&self, number: usize, mark: usize) -> Vec<Advert> {
        let adverts = self.seen.adverts_since(mark).into_iter();
        adverts.filter(|advert| advert.source == self.balancers[number].ip()).collect()
    }

    /// The next advert over IPv4 of a balancer that doesn't give up.
    #[track_caller]
    pub(crate) fn next_advert(&self, number: usize) -> Advert {
        self.seen.wait_for(BALANCERS[number], self.seen.mark(), PATIENCE, |advert| {
            advert.source == self.balancers[number].ip() && advert.priority > 0
        })
    }

    /// Every advert that was seen is right by the letter.
    #[track_caller]
    pub(crate) fn check_adverts(&self, router: &Router) {
        let adverts = self.seen.adverts();
        assert!(!adverts.is_empty() || router.unicast_peer.is_some(), "no advert was seen");
        for advert in adverts {
            assert_ne!(advert.checksum, Checksum::Wrong, "{advert}");
            assert_eq!(advert.hop_limit, 255, "{advert}");
            assert_eq!((advert.version, advert.interval), (router.version, router.interval));
            assert_eq!(advert.addresses, router.addresses, "{advert}");
        }
    }
}

impl Deref for Segment {
    type Target = Pair;

    fn deref(&self) -> &Pair {
        &self.0
    }
}

/// Plays a scenario with halb in each role, all at a time, each on a segment of its own.
pub(crate) fn with_each_pair(scenario: impl Fn([Kind; 2]) + Sync) {
    thread::scope(|scope| {
        for pair in PAIRS {
            let scenario = &scenario;
            let name = format!("{pair:?}");
            thread::Builder::new().name(name).spawn_scoped(scope, move || scenario(pair)).unwrap();
        }
    });
}

/// Who is on loadbalancer01 and who on loadbalancer02.
const PAIRS: [[Kind; 2]; 3] =
    [[Kind::Halb, Kind::Keepalived], [Kind::Keepalived, Kind::Halb], [Kind::Halb, Kind::Halb]];
