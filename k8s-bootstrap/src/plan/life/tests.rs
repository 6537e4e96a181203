use super::*;
use crate::facts::ClusterState;
use crate::inventory::example::HIGHLY_AVAILABLE;
use crate::plan::tests::world::World;
use crate::plan::{StageName, text};

/// The guide's cluster as it is after its first day.
fn seed() -> World {
    let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
    world.apply_all(&world.plan());
    world
}

fn remove(world: &World, node: &str, is_gone: bool) -> Result<Change, Vec<Fault>> {
    world.ground().remove(&Removal { node, is_gone, draining: Draining::default() })
}

fn upgrade(world: &World, version: &str) -> Result<Change, Vec<Fault>> {
    let version = Version::parse(version).expect("a version");
    world.ground().upgrade(&Upgrade { version, workers_at_once: 1, draining: Draining::default() })
}

fn reason(made: Result<Change, Vec<Fault>>) -> String {
    let faults = made.expect_err("it is refused");
    faults.iter().map(|it| format!("{}; {}\n", it.what, it.remedy)).collect()
}

/// Does a change as often as it takes, cut off after `count` steps each time but the last.
fn through(
    world: &mut World,
    count: usize,
    make: impl Fn(&World) -> Result<Change, Vec<Fault>>,
) -> usize {
    let mut runs = 0;
    loop {
        let plan = make(world).unwrap_or_else(|faults| panic!("run {runs}: {faults:#?}")).plan;
        if plan.is_empty() {
            return runs;
        }
        world.apply(&plan, count);
        runs += 1;
        assert!(runs < 500, "it never ends: {}", text::render(&plan));
    }
}

#[test]
fn a_worker_goes_like_this() {
    insta::assert_snapshot!(text::render(&remove(&seed(), "kworker02", false).unwrap().plan));
}

#[test]
fn a_master_goes_like_this() {
    let world = seed();
    let change = remove(&world, "kmaster02", false).unwrap();
    assert!(change.notes[0].contains("can't lose another one"), "{:?}", change.notes);
    insta::assert_snapshot!(world.told(&change.plan));
}

#[test]
fn after_a_node_went_and_its_lines_with_it_nothing_is_left_to_do() {
    for node in ["kmaster01", "kmaster03", "kworker01"] {
        let mut world = seed();
        through(&mut world, usize::MAX, |world| remove(world, node, false));
        let faults = world.try_plan().expect_err("its lines are there still");
        assert!(faults[0].what.contains("node remove"), "{faults:?}");
        world.inventory.hosts.retain(|host| host.name != node);
        world.facts.remove(node);
        let rest = world.plan();
        assert!(rest.is_empty(), "{node}: {}", text::render(&rest));
    }
}

#[test]
fn a_removal_that_is_cut_off_anywhere_comes_to_its_end() {
    for node in ["kmaster01", "kworker01"] {
        let steps = remove(&seed(), node, false).unwrap().plan.steps().count();
        for count in 1..steps {
            let mut world = seed();
            let plan = remove(&world, node, false).unwrap().plan;
            world.apply(&plan, count);
            through(&mut world, usize::MAX, |world| remove(world, node, false));
            let known = world.cluster("kmaster02");
            assert!(!known.nodes.contains_key(node), "{node} after {count}");
            assert!(known.etcd.iter().all(|member| member.name != node), "{node} after {count}");
            assert!(world.facts.values().all(|it| it.drained.is_empty()), "{node} after {count}");
        }
    }
}

#[test]
fn a_master_that_etcd_needs_stays() {
    let mut world = seed();
    world.silence("kmaster03");
    let why = reason(remove(&world, "kmaster02", false));
    assert!(why.contains("etcd has 2 members and needs 2 of them, but only 1 is up"), "{why}");
    assert!(why.contains("kmaster03 isn't"), "{why}");
    world.facts.remove("kmaster03");
    let why = reason(remove(&world, "kmaster03", false));
    assert!(why.contains("--host-is-gone"), "{why}");
    let why = reason(remove(&world, "kmaster02", false));
    assert!(why.contains("only 1 is up") && why.contains("it doesn't answer"), "{why}");
    let why = reason(remove(&world, "kworker02", false));
    assert!(why.starts_with("it doesn't answer"), "another one's host: {why}");
    let change = remove(&world, "kmaster03", true).expect("the dead one may go");
    let names: Vec<_> = change.plan.stages.iter().map(|stage| stage.name).collect();
    assert!(!names.contains(&StageName::Clear), "nobody is there to be cleared: {names:?}");
}

#[test]
fn who_is_no_node_or_unknown_or_alive_is_refused_with_the_reason() {
    let world = seed();
    assert!(reason(remove(&world, "loadbalancer01", false)).contains("no node"));
    assert!(reason(remove(&world, "kmaster09", false)).contains("has no host kmaster09"));
    assert!(reason(remove(&world, "kworker01", true)).contains("and it answers"));
    let mut alone = seed();
    for master in ["kmaster02", "kmaster03"] {
        through(&mut alone, usize::MAX, |world| remove(world, master, false));
    }
    assert!(reason(remove(&alone, "kmaster01", false)).contains("only member of etcd"));
    let bare = World::bare(HIGHLY_AVAILABLE, "debian12");
    assert!(reason(remove(&bare, "kmaster01", false)).contains("no master"));
}

#[test]
fn a_host_joins_anew_after_it_was_removed_and_only_it() {
    for node in ["kmaster02", "kworker02"] {
        let mut world = seed();
        through(&mut world, usize::MAX, |world| remove(world, node, false));
        let plan = world.ground().join(node).unwrap().plan;
        assert!(plan.steps().any(|step| step.id == "kubeadm-join"), "{}", text::render(&plan));
        let runs = through(&mut world, usize::MAX, |world| world.ground().join(node));
        assert_eq!(runs, 1);
        let rest = world.plan();
        assert!(rest.is_empty(), "{node}: {}", text::render(&rest));
    }
    let why = reason(seed().ground().join("loadbalancer01"));
    assert!(why.contains("balancer"), "{why}");
}

/// The same with a host in the inventory that is to become a fourth master.
fn seed_and_a_bare_master() -> World {
    let bare = World::bare(HIGHLY_AVAILABLE, "debian12");
    let mut host = bare.inventory.hosts.iter().find(|host| host.name == "kmaster03").cloned();
    let mut facts = bare.facts["kmaster03"].clone();
    let (name, address) = ("kmaster04".to_owned(), "172.16.16.104/24");
    (facts.hostname, facts.machine_id) = (name.clone(), Some("another".to_owned()));
    facts.interfaces[1].addresses = vec![address.parse().expect("an address")];
    let host = host.as_mut().expect("a host of the guide's");
    (host.name, host.address) = (name.clone(), facts.interfaces[1].addresses[0].addr());
    let mut world = seed();
    world.inventory.hosts.push(host.clone());
    world.facts.insert(name, facts);
    world
}

/// What is left of `node replace`: its first half, and when that is done its second one.
fn replace(world: &World, is_gone: bool) -> Result<Change, Vec<Fault>> {
    let join = || world.ground().succeed("kmaster02", "kmaster04");
    let [first, second] = if is_gone {
        [remove(world, "kmaster02", true), join()]
    } else {
        [join(), remove(world, "kmaster02", false)]
    };
    let first = first?;
    if first.plan.is_empty() { second } else { Ok(first) }
}

/// The seed's cluster before a master is replaced.
fn before_replacement(is_gone: bool) -> World {
    let mut world = seed_and_a_bare_master();
    if is_gone {
        world.facts.remove("kmaster02");
    }
    world
}

#[test]
fn a_master_takes_another_ones_place_wherever_that_is_cut_off() {
    for is_gone in [false, true] {
        let mut halfway = before_replacement(is_gone);
        let first = replace(&halfway, is_gone).unwrap().plan;
        halfway.apply_all(&first);
        for begun in [before_replacement(is_gone), halfway] {
            let plan = replace(&begun, is_gone).unwrap().plan;
            for count in 1..=plan.steps().count() {
                let mut world = begun.clone();
                world.apply(&plan, count);
                through(&mut world, usize::MAX, |world| replace(world, is_gone));
                world.inventory = world.inventory.without("kmaster02");
                world.facts.remove("kmaster02");
                let rest = world.plan();
                assert!(rest.is_empty(), "{is_gone} {count}: {}", text::render(&rest));
                let cluster = world.cluster("kmaster01");
                let members = cluster.etcd.iter().map(|member| member.name.as_str());
                let members: Vec<_> = members.collect();
                assert_eq!(members, ["kmaster01", "kmaster03", "kmaster04"], "{count}");
                assert!(world.facts.values().all(|it| it.drained.is_empty()), "{count}");
            }
        }
    }
}

#[test]
fn no_master_joins_while_another_ones_etcd_is_down() {
    let mut world = seed();
    through(&mut world, usize::MAX, |world| remove(world, "kmaster02", false));
    world.silence("kmaster03");
    let why = reason(world.ground().join("kmaster02"));
    assert!(why.contains("kmaster03") && why.contains("node replace"), "{why}");
}

#[test]
fn the_next_minor_version_comes_like_this() {
    let world = seed();
    let change = upgrade(&world, "1.37.2").unwrap();
    assert_eq!(change.notes, ["Calico 3.32.1 was tested with Kubernetes 1.34 to 1.36"]);
    insta::assert_snapshot!(world.told(&change.plan));
}

#[test]
fn an_upgrade_that_is_cut_off_after_any_step_is_gone_on_with() {
    let steps = upgrade(&seed(), "1.37.2").unwrap().plan.steps().count();
    for count in (1..steps).chain([usize::MAX]) {
        let mut world = seed();
        let plan = upgrade(&world, "1.37.2").unwrap().plan;
        world.apply_upgrade(&plan, count, "1.37.2");
        let rest = upgrade(&world, "1.37.2").unwrap_or_else(|it| panic!("{count}: {it:#?}"));
        world.apply_upgrade(&rest.plan, usize::MAX, "1.37.2");
        let rest = upgrade(&world, "1.37.2").unwrap().plan;
        assert!(rest.is_empty(), "after {count}: {}", text::render(&rest));
        world.inventory.kubernetes.version = Version::parse("1.37.2").unwrap();
        let rest = world.plan();
        assert!(rest.is_empty(), "after {count}: {}", text::render(&rest));
        let cluster = world.cluster("kmaster01");
        assert!(cluster.nodes.values().all(|node| !node.cordoned && !node.by_halb), "{count}");
        assert!(world.facts.values().all(|facts| facts.drained.is_empty()), "{count}");
    }
}

#[test]
fn two_minor_versions_or_backwards_or_beyond_what_is_known_are_refused() {
    let world = seed();
    let why = reason(upgrade(&world, "1.38.0"));
    assert!(why.contains("one at a time") && why.contains("go to 1.37 first"), "{why}");
    assert!(why.contains("knows Kubernetes up to 1.37"), "{why}");
    assert!(reason(upgrade(&world, "1.35.8")).contains("leads back to no older version"));
    assert!(upgrade(&world, "1.36.9").is_ok(), "a fix");
}

#[test]
fn an_upgrade_waits_for_nodes_and_for_all_of_etcd() {
    let mut world = seed();
    world.everywhere(|cluster| {
        cluster.nodes.get_mut("kworker01").expect("a node").ready = false;
    });
    assert!(reason(upgrade(&world, "1.37.2")).contains("its node isn't ready"));
    let mut world = seed();
    world.silence("kmaster03");
    let why = reason(upgrade(&world, "1.37.2"));
    assert!(why.contains("while kmaster01 is away only 1 is up (kmaster03 is down)"), "{why}");
}

#[test]
fn what_the_operator_had_closed_stays_closed() {
    let mut world = seed();
    world.everywhere(|cluster| {
        cluster.nodes.get_mut("kworker01").expect("a node").cordoned = true;
    });
    let plan = upgrade(&world, "1.37.2").unwrap().plan;
    world.apply_upgrade(&plan, usize::MAX, "1.37.2");
    let cluster = world.cluster("kmaster01");
    assert!(cluster.nodes["kworker01"].cordoned);
    assert!(!cluster.nodes["kworker02"].cordoned);
}

#[test]
fn workers_are_upgraded_in_batches() {
    let world = seed();
    let version = Version::parse("1.37.2").unwrap();
    let wish = Upgrade { version, workers_at_once: 2, draining: Draining::default() };
    let plan = world.ground().upgrade(&wish).unwrap().plan;
    let batches = plan.stages.iter().filter(|stage| stage.name == StageName::UpgradeWorkers);
    let sizes: Vec<_> = batches.map(|stage| stage.hosts.len()).collect();
    assert_eq!(sizes, [2]);
}

#[test]
fn a_new_halb_follows_the_one_that_runs_and_a_new_file_is_only_read() {
    let mut world = seed();
    world.operator.halb_sha256 = "6b".repeat(32);
    let plan = upgrade(&world, "1.36.4").unwrap().plan;
    let lines = text::render(&plan);
    assert!(lines.contains("halb upgrade") && !lines.contains("systemctl restart"), "{lines}");
    assert_eq!(plan.stages.len(), 1, "{lines}");
    world.apply_all(&plan);
    let lines = text::render(&remove(&world, "kmaster03", false).unwrap().plan);
    assert!(lines.contains("halb reload"), "{lines}");
    let silent = world.facts_of("kmaster01");
    silent.cluster = ClusterState::Silent;
    assert!(remove(&world, "kmaster02", false).is_ok(), "another master steers");
}
