use super::*;
use crate::inventory::example::{HIGHLY_AVAILABLE, ONE_BALANCER};
use crate::plan::tests::world::World;

fn seed(inventory: &str) -> World {
    let mut world = World::bare(inventory, "debian12");
    world.apply_all(&world.plan());
    world
}

fn chosen(world: &World, kind: Kind, how: How) -> Result<Drill, String> {
    choose(&world.inventory, &world.facts, (kind, how), None)
        .map_err(|faults| faults.into_iter().map(|fault| format!("{}; ", fault.what)).collect())
}

fn at(tenths: u64) -> Duration {
    Duration::from_millis(tenths * 100)
}

/// A watch whose cluster is well, at the moment when it acts, and that moment in tenths of a second.
fn acting(kind: Kind) -> (Watch, u64) {
    let host = match kind {
        Kind::Balancer => "b1",
        Kind::Master => "m3",
        Kind::Worker => "w2",
    };
    let mut watch = Watch::new(Drill {
        kind,
        how: How::Reboot,
        host: host.to_owned(),
        witness: "m1".to_owned(),
        balancers: vec!["b1".to_owned(), "b2".to_owned()],
    });
    for (name, holds) in [("b1", true), ("b2", false)] {
        watch.take(at(0), Seen::Holds(name.to_owned(), holds));
    }
    for name in ["m1", "m3", "w2"] {
        watch.take(at(0), Seen::Node(name.to_owned(), true));
    }
    for name in ["m1", "m3"] {
        watch.take(at(0), Seen::Etcd(name.to_owned(), true));
    }
    for tenth in 0..100 {
        watch.take(at(tenth), Seen::Api(Some(200)));
        if watch.poll(at(tenth)) == Next::Act {
            return (watch, tenth);
        }
    }
    panic!("it never acts");
}

/// Answers until something is to be done, from a moment on.
fn answering(watch: &mut Watch, from: u64, wanted: Next) -> u64 {
    for tenth in from..from + 200 {
        watch.take(at(tenth), Seen::Api(Some(200)));
        if watch.poll(at(tenth)) == wanted {
            return tenth;
        }
    }
    panic!("never {wanted:?}: {:?}", watch.timeline());
}

#[test]
fn the_balancer_with_the_virtual_ip_goes_and_its_place_is_taken() {
    let (mut watch, acted) = acting(Kind::Balancer);
    for tenth in 1..=30 {
        watch.take(at(acted + tenth), Seen::Api(None));
    }
    watch.take(at(acted + 30), Seen::Holds("b1".to_owned(), false));
    watch.take(at(acted + 31), Seen::Holds("b2".to_owned(), true));
    let undone = answering(&mut watch, acted + 32, Next::Undo);
    assert_eq!(watch.poll(at(undone)), Next::Watch, "it isn't back");
    watch.take(at(undone + 1), Seen::Returned);
    answering(&mut watch, undone + 2, Next::Over);
    let verdict = watch.verdict();
    assert!(verdict.passed, "{verdict:?}");
    assert_eq!((verdict.longest_outage_ms, verdict.unanswered), (3200, 30));
    let lines: Vec<_> = watch.timeline().iter().map(|it| it.what.as_str()).collect();
    let told = ["b1 has the virtual IP no more", "b2 has the virtual IP", "b1 is back"];
    assert!(told.iter().all(|line| lines.contains(line)), "{lines:?}");
}

#[test]
fn a_master_goes_and_its_return_is_waited_for() {
    let (mut watch, acted) = acting(Kind::Master);
    watch.take(at(acted + 5), Seen::Etcd("m3".to_owned(), false));
    watch.take(at(acted + 5), Seen::Node("m3".to_owned(), false));
    let undone = answering(&mut watch, acted + 6, Next::Undo);
    watch.take(at(undone + 1), Seen::Returned);
    watch.take(at(undone + 2), Seen::Api(Some(200)));
    assert_eq!(watch.poll(at(undone + 60)), Next::Watch, "its node isn't ready");
    watch.take(at(undone + 61), Seen::Node("m3".to_owned(), true));
    watch.take(at(undone + 61), Seen::Etcd("m3".to_owned(), true));
    answering(&mut watch, undone + 62, Next::Over);
    assert!(watch.verdict().passed, "{:?}", watch.verdict());
}

#[test]
fn what_isnt_well_before_a_drill_is_named() {
    let (watch, _) = acting(Kind::Worker);
    let mut watch = Watch::new(watch.drill);
    watch.take(at(0), Seen::Node("m1".to_owned(), false));
    watch.take(at(0), Seen::Api(Some(200)));
    assert_eq!(watch.poll(at(601)), Next::Over);
    let faults = watch.verdict().faults;
    assert_eq!(faults, ["all wasn't good before: node m1 isn't ready, no member of etcd was seen"]);
}

#[test]
fn an_outage_that_is_too_long_or_a_host_that_stays_away_is_no_pass() {
    let (mut watch, acted) = acting(Kind::Worker);
    watch.take(at(acted + 1), Seen::Node("w2".to_owned(), false));
    watch.take(at(acted + 1), Seen::Api(None));
    let undone = answering(&mut watch, acted + 200, Next::Undo);
    watch.take(at(undone + 7000), Seen::Api(Some(200)));
    assert_eq!(watch.poll(at(undone + 7000)), Next::Over);
    let verdict = watch.verdict();
    assert!(!verdict.passed);
    assert_eq!(verdict.faults.len(), 2, "{:?}", verdict.faults);
}

#[test]
fn what_would_cost_quorum_or_the_last_way_in_is_refused() {
    let mut world = seed(HIGHLY_AVAILABLE);
    assert_eq!(chosen(&world, Kind::Master, How::Reboot).unwrap().host, "kmaster03");
    assert_eq!(chosen(&world, Kind::Worker, How::Reboot).unwrap().host, "kworker02");
    let drill = chosen(&world, Kind::Balancer, How::Stop).unwrap();
    assert_eq!((drill.witness.as_str(), drill.balancers.len()), ("kmaster01", 2));
    assert!(chosen(&world, Kind::Master, How::Stop).unwrap_err().contains("only a balancer"));
    world.silence("kmaster02");
    let why = chosen(&world, Kind::Master, How::Reboot).unwrap_err();
    assert!(why.contains("would cost the quorum") && why.contains("kmaster02 is down"), "{why}");
    world.facts.remove("kmaster02");
    let why = chosen(&world, Kind::Master, How::Reboot).unwrap_err();
    assert!(why.contains("kmaster02 is down") && why.contains("it doesn't answer"), "{why}");
    let alone = seed(ONE_BALANCER);
    let why = chosen(&alone, Kind::Balancer, How::Reboot).unwrap_err();
    assert!(why.contains("no other balancer serves"), "{why}");
}
