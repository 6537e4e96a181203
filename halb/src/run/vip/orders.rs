//! `halb vip yield` and `halb vip resume`: the order, and what came of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use halb_vrrp::config::Preempt;
use halb_vrrp::driver::{Handle, InstanceSnapshot, OrderError, Snapshot};
use halb_vrrp::router::{Kept, State};
use halb_vrrp::settings::Instance;
use tokio::{task, time};
use tracing::info;

use super::Vip;
use crate::control::protocol::VipOutcome;
use crate::status::words::exact;

/// Patience with what follows an order; below that of the command line for its answer.
const WAIT_MAX: Duration = Duration::from_secs(25);

/// Between two looks at what follows.
const LOOK_PAUSE: Duration = Duration::from_millis(5);

/// Why an order isn't carried out, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::run) struct Refusal(pub(in crate::run) String);

type Outcomes = Result<Vec<VipOutcome>, Refusal>;

impl Vip {
    /// Gives the addresses of one virtual router, or of all, to another node, and waits for what
    /// comes of it. Without `force` only if another node is known.
    pub(in crate::run) async fn give_away(&self, name: Option<String>, force: bool) -> Outcomes {
        let handle = self.known(name.as_deref())?;
        let before = handle.snapshot();
        if !force {
            concerned(&before, name.as_deref()).try_for_each(has_successor)?;
        }
        let begun = Instant::now();
        let (order, given) = (handle.clone(), name.clone());
        let names = self.order(move || order.give_away(given.as_deref())).await?;
        info!(virtual_routers = names.join(" "), "an operator gave virtual IPs away");
        let after = wait(&handle, begun, |snapshot| {
            concerned(snapshot, name.as_deref()).all(|one| !is_offering(one))
        })
        .await;
        let outcome = |one| given_away(one, was_active(&before, one), begun);
        Ok(concerned(&after, name.as_deref()).map(outcome).collect())
    }

    /// Takes [`Vip::give_away`] back, and waits for what comes of it.
    pub(in crate::run) async fn resume(&self, name: Option<String>) -> Outcomes {
        let handle = self.known(name.as_deref())?;
        let begun = Instant::now();
        let (order, taken) = (handle.clone(), name.clone());
        let names = self.order(move || order.resume(taken.as_deref())).await?;
        info!(virtual_routers = names.join(" "), "an operator let virtual routers take part again");
        let after = wait(&handle, begun, |snapshot| {
            concerned(snapshot, name.as_deref()).all(|one| !is_about_to_preempt(one))
        })
        .await;
        Ok(concerned(&after, name.as_deref()).map(resumed).collect())
    }

    /// Gives an order, which may wait for the thread of the virtual routers.
    async fn order(
        &self,
        order: impl FnOnce() -> Result<Vec<Arc<str>>, OrderError> + Send + 'static,
    ) -> Result<Vec<Arc<str>>, Refusal> {
        let ending = || Refusal("the daemon is ending".to_owned());
        let turn = Arc::clone(&self.ordering).acquire_owned().await.map_err(|_| ending())?;
        let work = task::spawn_blocking(move || {
            let answer = order();
            // The turn travels with the work, which goes on when its client leaves.
            drop(turn);
            answer
        });
        work.await.map_err(|_| ending())?.map_err(|error| Refusal(error.to_string()))
    }

    fn known(&self, name: Option<&str>) -> Result<Handle, Refusal> {
        let none = || Refusal("no virtual IP is configured ([vrrp.NAME])".to_owned());
        let handle = self.handle().ok_or_else(none)?;
        let snapshot = handle.snapshot();
        match name {
            Some(name) if concerned(&snapshot, Some(name)).next().is_none() => {
                let all = snapshot.instances.iter().map(|one| &*one.settings.name);
                let all = all.collect::<Vec<_>>().join(", ");
                Err(Refusal(format!("there is no virtual router '{name}'; there are: {all}")))
            }
            Some(_) | None => Ok(handle),
        }
    }
}

/// The routers that an order concerns: all, or one with those of its group.
fn concerned<'a>(
    snapshot: &'a Snapshot,
    name: Option<&str>,
) -> impl Iterator<Item = &'a InstanceSnapshot> {
    let named = name.map(str::to_owned);
    let own = snapshot.instances.iter().find(|one| Some(&*one.settings.name) == name);
    let group = own.and_then(|one| one.group.clone());
    snapshot.instances.iter().filter(move |one| match &named {
        None => true,
        Some(name) => *one.settings.name == **name || (group.is_some() && one.group == group),
    })
}

/// Looks until it is settled, or patience ends; only at what was published after the order.
async fn wait(
    handle: &Handle,
    ordered: Instant,
    settled: impl Fn(&Snapshot) -> bool,
) -> Arc<Snapshot> {
    loop {
        let snapshot = handle.snapshot();
        let is_new = snapshot.at > ordered;
        if (is_new && settled(&snapshot)) || ordered.elapsed() > WAIT_MAX {
            return snapshot;
        }
        time::sleep(LOOK_PAUSE).await;
    }
}

fn is_offering(one: &InstanceSnapshot) -> bool {
    one.status.state == State::Active && one.status.offer.is_some()
}

/// It hears a lower router, and is not to wait.
fn is_about_to_preempt(one: &InstanceSnapshot) -> bool {
    let status = &one.status;
    let lower = status.active.is_some_and(|active| active.priority < status.standing.effective);
    let preempts = one.settings.router.behaviour.preempt == Preempt::Immediately;
    status.state == State::Backup && lower && preempts
}

fn was_active(before: &Snapshot, one: &InstanceSnapshot) -> bool {
    let same = |other: &&InstanceSnapshot| other.settings.name == one.settings.name;
    before.instances.iter().find(same).is_some_and(|old| old.status.state == State::Active)
}

/// An active router is given away only if another node is known that may take the addresses.
fn has_successor(one: &InstanceSnapshot) -> Result<(), Refusal> {
    if one.status.state != State::Active {
        return Ok(());
    }
    let name = &one.settings.name;
    let addresses = addresses(&one.settings);
    let words = &one.status.words;
    if !words.is_empty() && !words.iter().any(|overheard| overheard.word.able) {
        let who: Vec<String> = words.iter().map(|overheard| overheard.from.to_string()).collect();
        return Err(Refusal(format!(
            "{name}: {} says that it can't take {addresses} now; look there ('halb vip explain'), \
             or use --force: then it is offered, and stays here if nobody takes it",
            who.join(", ")
        )));
    }
    if words.is_empty() && one.status.peers.is_empty() {
        return Err(Refusal(format!(
            "{name}: no other node was heard since the start, so nobody may be there to take \
             {addresses}. Backups are silent while this node is active; if you know that one is \
             there, use --force: {addresses} is offered, and stays here if nobody takes it"
        )));
    }
    Ok(())
}

fn given_away(one: &InstanceSnapshot, was_active: bool, begun: Instant) -> VipOutcome {
    let (name, status) = (&one.settings.name, &one.status);
    let addresses = addresses(&one.settings);
    let back = format!("'halb vip resume {name}' ends that");
    let is_active = status.state == State::Active;
    let message = match (was_active, is_active) {
        (false, false) => format!(
            "{name}: this node did not hold {addresses}; it takes it only if nobody else does. {back}"
        ),
        (true, false) => {
            let took = status.since.saturating_duration_since(begun).as_secs_f64();
            let holder = match holder(one) {
                Some((address, priority)) => format!("{address} (priority {priority})"),
                None => "another node".to_owned(),
            };
            format!(
                "{name}: {holder} has {addresses}, {} after the order; this node takes it back \
                 only if nobody else serves. {back}",
                exact(took)
            )
        }
        (_, true) => {
            let why = match status.kept {
                Some(Kept::YieldedToo { source }) => {
                    format!("not offered: {source} was given away as well, so {addresses}")
                }
                Some(Kept::NoBetter { source, priority }) => format!(
                    "not offered: {source} (priority {priority}) would hand it back, so {addresses}"
                ),
                None => format!(
                    "nobody took {addresses} within {}, so it",
                    exact(begun.elapsed().as_secs_f64())
                ),
            };
            let left = status.standing.effective;
            format!(
                "{name}: {why} stays here, with priority {left}; a better node that comes takes \
                 it. {back}"
            )
        }
    };
    VipOutcome { instance: name.to_string(), done: !is_active, message }
}

fn resumed(one: &InstanceSnapshot) -> VipOutcome {
    let (name, status) = (&one.settings.name, &one.status);
    let priority = status.standing.effective;
    let addresses = addresses(&one.settings);
    let rest = match (status.state, holder(one)) {
        (State::Active, _) => format!("it holds {addresses}"),
        (State::Backup, Some((address, theirs))) => {
            format!("{address} (priority {theirs}) holds {addresses}")
        }
        (State::Backup, None) => format!("nobody is known to hold {addresses}"),
        (State::Fault | State::Initialize, _) => format!("it is in state {}", status.state),
    };
    let message = format!("{name} takes part again, with priority {priority}; {rest}");
    VipOutcome { instance: name.to_string(), done: true, message }
}

fn holder(one: &InstanceSnapshot) -> Option<(IpAddr, u8)> {
    one.status.active.map(|active| (active.source, active.priority.get()))
}

fn addresses(settings: &Instance) -> String {
    let all = settings.router.addresses().as_slice().iter().map(ToString::to_string);
    all.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use halb_vrrp::values::Priority;

    use super::*;
    use crate::status::vrrp::samples::{self, Node, OTHER};

    fn refusal(node: &Node) -> Option<String> {
        let snapshot = node.snapshot();
        has_successor(&snapshot.instances[0]).err().map(|Refusal(why)| why)
    }

    #[test]
    fn an_active_node_is_given_away_only_if_another_one_is_known() {
        assert_eq!(refusal(&samples::active()), None, "one was heard once");
        let mut alone = Node::new();
        assert_eq!(refusal(&alone), None, "a backup has nothing to lose");
        alone.pass(Duration::from_secs(10));
        let why = refusal(&alone).unwrap();
        assert!(why.contains("no other node was heard") && why.contains("--force"), "{why}");
    }

    #[test]
    fn a_node_that_says_it_can_not_take_them_is_no_successor() {
        let mut node = samples::active();
        node.say(|word| word.able = false);
        let why = refusal(&node).unwrap();
        assert!(why.contains("172.16.16.52 says that it can't take 172.16.16.100"), "{why}");
        node.say(|word| word.able = true);
        assert_eq!(refusal(&node), None);
    }

    #[test]
    fn what_came_of_it_is_told() {
        let begun = Instant::now();
        let mut moved = samples::active();
        moved.hear(OTHER, 200, "mysecret");
        let told = given_away(&moved.snapshot().instances[0], true, begun);
        assert!(
            told.done && told.message.contains("172.16.16.52 (priority 200) has 172.16.16.100")
        );
        let kept = given_away(&samples::active().snapshot().instances[0], true, begun);
        assert!(!kept.done && kept.message.contains("nobody took 172.16.16.100"), "{kept:?}");
        let source = OTHER.parse().unwrap();
        let priority = Priority::LAST_RESORT;
        for (kept, why) in [
            (Kept::YieldedToo { source }, "not offered: 172.16.16.52 was given away as well"),
            (Kept::NoBetter { source, priority }, "172.16.16.52 (priority 1) would hand it back"),
        ] {
            let mut one = samples::active().snapshot().instances.remove(0);
            one.status.kept = Some(kept);
            let told = given_away(&one, true, begun);
            assert!(!told.done && told.message.contains(why), "{told:?}");
        }
        let mut backup = Node::new();
        backup.hear(OTHER, 101, "mysecret");
        let told = given_away(&backup.snapshot().instances[0], false, begun);
        assert!(told.done && told.message.contains("did not hold"), "{told:?}");
        let told = resumed(&backup.snapshot().instances[0]);
        assert!(told.message.contains("172.16.16.52 (priority 101) holds 172.16.16.100"));
    }

    #[test]
    fn an_order_concerns_the_whole_group() {
        let mut snapshot = samples::active().snapshot();
        let mut other = snapshot.instances[0].clone();
        let rename = |one: &InstanceSnapshot, name: &str| Instance {
            name: name.into(),
            ..one.settings.as_ref().clone()
        };
        other.settings = Arc::new(rename(&other, "VI_2"));
        let mut alone = other.clone();
        (alone.settings, alone.group) = (Arc::new(rename(&other, "VI_3")), None);
        snapshot.instances.extend([other, alone]);
        let count = |name| concerned(&snapshot, name).count();
        assert_eq!((count(None), count(Some("VI_1")), count(Some("VI_3"))), (3, 2, 1));
        assert_eq!(count(Some("VI_4")), 0);
    }
}
