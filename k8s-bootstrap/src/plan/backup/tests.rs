use super::*;
use crate::facts::ClusterState;
use crate::plan::certs::tests::whole;

#[test]
fn a_snapshot_is_taken_on_a_master_that_answers_and_looked_at_there() {
    let mut world = whole();
    world.facts_of("kmaster01").cluster = ClusterState::Silent;
    let plan = snapshot(&world.inventory, &world.facts, &world.material).expect("one answers");
    assert_eq!(place(&plan), Some(("kmaster02", paths::SNAPSHOT)));
    let step = plan.steps().next().expect("a step");
    let Act::Run { command } = &step.act else { panic!("{step:?}") };
    assert!(command.line().contains("exec etcd-kmaster02 -c etcd -- etcdctl"), "{command:?}");
    assert!(!command.line().contains("request-timeout"), "a large database takes its time");
    let verify = step.verify.as_ref().expect("it is verified").line();
    assert!(verify.contains("etcdutl snapshot status"), "{verify}");
}

#[test]
fn without_an_answer_or_with_other_keys_there_is_no_backup() {
    let mut world = whole();
    let path = format!("{}/ca.key", paths::PKI);
    let file = world.facts_of("kmaster02").files.get_mut(&path).expect("it is there");
    file.sha256 = Some("00".repeat(32));
    let refused = |world: &crate::plan::tests::world::World| {
        snapshot(&world.inventory, &world.facts, &world.material).expect_err("refused")
    };
    assert!(refused(&world)[0].what.contains("/etc/kubernetes/pki/ca.key isn't what halb keeps"));
    for name in ["kmaster01", "kmaster02", "kmaster03"] {
        world.facts_of(name).cluster = ClusterState::Silent;
    }
    assert!(refused(&world)[0].what.contains("no API server answers"));
}
