//! Hosts on a segment, drawn at random, and what can happen to them.

use std::time::{Duration, Instant};

use halb_vrrp::config::{ChecksumChoice, Preempt, Protocol, RouterConfig};
use halb_vrrp::packet::ChecksumForm;
use halb_vrrp::router::Router;
use halb_vrrp::track::{Sighting, Standing, Subject, Tracker, Trackers, Weight};
use halb_vrrp::values::{AdvertInterval, BasePriority, Centiseconds, Seconds};

use crate::dice::Dice;
use crate::host::{Freeze, Host, Node, config};
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
}

impl Plan {
    pub(crate) fn standing(&self) -> Standing {
        standing(self.base, self.weight, self.is_up)
    }

    pub(crate) fn config(&self) -> RouterConfig {
        config(&self.protocol, self.preempt, self.kind)
    }
}

/// A segment of hosts, which are not started yet.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) plans: Vec<Plan>,
    pub(crate) longest: AdvertInterval,
}

fn base(dice: &mut Dice) -> u8 {
    dice.one_of(&[1, 50, 99, 100, 100, 100, 101, 200, 253, 254])
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
    let all_preempt = dice.percent(50);
    let plans: Vec<_> = (0..hosts)
        .map(|_| {
            let own = if alike { common } else { dice.one_of(&[10, 20, 50]) };
            Plan {
                kind: match dice.one_of(kinds) {
                    Kind::LinkedHalb if !linked => Kind::Halb,
                    kind @ (Kind::Halb | Kind::LinkedHalb | Kind::Keepalived) => kind,
                },
                base: base(&mut dice),
                weight: weight(&mut dice),
                is_up: true,
                protocol: if is_v2 { v2() } else { v3(own, &mut dice) },
                preempt: if all_preempt { Preempt::Immediately } else { preempt(&mut dice) },
            }
        })
        .collect();
    Stage::new(dice, plans)
}

impl Stage {
    /// Packets and hosts are up to a tenth of the shortest interval late.
    pub(crate) fn new(mut dice: Dice, plans: Vec<Plan>) -> Self {
        let intervals = || plans.iter().map(|plan| interval(&plan.protocol));
        let longest = intervals().max_by_key(|interval| interval.duration()).unwrap();
        let shortest = intervals().map(AdvertInterval::duration).min().unwrap();
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
        Self { world, plans, longest }
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
        self.plans[node].base = base(dice);
        if self.plans[node].preempt != Preempt::Immediately {
            self.plans[node].preempt = preempt(dice);
        }
        let plan = &self.plans[node];
        let now = self.world.now;
        self.world.checks.say(now, &format!("host {node} reloads: {}", plan.standing()));
        self.world.reload(node, plan.config(), plan.standing());
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
            88..95 => self.turn_tracker(node),
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
        if self.plans.iter().all(|plan| plan.preempt == Preempt::Immediately) {
            let best = self.world.able().filter_map(Node::worth).max();
            let trail = self.world.checks.trail();
            assert_eq!(
                self.world.nodes[holder].worth(),
                best,
                "the best one holds it, after:\n{trail}"
            );
        }
    }
}
