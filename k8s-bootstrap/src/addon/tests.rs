mod genuine;
mod schemas;

use std::net::Ipv4Addr;

use ring::rand::SystemRandom;
use time::OffsetDateTime;

use super::*;
use crate::inventory::{self, example};
use crate::plan::{Act, text};
use crate::secret::Secret;

/// The guide's cluster with these add-ons.
pub(crate) fn with(addons: &str) -> Inventory {
    let text = format!("{}\naddons:\n{addons}", example::HIGHLY_AVAILABLE);
    inventory::parse(&text).expect("no error").inventory
}

fn plan_of(inventory: &Inventory) -> Plan {
    let leader = &inventory.hosts[2];
    plan(Context { inventory, leader, keys: None }, &Name::ALL)
}

const METALLB: &str = "  metallb:\n    pools:\n      - {name: default, addresses: [172.16.16.150-172.16.16.180, \
     172.16.16.184/30]}\n      - {name: reserved, addresses: [172.16.16.190], autoAssign: false}\n    \
     interfaces: [eth1]\n";

#[test]
fn a_cluster_without_add_ons_has_no_steps() {
    let inventory = inventory::parse(example::HIGHLY_AVAILABLE).expect("no error").inventory;
    assert!(plan_of(&inventory).is_empty());
    assert_eq!(render(&inventory, &Name::ALL), "");
}

#[test]
fn the_plan_of_metallb_waits_for_definitions_and_webhook_before_pools() {
    insta::assert_snapshot!("metallb", text::render(&plan_of(&with(METALLB))));
}

#[test]
fn what_is_removed_goes_in_the_opposite_order() {
    let inventory = with(METALLB);
    let leader = &inventory.hosts[2];
    let plan = removal(Context { inventory: &inventory, leader, keys: None }, &Name::ALL);
    insta::assert_snapshot!("metallb_removal", text::render(&plan));
}

#[test]
fn masters_announce_only_where_there_is_no_worker() {
    let ids = |inventory: &Inventory| -> Vec<String> {
        plan_of(inventory).steps().map(|step| step.id.clone()).collect()
    };
    let step = "metallb-masters".to_owned();
    assert!(!ids(&with(METALLB)).contains(&step));
    let mut alone = with(METALLB);
    alone.hosts.retain(|host| !host.has(Role::Worker));
    assert!(ids(&alone).contains(&step));
}

#[test]
fn a_set_that_differs_has_another_hash_and_the_same_has_the_same() {
    let set = |text: &str| {
        let rendered = render(&with(text), &Name::ALL);
        let hash = rendered.lines().find(|line| line.contains("halb/set"));
        hash.expect("each object carries it").to_owned()
    };
    assert_eq!(set(METALLB), set(METALLB));
    assert_ne!(set(METALLB), set(&METALLB.replace("190", "191")));
}

const NGINX: &str = "  nginx: {address: 172.16.16.150}\n";

#[test]
fn nginx_is_asked_from_a_host_that_is_no_node() {
    let inventory = with(&format!("{METALLB}{NGINX}"));
    let leader = &inventory.hosts[2];
    let plan = plan(Context { inventory: &inventory, leader, keys: None }, &[Name::Nginx]);
    insta::assert_snapshot!("nginx", text::render(&plan));
}

pub(crate) const REGISTRY: &str =
    "  metallb: {pools: [{name: default, addresses: [172.16.16.150-172.16.16.180]}]}
  storage:
    volumes:
      - {name: images, node: kworker02, path: /srv/halb/images, size: 20Gi}
      - {name: database-0, node: kworker01, path: /srv/halb/database-0, size: 5Gi}
      - {name: database-1, node: kworker02, path: /srv/halb/database-1, size: 5Gi}
      - {name: database-2, node: kworker01, path: /srv/halb/database-2, size: 5Gi}
  registry: {address: 172.16.16.151, volume: images}
";

pub(crate) const PATRONI: &str = "  patroni:
    image: quay.io/example/patroni@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
    volumes: [database-0, database-1, database-2]
";

/// Keys whose passwords are known, so that goldens stay.
pub(super) fn keys(address: Ipv4Addr) -> Keys {
    let (random, now) = (SystemRandom::new(), OffsetDateTime::now_utc());
    let authority = Keys::authority(&random, now).expect("made");
    let registry = keys::certificate(&authority, address, &random, now).expect("made");
    // bcrypt of the password below, as crypt(3) makes it.
    let hash = "halb:$2b$05$abcdefghijklmnopqrstuuGA4ZNpszJE1DcGprcgjPFJaOyPpTT1O";
    Keys {
        authority,
        registry,
        password: Secret::new("pull4horses0abcdefghijkl"),
        htpasswd: Secret::new(hash),
        superuser: Secret::new("superuser0abcdefghijklmn"),
        replication: Secret::new("replication0abcdefghijkl"),
    }
}

#[test]
fn what_keeps_data_has_folders_claims_and_secrets_that_do_not_show() {
    let inventory = with(&format!("{REGISTRY}{PATRONI}"));
    let leader = &inventory.hosts[2];
    let keys = keys(Ipv4Addr::new(172, 16, 16, 151));
    let context = Context { inventory: &inventory, leader, keys: Some(&keys) };
    let plan = plan(context, &Name::ALL);
    let text = text::render(&plan);
    for secret in [&keys.password, &keys.superuser, &keys.replication, &keys.registry.key] {
        let secret = secret.expose();
        assert!(!text.contains(secret) && !text.contains(&keys::base64(secret.as_bytes())));
    }
    assert!(!text.contains(&keys.basic()));
    let on = |host: &str| -> Vec<&str> {
        let stage = plan.stages.iter().find(|stage| stage.name == StageName::AddonNodes);
        let hosts = &stage.expect("nodes have something to do").hosts;
        let host = hosts.iter().find(|part| part.host == host).expect("it has");
        host.steps.iter().map(|step| step.id.as_str()).collect()
    };
    let containerd = ["registry-ca", "registry-hosts", "registry-elsewhere"];
    assert_eq!(on("kmaster03"), containerd);
    assert_eq!(
        on("kworker02"),
        [&["volume-images", "volume-database-1"], &containerd[..]].concat()
    );
    insta::assert_snapshot!("data_manifests", render(&inventory, &Name::ALL));
}

#[test]
fn the_last_steps_ask_registry_and_database() {
    let inventory = with(&format!("{REGISTRY}{PATRONI}"));
    let leader = &inventory.hosts[2];
    let keys = keys(Ipv4Addr::new(172, 16, 16, 151));
    let context = Context { inventory: &inventory, leader, keys: Some(&keys) };
    let ids = |plan: &Plan| -> Vec<String> { plan.steps().map(|step| step.id.clone()).collect() };
    let wanted = ids(&plan(context, &[Name::Registry, Name::Patroni]));
    let last: Vec<_> = wanted.iter().rev().take(4).rev().collect();
    assert_eq!(last, ["registry", "patroni", "patroni-leader", "registry-answers"]);
    let order = |order| patronictl(context, &order).steps().next().map(text_of);
    let switchover = order(Order::Switchover(Some("patroni-1".to_owned()))).expect("one step");
    assert!(switchover.ends_with("patronictl switchover patroni --candidate patroni-1 --force"));
    let odd = order(Order::Failover("a; reboot".to_owned())).expect("one step");
    assert!(odd.ends_with("patronictl failover patroni --candidate 'a; reboot' --force"), "{odd}");
}

fn text_of(step: &Step) -> String {
    let Act::Run { command } = &step.act else { panic!("{step:?}") };
    command.line()
}

#[test]
fn each_add_on_removes_every_kind_that_it_makes() {
    let inventory = with(&format!("{REGISTRY}{PATRONI}{NGINX}"));
    let leader = &inventory.hosts[2];
    let keys = keys(Ipv4Addr::new(172, 16, 16, 151));
    let context = Context { inventory: &inventory, leader, keys: Some(&keys) };
    for name in Name::ALL {
        let made = plan(context, &[name]);
        let removed: String = removal(context, &[name]).steps().map(text_of).collect();
        let sets = made.steps().filter_map(|step| {
            let Act::Run { command } = &step.act else { return None };
            command.stdin.as_ref()
        });
        let kinds = sets.flat_map(|set| set.expose().lines()).filter_map(|line| {
            line.strip_prefix("kind: ").map(|kind| kind.trim_matches('\'').to_lowercase())
        });
        for kind in kinds {
            assert!(removed.contains(kind.trim_end_matches('s')), "{name} leaves its {kind}");
        }
    }
}
