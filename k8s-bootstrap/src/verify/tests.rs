use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::facts::EtcdMember;
use crate::inventory::example::HIGHLY_AVAILABLE;
use crate::plan::tests::world::{World, service};

/// A cluster that was set up as the inventory of the guide wants it, and what its hosts see.
struct Scene {
    world: World,
    views: Views,
    silent: BTreeMap<String, String>,
    now_seconds: i64,
}

/// The answer of the cluster's name server.
fn resolved(address: Ipv4Addr) -> Vec<u8> {
    let mut packet = dns::query("kubernetes.default.svc.cluster.local");
    (packet[2], packet[7]) = (0x85, 1);
    packet.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
    packet.extend_from_slice(&address.octets());
    packet
}

fn pod(part: &str, node: &str) -> Pod {
    Pod { name: format!("{part}-{node}"), part: part.into(), node: node.into(), ready: true }
}

/// What is between the lines of a PEM.
fn armoured(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("-----")).collect()
}

impl Scene {
    fn new() -> Self {
        let mut world = World::bare(HIGHLY_AVAILABLE, "debian12");
        world.apply_all(&world.plan());
        let vip = "172.16.16.100/32".parse().expect("an address");
        world.facts_of("loadbalancer01").interfaces[1].addresses.push(vip);
        let mut pods = Vec::new();
        let masters: Vec<_> = world.inventory.with_role(Role::Master).cloned().collect();
        let balancers = world.inventory.with_role(Role::Balancer).map(|it| it.name.clone());
        let balancers: Vec<_> = balancers.collect();
        for host in world.inventory.hosts.iter().filter(|host| host.is_node()) {
            pods.push(pod("kube-proxy", &host.name));
        }
        for host in &masters {
            for part in ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
                pods.push(pod(part, &host.name));
            }
        }
        pods.push(pod("kube-dns", "kworker01"));
        let mut views = Views::new();
        let authority = Certificate(armoured(&world.material.ca.public));
        for host in &world.inventory.hosts {
            let mut view = View::default();
            if host.is_node() {
                view.dns = Some(resolved(Ipv4Addr::new(10, 96, 0, 1)));
                let path = "/etc/kubernetes/pki/ca.crt".to_owned();
                view.certificates.insert(path, authority.clone());
                view.ways.extend([(Way::Endpoint, Ok(())), (Way::Service, Ok(()))]);
            }
            if host.has(Role::Master) {
                view.pods = pods.clone();
                let ways = masters.iter().map(|master| Way::Master(master.name.clone()));
                let ways = ways.chain(balancers.iter().cloned().map(Way::Balancer));
                view.ways.extend(ways.map(|way| (way, Ok(()))));
            }
            if host.has(Role::Balancer) {
                view.servers = masters.iter().map(|host| (host.name.clone(), true)).collect();
            }
            views.insert(host.name.clone(), view);
        }
        Self { world, views, silent: BTreeMap::new(), now_seconds: 1_800_000_000 }
    }

    fn view(&mut self, host: &str) -> &mut View {
        self.views.get_mut(host).expect("a host of the inventory")
    }

    fn clusters(&mut self, change: impl Fn(&mut Cluster)) {
        for facts in self.world.facts.values_mut() {
            if let ClusterState::Answers(cluster) = &mut facts.cluster {
                change(cluster);
            }
        }
    }

    /// A host that ssh doesn't reach.
    fn loses(&mut self, host: &str) {
        self.world.facts.remove(host);
        self.views.remove(host);
        self.silent.insert(host.to_owned(), "no route to host".to_owned());
    }

    fn judge(&self) -> Vec<Finding> {
        let plan = self.world.try_plan();
        judge(&Seen {
            inventory: &self.world.inventory,
            facts: &self.world.facts,
            silent: &self.silent,
            views: &self.views,
            left: plan.as_ref().map_err(Vec::as_slice),
            now_seconds: self.now_seconds,
        })
    }

    fn text(&self) -> String {
        let findings = self.judge();
        let mut text = render("seed", &findings) + "\n" + &summary(&findings);
        // A member's number says nothing.
        text = text.replace("ac10", "…");
        text
    }
}

#[test]
fn a_cluster_that_is_as_wanted_is_good_all_over() {
    let scene = Scene::new();
    insta::assert_snapshot!("good", scene.text());
    assert_eq!(verdict(&scene.judge()), Verdict::Good);
}

#[test]
fn what_shows_only_where_pods_run_is_unproven_without_them() {
    let mut scene = Scene::new();
    for view in scene.views.values_mut() {
        view.pods.clear();
        view.dns = view.dns.take().map(|_| Vec::new());
        for (way, came) in &mut view.ways {
            if *way == Way::Service {
                *came = Err("dial tcp 10.96.0.1:443: i/o timeout".to_owned());
            }
        }
    }
    let findings = scene.judge();
    for finding in &findings {
        let shows_pods = matches!(finding.area, Area::StaticPods | Area::Dns | Area::Service);
        let wanted = if shows_pods { Verdict::Unproven } else { Verdict::Good };
        assert_eq!(finding.verdict, wanted, "{finding:?}");
    }
    insta::assert_snapshot!("unproven", scene.text());
    assert_eq!(verdict(&findings), Verdict::Unproven);
}

#[test]
fn a_host_that_is_lost_hides_nothing_of_the_others() {
    let mut scene = Scene::new();
    scene.loses("kmaster03");
    scene.clusters(|cluster| cluster.nodes.get_mut("kmaster03").expect("a node").ready = false);
    for balancer in ["loadbalancer01", "loadbalancer02"] {
        scene.view(balancer).servers.insert("kmaster03".to_owned(), false);
    }
    for master in ["kmaster01", "kmaster02"] {
        let why = "dial tcp 172.16.16.103:6443: connect: no route to host".to_owned();
        scene.view(master).ways.insert(Way::Master("kmaster03".to_owned()), Err(why));
        for pod in &mut scene.view(master).pods {
            pod.ready &= pod.node != "kmaster03";
        }
    }
    insta::assert_snapshot!("lost", scene.text());
}

/// What is changed, where it must show, and words that tell of it.
type Fault = (fn(&mut Scene), Area, &'static str, Verdict, &'static str);

const FAULTS: &[Fault] = &[
    (
        |scene| {
            scene
                .world
                .facts_of("loadbalancer02")
                .services
                .insert("halb.service".into(), service("failed", "enabled"));
        },
        Area::Balancers,
        "loadbalancer02",
        Verdict::Bad,
        "halb.service is failed",
    ),
    (
        |scene| {
            scene.view("loadbalancer01").servers.insert("kmaster02".into(), false);
        },
        Area::Balancers,
        "loadbalancer01",
        Verdict::Bad,
        "down for it: kmaster02",
    ),
    (
        |scene| scene.view("loadbalancer01").servers.clear(),
        Area::Balancers,
        "loadbalancer01",
        Verdict::Unproven,
        "couldn't be read",
    ),
    (
        |scene| {
            scene.world.facts_of("loadbalancer01").interfaces[1].addresses.pop();
        },
        Area::Balancers,
        "virtual IP",
        Verdict::Bad,
        "on no balancer",
    ),
    (
        |scene| {
            let vip = "172.16.16.100/32".parse().expect("an address");
            scene.world.facts_of("loadbalancer02").interfaces[1].addresses.push(vip);
        },
        Area::Balancers,
        "virtual IP",
        Verdict::Bad,
        "on loadbalancer01 and loadbalancer02",
    ),
    (
        |scene| {
            scene.clusters(|cluster| {
                let address = Ipv4Addr::new(10, 0, 2, 15);
                cluster.nodes.get_mut("kworker01").expect("a node").address = Some(address);
            });
        },
        Area::Nodes,
        "kworker01",
        Verdict::Bad,
        "it has 10.0.2.15, not 172.16.16.201",
    ),
    (
        |scene| {
            scene.clusters(|cluster| {
                let node = cluster.nodes["kworker01"].clone();
                cluster.nodes.insert("kworker09".into(), node);
            });
        },
        Area::Nodes,
        "kworker09",
        Verdict::Bad,
        "the inventory doesn't",
    ),
    (
        |scene| {
            for host in ["kmaster01", "kmaster02", "kmaster03"] {
                scene.world.facts_of(host).cluster = ClusterState::Silent;
            }
        },
        Area::Nodes,
        "cluster",
        Verdict::Bad,
        "no API server answers",
    ),
    (
        |scene| {
            let pods = &mut scene.view("kmaster01").pods;
            pods.retain(|pod| (pod.part.as_str(), pod.node.as_str()) != ("etcd", "kmaster02"));
        },
        Area::StaticPods,
        "kmaster02",
        Verdict::Bad,
        "not ready: etcd",
    ),
    (
        |scene| {
            scene.clusters(|cluster| cluster.etcd.retain(|member| member.name != "kmaster03"));
        },
        Area::Etcd,
        "kmaster03",
        Verdict::Bad,
        "no member",
    ),
    (
        |scene| {
            scene.clusters(|cluster| {
                cluster.etcd.iter_mut().for_each(|it| it.learner = it.name == "kmaster02");
            });
        },
        Area::Etcd,
        "kmaster02",
        Verdict::Bad,
        "no vote yet",
    ),
    (
        |scene| {
            scene.clusters(|cluster| {
                cluster.etcd.push(EtcdMember {
                    id: "beef".into(),
                    name: "gone".into(),
                    peer: "https://172.16.16.109:2380".into(),
                    learner: false,
                });
            });
        },
        Area::Etcd,
        "gone",
        Verdict::Bad,
        "no master of the inventory",
    ),
    (
        |scene| {
            let why = "x509: certificate signed by unknown authority".to_owned();
            scene.view("kworker02").ways.insert(Way::Endpoint, Err(why));
        },
        Area::ApiServers,
        "endpoint",
        Verdict::Bad,
        "from kworker02: x509",
    ),
    (
        |scene| drop(scene.view("kworker02").ways.remove(&Way::Endpoint)),
        Area::ApiServers,
        "endpoint",
        Verdict::Unproven,
        "kworker02 couldn't try",
    ),
    (
        |scene| scene.view("kworker01").dns = Some(Vec::new()),
        Area::Dns,
        "cluster",
        Verdict::Bad,
        "from kworker01: no answer came",
    ),
    (
        |scene| scene.view("kworker01").dns = Some(resolved(Ipv4Addr::new(192, 0, 2, 1))),
        Area::Dns,
        "cluster",
        Verdict::Bad,
        "[192.0.2.1], not 10.96.0.1",
    ),
    (
        |scene| scene.view("kworker01").dns = None,
        Area::Dns,
        "cluster",
        Verdict::Unproven,
        "kworker01 couldn't try",
    ),
    (
        |scene| {
            scene.view("kmaster02").ways.insert(Way::Service, Err("i/o timeout".into()));
        },
        Area::Service,
        "cluster",
        Verdict::Bad,
        "from kmaster02: i/o timeout",
    ),
    (
        // The authority is good for ten years.
        |scene| scene.now_seconds += 3650 * 86_400 - 20 * 86_400,
        Area::Certificates,
        "kmaster01",
        Verdict::Bad,
        "ends in 20 days",
    ),
    (
        |scene| scene.now_seconds += 3653 * 86_400,
        Area::Certificates,
        "kworker01",
        Verdict::Bad,
        "ended",
    ),
    (
        |scene| {
            let broken = Certificate("AAAA".into());
            scene.view("kworker01").certificates.insert("/x.crt".into(), broken);
        },
        Area::Certificates,
        "kworker01",
        Verdict::Unproven,
        "/x.crt holds no certificate",
    ),
    (
        |scene| {
            let sysctls = &mut scene.world.facts_of("kworker01").sysctls;
            sysctls.insert("net.ipv4.ip_forward".into(), "0".into());
        },
        Area::Drift,
        "kworker01",
        Verdict::Bad,
        "it differs in: Set them now",
    ),
    (
        |scene| scene.world.facts_of("kworker01").clock_ahead_ms = 90_000,
        Area::Drift,
        "kworker01",
        Verdict::Bad,
        "clock",
    ),
];

#[test]
fn each_fault_shows_where_it_is() {
    for (number, (change, area, subject, wanted, words)) in FAULTS.iter().enumerate() {
        let mut scene = Scene::new();
        change(&mut scene);
        let findings = scene.judge();
        let found = findings.iter().any(|finding| {
            finding.area == *area
                && finding.subject == *subject
                && finding.verdict == *wanted
                && finding.what.contains(words)
        });
        assert!(found, "fault {number}, «{words}» of {subject}: {findings:#?}");
        assert_eq!(verdict(&findings), *wanted, "fault {number}: {findings:#?}");
    }
}

#[test]
fn programs_read_the_same_words() {
    let mut scene = Scene::new();
    scene.view("kworker01").dns = Some(Vec::new());
    let findings = scene.judge();
    let told = findings.iter().find(|finding| finding.area == Area::Dns).expect("it is looked at");
    let json = serde_json::json!({
        "area": "dns",
        "subject": "cluster",
        "verdict": "bad",
        "what": "kubernetes.default.svc.cluster.local isn't resolved by 10.96.0.10 from kworker01: \
                 no answer came",
        "remedy": "kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide",
    });
    assert_eq!(serde_json::to_value(told).expect("JSON"), json);
}

#[test]
fn an_answer_is_read_whole_or_not_at_all() {
    let whole = "Welcome!\n\
        halb:way\tendpoint\tok\n\
        halb:way\tmaster:kmaster02\tUnable to connect\n\
        halb:pod\tetcd-kmaster01\tetcd\t\tkmaster01\tTrue\n\
        halb:pod\tcoredns-1\t\tkube-dns\tkworker01\tFalse\n\
        halb:dns\t0aff\n\
        halb:certificate\t/a.crt\tAAAA\n\
        halb:server\tkmaster01\t1\n\
        halb:end\n";
    let view = parse(whole).expect("whole");
    assert_eq!(view.ways[&Way::Endpoint], Ok(()));
    let master = Way::Master("kmaster02".to_owned());
    assert_eq!(view.ways[&master], Err("Unable to connect".to_owned()));
    assert_eq!((view.pods[0].part.as_str(), view.pods[0].ready), ("etcd", true));
    assert_eq!((view.pods[1].part.as_str(), view.pods[1].ready), ("kube-dns", false));
    assert_eq!(view.dns, Some(vec![10, 255]));
    assert!(view.servers["kmaster01"]);
    let cut = whole.replace("halb:end\n", "");
    assert_eq!(parse(&cut), Err(ViewError::CutOff { lines: 7 }));
    let strange = whole.replace("endpoint", "elsewhere");
    assert!(matches!(parse(&strange), Err(ViewError::Line(_))));
}

/// The script itself, in the shell of this machine, which belongs to no cluster.
#[test]
fn the_script_answers_whole_on_this_machine() {
    let scene = Scene::new();
    for host in &scene.world.inventory.hosts {
        let script = view_script(&scene.world.inventory, host);
        let mut child = Command::new("sh")
            .arg("-s")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("sh reads");
        let output = child.wait_with_output().expect("sh ends");
        let said = String::from_utf8(output.stdout).expect("UTF-8");
        let view = parse(&said).unwrap_or_else(|error| panic!("{error}:\n{said}"));
        assert!(view.ways.is_empty() && view.dns.is_none(), "{view:?}");
    }
}

proptest! {
    #[test]
    fn no_answer_makes_the_reader_panic(
        lines in proptest::collection::vec("(halb:)?[a-z-]{0,12}(\t[ -~]{0,12}){0,6}", 0..20),
    ) {
        let _ = parse(&(lines.join("\n") + "\nhalb:end\n"));
    }
}
