use super::*;
use crate::facts::ClusterState;
use crate::plan::certs::tests::whole;
use crate::plan::tests::world::World;

fn of(world: &World, scope: Scope<'_>) -> Result<Plan, Vec<Fault>> {
    reset(&world.inventory, &world.facts, scope)
}

fn hosts(stage: &Stage) -> Vec<&str> {
    stage.hosts.iter().map(|host| host.host.as_str()).collect()
}

#[test]
fn a_cluster_ends_with_its_workers_first_and_its_first_master_last() {
    let world = whole();
    let plan = of(&world, Scope::Cluster).expect("nothing stands in the way");
    let leave = hosts(&plan.stages[0]);
    assert_eq!(leave, ["kworker02", "kworker01", "kmaster03", "kmaster02", "kmaster01"]);
    assert_eq!(plan.stages[1].name, StageName::PutBack);
    assert_eq!(plan.stages[1].hosts.len(), 7);
    for host in &plan.stages[1].hosts {
        assert_eq!(host.steps.last().map(|step| step.id.as_str()), Some("forget"));
    }
}

#[test]
fn a_node_is_drained_and_forgotten_by_a_master_that_stays() {
    let world = whole();
    let plan = of(&world, Scope::Host("kmaster01")).expect("two are left of three");
    assert_eq!(hosts(&plan.stages[0]), ["kmaster02", "kmaster01", "kmaster02"]);
    assert_eq!(hosts(&plan.stages[1]), ["kmaster01"]);
    let drain = plan.steps().next().expect("a step");
    assert_eq!(drain.id, "drain-kmaster01");
}

#[test]
fn a_master_whose_vote_is_needed_stays() {
    let mut world = whole();
    for facts in world.facts.values_mut() {
        if let ClusterState::Answers(cluster) = &mut facts.cluster
            && let Some(node) = cluster.nodes.get_mut("kmaster03")
        {
            node.ready = false;
        }
    }
    let faults = of(&world, Scope::Host("kmaster01")).expect_err("one of two would be left");
    assert!(faults[0].what.contains("etcd would lose its majority"), "{faults:?}");
    assert!(of(&world, Scope::Host("kmaster03")).is_ok(), "the one that is down may go");
}

#[test]
fn bare_hosts_have_nothing_to_be_put_back_and_unknown_ones_are_refused() {
    let mut world = World::bare(crate::inventory::example::HIGHLY_AVAILABLE, "debian12");
    assert!(of(&world, Scope::Cluster).expect("nothing stands in the way").is_empty());
    assert!(of(&world, Scope::Host("kworker09")).is_err());
    let mark = whole().facts_of("kworker01").files[paths::BEGUN].clone();
    world.facts_of("kworker01").files.insert(paths::BEGUN.to_owned(), mark);
    let faults = of(&world, Scope::Cluster).expect_err("nobody knows how it was");
    assert!(faults[0].what.contains("didn't remember"), "{faults:?}");
}

#[test]
fn the_only_balancer_stays() {
    let mut world = World::bare(crate::inventory::example::ONE_BALANCER, "debian12");
    let plan = world.plan();
    world.apply_all(&plan);
    let balancer = world.inventory.with_role(Role::Balancer).next().expect("one").name.clone();
    let faults = of(&world, Scope::Host(&balancer)).expect_err("nothing would lead there");
    assert!(faults[0].what.contains("only balancer"), "{faults:?}");
}
