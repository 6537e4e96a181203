use super::*;
use crate::plan::certs::tests::whole;
use crate::plan::tests::world::World;

fn source(discard_running: bool) -> Source {
    Source {
        file: "/home/alice/backup/snapshot.db".into(),
        snapshot: Snapshot { bytes: 544, sha256: "5a".repeat(32) },
        stamp: "2026-11-22T12-03-11Z".to_owned(),
        discard_running,
    }
}

fn try_restore(world: &World, discard_running: bool) -> Result<Plan, Vec<Fault>> {
    restore(&world.inventory, &world.facts, &world.material, &source(discard_running))
}

#[test]
fn a_cluster_that_runs_is_not_thrown_away_unless_that_is_said() {
    let world = whole();
    let faults = try_restore(&world, false).expect_err("it runs");
    assert_eq!(faults.len(), 3, "{faults:?}");
    assert!(faults[0].what.contains("the cluster runs"), "{faults:?}");
    assert!(faults[0].remedy.contains("all that has changed since the backup"), "{faults:?}");
    assert!(try_restore(&world, true).is_ok());
}

#[test]
fn all_masters_stop_before_one_is_made_and_all_are_made_before_one_starts() {
    let mut world = whole();
    for name in ["kmaster01", "kmaster02", "kmaster03"] {
        world.facts_of(name).cluster = ClusterState::Silent;
    }
    let plan = try_restore(&world, false).expect("nothing runs");
    let stages: Vec<_> = plan.stages.iter().map(|stage| (stage.name, stage.hosts.len())).collect();
    assert_eq!(
        stages,
        [
            (StageName::Upload, 3),
            (StageName::Stop, 3),
            (StageName::Restore, 3),
            (StageName::Start, 3),
            (StageName::Kubelets, 5),
        ]
    );
    let members: Vec<_> =
        plan.stages[2].hosts.iter().map(|host| host.steps[0].act.clone()).collect();
    for (number, act) in (1..).zip(members) {
        let Act::RunDetached { command, .. } = act else { panic!("{act:?}") };
        let line = command.line();
        assert!(line.contains(&format!("--name=kmaster0{number} ")), "{line}");
        assert!(line.contains("kmaster03=https://172.16.16.103:2380 "), "{line}");
    }
}

#[test]
fn hosts_that_are_no_masters_of_this_cluster_are_set_up_first() {
    let bare = World::bare(crate::inventory::example::HIGHLY_AVAILABLE, "debian12");
    let faults = try_restore(&bare, false).expect_err("they are bare");
    assert!(faults.iter().all(|fault| fault.remedy.contains("halb k8s apply")), "{faults:?}");
}

#[test]
fn no_unit_of_a_run_has_the_name_of_another_on_its_host() {
    let world = whole();
    let plans = [
        try_restore(&world, true).expect("it was said"),
        crate::plan::reset::reset(
            &world.inventory,
            &world.facts,
            crate::plan::reset::Scope::Cluster,
        )
        .expect("nothing stands in the way"),
    ];
    for plan in plans {
        let mut units = std::collections::BTreeSet::new();
        for host in plan.stages.iter().flat_map(|stage| &stage.hosts) {
            for step in &host.steps {
                if let Act::RunDetached { unit, .. } = &step.act {
                    assert!(units.insert((&host.host, unit)), "{unit} twice on {}", host.host);
                }
            }
        }
        assert!(units.len() > 5, "{units:?}");
    }
}
