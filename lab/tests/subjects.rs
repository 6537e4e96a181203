//! The programs that halb is compared with, started here and on hosts of the lab.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use halb_lab::{
    Host, Lab, Loopback, eventually,
    subject::{Balancer, Here, Member, Place, Task, etcd, haproxy, nginx},
};

const SOON: Duration = Duration::from_secs(10);

/// The body of an answer over plain HTTP/1.0.
fn get(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned())
}

fn haproxy_configuration(listen: SocketAddr, server: SocketAddr) -> String {
    format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10s\n  timeout server 10s\n\
         listen it\n  bind {listen}\n  server one {server}\n"
    )
}

#[test]
#[ignore = "needs nginx"]
fn nginx_answers_over_http_and_passes_streams_on() {
    let home = Loopback::claim().unwrap();
    let [first, second, front] = [8081, 8082, 8080].map(|port| home.port(port));
    let _servers = [(first, "one"), (second, "two")].map(|(address, body)| {
        nginx(&Here, &nginx::http_server(address, body), &[address]).unwrap()
    });
    let block = nginx::stream_proxy(front, &[first, second]);
    let _proxy = nginx(&Here, &block, &[front]).unwrap();
    let mut answers = [get(front).unwrap(), get(front).unwrap()];
    answers.sort();
    assert_eq!(answers, ["one", "two"]);
}

#[test]
#[ignore = "needs haproxy and nginx"]
fn haproxy_runs_here_and_says_what_it_dislikes() {
    let home = Loopback::claim().unwrap();
    let (front, server) = (home.port(6443), home.port(8080));
    let _server = nginx(&Here, &nginx::http_server(server, "behind"), &[server]).unwrap();
    let configuration = haproxy_configuration(front, server);
    let proxy = haproxy(&Here, &configuration, &[front]).unwrap();
    assert_eq!(get(front).unwrap(), "behind");
    assert!(proxy.directory().join("haproxy.cfg").exists());
    let error = haproxy(&Here, "listen it\n  bund :1\n", &[front]).unwrap_err();
    assert!(error.to_string().contains("unknown keyword 'bund'"), "{error}");
}

#[test]
#[ignore = "needs root, haproxy and nginx"]
fn haproxy_and_nginx_run_on_hosts_of_the_lab() {
    let lab = Lab::new().unwrap();
    let [balancer, master, client] = [("loadbalancer01", 51), ("kmaster1", 101), ("client", 9)]
        .map(|(name, number)| lab.host(name, &format!("172.16.16.{number}/24")).unwrap());
    let at = |host: &Host| SocketAddr::new(host.ip(), 6443);
    let block = nginx::http_server(at(&master), "from the lab");
    let _server = nginx(&master, &block, &[at(&master)]).unwrap();
    let configuration = haproxy_configuration(at(&balancer), at(&master));
    let proxy = haproxy(&balancer, &configuration, &[at(&balancer)]).unwrap();
    let answer = || client.run(|| get(at(&balancer)));
    eventually("answered through the balancer", SOON, || {
        answer().ok().filter(|body| body == "from the lab")
    });
    proxy.kill().unwrap();
    assert!(answer().is_err(), "nobody listens any more");
}

#[test]
#[ignore = "needs haproxy, nginx and envoy"]
fn a_balancer_that_is_chosen_by_name_does_the_same_task() {
    let home = Loopback::claim().unwrap();
    let [one, other] = [8081, 8082].map(|port| home.port(port));
    let _servers = [(one, "one"), (other, "other")].map(|(address, body)| {
        nginx(&Here, &nginx::http_server(address, body), &[address]).unwrap()
    });
    for name in ["haproxy", "nginx", "envoy"] {
        let balancer: Balancer = name.parse().unwrap();
        let listen = home.free_port().unwrap();
        let task = Task {
            listen,
            servers: vec![one, other],
            threads: 1,
            connections: 100,
            halb: "no halb here".into(),
        };
        let _subject = balancer.start(&Here, &task).unwrap();
        let mut answers = [get(listen).unwrap(), get(listen).unwrap()];
        answers.sort();
        assert_eq!(answers, ["one", "other"], "{name}");
    }
}

#[test]
#[ignore = "needs etcd"]
fn three_members_of_etcd_make_a_cluster() {
    let home = Loopback::claim().unwrap();
    let member = |name, port| Member {
        name,
        client: home.port(port),
        peer: home.port(port + 1),
        place: &Here as &dyn Place,
    };
    let members = [member("one", 2379), member("two", 2381), member("three", 2383)];
    let _cluster = etcd(&members).unwrap();
    let etcdctl = |member: &Member<'_>, arguments: &[&str]| {
        let endpoint = format!("--endpoints=http://{}", member.client);
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").arg(endpoint).args(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    etcdctl(&members[0], &["put", "key", "value"]);
    assert_eq!(etcdctl(&members[2], &["get", "key"]), "key\nvalue\n");
}
