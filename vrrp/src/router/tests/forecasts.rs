//! What would happen if something died now.

use super::*;

fn tracked(behaviour: Behaviour) -> Bench {
    let readiness = Readiness { accepts: true, workers_on_time: true, servers_up: 3 };
    Bench::active(config(v3(100), behaviour), standing(100, -2, readiness))
}

fn forecast(bench: &Bench) -> Forecast {
    bench.router.forecast(bench.now)
}

#[test]
fn a_backup_would_take_over_when_its_timer_runs_out() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.hear(GREATER, 150);
    bench.pass(ms(400));
    let within = bench.due_in();
    let expected = IfPeersDie::TakesOver { within, health: Health::Well, with_group: false };
    assert_eq!(forecast(&bench).peers_die, expected);
    bench.pass(within);
    assert_eq!(bench.router.state(), State::Active, "and so it does");
    assert_eq!(forecast(&bench).peers_die, IfPeersDie::Stays);
}

#[test]
fn a_router_that_takes_no_part_would_leave_the_addresses_with_nobody() {
    let mut bench = Bench::new(config(v3(100), Behaviour::default()), well(100));
    assert_eq!(forecast(&bench).peers_die, IfPeersDie::NotStarted);
    bench.link(false, Some(OWN));
    bench.order(Router::handle_start);
    assert_eq!(forecast(&bench).peers_die, IfPeersDie::InFault(FaultReason::LinkDown));
}

#[test]
fn without_a_tracked_frontend_a_dead_service_keeps_the_addresses() {
    let bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    assert_eq!(forecast(&bench).service_dies, IfServiceDies::NotTracked);
}

#[test]
fn a_dead_service_would_offer_the_addresses_to_whoever_is_there() {
    let mut bench = tracked(Behaviour::default());
    let left = Priority::new(98);
    assert_eq!(forecast(&bench).service_dies, IfServiceDies::Offers { to: None, left });
    bench.hear(LESSER, 99);
    let to = Some(ip(LESSER));
    assert_eq!(forecast(&bench).service_dies, IfServiceDies::Offers { to, left });
    bench.hear(LESSER, 97);
    assert_eq!(forecast(&bench).service_dies, IfServiceDies::Keeps { left });
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!100 * !100 * !98", "and so it does");
    assert_eq!(forecast(&bench).service_dies, IfServiceDies::Unchanged);
}

#[test]
fn what_a_peer_said_long_ago_forecasts_nothing_but_who_may_be_there() {
    let left = Priority::new(98);
    for (priority, to) in [(97, None), (99, Some(ip(LESSER)))] {
        let mut bench = tracked(Behaviour::default());
        bench.hear(LESSER, priority);
        bench.pass(SECOND * 15);
        assert_eq!(forecast(&bench).service_dies, IfServiceDies::Offers { to, left });
    }
}

#[test]
fn a_dead_service_would_hand_the_addresses_to_the_halb_that_is_known_to_be_well() {
    let mut bench = tracked(linked());
    bench.overhear(word(LESSER, 99, Health::Well));
    let expected = IfServiceDies::HandsOver { to: ip(LESSER), priority: Priority::new(99) };
    assert_eq!(forecast(&bench).service_dies, expected);
    bench.overhear(word(LESSER, 97, Health::Sick));
    let left = Priority::new(98);
    assert_eq!(forecast(&bench).service_dies, IfServiceDies::Keeps { left });
    bench.pass(WORD_COUNTS_FOR);
    let expected = IfServiceDies::Offers { to: None, left };
    assert_eq!(forecast(&bench).service_dies, expected, "an old word tells nothing");
}

#[test]
fn without_a_link_of_its_own_a_node_could_invite_nobody() {
    let mut bench = tracked(Behaviour::default());
    bench.overhear(word(LESSER, 99, Health::Well));
    let expected = IfServiceDies::Offers { to: None, left: Priority::new(98) };
    assert_eq!(forecast(&bench).service_dies, expected);
}

#[test]
fn a_backup_without_its_service_would_be_worth_less() {
    let readiness = Readiness { accepts: true, workers_on_time: true, servers_up: 3 };
    let mut bench =
        Bench::backup(config(v3(100), Behaviour::default()), standing(100, 0, readiness));
    let expected = IfServiceDies::Falls { to: Priority::LAST_RESORT };
    assert_eq!(forecast(&bench).service_dies, expected);
    bench.order(Router::give_away);
    assert_eq!(forecast(&bench).service_dies, expected, "less than what was given away");
}

#[test]
fn other_trackers_stay_as_they_are_in_a_forecast() {
    let mut trackers = Trackers::new(vec![
        Tracker {
            subject: Subject::Frontend("kubernetes".into()),
            weight: Weight::new(-30).unwrap(),
            reverse: false,
        },
        Tracker {
            subject: Subject::Interface("uplink".into()),
            weight: Weight::new(-5).unwrap(),
            reverse: false,
        },
        Tracker {
            subject: Subject::Frontend("spare".into()),
            weight: Weight::new(-7).unwrap(),
            reverse: true,
        },
    ]);
    trackers.handle_sighting(Sighting::Interface("uplink", false));
    let before = trackers.standing(BasePriority::new(100).unwrap());
    assert_eq!(before.effective.get(), 95);
    let after = before.without_frontends().unwrap();
    assert_eq!(after.to_string(), "100 - 30 (frontend 'kubernetes') - 5 (interface 'uplink') = 65");
}
