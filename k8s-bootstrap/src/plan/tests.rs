mod dnf;
pub(crate) mod world;

use std::process::{self, Stdio};

use world::{SYSTEMS, World, service, text_file};

use super::*;
use crate::facts::ClusterState;
use crate::inventory::example::{HIGHLY_AVAILABLE, ONE_BALANCER};
use crate::paths;

/// Masters that carry the balancer, too.
fn shared() -> String {
    let without: Vec<_> =
        HIGHLY_AVAILABLE.lines().filter(|line| !line.contains("role: balancer")).collect();
    without.join("\n").replace("role: master,", "roles: [master, balancer],")
}

fn topologies() -> [(&'static str, String); 3] {
    [
        ("two_balancers", HIGHLY_AVAILABLE.to_owned()),
        ("one_balancer", ONE_BALANCER.to_owned()),
        ("shared", shared()),
    ]
}

#[test]
fn the_plan_for_the_cluster_of_the_guide_reads_like_the_guide_corrected() {
    insta::assert_snapshot!(World::bare(HIGHLY_AVAILABLE, "el9").text());
}

/// The page in docs walks through this very plan: each of its lines is one of the plan's, and in the
/// plan's order.
#[test]
fn the_walk_in_the_guide_is_through_this_plan() {
    const PAGE: &str = include_str!("../../../docs/guide/cluster.md");
    let plan = World::bare(HIGHLY_AVAILABLE, "el9").text();
    let (mut rest, mut inside, mut walked) = (plan.lines(), false, 0);
    for line in PAGE.lines() {
        match line {
            "```plan" => inside = true,
            "```" => inside = false,
            line if inside => {
                assert!(rest.any(|of_plan| of_plan == line), "not here in the plan: {line}");
                walked += 1;
            }
            _ => {}
        }
    }
    assert!(walked > 50, "the walk is gone");
}

#[test]
fn plans_for_other_systems_and_topologies_are_these() {
    insta::assert_snapshot!("debian12", World::bare(HIGHLY_AVAILABLE, "debian12").text());
    insta::assert_snapshot!("one_balancer_ubuntu", World::bare(ONE_BALANCER, "ubuntu2404").text());
    insta::assert_snapshot!("shared_el10", World::bare(&shared(), "el10").text());
}

#[test]
fn a_plan_that_was_carried_out_leaves_nothing_to_do() {
    for (topology, inventory) in topologies() {
        for system in SYSTEMS {
            let mut world = World::bare(&inventory, system);
            world.apply_all(&world.plan());
            // Images have taken their room.
            for facts in world.facts.values_mut() {
                facts.free_bytes.insert("/var/lib/containerd".into(), 1 << 30);
            }
            let rest = world.plan();
            assert!(rest.is_empty(), "{topology} on {system}: {}", text::render(&rest));
        }
    }
}

#[test]
fn whatever_was_done_when_a_run_ended_the_next_one_does_the_rest() {
    for system in ["debian12", "el9"] {
        let bare = World::bare(HIGHLY_AVAILABLE, system);
        let plan = bare.plan();
        for count in 0..plan.steps().count() {
            let mut world = bare.clone();
            world.apply(&plan, count);
            world.apply_all(&world.plan());
            let rest = world.plan();
            assert!(rest.is_empty(), "after {count} steps on {system}: {}", text::render(&rest));
        }
    }
}

/// Where in a plan a step stands; all of them on any host.
fn places(plan: &Plan, id: &str) -> Vec<usize> {
    let ids = plan.steps().enumerate().filter(|(_, step)| step.id == id);
    ids.map(|(place, _)| place).collect()
}

fn comes_before(plan: &Plan, first: &str, then: &str) {
    let (first_places, then_places) = (places(plan, first), places(plan, then));
    let last = first_places.iter().max().unwrap_or_else(|| panic!("no step {first}"));
    let next = then_places.iter().min().unwrap_or_else(|| panic!("no step {then}"));
    assert!(last < next, "{first} at {first_places:?}, {then} at {then_places:?}");
}

#[test]
fn what_others_rest_on_comes_first() {
    for system in SYSTEMS {
        let plan = World::bare(HIGHLY_AVAILABLE, system).plan();
        comes_before(&plan, "halb-service", "kubeadm-init");
        comes_before(&plan, "pull-images", "kubeadm-init");
        comes_before(&plan, "kubeadm-init", "kubeadm-join");
        comes_before(&plan, "kubeadm-join", "calico");
        comes_before(&plan, "calico", "kubeconfig");
        for host in plan.stages.iter().flat_map(|stage| &stage.hosts) {
            let place = |id: &str| host.steps.iter().position(|step| step.id == id);
            for (first, then) in [
                ("module-br_netfilter", "sysctl-now"),
                ("sysctl-boot", "sysctl-now"),
                ("kubernetes-source", "packages"),
                ("packages", "containerd-service"),
                ("containerd-config", "containerd-service"),
                ("halb-config", "halb-check"),
                ("halb-check", "halb-service"),
                ("kubeadm-config", "kubeadm-join"),
                ("kubeadm-join", "kubeadm-config-removed"),
            ] {
                if let (Some(first_place), Some(place)) = (place(first), place(then)) {
                    assert!(first_place < place, "{first} and {then} on {}", host.host);
                }
            }
        }
    }
}

#[test]
fn masters_join_one_by_one_and_workers_at_once() {
    let plan = World::bare(HIGHLY_AVAILABLE, "debian12").plan();
    let stage = |name| plan.stages.iter().find(|stage| stage.name == name).expect("it is there");
    assert_eq!(stage(StageName::Masters).pace, Pace::OneByOne);
    assert_eq!(stage(StageName::Workers).pace, Pace::AtOnce);
    let joining: Vec<_> = stage(StageName::Masters).hosts.iter().map(|host| &host.host).collect();
    assert_eq!(joining, ["kmaster02", "kmaster03"]);
}

#[test]
fn no_secret_is_in_a_command_a_text_or_a_debug() {
    for (_, inventory) in topologies() {
        let world = World::bare(&inventory, "debian12");
        // And a plan that repairs, which makes the token good again.
        let mut broken = world.clone();
        let plan = broken.plan();
        broken.apply(&plan, places(&plan, "kubeadm-join")[0]);
        for world in [world, broken] {
            let plan = world.plan();
            let json = serde_json::to_string(&plan).expect("JSON");
            let mut shown = vec![text::render(&plan), format!("{plan:?}"), json];
            for step in plan.steps() {
                let own = match &step.act {
                    Act::Run { command } | Act::RunDetached { command, .. } => Some(command),
                    Act::Write { .. }
                    | Act::Remove { .. }
                    | Act::InstallHalb { .. }
                    | Act::Remember { .. }
                    | Act::Upload { .. }
                    | Act::FetchKubeconfig { .. } => None,
                };
                let commands = own.into_iter().chain(&step.probe).chain(&step.verify);
                shown.extend(commands.flat_map(|command| command.argv.clone()));
                if let Act::Write { file } = &step.act {
                    let secret = matches!(file.content, Content::Secret(_));
                    assert_eq!(secret, file.mode == 0o600, "{}: 0600 and no other", file.path);
                }
            }
            for secret in world.material.secrets() {
                // A key is hidden only if none of its lines shows.
                let lines = secret.expose().lines().filter(|line| !line.starts_with("-----"));
                for line in lines {
                    assert!(!shown.iter().any(|text| text.contains(line)), "a secret shows");
                }
            }
        }
    }
}

/// Every script is one that a real shell can read, and every other command comes out of a shell as
/// the words that it is.
#[test]
fn a_real_shell_understands_every_command() {
    for system in SYSTEMS {
        for step in World::bare(HIGHLY_AVAILABLE, system).plan().steps() {
            let own = match &step.act {
                Act::Run { command } | Act::RunDetached { command, .. } => Some(command),
                Act::Write { .. }
                | Act::Remove { .. }
                | Act::InstallHalb { .. }
                | Act::Remember { .. }
                | Act::Upload { .. }
                | Act::FetchKubeconfig { .. } => None,
            };
            for command in own.into_iter().chain(&step.probe).chain(&step.verify) {
                let checked = process::Command::new("sh")
                    .args(["-n", "-c", &command.line()])
                    .stderr(Stdio::piped())
                    .output()
                    .expect("sh runs");
                let said = String::from_utf8_lossy(&checked.stderr);
                assert!(checked.status.success(), "{}: {said}\n{}", step.id, command.line());
            }
        }
    }
}

#[test]
fn a_join_that_broke_off_is_cleared_away_and_begun_anew() {
    let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
    let plan = world.plan();
    let joins = places(&plan, "kubeadm-join");
    world.apply(&plan, joins[0]);
    world.half_becomes_node("kmaster02");
    let ClusterState::Answers(cluster) = &mut world.facts_of("kmaster01").cluster else {
        panic!("the first master answers");
    };
    cluster.etcd.push(crate::facts::EtcdMember {
        id: "beef".into(),
        name: String::new(),
        peer: "https://172.16.16.102:2380".into(),
        learner: true,
    });
    let again = world.plan();
    insta::assert_snapshot!("repair", world.text());
    assert_eq!(places(&again, "etcd-member-beef").len(), 1);
    comes_before(&again, "etcd-member-beef", "reset");
    comes_before(&again, "reset", "kubeadm-join");
    world.apply_all(&again);
    assert!(world.plan().is_empty());
}

#[test]
fn a_new_worker_joins_a_cluster_that_runs() {
    let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
    world.apply_all(&world.plan());
    let grown = format!(
        "{HIGHLY_AVAILABLE}  - {{name: kworker03, role: worker, address: 172.16.16.203}}\n"
    );
    let larger = World::bare(&grown, "debian12");
    world.facts.insert("kworker03".into(), larger.facts["kworker03"].clone());
    world.inventory = larger.inventory;
    let plan = world.plan();
    assert_eq!(places(&plan, "kubeadm-join").len(), 1);
    assert_eq!(places(&plan, "token").len(), 1, "its token may be over");
    assert!(places(&plan, "kubeadm-init").is_empty());
    world.apply_all(&plan);
    assert!(world.plan().is_empty());
}

#[test]
fn a_cluster_that_does_not_answer_is_left_alone() {
    let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
    world.apply_all(&world.plan());
    for master in ["kmaster01", "kmaster02", "kmaster03"] {
        world.facts_of(master).cluster = ClusterState::Silent;
    }
    let faults = world.try_plan().expect_err("nothing may be changed");
    assert_eq!(faults.len(), 5, "{faults:#?}");
    assert!(faults.iter().all(|fault| fault.what.contains("doesn't answer")), "{faults:#?}");
}

#[test]
fn an_init_that_broke_off_is_begun_anew() {
    let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
    let plan = world.plan();
    world.apply(&plan, places(&plan, "kubeadm-init")[0]);
    world.half_becomes_node("kmaster01");
    let again = world.plan();
    comes_before(&again, "reset", "kubeadm-init");
    world.apply_all(&again);
    assert!(world.plan().is_empty());
}

#[test]
fn what_is_at_work_for_a_run_that_is_gone_is_waited_for() {
    let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
    let plan = world.plan();
    world.apply(&plan, places(&plan, "kubeadm-join")[0]);
    world.half_becomes_node("kmaster02");
    let started = plan.steps().find_map(|step| match &step.act {
        Act::RunDetached { unit, .. } if step.id == "kubeadm-join" => Some(unit.clone()),
        Act::Run { .. }
        | Act::RunDetached { .. }
        | Act::Write { .. }
        | Act::Remove { .. }
        | Act::InstallHalb { .. }
        | Act::Remember { .. }
        | Act::Upload { .. }
        | Act::FetchKubeconfig { .. } => None,
    });
    let unit = format!("{}.service", started.expect("masters join"));
    world.facts_of("kmaster02").services.insert(unit.clone(), service("active", "transient"));
    let at_work = preflight::at_work(&world.inventory, &world.facts);
    let at_work: Vec<_> = at_work.into_iter().map(|(host, what)| (&*host.name, what)).collect();
    assert_eq!(at_work, [("kmaster02", "kubeadm join")]);
    let faults = world.try_plan().expect_err("a reset would take the ground from under it");
    assert_eq!(faults.len(), 1, "{faults:#?}");
    world.facts_of("kmaster02").services.remove(&unit);
    world.becomes_node("kmaster02");
    let again = world.plan();
    assert!(places(&again, "reset").is_empty(), "it has come to a good end");
    world.apply_all(&again);
    assert!(world.plan().is_empty());
}

#[test]
fn all_faults_of_all_hosts_are_told_at_once() {
    let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
    world
        .facts_of("loadbalancer01")
        .services
        .insert("haproxy.service".into(), service("active", "enabled"));
    world.facts_of("loadbalancer02").interfaces.pop();
    world.facts_of("kmaster01").memory_bytes = 1 << 30;
    world.facts_of("kmaster01").processors = 1;
    world.facts_of("kmaster01").ports.insert(2379, "users:((\"etcd\",pid=1,fd=3))".into());
    world.facts_of("kmaster02").clock_ahead_ms = -90_000;
    let id = world.facts["kmaster02"].machine_id.clone();
    world.facts_of("kmaster03").machine_id = id;
    let worker = world.facts_of("kworker01");
    worker.os.id = "almalinux".into();
    worker.os.like = vec!["rhel".into(), "centos".into()];
    (worker.os.version, worker.os.title) = ("8.10".into(), "AlmaLinux 8.10".into());
    (worker.kernel, worker.cgroup_v2) = ("4.18.0-553.el8".into(), false);
    let worker = world.facts_of("kworker02");
    worker.files.insert(paths::KUBELET_CONF.into(), text_file("somebody else's"));
    worker.firewall = Some(crate::facts::Firewall::Ufw);
    worker.free_bytes.insert("/var/lib/containerd".into(), 1 << 30);
    let faults = world.try_plan().expect_err("nothing of this can work");
    let told = faults.iter().map(|fault| {
        let host = fault.host.as_deref().unwrap_or("all");
        format!("{host}: {}\n    {}", fault.what, fault.remedy)
    });
    insta::assert_snapshot!("faults", told.collect::<Vec<_>>().join("\n"));
}

#[test]
fn who_balances_today_is_replaced_only_when_told_to() {
    let allowed = HIGHLY_AVAILABLE.replace("replaceBalancers: false", "replaceBalancers: true");
    let mut world = World::bare(&allowed, "debian12");
    for unit in ["haproxy.service", "keepalived.service"] {
        let facts = world.facts_of("loadbalancer01");
        facts.services.insert(unit.into(), service("active", "enabled"));
    }
    let plan = world.plan();
    let text = text::render(&plan);
    assert!(text.contains("systemctl disable --now haproxy.service keepalived.service"), "{text}");
    world.apply_all(&plan);
    assert!(world.plan().is_empty());
}

#[test]
fn balancers_have_priorities_of_their_own() {
    let plan = World::bare(HIGHLY_AVAILABLE, "debian12").plan();
    let configurations: Vec<_> = plan
        .steps()
        .filter(|step| step.id == "halb-config")
        .filter_map(|step| match &step.act {
            Act::Write { file } => Some(file.content.expose().to_owned()),
            Act::Run { .. }
            | Act::RunDetached { .. }
            | Act::Remove { .. }
            | Act::InstallHalb { .. }
            | Act::Remember { .. }
            | Act::Upload { .. }
            | Act::FetchKubeconfig { .. } => None,
        })
        .collect();
    let priority =
        |text: &String| text.lines().find(|line| line.starts_with("priority")).map(str::to_owned);
    assert_eq!(configurations.len(), 2);
    assert_ne!(priority(&configurations[0]), priority(&configurations[1]));
}
