use proptest::prelude::*;

use super::*;

const LIMIT: Duration = Duration::from_millis(100);

const fn at(millis: u64) -> Stamp {
    Stamp::from_nanos(millis * 1_000_000)
}

fn beaten(millis: u64) -> Lease {
    Lease { beat: at(millis), is_acting: false, is_revoked: false, is_swept: false }
}

fn look(now: u64, beat: u64) -> Look {
    Look {
        now: at(now),
        is_alive: true,
        is_closing: false,
        is_holding: true,
        lease: beaten(beat),
        limit: LIMIT,
    }
}

fn until(millis: u64) -> Verdict {
    Verdict::Wait { until: at(millis) }
}

/// A judge that began at zero and has looked in time until `now`, when the last beat was.
fn watching(now: u64) -> Judge {
    let started = Lease { beat: Stamp::from_nanos(1), ..beaten(0) };
    let mut judge = Judge::new(at(now), started);
    assert_eq!(judge.judge(&look(now, now)), until(now + 25));
    judge
}

#[test]
fn every_verdict_has_its_reason() {
    let revoked =
        |is_acting, is_swept| Lease { is_acting, is_revoked: true, is_swept, ..beaten(0) };
    let on_time = look(25, 0);
    let silent = |lease| Look { lease, ..on_time };
    let table = [
        ("it beats", look(25, 25), until(50)),
        ("silent, but not for long", on_time, until(50)),
        ("nothing is held", Look { is_holding: false, ..on_time }, until(50)),
        ("dead", Look { is_alive: false, ..on_time }, Verdict::Release),
        (
            "dead, holding nothing",
            Look { is_alive: false, is_holding: false, ..on_time },
            Verdict::Release,
        ),
        (
            "dead after a revocation",
            Look { is_alive: false, ..silent(revoked(false, true)) },
            Verdict::Release,
        ),
        ("closed", Look { is_closing: true, is_alive: false, ..on_time }, Verdict::Leave),
        ("about to be closed", Look { is_closing: true, ..on_time }, Verdict::Leave),
        (
            "closed while revoked",
            Look { is_closing: true, ..silent(revoked(true, false)) },
            Verdict::Leave,
        ),
        ("revoked by a guard that died", silent(revoked(false, false)), Verdict::Sweep),
        ("the same, with an act pending", silent(revoked(true, false)), Verdict::Sweep),
        ("swept, not acknowledged", silent(revoked(false, true)), until(50)),
    ];
    for (what, look, expected) in table {
        assert_eq!(watching(0).judge(&look), expected, "{what}");
    }
}

#[test]
fn silence_for_the_limit_revokes_at_that_moment_and_not_before() {
    let mut judge = watching(1000);
    for now in [1025, 1050, 1075] {
        assert_eq!(judge.judge(&look(now, 1000)), until(now + 25));
    }
    assert_eq!(judge.judge(&look(1099, 1000)), until(1100));
    assert_eq!(judge.judge(&look(1100, 1000)), Verdict::Revoke);
}

#[test]
fn a_daemon_that_holds_nothing_may_be_silent() {
    let mut judge = watching(0);
    for now in (0..40).map(|n| 25 * n) {
        let idle = Look { is_holding: false, ..look(now, 0) };
        assert_eq!(judge.judge(&idle), until(now + 25));
    }
}

#[test]
fn a_guard_that_woke_late_grants_a_fresh_period_once_and_then_only_what_it_missed() {
    let mut judge = watching(0);
    assert_eq!(judge.judge(&look(5000, 0)), until(5025), "4,975 ms late");
    assert_eq!(judge.judge(&look(5055, 0)), until(5080), "30 ms late, which are left out");
    for now in [5080, 5105] {
        assert_eq!(judge.judge(&look(now, 0)), until(now + 25));
    }
    assert_eq!(judge.judge(&look(5129, 0)), until(5130));
    assert_eq!(judge.judge(&look(5130, 0)), Verdict::Revoke, "the period, and 30 ms");
}

#[test]
fn usual_lateness_puts_nothing_off() {
    let mut judge = watching(0);
    for (now, next) in [(37, 62), (74, 99), (99, 100)] {
        assert_eq!(judge.judge(&look(now, 0)), until(next));
    }
    assert_eq!(judge.judge(&look(112, 0)), Verdict::Revoke);
    assert_eq!(usual_lateness(Duration::from_millis(30)), Duration::from_millis(10));
    assert_eq!(usual_lateness(Duration::from_secs(2)), Duration::from_millis(250));
}

#[test]
fn a_beat_ends_a_silence_and_the_next_one_may_be_granted_a_period_again() {
    let mut judge = watching(0);
    assert_eq!(judge.judge(&look(500, 0)), until(525), "late: granted");
    assert_eq!(judge.judge(&look(525, 520)), until(550), "beats");
    assert_eq!(judge.judge(&look(900, 520)), until(925), "late again: granted again");
}

#[test]
fn a_new_guard_grants_a_period() {
    let mut judge = Judge::new(at(5000), beaten(0));
    assert_eq!(judge.judge(&look(5000, 0)), until(5025));
    assert_eq!(judge.judge(&look(5100, 0)), until(5125), "late, which is left out");
    assert_eq!(judge.judge(&look(5125, 0)), until(5150));
}

#[test]
fn a_sweep_is_repeated_until_nothing_can_come_after_it() {
    let revoked = |now, is_acting| Look {
        lease: Lease { is_acting, is_revoked: true, is_swept: false, ..beaten(0) },
        ..look(now, 0)
    };
    let mut judge = watching(0);
    assert_eq!(judge.judge(&revoked(100, true)), Verdict::Sweep);
    assert_eq!(judge.judge(&revoked(101, true)), until(120));
    assert_eq!(judge.judge(&revoked(120, true)), Verdict::Sweep);
    assert_eq!(judge.judge(&revoked(130, false)), until(140));
    assert_eq!(judge.judge(&revoked(140, false)), Verdict::Sweep, "the last, if it succeeds");
}

#[test]
fn after_it_was_acknowledged_the_period_starts_anew() {
    let mut judge = watching(0);
    let swept = Lease { is_revoked: true, is_swept: true, ..beaten(0) };
    let mut now = 100;
    while now < 5000 {
        let frozen = Look { lease: swept, ..look(now, 0) };
        assert_eq!(judge.judge(&frozen), until(now + 25));
        now += 25;
    }
    assert_eq!(judge.judge(&look(5000, 4990)), until(5025));
    for now in [5025, 5050, 5075] {
        judge.judge(&look(now, 4990));
    }
    assert_eq!(judge.judge(&look(5090, 4990)), Verdict::Revoke);
}

fn looks() -> impl Strategy<Value = Vec<(u64, bool, bool, Lease)>> {
    let lease = (any::<u64>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(beat, is_acting, is_revoked, is_swept)| Lease {
            beat: Stamp::from_nanos(beat),
            is_acting,
            is_revoked,
            is_swept,
        },
    );
    prop::collection::vec((0..200_000_000_u64, any::<bool>(), any::<bool>(), lease), 1..60)
}

proptest! {
    /// Whatever the page says: the guard never rests longer than to its next look, never acts for
    /// a daemon that closed, never revokes twice, and is never in the way of a release.
    #[test]
    fn whatever_the_page_says_each_verdict_is_sound(looks in looks(), limit in any::<u64>()) {
        let limit = Duration::from_nanos(limit);
        let mut judge = Judge::new(at(0), looks[0].3);
        let mut now = at(0);
        for (pause_nanos, is_closing, is_holding, lease) in looks {
            now = now.plus(Duration::from_nanos(pause_nanos));
            let look = Look { now, is_alive: true, is_closing, is_holding, lease, limit };
            match judge.judge(&look) {
                Verdict::Wait { until } => {
                    prop_assert!(!is_closing);
                    prop_assert!(until.since(now) <= pause(limit).max(SWEEP_AGAIN));
                }
                Verdict::Revoke => prop_assert!(is_holding && !lease.is_revoked && !is_closing),
                Verdict::Sweep => prop_assert!(lease.is_revoked && !lease.is_swept && !is_closing),
                Verdict::Leave => prop_assert!(is_closing),
                Verdict::Release => prop_assert!(false, "it is alive"),
            }
            let dead = Look { is_alive: false, is_closing: false, ..look };
            prop_assert_eq!(judge.judge(&dead), Verdict::Release);
        }
    }
}
