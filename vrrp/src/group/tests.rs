use std::net::IpAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::config::{Behaviour, ChecksumChoice, Delivery, Protocol, RouterConfig};
use crate::link::Word;
use crate::packet::{Advert, Body, ChecksumForm, Datagram, GROUP_V4, HOP_LIMIT, VirtualAddresses};
use crate::router::{AddressReport, Link, State};
use crate::track::{Health, Sighting, Standing, Subject, Tracker, Trackers, Weight};
use crate::values::{BasePriority, Centiseconds, Priority, VrId};

const SECOND: Duration = Duration::from_secs(1);
const DOWN: Duration = Duration::from_millis(3_610);

fn interval() -> Centiseconds {
    Centiseconds::new(100).unwrap()
}

fn vip() -> VirtualAddresses {
    VirtualAddresses::new(vec![IpAddr::from([10, 0, 0, 100])]).unwrap()
}

/// Two members, each on a segment of its own, and the time.
struct Pair {
    group: SyncGroup,
    now: Instant,
    log: Vec<String>,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let member = || {
            let checksum = ChecksumChoice::Fixed(ChecksumForm::Message);
            let protocol = Protocol::V3 { interval: interval(), checksum };
            let vrid = VrId::new(1).unwrap();
            let behaviour = Behaviour::default();
            let config = RouterConfig::new(vrid, protocol, vip(), Delivery::Multicast, behaviour);
            let standing = Standing::untracked(BasePriority::new(100).unwrap());
            Router::new(config.unwrap(), standing, now)
        };
        let group = SyncGroup::new(vec![member(), member()]);
        let mut pair = Self { group, now, log: Vec::new() };
        for member in 0..2 {
            pair.link(member, true);
            pair.group.handle(member, now, |router| router.handle_start(now));
        }
        pair.settle();
        pair.log.clear();
        pair
    }

    fn active() -> Self {
        let mut pair = Self::new();
        pair.pass(DOWN);
        assert_eq!(pair.states(), [State::Active; 2]);
        pair.log.clear();
        pair
    }

    fn states(&self) -> [State; 2] {
        [0, 1].map(|member| self.group.members()[member].state())
    }

    fn stand(&mut self, member: usize, is_up: bool) {
        let subject = Subject::Interface("uplink".into());
        let mut trackers =
            Trackers::new(vec![Tracker { subject, weight: Weight::FAULT, reverse: false }]);
        trackers.handle_sighting(Sighting::Interface("uplink", is_up));
        let standing = trackers.standing(BasePriority::new(100).unwrap());
        let now = self.now;
        self.group.handle(member, now, |router| router.handle_standing(standing, now));
        self.settle();
    }

    fn order(&mut self, order: impl FnOnce(&mut SyncGroup, Instant)) {
        order(&mut self.group, self.now);
        self.settle();
    }

    /// The other node offers a member's addresses to this one.
    fn invite(&mut self, member: usize) {
        let word = Word {
            vrid: VrId::new(1).unwrap(),
            address: vip().as_slice()[0],
            source: Some([10, 0, 0, 2].into()),
            state: State::Active,
            able: true,
            base: BasePriority::new(100).unwrap(),
            effective: Priority::YIELDED,
            health: Health::Well,
            yielded: true,
            invites: Some([10, 0, 0, 1].into()),
        };
        let now = self.now;
        self.group
            .handle(member, now, |router| router.handle_word([10, 0, 0, 2].into(), &word, now));
        self.settle();
    }

    fn link(&mut self, member: usize, is_up: bool) {
        let link = Link { is_up, source: Some([10, 0, 0, 1].into()) };
        let now = self.now;
        self.group.handle(member, now, |router| router.handle_link(link, now));
        self.settle();
    }

    fn hear(&mut self, member: usize, priority: u8) {
        let source = IpAddr::from([10, 0, 0, 2]);
        let advert = Advert {
            vrid: VrId::new(1).unwrap(),
            priority: Priority::new(priority),
            addresses: vip(),
            body: Body::V3 { interval: interval(), checksum: ChecksumForm::Message },
        };
        let message = advert.message(source, GROUP_V4.into());
        let destination = GROUP_V4.into();
        let datagram = Datagram { source, destination, hop_limit: HOP_LIMIT, message: &message };
        let now = self.now;
        self.group.handle(member, now, |router| router.handle_datagram(&datagram, now));
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..20 {
            while let Some((member, action)) = self.group.poll_action() {
                match action {
                    Action::Send(sent) => {
                        self.log.push(format!("{member}!{}", sent.advert.priority));
                    }
                    Action::AddAddresses(_) => {
                        self.log.push(format!("{member}+"));
                        let now = self.now;
                        self.group.handle(member, now, |router| {
                            router.handle_addresses(AddressReport::Installed, now);
                        });
                    }
                    Action::Transition(transition) => {
                        self.log.push(format!("{member}:{}", transition.to));
                    }
                    Action::RemoveAddresses(_) => self.log.push(format!("{member}-")),
                    Action::Announce { .. }
                    | Action::EndAnnouncements
                    | Action::AnnounceSource(_)
                    | Action::Tell(_)
                    | Action::Notice(_) => {}
                }
            }
            if self.group.poll_timeout().is_none_or(|(due, _)| due > self.now) {
                return;
            }
            self.group.handle_timeout(Inbox::Drained, self.now);
        }
        panic!("a deadline that is due stays due");
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some((due, _)) = self.group.poll_timeout().filter(|(due, _)| *due <= end) {
            self.now = due.max(self.now);
            self.settle();
        }
        self.now = end;
    }

    fn log(&mut self) -> String {
        std::mem::take(&mut self.log).join(" ")
    }
}

#[test]
fn a_group_takes_over_when_each_of_its_members_would() {
    let mut pair = Pair::new();
    for _ in 0..5 {
        pair.pass(SECOND);
        pair.hear(1, 150);
    }
    assert_eq!(pair.states(), [State::Backup; 2], "the second still hears its better");
    pair.pass(DOWN);
    assert_eq!(pair.log(), "0!100 0+ 0:active 1!100 1+ 1:active");
}

#[test]
fn a_member_that_hears_its_better_again_no_longer_wants_to_take_over() {
    let mut pair = Pair::new();
    pair.pass(SECOND);
    pair.hear(1, 150);
    pair.pass(DOWN - SECOND);
    pair.hear(0, 150);
    pair.pass(SECOND * 2);
    assert_eq!(pair.states(), [State::Backup; 2]);
}

#[test]
fn if_one_member_yields_the_others_leave_and_say_so() {
    let mut pair = Pair::active();
    pair.hear(1, 150);
    assert_eq!(pair.log(), "0!0 0- 0:backup 1- 1:backup");
}

#[test]
fn if_one_member_cannot_take_part_none_does_until_it_can() {
    let mut pair = Pair::active();
    pair.link(1, false);
    assert_eq!(pair.log(), "0!0 0- 0:fault 1!0 1- 1:fault");
    pair.link(0, false);
    pair.link(1, true);
    assert_eq!(pair.states(), [State::Fault; 2], "now it is the other one");
    pair.link(0, true);
    assert_eq!(pair.states(), [State::Backup; 2]);
    pair.pass(DOWN);
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn a_group_gives_its_addresses_away_together_and_takes_them_back_together() {
    let mut pair = Pair::active();
    pair.order(SyncGroup::give_away);
    assert_eq!(pair.log(), "0!0 1!0");
    pair.hear(1, 90);
    assert_eq!(pair.log(), "0!0 0- 0:backup 1- 1:backup", "the other node's group has both");
    for _ in 0..5 {
        pair.pass(SECOND);
        (0..2).for_each(|member| pair.hear(member, 90));
    }
    assert_eq!(pair.log(), "");
    pair.order(SyncGroup::resume);
    for _ in 0..4 {
        (0..2).for_each(|member| pair.hear(member, 90));
        pair.pass(SECOND);
    }
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[test]
fn a_router_that_has_yielded_and_joins_a_group_takes_the_others_along() {
    let mut pair = Pair::active();
    let now = pair.now;
    pair.group.handle(1, now, |router| router.give_away(now));
    pair.settle();
    assert_eq!(pair.log(), "0!0 1!0");
    assert!(pair.group.members().iter().all(Router::is_yielded));
}

#[test]
fn a_group_retires_as_a_whole_once_one_member_is_taken() {
    let mut pair = Pair::active();
    pair.order(SyncGroup::retire);
    assert_eq!(pair.log(), "0!0 1!0");
    assert!(!pair.group.is_retired());
    pair.hear(0, 50);
    assert_eq!(pair.log(), "0- 0:initialize 1!0 1- 1:initialize");
    assert!(pair.group.is_retired());

    let mut pair = Pair::active();
    pair.order(SyncGroup::retire);
    pair.pass(SECOND * 3);
    assert!(pair.group.is_retired(), "nobody was there");

    let mut pair = Pair::new();
    pair.order(SyncGroup::retire);
    assert!(pair.group.is_retired(), "there was nothing to hand over");
}

#[test]
fn a_group_follows_an_invitation_once_each_member_is_invited() {
    let mut pair = Pair::new();
    (0..2).for_each(|member| pair.hear(member, 150));
    pair.invite(0);
    pair.hear(0, 0);
    assert_eq!(pair.log(), "", "the other member's addresses aren't offered yet");
    pair.invite(1);
    let expected = "0+ 0:active 1+ 1:active 0!100 1!100";
    assert_eq!(pair.log(), expected, "nobody is told before all addresses are here");
}

#[test]
fn an_invitation_that_the_others_of_the_group_never_get_is_forgotten_with_the_next_advert() {
    let mut pair = Pair::new();
    (0..2).for_each(|member| pair.hear(member, 150));
    pair.invite(0);
    pair.hear(0, 150);
    pair.invite(1);
    pair.hear(1, 150);
    pair.pass(SECOND);
    assert_eq!(pair.states(), [State::Backup; 2]);
}

#[test]
fn if_one_member_fails_the_whole_group_is_the_last_resort() {
    let mut pair = Pair::active();
    pair.stand(0, false);
    assert_eq!(pair.log(), "0!0 1!0");
    pair.pass(SECOND * 4);
    assert!(pair.log().ends_with("0!1 1!1"), "nobody took them");
    pair.hear(1, 50);
    assert_eq!(pair.log(), "0!0 0- 0:fault 1- 1:fault");
    let text = pair.group.members()[1].status().standing.to_string();
    assert_eq!(text, "100, failed (another router of the group) = 1");
    pair.stand(0, true);
    assert_eq!(pair.states(), [State::Backup; 2]);
    assert!(pair.group.members().iter().all(|m| m.status().standing.effective.get() == 100));
}

#[derive(Debug, Clone)]
enum Op {
    Hear { member: usize, priority: u8 },
    Link { member: usize, is_up: bool },
    Pass(u64),
    Fail { member: usize },
    Restart { member: usize },
    Stand { member: usize, is_up: bool },
    Invite { member: usize },
    GiveAway,
    Resume,
}

fn any_op() -> impl Strategy<Value = Op> {
    let priority = prop_oneof![Just(0_u8), Just(50), Just(100), Just(150)];
    prop_oneof![
        4 => (0..2_usize, priority).prop_map(|(member, priority)| Op::Hear { member, priority }),
        2 => (0..2_usize, any::<bool>()).prop_map(|(member, is_up)| Op::Link { member, is_up }),
        5 => (0..5_000_u64).prop_map(Op::Pass),
        1 => (0..2_usize).prop_map(|member| Op::Fail { member }),
        1 => (0..2_usize).prop_map(|member| Op::Restart { member }),
        2 => (0..2_usize, any::<bool>()).prop_map(|(member, is_up)| Op::Stand { member, is_up }),
        3 => (0..2_usize).prop_map(|member| Op::Invite { member }),
        1 => Just(Op::GiveAway),
        1 => Just(Op::Resume),
    ]
}

proptest! {
    #[test]
    fn members_are_active_together_or_not_at_all(ops in vec(any_op(), 1..60)) {
        let mut pair = Pair::new();
        for op in ops {
            let now = pair.now;
            match op {
                Op::Hear { member, priority } => pair.hear(member, priority),
                Op::Link { member, is_up } => pair.link(member, is_up),
                Op::Pass(time) => pair.pass(Duration::from_millis(time)),
                Op::Fail { member } => {
                    pair.group.handle(member, now, |router| {
                        router.handle_addresses(AddressReport::Refused, now);
                    });
                }
                Op::Restart { member } => {
                    pair.group.handle(member, now, |router| router.handle_stop(now));
                    pair.group.handle(member, now, |router| router.handle_start(now));
                }
                Op::Stand { member, is_up } => pair.stand(member, is_up),
                Op::Invite { member } => pair.invite(member),
                Op::GiveAway => pair.order(SyncGroup::give_away),
                Op::Resume => pair.order(SyncGroup::resume),
            }
            pair.settle();
            let active = pair.states().map(|state| state == State::Active);
            prop_assert_eq!(active[0], active[1]);
        }
        // Whatever happened: with all links up and silence, the group serves.
        pair.link(0, true);
        pair.link(1, true);
        pair.pass(DOWN * 4);
        prop_assert_eq!(pair.states(), [State::Active; 2]);
    }
}
