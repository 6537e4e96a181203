use std::net::IpAddr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::config::{Behaviour, ChecksumChoice, Delivery, Protocol, RouterConfig};
use crate::packet::{Advert, Body, ChecksumForm, Datagram, GROUP_V4, HOP_LIMIT, VirtualAddresses};
use crate::router::{AddressReport, Link, State};
use crate::track::Standing;
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
                        let now = self.now;
                        self.group.handle(member, now, |router| {
                            router.handle_addresses(AddressReport::Installed, now);
                        });
                    }
                    Action::Transition(transition) => {
                        self.log.push(format!("{member}:{}", transition.to));
                    }
                    Action::RemoveAddresses(_)
                    | Action::Announce { .. }
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
    assert_eq!(pair.log(), "0!100 0:active 1!100 1:active");
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
    assert_eq!(pair.log(), "0!0 0:backup 1:backup");
}

#[test]
fn if_one_member_cannot_take_part_none_does_until_it_can() {
    let mut pair = Pair::active();
    pair.link(1, false);
    assert_eq!(pair.log(), "0!0 0:fault 1!0 1:fault");
    pair.link(0, false);
    pair.link(1, true);
    assert_eq!(pair.states(), [State::Fault; 2], "now it is the other one");
    pair.link(0, true);
    assert_eq!(pair.states(), [State::Backup; 2]);
    pair.pass(DOWN);
    assert_eq!(pair.states(), [State::Active; 2]);
}

#[derive(Debug, Clone)]
enum Op {
    Hear { member: usize, priority: u8 },
    Link { member: usize, is_up: bool },
    Pass(u64),
    Fail { member: usize },
    Restart { member: usize },
}

fn any_op() -> impl Strategy<Value = Op> {
    let priority = prop_oneof![Just(0_u8), Just(50), Just(100), Just(150)];
    prop_oneof![
        4 => (0..2_usize, priority).prop_map(|(member, priority)| Op::Hear { member, priority }),
        2 => (0..2_usize, any::<bool>()).prop_map(|(member, is_up)| Op::Link { member, is_up }),
        5 => (0..5_000_u64).prop_map(Op::Pass),
        1 => (0..2_usize).prop_map(|member| Op::Fail { member }),
        1 => (0..2_usize).prop_map(|member| Op::Restart { member }),
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
