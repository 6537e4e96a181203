use std::time::Duration;

use halb_lb::snapshot::{AcceptPause, Admin};

use crate::status::samples;

#[test]
fn a_daemon_that_serves_is_ready() {
    let status = samples::all_fine().status();
    assert!(status.readiness.ready);
    assert!(samples::one_down().status().readiness.ready, "one server down is no reason");
}

#[test]
fn each_reason_not_to_be_ready_is_said() {
    let mut stopping = samples::all_fine();
    stopping.facts.stopping = true;
    let mut stuck = samples::all_fine();
    stuck.snapshot.process.workers[1].heartbeat_age = Duration::from_millis(7_300);
    let mut stuck_ears = samples::all_fine();
    stuck_ears.snapshot.process.dispatcher_heartbeat_age = Duration::from_secs(6);
    let mut full = samples::all_fine();
    full.snapshot.frontends[0].listeners[0].paused = Some(AcceptPause::Full);
    let mut deaf = samples::all_fine();
    deaf.snapshot.frontends[0].listeners.clear();
    let mut maint = samples::all_fine();
    (0..3).for_each(|index| maint.server(index).admin = Admin::Maint);
    let cases = [
        (stopping, "the daemon is stopping"),
        (stuck, "worker 1 has not come round for 7.3 s"),
        (stuck_ears, "the dispatcher has not come round for 6.0 s"),
        (full, "frontend kubernetes accepts no connections: as many connections as it may hold"),
        (deaf, "frontend kubernetes has no listener"),
        (samples::all_down(), "no server of backend masters is up (frontend kubernetes needs one)"),
        (maint, "no server of backend masters is up (frontend kubernetes needs one)"),
    ];
    for (sample, reason) in cases {
        let readiness = sample.status().readiness;
        assert!(!readiness.ready);
        assert!(readiness.reasons.contains(&reason.to_owned()), "{:?}", readiness.reasons);
    }
}

#[test]
fn a_listener_at_its_accept_rate_is_still_ready() {
    let mut sample = samples::all_fine();
    sample.snapshot.frontends[0].listeners[0].paused = Some(AcceptPause::Rate);
    assert!(sample.status().readiness.ready);
}
