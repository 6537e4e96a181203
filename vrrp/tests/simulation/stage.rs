//! Hosts on a segment, drawn at random, and what can happen to them.

use std::time::{Duration, Instant};

use halb_vrrp::config::{ChecksumChoice, Preempt, Protocol, RouterConfig};
use halb_vrrp::packet::ChecksumForm;
use halb_vrrp::router::Router;
use halb_vrrp::track::{Sighting, Standing, Subject, Tracker, Trackers, Weight};
use halb_vrrp::values::{AdvertInterval, BasePriority, Centiseconds, Priority, Seconds};

use crate::dice::Dice;
use crate::host::{Freeze, Host, LISTS, Node, config};
use crate::mind::Kind;
use crate::world::{Segment, World};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn v2() -> Protocol {
    Protocol::V2 { interval: Seconds::new(1).unwrap(), auth: None }
}

pub(crate) fn v3(centiseconds: u16, dice: &mut Dice) -> Protocol {
    let checksum = dice.one_of(&[
        ChecksumChoice::Auto,
        ChecksumChoice::Fixed(ChecksumForm::Message),
        ChecksumChoice::Fixed(ChecksumForm::PseudoHeader),
    ]);
    Protocol::V3 { interval: Centiseconds::new(centiseconds).unwrap(), checksum }
}

fn interval(protocol: &Protocol) -> AdvertInterval {
    match protocol {
        Protocol::V2 { interval, .. } => AdvertInterval::V2(*interval),
        Protocol::V3 { interval, .. } => AdvertInterval::V3(*interval),
    }
}

/// A node's worth while its one tracker, if it has one, is down or up.
fn standing(base: u8, weight: Option<i64>, is_up: bool) -> Standing {
    let tracker = |weight| Tracker {
        subject: Subject::Interface("uplink".into()),
        weight: Weight::new(weight).unwrap(),
        reverse: false,
    };
    let mut trackers = Trackers::new(weight.map(tracker).into_iter().collect());
    trackers.handle_sighting(Sighting::Interface("uplink", is_up));
    trackers.standing(BasePriority::new(base).unwrap())
}

/// What a host of a run is like.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    pub(crate) base: u8,
    pub(crate) weight: Option<i64>,
    pub(crate) is_up: bool,
    pub(crate) protocol: Protocol,
    pub(crate) preempt: Preempt,
    /// Which of [`LISTS`] it has.
    pub(crate) list: usize,
    pub(crate) startup_delay: Duration,
}

impl Plan {
    pub(crate) fn standing(&self) -> Standing {
        standing(self.base, self.weight, self.is_up)
    }

    /// Another interval; with version 2 all have to have the same.
    fn repace(&mut self, intervals: &[u16], dice: &mut Dice) {
        if matches!(self.protocol, Protocol::V3 { .. }) && !intervals.is_empty() {
            self.protocol = paced(&self.protocol, dice.one_of(intervals));
        }
    }

    pub(crate) fn config(&self) -> RouterConfig {
        config(&self.protocol, self.preempt, self.kind, self.list, self.startup_delay)
    }
}

/// A segment of hosts, which are not started yet.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) plans: Vec<Plan>,
    pub(crate) longest: AdvertInterval,
    /// Intervals that an operator may choose, in hundredths of a second.
    intervals: Vec<u16>,
}

/// Up to 255, the owner of its addresses.
fn base(dice: &mut Dice) -> u8 {
    dice.one_of(&[1, 50, 99, 100, 100, 100, 101, 200, 253, 254, 255])
}

/// Half of the hosts take part at once.
fn startup_delay(dice: &mut Dice, interval: AdvertInterval) -> Duration {
    if dice.percent(50) { Duration::ZERO } else { dice.time(interval.duration() * 4) }
}

/// The same with another interval.
fn paced(protocol: &Protocol, centiseconds: u16) -> Protocol {
    match protocol {
        Protocol::V2 { auth, .. } => {
            let interval = Seconds::new(centiseconds / 100).unwrap();
            Protocol::V2 { interval, auth: auth.clone() }
        }
        Protocol::V3 { checksum, .. } => {
            let interval = Centiseconds::new(centiseconds).unwrap();
            Protocol::V3 { interval, checksum: *checksum }
        }
    }
}

fn weight(dice: &mut Dice) -> Option<i64> {
    dice.one_of(&[None, Some(0), Some(-2), Some(-2), Some(-60), Some(20)])
}

fn preempt(dice: &mut Dice) -> Preempt {
    let immediately = Preempt::Immediately;
    dice.one_of(&[immediately, immediately, Preempt::Never, Preempt::After(SECOND)])
}

/// Hosts with the same interval, or of version 3 with intervals of their own; half of the stages
/// have links that carry words.
pub(crate) fn stage(seed: u64, kinds: &[Kind]) -> Stage {
    let mut dice = Dice::new(seed);
    let hosts = 2 + dice.index(4);
    let (is_v2, alike) = (dice.percent(30), dice.percent(70));
    let linked = dice.percent(50);
    // Words go each second: with the longest interval they would be all that happens.
    let common = dice.one_of(&[1, 10, 100, if linked { 400 } else { 4095 }]);
    let intervals = match (is_v2, alike) {
        (true, _) => vec![100, 200],
        (false, true) => vec![common, (common * 3).min(4095)],
        (false, false) => vec![10, 20, 50],
    };
    let all_preempt = dice.percent(50);
    let (list, one_list) = (dice.index(LISTS.len()), dice.percent(70));
    let plans: Vec<_> = (0..hosts)
        .map(|_| {
            let own = if alike { common } else { dice.one_of(&intervals) };
            let protocol = if is_v2 { v2() } else { v3(own, &mut dice) };
            let startup_delay = startup_delay(&mut dice, interval(&protocol));
            Plan {
                kind: match dice.one_of(kinds) {
                    Kind::LinkedHalb if !linked => Kind::Halb,
                    kind @ (Kind::Halb | Kind::LinkedHalb | Kind::Keepalived) => kind,
                },
                base: base(&mut dice),
                weight: weight(&mut dice),
                is_up: true,
                protocol,
                preempt: if all_preempt { Preempt::Immediately } else { preempt(&mut dice) },
                list: if one_list { list } else { dice.index(LISTS.len()) },
                startup_delay,
            }
        })
        .collect();
    Stage::new(dice, plans, intervals)
}

impl Stage {
    /// Packets and hosts are up to a tenth of the shortest interval late.
    pub(crate) fn new(mut dice: Dice, plans: Vec<Plan>, intervals: Vec<u16>) -> Self {
        let to_come = || intervals.iter().map(|interval| paced(&plans[0].protocol, *interval));
        let all = || plans.iter().map(|plan| plan.protocol.clone()).chain(to_come());
        let all = || all().map(|protocol| interval(&protocol));
        let longest = all().max_by_key(|interval| interval.duration()).unwrap();
        let shortest = all().map(AdvertInterval::duration).min().unwrap();
        let segment = Segment {
            double_percent: dice.one_of(&[0, 0, 10]),
            delay_max: dice.time(shortest / 10),
            lateness_max: dice.time(shortest / 10),
            ..Segment::default()
        };
        let late = (segment.delay_max + segment.lateness_max) * 2;
        let host = |plan: &Plan| {
            let (config, standing) = (plan.config(), plan.standing());
            Host { kind: plan.kind, config, standing }
        };
        let hosts = plans.iter().map(host).collect();
        let mut world = World::new(dice, hosts, segment);
        world.checks.set_bounds(longest, late);
        Self { world, plans, longest, intervals }
    }

    pub(crate) fn start_all(&mut self) {
        for node in 0..self.plans.len() {
            let pause = self.world.dice.time(self.longest.duration());
            self.world.start(node);
            self.world.pass(pause);
        }
    }

    pub(crate) fn turn_tracker(&mut self, node: usize) {
        self.plans[node].is_up = !self.plans[node].is_up;
        let standing = self.plans[node].standing();
        let now = self.world.now;
        self.world.checks.say(now, &format!("host {node} is now worth {standing}"));
        self.world.stand(node, standing);
    }

    pub(crate) fn reload(&mut self, node: usize) {
        if self.world.nodes[node].is_frozen() {
            return;
        }
        let dice = &mut self.world.dice;
        let plan = &mut self.plans[node];
        plan.base = base(dice);
        if plan.preempt != Preempt::Immediately {
            plan.preempt = preempt(dice);
        }
        if dice.percent(20) {
            plan.list = dice.index(LISTS.len());
        }
        if dice.percent(30) {
            plan.repace(&self.intervals, dice);
        }
        let plan = &self.plans[node];
        let now = self.world.now;
        self.world.checks.say(now, &format!("host {node} reloads: {}", plan.standing()));
        self.world.reload(node, plan.config(), plan.standing());
    }

    /// A reload with other addresses or another interval, but the priority that it had: nobody is to
    /// become active or a backup for that.
    pub(crate) fn refit(&mut self, node: usize) {
        let dice = &mut self.world.dice;
        let plan = &mut self.plans[node];
        plan.list = dice.index(LISTS.len());
        plan.repace(&self.intervals, dice);
        let now = self.world.now;
        let (every, list) = (interval(&plan.protocol).duration(), plan.list);
        let what = format!("host {node} reloads: adverts every {every:?}, list {list}");
        self.world.checks.say(now, &what);
        self.world.reload(node, plan.config(), plan.standing());
    }

    /// All hosts get another interval at the same moment, unless one can't.
    pub(crate) fn change_pace(&mut self) {
        if self.intervals.is_empty() || self.world.nodes.iter().any(Node::is_frozen) {
            return;
        }
        let centiseconds = self.world.dice.one_of(&self.intervals);
        let now = self.world.now;
        self.world.checks.say(now, &format!("all reload, with adverts every {centiseconds} cs"));
        // With version 2 a backup listens anew, for as long as the new interval says.
        self.world.checks.disturb(now);
        for node in 0..self.plans.len() {
            let plan = &mut self.plans[node];
            plan.protocol = paced(&plan.protocol, centiseconds);
            let plan = &self.plans[node];
            self.world.reload(node, plan.config(), plan.standing());
        }
    }

    pub(crate) fn order(
        &mut self,
        node: usize,
        what: &str,
        order: impl FnOnce(&mut Router, Instant),
    ) {
        let now = self.world.now;
        self.world.checks.say(now, &format!("host {node} {what}"));
        self.world.order(node, order);
    }

    /// Something goes wrong, or is put right.
    pub(crate) fn disaster(&mut self) {
        let node = self.world.dice.index(self.plans.len());
        let interval = self.longest.duration();
        let time = self.world.dice.time(interval * 12);
        let kind = self.world.dice.roll(100);
        let now = self.world.now;
        self.world.checks.say(now, &format!("disaster {kind} at host {node}"));
        match kind {
            0..7 => self.world.crash(node, true),
            7..13 => self.world.crash(node, false),
            13..15 => self.world.stop(node),
            15..18 => self.world.retire(node),
            18..36 => self.world.start(node),
            36..44 => self.world.freeze(node, Freeze::Daemon, time),
            44..50 => self.world.freeze(node, Freeze::Machine, time),
            50..55 => self.world.set_link(node, false),
            55..65 => self.world.set_link(node, true),
            65..70 => {
                let sides = (0..self.plans.len()).map(|_| self.world.dice.roll(2)).collect();
                let link = self.world.dice.percent(50);
                let wire = if link { &mut self.world.link } else { &mut self.world.segment };
                wire.sides = sides;
            }
            70..74 => self.world.segment.sides.fill(0),
            74..76 => self.world.link.sides.fill(0),
            76..79 => self.world.segment.loss_percent = self.world.dice.one_of(&[5, 30, 90]),
            79..81 => self.world.link.loss_percent = self.world.dice.one_of(&[5, 30, 90]),
            81..84 => self.world.segment.loss_percent = 0,
            84..86 => self.order(node, "gives away", Router::give_away),
            86..88 => self.order(node, "resumes", Router::resume),
            88..93 => self.turn_tracker(node),
            93..95 => self.change_pace(),
            _ => self.reload(node),
        }
    }

    /// Nothing happens any more: after a while one host holds the addresses, and goes on to.
    pub(crate) fn rest(&mut self) {
        let rest = self.world.checks.rest() + SECOND;
        self.world.pass(rest);
        if self.world.able().count() == 0 {
            return;
        }
        let holder = self.world.holder();
        self.world.checks.expect_calm(true);
        self.world.pass(self.longest.duration() * 10);
        self.world.checks.expect_calm(false);
        assert_eq!(self.world.holder(), holder);
        let best = self.world.able().filter_map(Node::worth).max();
        // An owner preempts whatever is configured.
        let preempts = self.plans.iter().all(|plan| plan.preempt == Preempt::Immediately);
        if preempts || best == Some(Priority::OWNER) {
            let trail = self.world.checks.trail();
            assert_eq!(
                self.world.nodes[holder].worth(),
                best,
                "the best one holds it, after:\n{trail}"
            );
        }
    }
}
