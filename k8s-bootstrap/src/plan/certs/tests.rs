use super::*;
use crate::facts::Service;
use crate::inventory::example;
use crate::plan::tests::world::World;

/// The guide's cluster, whole.
pub(crate) fn whole() -> World {
    let mut world = World::bare(example::HIGHLY_AVAILABLE, "debian12");
    let plan = world.plan();
    world.apply_all(&plan);
    world
}

fn renewal(world: &World, have_ended: bool) -> Result<Plan, Vec<Fault>> {
    renew(&world.inventory, &world.facts, &world.material, have_ended)
}

fn refusals(world: &World, have_ended: bool) -> Vec<(Option<String>, String)> {
    let faults = renewal(world, have_ended).expect_err("it is refused");
    faults.into_iter().map(|fault| (fault.host, fault.what)).collect()
}

fn silence(world: &mut World) {
    for name in ["kmaster01", "kmaster02", "kmaster03"] {
        world.facts_of(name).cluster = ClusterState::Silent;
    }
}

/// Changes the cluster as every master sees it.
fn change(world: &mut World, with: impl Fn(&mut Cluster)) {
    for facts in world.facts.values_mut() {
        if let ClusterState::Answers(cluster) = &mut facts.cluster {
            with(cluster);
        }
    }
}

#[test]
fn masters_renew_and_restart_one_after_the_other_and_then_access_is_fetched() {
    let plan = renewal(&whole(), false).expect("nothing stands in the way");
    let stages: Vec<_> = plan.stages.iter().map(|stage| (stage.name, stage.pace)).collect();
    assert_eq!(stages, [(StageName::Renew, Pace::OneByOne), (StageName::Access, Pace::OneByOne)]);
    let hosts: Vec<_> = plan.stages[0].hosts.iter().map(|host| host.host.as_str()).collect();
    assert_eq!(hosts, ["kmaster01", "kmaster02", "kmaster03"]);
    for host in &plan.stages[0].hosts {
        let ids: Vec<_> = host.steps.iter().map(|step| step.id.as_str()).collect();
        assert_eq!(ids, ["certs-renew", "pods-restart"]);
        let verify = host.steps[1].verify.as_ref().expect("it is verified");
        assert!(verify.line().contains("--server=https://172.16.16.10"), "{verify:?}");
    }
}

#[test]
fn a_master_that_is_not_well_keeps_the_others_from_restarting() {
    let mut world = whole();
    change(&mut world, |cluster| {
        if let Some(node) = cluster.nodes.get_mut("kmaster02") {
            node.ready = false;
        }
        cluster.etcd.retain(|member| member.name != "kmaster03");
    });
    let told = refusals(&world, true);
    let hosts: Vec<_> = told.iter().filter_map(|(host, _)| host.as_deref()).collect();
    assert_eq!(hosts, ["kmaster02", "kmaster03"], "{told:?}");
}

#[test]
fn a_silent_cluster_is_renewed_all_at_once_if_certificates_have_ended_and_not_otherwise() {
    let mut world = whole();
    silence(&mut world);
    let told = refusals(&world, false);
    assert!(told.iter().any(|(_, what)| what.contains("no API server answers")), "{told:?}");
    let plan = renewal(&world, true).expect("they have ended");
    assert_eq!(plan.stages[0].pace, Pace::AtOnce);
    assert_eq!(plan.stages[1].hosts[0].host, "kmaster01");
}

#[test]
fn hosts_that_are_no_masters_yet_or_are_at_work_are_refused() {
    let bare = World::bare(example::HIGHLY_AVAILABLE, "debian12");
    assert_eq!(refusals(&bare, true).len(), 3);
    let mut world = whole();
    let busy = Service { active: "active".to_owned(), enabled: "disabled".to_owned() };
    let unit = format!("{}.service", paths::RESTART_UNIT);
    world.facts_of("kmaster02").services.insert(unit, busy);
    let told = refusals(&world, false);
    assert!(told[0].1.contains("restarting the control plane"), "{told:?}");
}
