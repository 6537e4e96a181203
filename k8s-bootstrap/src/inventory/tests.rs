use proptest::prelude::*;

use super::*;
use crate::inventory::problem::Span;

/// Problems as `line:column: what | consequence | remedy`.
fn told(text: &str, problems: &[Problem]) -> String {
    let place = |span: &Span| {
        let before = &text[..span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        format!("{line}:{column}")
    };
    let lines = problems.iter().map(|problem| {
        let Problem { severity, span, what, consequence, remedy, related } = problem;
        let mut told = format!("{}: {severity:?}: {what}", place(span));
        for more in [consequence, remedy].into_iter().flatten() {
            told.push_str(&format!("\n    {more}"));
        }
        if let Some((span, what)) = related {
            told.push_str(&format!("\n    {}: {what}", place(span)));
        }
        told
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn problems_of(text: &str) -> String {
    match parse(text) {
        Ok(loaded) => told(text, &loaded.lints),
        Err(problems) => told(text, &problems),
    }
}

#[test]
fn the_inventories_that_are_printed_are_good() {
    let loaded = parse(example::HIGHLY_AVAILABLE).expect("no error");
    assert_eq!(loaded.lints, []);
    let inventory = loaded.inventory;
    assert_eq!(inventory.hosts.len(), 7);
    assert_eq!(inventory.endpoint.port, 6443);
    assert_eq!(inventory.hosts[0].ssh.user, "vagrant");
    assert_eq!(inventory.hosts[0].ssh.sudo, Sudo::Passwordless);
    let loaded = parse(example::ONE_BALANCER).expect("no error");
    let text = told(example::ONE_BALANCER, &loaded.lints);
    assert_eq!(text.lines().count(), 3, "one balancer is worth a word, and only that: {text}");
    assert_eq!(loaded.inventory.endpoint.address.to_string(), "10.20.1.5");
}

#[test]
fn the_mistyped_network_of_the_guide_is_seen_before_any_host_is_asked() {
    let table = example::HIGHLY_AVAILABLE.replace("address: 172.16.16.", "address: 176.16.16.");
    insta::assert_snapshot!("hosts_in_public_space", problems_of(&table));
    let all = example::HIGHLY_AVAILABLE.replace("172.16.16.", "176.16.16.");
    insta::assert_snapshot!("network_in_public_space", problems_of(&all));
}

#[test]
fn addresses_of_ipv6_are_refused_by_that_name() {
    for (from, to) in [
        ("network: 172.16.16.0/24", "network: fd00:16::/64"),
        ("podSubnet: 10.244.0.0/16", "podSubnet: 10.244.0.0/16,fd00:244::/56"),
        ("serviceSubnet: 10.96.0.0/12", "serviceSubnet: 'fd00:96::/108'"),
        ("address: 172.16.16.100", "address: 'fd00:16::100'"),
        ("address: 172.16.16.201", "address: 'fd00:16::201'"),
    ] {
        let text = example::HIGHLY_AVAILABLE.replace(from, to);
        assert_ne!(text, example::HIGHLY_AVAILABLE, "{from} isn't there");
        let told = problems_of(&text);
        assert!(told.contains("is IPv6, not IPv4"), "{to}: {told}");
        assert!(told.contains("clusters of IPv4 alone"), "{to}: {told}");
    }
}

#[test]
fn one_pass_finds_everything_that_is_wrong_with_a_file() {
    let text = r#"
apiVersion: halb/v2
kind: Clusters
name: Seed_1
kubernets: {version: 1.36.4}
kubernetes:
  version: 1.36
  podSubnet: 10.244.1.0/16
  serviceSubnet: 10.244.0.0/24
  proxyMode: ipvs
network: 172.16.16.0/24
vip: {address: 172.16.17.100, routerId: 256}
endpoint: {name: cluster.local, port: 6443}
policy: {firewall: opn, swap: on}
ssh: {user: [me], sudo: yes}
packages: {kubernetes: pkgs.k8s.io, containerdVersion: "2.x"}
hosts:
  - {name: lb, role: balancer, address: 172.16.16.51}
  - {name: lb, role: balancers, address: 172.16.16.51}
  - {name: m1, roles: [master, balancer], address: 172.16.16.101}
  - {name: m2, roles: [master, worker], address: 172.16.16.102, colour: blue}
  - {name: "m 3", role: master, address: 172.16.16.255}
  - {name: m4, role: master}
"#;
    insta::assert_snapshot!(problems_of(text));
}

#[test]
fn what_fits_badly_together_is_told() {
    let even = example::HIGHLY_AVAILABLE
        .replace("  - {name: kmaster03, role: master, address: 172.16.16.103}\n", "");
    assert!(problems_of(&even).contains("there are 2 masters, an even number"));
    let old = example::HIGHLY_AVAILABLE.replace("1.36.4", "1.31.0").replace("3.32.1", "3.28.1");
    let told = problems_of(&old);
    assert!(told.contains("v1.31 gets no more fixes"), "{told}");
    assert!(told.contains("Calico 3.28.1 was tested with Kubernetes 1.27 to 1.30"), "{told}");
    for unknown in ["1.30.9", "1.99.0", "2.0.0"] {
        let told = problems_of(&example::HIGHLY_AVAILABLE.replace("1.36.4", unknown));
        assert!(told.contains("isn't supported"), "{told}");
    }
    let overlapping = example::HIGHLY_AVAILABLE.replace("10.244.0.0/16", "172.16.0.0/16");
    assert!(problems_of(&overlapping).contains("overlaps"));
    let without_vip = example::HIGHLY_AVAILABLE
        .replace("vip:\n", "")
        .replace("  address: 172.16.16.100            # an address of the network that nobody has\n", "")
        .replace("  routerId: 51                      # VRRP's number, unique in the network: 1 to 255\n", "");
    assert!(problems_of(&without_vip).contains("2 balancers and no virtual IP"));
}

#[test]
fn masters_that_are_balancers_have_another_port_for_the_endpoint() {
    let text = example::HIGHLY_AVAILABLE.replace("role: master,", "roles: [master, balancer],");
    let inventory = parse(&text).expect("no error").inventory;
    assert_eq!(inventory.endpoint.port, 8443);
    assert_eq!(inventory.with_role(Role::Balancer).count(), 5);
}

#[test]
fn what_is_no_yaml_is_told_with_its_place() {
    for (text, place, words) in [
        ("name: [a", "1:9", "no YAML"),
        ("", "1:1", "empty"),
        ("a: 1\n---\nb: 2\n", "2:1", "second document"),
        ("a: &x 1\nb: *x\n", "1:4", "anchors"),
        ("- 1\n- 2\n", "1:1", "takes a table, not a list"),
        ("hosts: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "1:23", "too deep"),
        ("name: a\nname: b\n", "2:1", "written twice"),
    ] {
        let told = problems_of(text);
        assert!(told.lines().any(|l| l.starts_with(place) && l.contains(words)), "{text}:\n{told}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    #[test]
    fn no_changed_inventory_makes_the_reader_panic(
        at in 0..example::HIGHLY_AVAILABLE.len(),
        length in 0..40_usize,
        put in "[ -~\n]{0,20}",
    ) {
        let end = (at + length).min(example::HIGHLY_AVAILABLE.len());
        let text = example::HIGHLY_AVAILABLE;
        let changed = format!("{}{put}{}", &text[..at], &text[end..]);
        if let Err(problems) = parse(&changed) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.span.end <= changed.len(), "{problem:?}");
                prop_assert!(changed.is_char_boundary(problem.span.start));
            }
        }
    }
}
