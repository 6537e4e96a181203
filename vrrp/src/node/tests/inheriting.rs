//! Roles that another process of the node leaves to this one.

use super::*;
use crate::track::{RiseFall, ScriptResult};

/// Tracks a script that counts as failed until it has passed three times, and then decides whether
/// the router can be active at all.
fn tracking() -> Settings {
    let rise_fall = RiseFall::new(3, 2).unwrap();
    let subject = Subject::Script { name: "api".into(), rise_fall, init_fail: true };
    let tracker = Tracker { subject, weight: Weight::new(0).unwrap(), reverse: false };
    settings(vec![Instance { trackers: vec![tracker], ..instance("A", "eth0", 1) }])
}

fn driven_with(results: &[ScriptResult]) -> Driven {
    let mut driven = Driven::new(&tracking());
    for result in results {
        driven.node.handle_sighting(Sighting::Script("api", *result), driven.now);
    }
    driven.act();
    driven
}

/// What the node of this process would hand over.
fn roles(driven: &Driven) -> Vec<Role> {
    let role = |(member, router): (&Member, &Router)| Role {
        instance: Arc::clone(&member.settings().name),
        state: router.state(),
        yielded: router.is_yielded(),
        scripts: member.scripts(),
    };
    driven.node.members().map(role).collect()
}

fn inherited(roles: &[Role]) -> Driven {
    let mut driven = Driven::new(&settings(Vec::new()));
    let inheritance = Inheritance { roles, sightings: &[] };
    driven.node.inherit(&tracking(), |_| own(), inheritance, driven.now);
    driven.act();
    driven
}

#[test]
fn who_is_active_stays_so_with_its_scripts_as_they_stood() {
    let mut before = driven_with(&[ScriptResult::Passed; 3]);
    before.activate();
    let mut after = inherited(&roles(&before));
    after.pass(Duration::from_secs(1));
    assert_eq!(after.states(), [State::Active]);
    // It takes two failures until it is the last one that anybody should turn to.
    let is_failed = |driven: &Driven| {
        driven.node.members().all(|(_, router)| router.status().standing.is_failed())
    };
    let failed = Sighting::Script("api", ScriptResult::Failed);
    after.node.handle_sighting(failed, after.now);
    assert!(!is_failed(&after));
    after.node.handle_sighting(failed, after.now);
    assert!(is_failed(&after));
}

#[test]
fn who_is_in_fault_stays_so_until_its_script_has_passed_often_enough() {
    let before = driven_with(&[ScriptResult::Passed; 2]);
    assert_eq!(before.states(), [State::Fault]);
    let mut after = inherited(&roles(&before));
    assert_eq!(after.states(), [State::Fault]);
    after.node.handle_sighting(Sighting::Script("api", ScriptResult::Passed), after.now);
    after.act();
    assert_eq!(after.states(), [State::Backup], "the third time");
}
