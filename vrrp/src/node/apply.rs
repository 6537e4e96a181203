//! Changed settings: only what they demand changes.

use std::sync::Arc;
use std::time::Instant;

use super::changes::describe;
use super::{Key, Member, Node, Retired, Seat, Unit};
use crate::group::SyncGroup;
use crate::router::{Link, Router, State};
use crate::settings::{Group, Instance, Placement, Settings};
use crate::track::{ScriptStanding, Sighting};

/// What a change of settings did, and what is left to the driver.
#[derive(Debug, Default)]
pub struct Applied {
    /// What changed, a line each, beginning with the name of the virtual router. Empty: nothing.
    pub changes: Vec<String>,
    /// Routers whose addresses are to be put on their interfaces in another way.
    pub moved: Vec<Moved>,
}

/// A virtual router's role, as one process of a node hands it to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub instance: Arc<str>,
    /// Its state.
    pub state: State,
    /// An operator has given it away.
    pub yielded: bool,
    /// How its scripts stand, by their names: asked anew, one would count as well, or as failed,
    /// until it has ended often enough.
    pub scripts: Vec<(Arc<str>, ScriptStanding)>,
}

/// What another process of this node leaves to this one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Inheritance<'a> {
    /// Of virtual routers.
    pub roles: &'a [Role],
    /// What was seen of trackers' subjects since.
    pub sightings: &'a [Sighting<'a>],
}

/// A router that keeps addresses which are placed in another way now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Which router.
    pub key: Key,
    /// Each address that it keeps, as it was placed.
    pub from: Vec<Placement>,
    /// Each of them as it is placed now, in the same order.
    pub to: Vec<Placement>,
}

impl Node {
    /// Takes settings, the first ones or others. Virtual routers are known by their names: new
    /// ones start, those that are gone stop, and those that stay take what is different without
    /// an election. One that becomes another virtual router (another interface, id, version or
    /// family) stops and starts anew.
    ///
    /// `link` says how the interface of a router is.
    pub fn apply(
        &mut self,
        settings: &Settings,
        link: impl Fn(&Instance) -> Link,
        now: Instant,
    ) -> Applied {
        self.apply_with(settings, link, None, now)
    }

    /// As [`Node::apply`]; virtual routers that start do so in the roles that they had in another
    /// process of this node, which has stepped aside.
    pub fn inherit(
        &mut self,
        settings: &Settings,
        link: impl Fn(&Instance) -> Link,
        inheritance: Inheritance<'_>,
        now: Instant,
    ) -> Applied {
        self.apply_with(settings, link, Some(inheritance), now)
    }

    fn apply_with(
        &mut self,
        settings: &Settings,
        link: impl Fn(&Instance) -> Link,
        inheritance: Option<Inheritance<'_>>,
        now: Instant,
    ) -> Applied {
        let mut applied = Applied::default();
        let mut old = self.dissolve();
        let mut members = Vec::with_capacity(settings.instances.len());
        for instance in &settings.instances {
            let group = settings.groups.iter().find(|group| group.members.contains(&instance.name));
            let group = group.map(|group| Arc::clone(&group.name));
            let known = old.iter().position(|(member, _)| member.settings.name == instance.name);
            let known = known.map(|at| old.remove(at));
            let (mut member, router) = match known {
                Some((member, mut router)) if member.becomes(instance) => {
                    note_group(&member, group.as_ref(), &mut applied);
                    let member = change(member, &mut router, instance, &mut applied, now);
                    router.handle_link(link(instance), now);
                    (member, router)
                }
                Some((member, router)) => {
                    let what = "is another virtual router now and starts anew";
                    applied.changes.push(format!("{}: {what}", instance.name));
                    let yielded = router.is_yielded();
                    self.discharge(&member, router, now);
                    let (member, mut router) = self.create(instance, link(instance), now);
                    if yielded {
                        router.give_away(now);
                    }
                    (member, router)
                }
                None => {
                    applied.changes.push(format!("{}: new", instance.name));
                    self.create(instance, link(instance), now)
                }
            };
            member.group = group;
            members.push((member, router));
        }
        for (member, router) in old {
            applied.changes.push(format!("{}: removed", member.settings.name));
            self.discharge(&member, router, now);
        }
        for (member, router) in &mut members {
            if let Some(inheritance) = &inheritance {
                inheritance.start(member, router, now);
            }
        }
        self.seat(members, &settings.groups, now);
        applied
    }

    /// Every member with its router.
    fn dissolve(&mut self) -> Vec<(Member, Router)> {
        let routers = |unit| match unit {
            Unit::Alone(router) => vec![Some(*router)],
            Unit::Group(group) => group.into_members().into_iter().map(Some).collect(),
        };
        let mut units: Vec<Vec<_>> = self.units.drain(..).map(routers).collect();
        let mut take = |seat: Seat| units.get_mut(seat.unit)?.get_mut(seat.place)?.take();
        let with_router = |member: Member| take(member.seat).map(|router| (member, router));
        self.members.drain(..).filter_map(with_router).collect()
    }

    fn create(&mut self, instance: &Instance, link: Link, now: Instant) -> (Member, Router) {
        let key = Key(self.keys);
        self.keys += 1;
        let member = Member::new(key, Arc::new(instance.clone()));
        let mut router = Router::new(instance.router.clone(), member.standing(), now);
        router.handle_link(link, now);
        (member, router)
    }

    fn discharge(&mut self, member: &Member, mut router: Router, now: Instant) {
        router.handle_stop(now);
        let settings = Arc::clone(&member.settings);
        self.retired.push(Retired { key: member.key, settings, router });
    }

    /// Puts the routers into their groups, and starts those that are new.
    fn seat(&mut self, members: Vec<(Member, Router)>, groups: &[Group], now: Instant) {
        let mut grouped: Vec<Vec<Router>> = groups.iter().map(|_| Vec::new()).collect();
        for (mut member, mut router) in members {
            let group = groups.iter().position(|group| Some(&group.name) == member.group.as_ref());
            if let Some(unit) = group {
                member.seat = Seat { unit, place: grouped[unit].len() };
                grouped[unit].push(router);
            } else {
                router.leave_group(now);
                member.seat = Seat { unit: groups.len() + self.units.len(), place: 0 };
                self.units.push(Unit::Alone(Box::new(router)));
            }
            self.members.push(member);
        }
        let grouped = grouped.into_iter().map(|routers| Unit::Group(SyncGroup::new(routers)));
        self.units.splice(0..0, grouped);
        for at in 0..self.members.len() {
            self.tell(self.members[at].key, now, |router| router.handle_start(now));
        }
    }
}

impl Inheritance<'_> {
    fn start(&self, member: &mut Member, router: &mut Router, now: Instant) {
        let role = self.roles.iter().find(|role| role.instance == member.settings.name);
        if let Some(role) = role {
            member.trackers.resume(&role.scripts);
        }
        for sighting in self.sightings {
            member.trackers.handle_sighting(*sighting);
        }
        router.handle_standing(member.standing(), now);
        if role.is_some_and(|role| role.yielded) {
            router.give_away(now);
        }
        router.handle_inheritance(role.map_or(State::Initialize, |role| role.state), now);
    }
}

impl Member {
    /// It can go on as this one, without an election.
    fn becomes(&self, other: &Instance) -> bool {
        self.settings.interface == other.interface
            && self.settings.router.is_same_router(&other.router)
    }
}

fn change(
    mut member: Member,
    router: &mut Router,
    instance: &Instance,
    applied: &mut Applied,
    now: Instant,
) -> Member {
    if *member.settings == *instance {
        return member;
    }
    let old = std::mem::replace(&mut member.settings, Arc::new(instance.clone()));
    if old.trackers != instance.trackers {
        member.trackers.reconfigure(instance.trackers.clone());
    }
    let same = router.handle_config(instance.router.clone(), member.standing(), now);
    same.expect("it was looked at before");
    applied.changes.extend(describe(&old, instance));
    let moved = moved(member.key, &old, instance);
    applied.moved.extend(moved.filter(|_| router.is_active()));
    member
}

fn moved(key: Key, old: &Instance, new: &Instance) -> Option<Moved> {
    let kept = old.placements.iter().filter_map(|from| {
        let to = new.placements.iter().find(|to| to.address == from.address)?;
        (from != to).then(|| (from.clone(), to.clone()))
    });
    let (from, to): (Vec<_>, Vec<_>) = kept.unzip();
    (!from.is_empty()).then_some(Moved { key, from, to })
}

fn note_group(member: &Member, group: Option<&Arc<str>>, applied: &mut Applied) {
    let name = &member.settings.name;
    match (&member.group, group) {
        (None, Some(group)) => applied.changes.push(format!("{name}: moves with group '{group}'")),
        (Some(group), None) => {
            applied.changes.push(format!("{name}: no longer moves with group '{group}'"));
        }
        (Some(old), Some(new)) if old != new => {
            applied.changes.push(format!("{name}: moves with group '{new}', not with '{old}'"));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
}
