//! keepalived's options: what an active router answers, and how many adverts a backup misses.

use super::*;
use crate::config::Answers;

fn with(answers: Answers) -> Behaviour {
    Behaviour { answers, ..Behaviour::default() }
}

#[test]
fn lower_prio_no_advert_leaves_the_lesser_router_to_hear_the_next_advert() {
    let answers = Answers { lower_prio_no_advert: true, ..Answers::default() };
    let mut bench = Bench::active(config(v3(100), with(answers)), well(100));
    bench.pass(ms(300));
    let due = bench.router.status().next;
    bench.hear(GREATER, 50);
    assert_eq!(bench.log(), "*", "caches are put right all the same");
    assert_eq!(bench.router.status().next, due);
    bench.hear(GREATER, 0);
    assert_eq!(bench.log(), "!100", "a release is answered at once");
}

#[test]
fn an_offer_that_the_wrong_router_took_up_is_taken_back_at_once_whatever_is_configured() {
    let answers = Answers { lower_prio_no_advert: true, ..Answers::default() };
    let mut bench = Bench::active(config(v3(100), with(answers)), well(100));
    bench.stand(sick(100, -2));
    bench.pass(ms(600));
    bench.hear(GREATER, 97);
    assert_eq!(bench.log(), "!0 !98 *");
}

#[test]
fn higher_prio_send_advert_lets_the_better_router_announce_the_addresses_once_more() {
    let answers = Answers { higher_prio_send_advert: true, ..Answers::default() };
    let mut bench = Bench::active(config(v3(100), with(answers)), well(100));
    bench.hear(LESSER, 150);
    assert_eq!(bench.log(), "!100 - A>B");

    let mut bench = Bench::active(config(v3(100), with(answers)), well(100));
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "!100 - A>B", "better by its address");

    let mut bench = Bench::active(config(v3(100), with(answers)), well(100));
    bench.stand(sick(100, -2));
    bench.hear(LESSER, 99);
    assert_eq!(bench.log(), "!0 !98 - A>B", "its last word is what it is worth");
}

#[test]
fn a_retiring_router_never_tells_its_heir_of_a_higher_priority() {
    let answers = Answers { higher_prio_send_advert: true, ..Answers::default() };
    let mut bench = Bench::active(config(v3(100), with(answers)), well(100));
    bench.order(Router::retire);
    bench.hear(LESSER, 50);
    assert_eq!(bench.log(), "!0 - A>I");
}

#[test]
fn a_backup_misses_as_many_adverts_as_it_is_told() {
    for missed in [1, 3, 100] {
        let down_timer_adverts = DownTimerAdverts::new(missed).unwrap();
        let behaviour = Behaviour { down_timer_adverts, ..Behaviour::default() };
        let mut bench = Bench::backup(config(v3(10), behaviour), well(100));
        bench.pass(ms(50));
        bench.hear(GREATER, 150);
        let skew = timers::skew(Priority::new(100), bench.router.config().interval());
        assert_eq!(bench.due_in(), ms(100) * u32::from(missed) + skew);
    }
}

#[test]
fn with_nopreempt_a_router_steps_back_after_a_silence_as_long_as_backups_wait() {
    for (missed, log) in [(1, "- A>B"), (3, "!100"), (100, "!100")] {
        let down_timer_adverts = DownTimerAdverts::new(missed).unwrap();
        let behaviour = Behaviour { down_timer_adverts, ..preempting(Preempt::Never) };
        let mut bench = Bench::active(config(v3(100), behaviour), well(100));
        bench.freeze(ms(2_500));
        bench.settle();
        assert_eq!(bench.log(), log, "after {missed}");
    }
}

#[test]
fn a_reload_with_another_number_of_missed_adverts_counts_from_the_next_advert() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    let due = bench.due_in();
    let down_timer_adverts = DownTimerAdverts::new(5).unwrap();
    let behaviour = Behaviour { down_timer_adverts, ..Behaviour::default() };
    bench.router.handle_config(config(v3(100), behaviour), well(100), bench.now).unwrap();
    assert_eq!(bench.due_in(), due);
    bench.hear(GREATER, 150);
    assert_eq!(bench.due_in(), due + SECOND * 2);
}
