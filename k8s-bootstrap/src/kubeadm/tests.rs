use ring::rand::SystemRandom;
use time::OffsetDateTime;

use super::*;
use crate::inventory::{self, example};

fn material() -> Material {
    let now = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("in range");
    Material::make(&SystemRandom::new(), now).expect("random numbers")
}

fn parsed(text: &str) -> Inventory {
    inventory::parse(text).unwrap_or_else(|problems| panic!("{problems:?}")).inventory
}

/// Words that YAML takes for something else stay texts.
#[test]
fn every_text_is_in_quotes() {
    let text = example::HIGHLY_AVAILABLE
        .replace("name: seed ", "name: on ")
        .replace("name: kmaster01", "name: \"1e3\"");
    let inventory = parsed(&text);
    let init = init(&inventory, &inventory.hosts[2], &material());
    for line in init.expose().lines().filter(|line| *line != "---") {
        let value = line.split_once(": ").map(|(_, value)| value);
        let value = value.or_else(|| line.trim().strip_prefix("- "));
        let Some(value) = value else { continue };
        let quoted = value.starts_with(['\'', '"']) && value.ends_with(['\'', '"']);
        let number = value.parse::<u16>().is_ok() || matches!(value, "true" | "false");
        let list = value.contains(": ") || value.ends_with(':');
        assert!(quoted || number || list, "{line}");
    }
    assert!(init.expose().contains("clusterName: 'on'\n"), "{}", init.expose());
    assert!(init.expose().contains("name: '1e3'\n"), "{}", init.expose());
}

#[test]
fn a_master_joins_with_its_own_endpoint_and_a_worker_without() {
    let (inventory, material) = (parsed(example::HIGHLY_AVAILABLE), material());
    let of = |name: &str| {
        let host = inventory.hosts.iter().find(|host| host.name == name).expect("it is there");
        join(&inventory, host, &material).expose().to_owned()
    };
    assert!(of("kmaster02").contains("controlPlane:\n  localAPIEndpoint:\n"));
    assert!(!of("kworker01").contains("controlPlane:"));
    assert!(of("kworker01").contains(&material.ca_hash()));
    assert!(of("kworker01").contains("value: '172.16.16.201'"));
}

#[test]
fn swap_and_cgroup_v1_are_borne_only_where_that_was_chosen() {
    let text = example::HIGHLY_AVAILABLE
        .replace("swap: off ", "swap: keep ")
        .replace("# cgroupV1: refuse ", "cgroupV1: allow ");
    let (chosen, usual) = (parsed(&text), parsed(example::HIGHLY_AVAILABLE));
    let shown = |inventory: &Inventory| {
        init(inventory, &inventory.hosts[2], &material()).expose().to_owned()
    };
    for words in ["failSwapOn: false", "failCgroupV1: false", "- 'Swap'", "- 'SystemVerification'"]
    {
        assert!(shown(&chosen).contains(words), "{words} in {}", shown(&chosen));
        assert!(!shown(&usual).contains(words), "{words} in {}", shown(&usual));
    }
}

#[test]
fn what_may_be_seen_has_everything_but_the_token() {
    let (inventory, material) = (parsed(example::HIGHLY_AVAILABLE), material());
    for secret in [
        init(&inventory, &inventory.hosts[2], &material),
        join(&inventory, &inventory.hosts[5], &material),
        token_object(&material),
    ] {
        let shown = secret.shown().expect("some of it");
        assert!(!shown.contains(material.token.expose()));
        assert!(shown.contains("(secret)") && shown.contains("kind:"), "{shown}");
    }
}
