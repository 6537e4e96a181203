use proptest::prelude::*;

use super::*;
use crate::config::tests::settings;
use crate::config::{Families, HostName};
use crate::message::said;

const TTL: Duration = Duration::from_secs(60);
const A: &str = "10.0.0.1";
const B: &str = "10.0.0.2";

fn question(families: Families) -> Question {
    Question { host: HostName::new("master01.example").unwrap(), families }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn addresses(texts: &[&str]) -> Said {
    said(texts.iter().map(|text| ip(text)).collect(), TTL)
}

fn ipv4(said: Said) -> Answer {
    Answer { source: Source::Nameserver, said: vec![(Family::Ipv4, said)] }
}

fn unanswered() -> Said {
    Said::Unanswered("it answered SERVFAIL".to_owned())
}

/// A name on a virtual clock.
struct Rig {
    name: Name,
    now: Instant,
    settings: Settings,
}

impl Rig {
    fn new(families: Families) -> Self {
        let now = Instant::now();
        Self { name: Name::new(question(families), now), now, settings: settings() }
    }

    /// One whose address is `A`, of two that do.
    fn resolved() -> Self {
        let mut rig = Self::new(Families::Ipv4);
        rig.hear(addresses(&[A, B]));
        rig
    }

    fn hear(&mut self, said: Said) -> Vec<Change> {
        self.hear_both(ipv4(said))
    }

    fn hear_both(&mut self, answer: Answer) -> Vec<Change> {
        self.name.ask();
        self.name.answer(self.now, &answer, &self.settings)
    }

    /// The same, so many seconds later.
    fn later(&mut self, seconds: u64, said: Said) -> Vec<Change> {
        self.now += Duration::from_secs(seconds);
        self.hear(said)
    }

    fn pause(&self) -> Duration {
        self.name.due().unwrap() - self.now
    }

    fn address(&self) -> Option<String> {
        self.name.address().map(|address| address.to_string())
    }
}

#[test]
fn a_name_takes_the_lowest_address_of_its_first_answer() {
    let mut rig = Rig::new(Families::Ipv4);
    let resolved = Change::Resolved { from: None, to: ip(A) };
    assert_eq!(rig.hear(addresses(&[B, A])), [resolved]);
    assert_eq!(rig.pause(), TTL);
}

/// From a name with an address: what each kind of answer makes of it, at once, within its hold time
/// and after it.
#[test]
fn every_kind_of_answer_to_a_resolved_name() {
    let gone = "there is no such name";
    let empty = "the name has no address";
    let failed = "it answered SERVFAIL";
    let doubted = |why: &str| Change::Doubted { why: why.to_owned(), kept: Some(ip(A)) };
    let lost = |why: &str| Change::Lost { from: ip(A), why: why.to_owned() };
    let moved = Change::Resolved { from: Some(ip(A)), to: ip(B) };
    type Row = (Said, Vec<Change>, Vec<Change>);
    let table: Vec<Row> = vec![
        (addresses(&[A, B]), vec![], vec![]),
        (addresses(&[B, A]), vec![], vec![]),
        (addresses(&[A]), vec![], vec![]),
        (addresses(&[B]), vec![moved], vec![]),
        (Said::NoSuchName, vec![doubted(gone)], vec![lost(gone)]),
        (Said::NoAddress, vec![doubted(empty)], vec![lost(empty)]),
        (unanswered(), vec![doubted(failed)], vec![]),
    ];
    for (said, first, after_hold) in table {
        let mut rig = Rig::resolved();
        assert_eq!(rig.later(60, said.clone()), first, "{said:?} at first");
        assert_eq!(rig.later(29, said.clone()), [], "{said:?} within its hold time");
        assert_eq!(rig.later(1, said.clone()), after_hold, "{said:?} after its hold time");
        assert_eq!(rig.later(1, said.clone()), [], "{said:?} once more");
    }
}

#[test]
fn a_name_in_doubt_is_asked_again_soon() {
    let mut rig = Rig::resolved();
    for said in [Said::NoSuchName, Said::NoAddress, unanswered()] {
        rig.later(60, said);
        assert_eq!(rig.pause(), Duration::from_secs(5));
    }
    rig.later(5, addresses(&[A]));
    assert_eq!(rig.pause(), TTL);
}

#[test]
fn a_time_to_live_counts_within_its_bounds() {
    let mut rig = Rig::resolved();
    for (ttl, pause) in [(0, 5), (4, 5), (17, 17), (86_400, 300)] {
        rig.hear(said(vec![ip(A)], Duration::from_secs(ttl)));
        assert_eq!(rig.pause(), Duration::from_secs(pause));
    }
}

#[test]
fn a_blip_takes_no_address_away_however_it_looks() {
    let mut rig = Rig::resolved();
    for blip in [Said::NoSuchName, Said::NoAddress, unanswered()] {
        rig.later(60, blip.clone());
        rig.later(10, blip.clone());
        assert_eq!(rig.later(10, addresses(&[A])), [Change::Settled], "{blip:?}");
        assert_eq!(rig.address().as_deref(), Some(A));
    }
}

#[test]
fn name_servers_that_stay_silent_take_no_address_away() {
    let mut rig = Rig::resolved();
    for _ in 0..1000 {
        rig.later(3600, unanswered());
    }
    assert_eq!(rig.address().as_deref(), Some(A));
    rig.settings.holds.unanswered = Some(Duration::from_secs(30));
    let lost = Change::Lost { from: ip(A), why: "it answered SERVFAIL".to_owned() };
    assert_eq!(rig.later(5, unanswered()), [lost]);
    assert_eq!(rig.address(), None);
}

#[test]
fn silence_within_a_series_of_denials_neither_ends_nor_extends_their_hold_time() {
    let mut rig = Rig::resolved();
    assert_eq!(rig.later(60, Said::NoSuchName).len(), 1);
    assert_eq!(rig.later(10, unanswered()), []);
    assert_eq!(rig.later(30, unanswered()), [], "nobody has confirmed it");
    assert!(matches!(rig.later(1, Said::NoAddress)[..], [Change::Lost { .. }]));
}

#[test]
fn a_lost_name_takes_the_next_address_at_once() {
    let mut rig = Rig::resolved();
    rig.later(60, Said::NoSuchName);
    rig.later(30, Said::NoSuchName);
    assert_eq!(rig.address(), None);
    let resolved = Change::Resolved { from: None, to: ip(B) };
    assert_eq!(rig.later(5, addresses(&[B])), [Change::Settled, resolved]);
}

#[test]
fn a_name_that_never_resolved_says_so_once() {
    let mut rig = Rig::new(Families::Ipv4);
    let why = "there is no such name".to_owned();
    assert_eq!(rig.hear(Said::NoSuchName), [Change::Doubted { why, kept: None }]);
    for _ in 0..10 {
        assert_eq!(rig.later(5, Said::NoSuchName), []);
    }
    assert!(rig.name.is_answered());
}

#[test]
fn an_address_outlives_answers_without_it_for_as_long_as_configured() {
    let mut rig = Rig::resolved();
    rig.settings.holds.obsolete = Duration::from_secs(20);
    assert_eq!(rig.later(60, addresses(&[B])), []);
    assert_eq!(rig.pause(), Duration::from_secs(5), "asked again soon");
    assert_eq!(rig.later(10, addresses(&[A, B])), [], "it is back, so the time begins anew");
    assert_eq!(rig.later(60, addresses(&[B])), []);
    assert_eq!(rig.later(19, addresses(&[B])), []);
    let moved = Change::Resolved { from: Some(ip(A)), to: ip(B) };
    assert_eq!(rig.later(1, addresses(&[B])), [moved]);
}

#[test]
fn the_preferred_kind_is_taken_and_the_other_kept_while_it_lasts() {
    let both = |v4: Said, v6: Said| Answer {
        source: Source::Nameserver,
        said: vec![(Family::Ipv4, v4), (Family::Ipv6, v6)],
    };
    let mut rig = Rig::new(Families::PreferIpv4);
    rig.hear_both(both(Said::NoAddress, addresses(&["fd00::1"])));
    assert_eq!(rig.address().as_deref(), Some("fd00::1"));
    rig.hear_both(both(addresses(&[A]), addresses(&["fd00::1"])));
    assert_eq!(rig.address().as_deref(), Some("fd00::1"), "kept while answers hold it");
    rig.hear_both(both(addresses(&[A]), unanswered()));
    assert_eq!(rig.address().as_deref(), Some("fd00::1"), "nobody spoke against it");
    rig.hear_both(both(addresses(&[A]), Said::NoAddress));
    assert_eq!(rig.address().as_deref(), Some(A));
    rig.hear_both(both(addresses(&[A]), addresses(&["fd00::1"])));
    assert_eq!(rig.address().as_deref(), Some(A), "kept in turn");
}

#[test]
fn half_an_answer_denies_nothing() {
    let half = |v4: Said| Answer {
        source: Source::Nameserver,
        said: vec![(Family::Ipv4, v4), (Family::Ipv6, unanswered())],
    };
    let mut rig = Rig::new(Families::PreferIpv4);
    rig.hear_both(half(addresses(&[A])));
    rig.now += Duration::from_secs(60);
    rig.hear_both(half(Said::NoAddress));
    rig.now += Duration::from_secs(3600);
    rig.hear_both(half(Said::NoAddress));
    assert_eq!(rig.address().as_deref(), Some(A), "IPv6 may have one; nobody knows");
    // That there is no such name holds for all kinds.
    rig.hear_both(half(Said::NoSuchName));
    rig.now += Duration::from_secs(30);
    rig.hear_both(half(Said::NoSuchName));
    assert_eq!(rig.address(), None);
}

fn any_said() -> impl Strategy<Value = Said> {
    prop_oneof![
        proptest::collection::vec(1_u8..5, 1..4).prop_map(|last| {
            let last = last.into_iter().map(|last| IpAddr::from([10, 0, 0, last]));
            said(last.collect(), Duration::from_secs(60))
        }),
        Just(Said::NoSuchName),
        Just(Said::NoAddress),
        Just(unanswered()),
    ]
}

proptest! {
    /// Whatever is answered and when: the address only changes as the changes say, one that
    /// answers hold is kept, and one is lost only after its hold time.
    #[test]
    fn an_address_changes_only_for_a_reason(
        answers in proptest::collection::vec((any_said(), 1_u64..40), 1..60),
    ) {
        let mut rig = Rig::new(Families::Ipv4);
        let mut good = rig.now;
        for (said, pause) in answers {
            let before = rig.name.address();
            let changes = rig.later(pause, said.clone());
            let after = rig.name.address();
            let mut told = before;
            for change in &changes {
                match change {
                    Change::Resolved { from, to } => {
                        prop_assert_eq!(*from, before);
                        told = Some(*to);
                    }
                    Change::Lost { from, .. } => {
                        prop_assert_eq!(Some(*from), before);
                        prop_assert!(rig.now - good >= rig.settings.holds.gone);
                        told = None;
                    }
                    Change::Doubted { kept, .. } => prop_assert_eq!(*kept, before),
                    Change::Settled => {}
                }
            }
            prop_assert_eq!(told, after);
            if let Said::Addresses { addresses, .. } = &said {
                good = rig.now;
                prop_assert!(addresses.contains(&after.unwrap()), "an address nobody named");
                if let Some(before) = before.filter(|before| addresses.contains(before)) {
                    prop_assert_eq!(after, Some(before), "it was still in the answer");
                }
            } else {
                prop_assert!(after.is_none() || after == before);
            }
            let pause = rig.pause();
            prop_assert!(pause >= rig.settings.refresh_min && pause <= rig.settings.refresh_max);
        }
    }
}
