use super::*;

/// What `nft --json list ruleset` says of rules, given as `CHAIN: STATEMENT, STATEMENT`.
fn ruleset(policy: &str, rules: &[&str]) -> Ruleset {
    let rules: Vec<String> = rules
        .iter()
        .map(|rule| {
            let (chain, expr) = rule.split_once(": ").unwrap();
            format!(
                r#"{{"rule":{{"family":"inet","table":"filter","chain":"{chain}","handle":1,"expr":[{expr}]}}}}"#
            )
        })
        .collect();
    let json = format!(
        r#"{{"nftables":[{{"metainfo":{{"version":"1.0.6"}}}},
        {{"table":{{"family":"inet","name":"filter","handle":1}}}},
        {{"chain":{{"family":"inet","table":"filter","name":"input","handle":1,"type":"filter","hook":"input","prio":0,"policy":"{policy}"}}}},
        {{"chain":{{"family":"inet","table":"filter","name":"extra","handle":2}}}},
        {}]}}"#,
        rules.join(",")
    );
    Ruleset::read(&json.replace(",\n        ]", "]")).unwrap()
}

fn advert() -> Packet {
    Packet {
        interface: Some("eth1".to_owned()),
        way: Way::In,
        protocol: 112,
        destination: Some([224, 0, 0, 18].into()),
        port: None,
        ipv6: false,
    }
}

const NOTHING: &str = r#"extra: {"counter":{"packets":0,"bytes":0}}"#;

#[test]
fn rules_are_walked_as_the_kernel_walks_them() {
    let vrrp = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"protocol"}},"right":"vrrp"}}"#;
    let number = r#"{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":112}}"#;
    let eth0 = r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth0"}}"#;
    let not_eth0 = r#"{"match":{"op":"!=","left":{"meta":{"key":"iifname"}},"right":"eth0"}}"#;
    let several =
        r#"{"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":{"set":["icmp",112]}}}"#;
    let group = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":{"prefix":{"addr":"224.0.0.0","len":4}}}}"#;
    let old =
        r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}}"#;
    let odd = r#"{"match":{"op":"==","left":{"meta":{"key":"mark"}},"right":1}}"#;
    let named = r#"{"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":"@groups"}}"#;
    let vmap = r#"{"vmap":{"key":{"meta":{"key":"l4proto"}},"data":{"set":[["tcp",{"accept":null}],["vrrp",{"jump":{"target":"extra"}}]]}}}"#;
    let (accept, drop) = (r#"{"accept":null}"#, r#"{"drop":null}"#);
    let (count, xt) =
        (r#"{"counter":{"packets":1,"bytes":2}}"#, r#"{"xt":{"type":"match","name":"owner"}}"#);
    let jump = r#"{"jump":{"target":"extra"}}"#;

    // Policy, rules, and what becomes of an advert: a, d or p with the number of the rule.
    let cases: &[(&str, Vec<String>, &str)] = &[
        ("accept", vec![], "a"),
        ("drop", vec![], "d policy"),
        ("drop", vec![format!("input: {old},{accept}")], "d policy"),
        ("drop", vec![format!("input: {vrrp},{count},{accept}")], "a"),
        ("drop", vec![format!("input: {number},{accept}")], "a"),
        ("drop", vec![format!("input: {eth0},{accept}")], "d policy"),
        ("drop", vec![format!("input: {not_eth0},{several},{accept}")], "a"),
        ("drop", vec![format!("input: {group},{accept}")], "a"),
        ("accept", vec![format!("input: {count}"), format!("input: {vrrp},{drop}")], "d 2"),
        ("accept", vec![format!("input: {vrrp},{jump}"), format!("extra: {drop}")], "d 1"),
        ("drop", vec![format!("input: {jump}"), format!("extra: {vrrp},{accept}")], "a"),
        ("drop", vec![format!("input: {vmap}"), format!("extra: {accept}")], "a"),
        ("drop", vec![format!("input: {vmap}")], "d policy"),
        ("drop", vec![format!("input: {odd},{accept}")], "p policy"),
        ("drop", vec![format!("input: {named},{accept}")], "p policy"),
        ("accept", vec![format!("input: {xt},{drop}")], "p 1"),
        ("accept", vec![format!("input: {odd},{eth0},{drop}")], "a"),
        ("accept", vec![format!("input: {odd},{drop}"), format!("input: {vrrp},{accept}")], "p 1"),
    ];
    for (policy, rules, wanted) in cases {
        let rules: Vec<&str> = rules.iter().map(String::as_str).chain([NOTHING]).collect();
        let verdict = ruleset(policy, &rules).verdict(&advert());
        let place =
            |place: &Place| place.rule.map_or_else(|| "policy".to_owned(), |rule| rule.to_string());
        let got = match &verdict {
            Verdict::Accepted => "a".to_owned(),
            Verdict::Dropped(at) => format!("d {}", place(at)),
            Verdict::Perhaps(at) => format!("p {}", place(at)),
        };
        assert_eq!(&got, wanted, "{policy} {rules:#?}: {verdict:?}");
    }
}

#[test]
fn chains_that_call_each_other_come_to_an_end() {
    let jump = r#"{"jump":{"target":"extra"}}"#;
    let rules = ruleset("accept", &[&format!("input: {jump}"), &format!("extra: {jump}")]);
    assert_eq!(rules.verdict(&advert()), Verdict::Accepted);
}

#[test]
fn clients_come_through_by_port_and_range() {
    let client = |port| Packet {
        interface: None,
        protocol: 6,
        destination: None,
        port: Some(port),
        ..advert()
    };
    let range = r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":{"set":[22,{"range":[6000,6999]}]}}}"#;
    let rules = ruleset("drop", &[&format!(r#"input: {range},{{"accept":null}}"#)]);
    assert_eq!(rules.verdict(&client(6443)), Verdict::Accepted);
    assert!(matches!(rules.verdict(&client(443)), Verdict::Dropped(_)));
    let inside = r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"eth1"}}"#;
    let rules = ruleset("drop", &[&format!(r#"input: {inside},{{"accept":null}}"#)]);
    assert!(matches!(rules.verdict(&client(6443)), Verdict::Perhaps(_)), "from anywhere else?");
}

#[test]
fn what_the_kernel_forwards_meets_the_rules_for_what_passes_through() {
    let (drop, accept) = (r#"{"drop":null}"#, r#"{"accept":null}"#);
    let translated = r#"{"match":{"op":"in","left":{"ct":{"key":"status"}},"right":"dnat"}}"#;
    let odd = r#"{"match":{"op":"in","left":{"ct":{"key":"status"}},"right":"snat"}}"#;
    let forward = |rules: &[&str]| {
        let forward = ruleset("drop", rules).chains.into_iter().map(|mut chain| {
            if let Some(base) = &mut chain.base {
                base.hook = "forward".to_owned();
            }
            chain
        });
        Ruleset { chains: forward.collect() }
    };
    let packet = Packet {
        interface: None,
        way: Way::Through,
        protocol: 6,
        destination: Some([172, 16, 16, 101].into()),
        port: Some(6443),
        ipv6: false,
    };
    let to_host = Packet { way: Way::In, ..packet.clone() };
    assert!(matches!(forward(&[NOTHING]).verdict(&packet), Verdict::Dropped(_)));
    assert_eq!(forward(&[NOTHING]).verdict(&to_host), Verdict::Accepted);
    let open = forward(&[&format!("input: {translated},{accept}")]);
    assert_eq!(open.verdict(&packet), Verdict::Accepted);
    let perhaps = forward(&[&format!("input: {odd},{drop}")]);
    assert!(matches!(perhaps.verdict(&packet), Verdict::Perhaps(_)));
    let not_for_hosts = ruleset("drop", &[&format!("input: {translated},{accept}")]);
    assert!(matches!(not_for_hosts.verdict(&to_host), Verdict::Dropped(_)));
}

#[test]
fn what_is_no_ruleset_is_none_and_what_is_odd_is_no_panic() {
    assert!(Ruleset::read("no json").is_err());
    for odd in ["{}", "[]", r#"{"nftables":[{"rule":{"expr":[{"match":{}},{"vmap":{}},7]}}]}"#] {
        assert_eq!(Ruleset::read(odd).unwrap().verdict(&advert()), Verdict::Accepted, "{odd}");
    }
}
