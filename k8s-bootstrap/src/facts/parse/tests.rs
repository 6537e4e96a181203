use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;
use crate::inventory::{self, example};
use crate::{facts, paths};

const CLOCK: Clock = Clock { asked_ms: 1_000, answered_ms: 2_000 };

/// What a host says that has everything.
const WHOLE: &str = "\
Welcome to this host!
halb:clock\t1500000000
halb:hostname\tkmaster01
halb:kernel\tx86_64\t6.12.9
halb:os\tdebian\t12\tbookworm\t\tDebian GNU/Linux 12 (bookworm)
halb:cgroup\t2
halb:memory\t2097152
halb:processors\t2
halb:machine-id\tabc
halb:free\t/var/lib/etcd\t10485760
halb:swap\t/dev/sda2
halb:swap-unit\tdev-sda2.swap
halb:address\teth0\t10.0.2.15/24
halb:address\teth1\t172.16.16.101/24
halb:default-route\teth0
halb:selinux\tDisabled
halb:package-manager\tapt
halb:package\tkubelet\t1.36.4-1.1\thold
halb:package\tcontainerd.io\t5:2.2.1-1~debian\tinstall
halb:file\t/etc/hosts\t644\troot:root\tabcd\t:6c6f0a
halb:file\t/var/lib/etcd/member\t700\troot:root\t-\t
halb:service\tkubelet.service\tactive\tenabled
halb:sysctl\tnet.ipv4.ip_forward\t1
halb:module\toverlay
halb:port\t6443\tusers:((\"kube-apiserver\",pid=1,fd=3))
halb:firewall\tfirewalld
halb:open\t6443/tcp
halb:runtime\tv2.2.1\tyes
halb:cluster\tanswers
halb:node\tkmaster01\tTrue\tv1.36.4\t172.16.16.101
halb:node\tkworker01\tUnknown\tv1.36.4\t
halb:master\tkmaster01
halb:etcd\t8e9e05c52164694d\tkmaster01\thttps://172.16.16.101:2380\tfalse
halb:calico\tv3.32.1\t10.244.0.0/16\tTrue
halb:end
";

#[test]
fn a_whole_answer_is_read() {
    let facts = parse(WHOLE, CLOCK).expect("whole");
    assert_eq!(facts.memory_bytes, 2 << 30);
    assert_eq!(facts.clock_ahead_ms, 0, "between question and answer");
    assert_eq!(facts.packages["containerd.io"].version, "2.2.1-1~debian", "no epoch");
    assert!(facts.packages["kubelet"].held);
    assert_eq!(facts.files["/etc/hosts"].text.as_deref(), Some("lo\n"));
    assert_eq!(facts.files["/var/lib/etcd/member"].sha256, None);
    assert_eq!(facts.interfaces.len(), 2);
    let ClusterState::Answers(cluster) = facts.cluster else { panic!("{:?}", facts.cluster) };
    assert!(cluster.nodes["kmaster01"].master && !cluster.nodes["kworker01"].ready);
    assert_eq!(cluster.etcd[0].id, "8e9e05c52164694d");
}

#[test]
fn an_answer_that_is_cut_off_or_strange_is_refused() {
    let cut = WHOLE.replace("halb:end\n", "");
    assert!(matches!(parse(&cut, CLOCK), Err(ParseError::CutOff { .. })));
    let strange = WHOLE.replace("halb:memory\t2097152", "halb:memory\tmuch");
    assert_eq!(parse(&strange, CLOCK), Err(ParseError::Line("memory\tmuch".into())));
    let silent = WHOLE.replace("halb:kernel\tx86_64\t6.12.9\n", "");
    assert_eq!(parse(&silent, CLOCK), Err(ParseError::Missing("kernel")));
}

#[test]
fn a_clock_is_ahead_by_what_question_and_answer_leave_no_doubt_about() {
    for (then, ahead) in [(400, -600), (1_000, 0), (1_999, 0), (2_500, 500)] {
        assert_eq!(CLOCK.ahead_ms(then), ahead, "{then}");
    }
}

/// The script itself, in the shell of this machine.
#[test]
fn the_script_answers_whole_on_this_machine() {
    let inventory = inventory::parse(example::HIGHLY_AVAILABLE).expect("good").inventory;
    let script = facts::script(&inventory.hosts[2]);
    let mut child = Command::new("sh")
        .arg("-s")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sh starts");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("sh reads");
    let output = child.wait_with_output().expect("sh ends");
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let clock = Clock { asked_ms: 0, answered_ms: i64::MAX };
    let facts = parse(&said, clock).unwrap_or_else(|error| panic!("{error}:\n{said}"));
    assert!(facts.memory_bytes > 0 && facts.processors > 0, "{facts:?}");
    assert!(facts.files.contains_key(paths::HOSTS), "{facts:?}");
    assert!(facts.free_bytes.contains_key("/var/lib/etcd"), "{facts:?}");
    assert_eq!(facts.cluster, ClusterState::None);
}

proptest! {
    #[test]
    fn no_answer_makes_the_reader_panic(
        lines in proptest::collection::vec("(halb:)?[a-z-]{0,12}(\t[ -~]{0,12}){0,6}", 0..20),
    ) {
        let _ = parse(&(lines.join("\n") + "\nhalb:end\n"), CLOCK);
    }
}
