use proptest::prelude::*;

use super::*;
use crate::addon::Name;
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

/// The example with its section of add-ons: what has two marks of a comment stays one.
#[test]
fn the_add_ons_of_the_printed_inventory_are_good_without_their_comment() {
    let begin = example::HIGHLY_AVAILABLE.find("# addons:").expect("it has such a section");
    let (before, rest) = example::HIGHLY_AVAILABLE.split_at(begin);
    let (section, after) = rest.split_once("\n\n").expect("more comes after it");
    let lines = section.lines().map(|line| line.strip_prefix("# ").expect("all of it is one"));
    let section = lines.collect::<Vec<_>>().join("\n");
    let text = format!("{before}{section}\n\n{after}");
    let loaded = parse(&text).unwrap_or_else(|problems| panic!("{}", told(&text, &problems)));
    assert_eq!(loaded.lints, []);
    let wanted: Vec<_> =
        Name::ALL.into_iter().filter(|name| name.is_wanted(&loaded.inventory)).collect();
    assert_eq!(wanted, Name::ALL, "an add-on has no example");
    // Nothing of it takes effect as it is printed.
    let printed = parse(example::HIGHLY_AVAILABLE).expect("no error").inventory;
    assert!(Name::ALL.iter().all(|name| !name.is_wanted(&printed)));
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

/// The guide's cluster with these pools, each of one range.
fn with_pools(ranges: &[&str]) -> String {
    let pools = ranges
        .iter()
        .enumerate()
        .map(|(index, range)| format!("      - {{name: pool{index}, addresses: [{range}]}}\n"));
    let pools: String = pools.collect();
    format!("{}\naddons:\n  metallb:\n    pools:\n{pools}", example::HIGHLY_AVAILABLE)
}

#[test]
fn a_pool_shares_no_address_with_anything_else() {
    for (ranges, what) in [
        (&["172.16.16.90-172.16.16.100"][..], "has 172.16.16.100, the virtual IP"),
        (&["172.16.16.51"], "has 172.16.16.51, the address of loadbalancer01"),
        (&["172.16.16.200-172.16.16.201"], "has 172.16.16.201, the address of kworker01"),
        (&["172.16.16.150-172.16.16.160", "172.16.16.160/31"], "overlaps"),
        (&["10.244.3.0/24"], "overlaps podSubnet (10.244.0.0/16)"),
        (&["10.96.0.10"], "overlaps serviceSubnet (10.96.0.0/12)"),
        (&["172.16.17.1-172.16.17.9"], "is not within the hosts' network 172.16.16.0/24"),
        (&["172.16.16.210-172.16.16.255"], "has the network's own or its broadcast address"),
        (&["172.16.16.9-172.16.16.1"], "this is no range of addresses"),
        (&[], "'addons.metallb.pools' takes a list, not nothing"),
    ] {
        let text = with_pools(ranges);
        let problems = parse(&text).expect_err(what);
        let [problem] = problems.as_slice() else { panic!("{}", told(&text, &problems)) };
        assert!(problem.what.contains(what), "{what}: {}", problem.what);
    }
    let text = with_pools(&["172.16.16.150-172.16.16.160", "172.16.16.161/32"]);
    let loaded = parse(&text).expect("these share nothing");
    let metallb = loaded.inventory.addons.metallb.expect("it is wanted");
    let range = |first: u8, last: u8| addons::AddressRange {
        first: Ipv4Addr::new(172, 16, 16, first),
        last: Ipv4Addr::new(172, 16, 16, last),
    };
    let ranges: Vec<_> = metallb.pools.into_iter().flat_map(|pool| pool.ranges).collect();
    assert_eq!(ranges, [range(150, 160), range(161, 161)]);
}

#[test]
fn what_keeps_data_has_a_volume_of_its_own_on_a_worker() {
    let text = |volumes: &str, more: &str| {
        format!(
            "{}  storage: {{volumes: [{volumes}]}}\n{more}",
            with_pools(&["172.16.16.150-172.16.16.160"])
        )
    };
    let volume = "{name: a, node: kworker01, path: /srv/halb/a, size: 5Gi}";
    let registry = "  registry: {address: 172.16.16.151, volume: a}\n";
    assert_eq!(problems_of(&text(volume, registry)), "");
    let other = |from: &str, to: &str| volume.replace(from, to);
    let patroni = |volumes: &str, hash: &str| {
        format!("  patroni: {{image: 'quay.io/a/patroni@sha256:{hash}', volumes: [{volumes}]}}\n")
    };
    let hash = "0123456789abcdef".repeat(4);
    let three = ["b", "c", "d"]
        .map(|name| {
            other("name: a", &format!("name: {name}")).replace("halb/a", &format!("halb/{name}"))
        })
        .join(", ");
    assert_eq!(problems_of(&text(&three, &patroni("b, c, d", &hash))), "");
    for (volumes, more, what) in [
        (other("kworker01", "kmaster01"), "", "kmaster01 is no worker"),
        (other("kworker01", "kworker09"), "", "there is no host 'kworker09'"),
        (other("/srv/halb/a", "/etc/halb"), "", "can't be a volume's folder"),
        (other("/srv/halb/a", "/srv/../etc"), "", "can't be a volume's folder"),
        (other("/srv/halb/a", "/srv"), "", "can't be a volume's folder"),
        (other("5Gi", "5"), "", "'5' is no size"),
        (format!("{volume}, {volume}"), "", "two volumes are called 'a'"),
        (
            format!("{volume}, {}", other("name: a", "name: b").replace("halb/a", "halb/a/b")),
            "",
            "share a folder of kworker01",
        ),
        (other("name: a", "name: b"), registry, "there is no volume 'a' for the registry"),
        (three.clone(), &patroni("b, c, d", "0123"), "isn't pinned by its hash"),
        (three.clone(), &patroni("b, c", &hash), "a database of 2 members"),
        (three.clone(), &patroni("b, c, c", &hash), "the volume 'c' is the database's already"),
    ] {
        let text = text(&volumes, more);
        let problems = parse(&text).expect_err(what);
        let [problem] = problems.as_slice() else { panic!("{}", told(&text, &problems)) };
        assert!(problem.what.contains(what), "{what}: {}", problem.what);
    }
}

#[test]
fn an_add_on_with_nothing_below_it_is_neither_taken_nor_passed_over() {
    let text = format!("{}\naddons:\n  metallb:\n", example::HIGHLY_AVAILABLE);
    assert!(problems_of(&text).contains("'addons.metallb' has nothing below it"));
}

#[test]
fn a_fixed_address_is_one_of_a_pool() {
    let pools = with_pools(&["172.16.16.150-172.16.16.160"]);
    let of = |section: &str| problems_of(&format!("{pools}{section}"));
    assert_eq!(of("  nginx: {address: 172.16.16.150}\n"), "");
    let told = of("  nginx: {address: 172.16.16.161}\n");
    assert!(told.contains("172.16.16.161, of nginx, is in no pool"), "{told}");
    let odd = with_pools(&["172.16.16.150-"]);
    let told = problems_of(&format!("{odd}  nginx: {{address: 172.16.16.150}}\n"));
    assert!(
        told.contains("this is no range of addresses") && !told.contains("in no pool"),
        "{told}"
    );
    let told = of("  nginx: {address: 172.16.16.150, image: nginx}\n");
    assert!(told.contains("'nginx' is no whole name of an image"), "{told}");
    let text =
        format!("{}\naddons:\n  nginx: {{address: 172.16.16.150}}\n", example::HIGHLY_AVAILABLE);
    assert!(problems_of(&text).contains("there is no MetalLB"), "{}", problems_of(&text));
}
