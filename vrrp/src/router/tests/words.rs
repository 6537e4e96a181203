//! Words that two halbs exchange.

use super::*;

fn active() -> Bench {
    Bench::active(config(v3(100), linked()), well(100))
}

fn backup(base: u8) -> Bench {
    Bench::backup(config(v3(100), linked()), well(base))
}

fn invited(bench: &Bench) -> Vec<IpAddr> {
    bench.words.iter().filter_map(|word| word.invites).collect()
}

#[test]
fn a_node_tells_what_changes_at_once_and_everything_each_second() {
    let mut bench = backup(100);
    bench.stand(sick(100, -2));
    let [told] = bench.words[..] else { panic!("{:?}", bench.words) };
    let expected = Word { effective: Priority::new(98), ..word(OWN, 98, Health::Sick) };
    assert_eq!(told, expected);
    bench.stand(sick(100, -2));
    assert_eq!(bench.words.len(), 1, "nothing has changed");
    bench.pass(ms(20));
    assert_eq!(bench.words.len(), 2, "in case it is lost");
    bench.pass(SECOND * 3);
    assert_eq!(bench.words.len(), 5);
    bench.clear();
    bench.pass(SECOND);
    assert_eq!(bench.router.state(), State::Active);
    let states: Vec<_> = bench.words.iter().map(|word| word.state).collect();
    assert_eq!(states.first(), Some(&State::Active), "so is a transition");
    bench.clear();
    bench.order(Router::handle_stop);
    let [told] = bench.words[..] else { panic!("{:?}", bench.words) };
    assert_eq!((told.state, told.able), (State::Initialize, false));
    bench.pass(SECOND * 10);
    assert_eq!(bench.words.len(), 1, "a stopped router has nothing to say");
}

#[test]
fn without_a_link_nothing_is_told_and_nothing_wakes_the_router() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(100));
    bench.overhear(word(GREATER, 150, Health::Well));
    bench.stand(sick(100, -2));
    bench.pass(SECOND * 10);
    assert_eq!(bench.words, []);
    bench.router.handle_config(config(v3(100), linked()), well(100), bench.now).unwrap();
    bench.settle();
    assert_eq!(bench.words.len(), 1, "a link that comes with a reload");
    bench
        .router
        .handle_config(config(v3(100), preempting(Preempt::Never)), well(100), bench.now)
        .unwrap();
    bench.clear();
    bench.stand(sick(100, -2));
    bench.pass(SECOND * 10);
    assert_eq!(bench.words, []);
}

#[test]
fn words_for_another_router_and_echoes_are_no_concern() {
    let mut bench = backup(100);
    let other_id = Word { vrid: VrId::new(2).unwrap(), ..invitation(GREATER, 98) };
    let other_address = Word { address: ip("172.16.16.101"), ..invitation(GREATER, 98) };
    let other_family = Word { address: ip("fd00::1"), ..invitation(GREATER, 98) };
    for word in [other_id, other_address, other_family, invitation(OWN, 98)] {
        assert!(!bench.overhear(word), "{word:?}");
    }
    assert_eq!(bench.router.status().words, []);
    assert_eq!(bench.log(), "");
    assert!(bench.overhear(word(GREATER, 98, Health::Well)));
    let [heard] = bench.router.status().words[..] else { panic!("one word") };
    assert_eq!((heard.from, heard.at), (ip("10.9.9.2"), bench.now));
}

#[test]
fn a_word_from_an_address_that_turns_out_to_be_its_own_is_forgotten() {
    let mut bench = backup(100);
    bench.overhear(word(GREATER, 150, Health::Well));
    let link = Link { is_up: true, source: Some(ip(GREATER)) };
    bench.router.handle_link(link, bench.now);
    assert_eq!(bench.router.status().words, []);
}

#[test]
fn a_sick_node_invites_a_healthy_one_that_never_sent_an_advert() {
    let mut bench = active();
    bench.overhear(word(LESSER, 99, Health::Well));
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!0");
    assert_eq!(invited(&bench), [ip(LESSER)]);
    bench.pass(ms(200));
    assert_eq!(invited(&bench).len(), 6, "in case it is lost, and not for ever");
    bench.hear(LESSER, 99);
    assert_eq!(bench.log(), "- A>B");
    bench.clear();
    bench.pass(ms(500));
    assert!(invited(&bench).is_empty(), "the offer is over");
}

#[test]
fn an_invited_router_takes_over_at_once_and_speaks_when_clients_are_there() {
    let mut bench = backup(100);
    bench.obedient = false;
    bench.hear(GREATER, 120);
    bench.overhear(invitation(GREATER, 98));
    assert_eq!(bench.log(), "+ B>A", "the other one keeps the addresses until it hears an advert");
    bench.hear(GREATER, 0);
    assert_eq!(bench.log(), "", "nor does its offer hurry anybody");
    bench.order(|router, now| router.handle_addresses(AddressReport::Installed, now));
    assert_eq!(bench.log(), "* !100");
    let by = ip(GREATER);
    assert_eq!(bench.causes, [Cause::Invited { by, priority: Priority::new(98) }]);
    let text = bench.router.journal().last().unwrap().to_string();
    let expected = "backup -> active: 172.16.16.52, now of priority 98, offered the addresses \
                    (priority 100 = 100)";
    assert_eq!(text, expected);
    bench.pass(SECOND);
    assert_eq!(bench.log(), "!100");
}

#[test]
fn an_invited_router_speaks_after_an_interval_whatever_the_kernel_says() {
    let mut bench = backup(100);
    bench.obedient = false;
    bench.overhear(invitation(GREATER, 98));
    bench.pass(SECOND);
    assert_eq!(bench.log(), "+ B>A !100");
}

#[test]
fn an_invited_router_that_cannot_have_the_addresses_never_said_a_word() {
    let mut bench = backup(100);
    bench.obedient = false;
    bench.overhear(invitation(GREATER, 98));
    bench.order(|router, now| router.handle_addresses(AddressReport::Refused, now));
    assert_eq!(bench.log(), "+ B>A - A>F", "so that the other one keeps them");
}

#[test]
fn with_nopreempt_and_preemption_delays_an_invitation_is_followed_too() {
    for preempt in [Preempt::Never, Preempt::After(SECOND * 60)] {
        let behaviour = Behaviour { preempt, ..linked() };
        let mut bench = Bench::backup(config(v3(100), behaviour), well(100));
        bench.hear(GREATER, 98);
        bench.overhear(invitation(GREATER, 98));
        assert_eq!(bench.log(), "+ B>A * !100");
    }
}

#[test]
fn only_a_router_whose_advert_will_be_yielded_to_follows_an_invitation() {
    let follows = |standing: Standing, invitation: Word| {
        let mut bench = Bench::backup(config(v3(100), linked()), well(100));
        bench.stand(standing);
        bench.clear();
        bench.overhear(invitation);
        bench.router.state() == State::Active
    };
    assert!(follows(well(99), invitation(GREATER, 98)));
    assert!(!follows(well(98), invitation(GREATER, 98)), "its address is less");
    assert!(follows(well(98), invitation(LESSER, 98)));
    assert!(!follows(sick(98, 1), invitation(LESSER, 98)), "alike and as sick");
    assert!(!follows(well(97), invitation(LESSER, 98)));
    assert!(!follows(sick(200, 0), invitation(LESSER, 2)), "never a failed one from a healthy one");
    assert!(follows(sick(200, 0), invitation(GREATER, 0)), "but from one that vanishes");
    let to_another = Word { invites: Some(ip(LESSER)), ..invitation(GREATER, 98) };
    assert!(!follows(well(200), to_another));
    assert!(!follows(well(200), word(GREATER, 98, Health::Sick)), "no invitation at all");
}

#[test]
fn an_invitation_that_another_active_router_has_overtaken_is_late() {
    let mut bench = backup(100);
    bench.hear(GREATER, 0);
    bench.pass(ms(10));
    bench.hear(LESSER, 150);
    bench.overhear(invitation(GREATER, 98));
    assert_eq!(bench.log(), "");
    bench.hear(GREATER, 0);
    bench.overhear(invitation(GREATER, 98));
    assert_eq!(bench.log(), "+ B>A * !100", "it was heard since");

    let mut bench = backup(100);
    bench.hear(GREATER, 0);
    bench.pass(ms(10));
    bench.hear(LESSER, 0);
    bench.overhear(invitation(GREATER, 98));
    assert_eq!(bench.log(), "+ B>A * !100", "who leaves isn't active");

    let mut bench = backup(100);
    bench.hear(LESSER, 150);
    bench.pass(SECOND * 3);
    bench.overhear(invitation(GREATER, 98));
    assert_eq!(bench.log(), "+ B>A * !100", "nor who has been silent for so long");
}

#[test]
fn an_invitation_to_a_router_that_takes_no_part_changes_nothing() {
    let mut bench = backup(100);
    bench.link(false, None);
    bench.clear();
    assert!(bench.overhear(Word { invites: Some(ip(OWN)), ..invitation(GREATER, 98) }));
    let mut waiting = Bench::new(
        config(v3(100), linked()),
        tracking(0).standing(BasePriority::new(100).unwrap()),
    );
    waiting.link(true, Some(OWN));
    waiting.order(Router::handle_start);
    waiting.clear();
    waiting.overhear(invitation(GREATER, 98));
    let mut active = active();
    active.overhear(invitation(GREATER, 98));
    for bench in [&mut bench, &mut waiting, &mut active] {
        assert_eq!(bench.log(), "");
    }
}

#[test]
fn an_advert_that_an_invitation_has_overtaken_is_answered_and_not_obeyed() {
    let mut bench = backup(90);
    bench.overhear(invitation(GREATER, 2));
    bench.clear();
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "!90", "it may be old: who offers will hear this and let go");
    bench.hear(GREATER, 100);
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "!90 !90");
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "- A>B", "it insists");

    let mut bench = backup(90);
    bench.overhear(invitation(GREATER, 2));
    bench.order(Router::retire);
    bench.pass(ms(600));
    bench.clear();
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "!0", "nor does that one take up an offer");
    let offer = bench.router.status().offer.unwrap();
    assert!(offer.until > bench.now + SECOND * 2, "which begins anew");

    let mut bench = backup(90);
    bench.overhear(invitation(GREATER, 2));
    bench.clear();
    bench.hear(LESSER, 100);
    assert_eq!(bench.log(), "- A>B", "another router's is no old one");

    let mut bench = backup(90);
    bench.overhear(invitation(GREATER, 2));
    bench.pass(SECOND);
    bench.clear();
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "- A>B", "an interval later none is on its way any more");
}

#[test]
fn an_advert_that_a_release_has_overtaken_is_answered_and_not_obeyed() {
    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(90));
    bench.hear(GREATER, 0);
    bench.pass_to_due();
    bench.settle();
    bench.clear();
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "!90");

    let mut bench = Bench::backup(config(v3(100), Behaviour::default()), well(90));
    bench.pass_to_due();
    bench.settle();
    bench.clear();
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "- A>B", "after a silence nothing is doubted");
}

#[test]
fn nothing_is_offered_to_a_halb_that_says_it_is_no_better() {
    for (effective, health) in [(97, Health::Sick), (97, Health::Well), (1, Health::Failed)] {
        let mut bench = active();
        bench.overhear(word(GREATER, effective, health));
        bench.stand(sick(100, -2));
        assert_eq!(bench.log(), "!98", "sick alone or not, priority {effective} is less");
    }
    let mut bench = active();
    let deaf = Word { able: false, state: State::Fault, ..word(GREATER, 200, Health::Well) };
    bench.overhear(deaf);
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!98", "it couldn't take them");
}

#[test]
fn a_word_counts_more_than_an_old_advert_and_no_longer_than_its_time() {
    let mut bench = Bench::backup(config(v3(100), linked()), well(100));
    bench.hear(GREATER, 150);
    bench.pass(SECOND * 10);
    bench.overhear(word(GREATER, 90, Health::Sick));
    bench.clear();
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!98", "it said 150 once");
    bench.stand(well(100));
    bench.pass(WORD_COUNTS_FOR);
    bench.clear();
    bench.log();
    bench.stand(sick(100, -2));
    assert_eq!(bench.log(), "!0", "and nothing newer is known again");
}

#[test]
fn an_offer_ends_when_the_only_known_node_says_that_it_is_no_better() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    bench.pass(ms(100));
    bench.overhear(word(GREATER, 97, Health::Sick));
    assert_eq!(bench.log(), "!0 !98");
    assert_eq!(bench.router.status().offer, None);
}

#[test]
fn a_node_that_is_known_later_is_invited_while_the_offer_stands() {
    let mut bench = active();
    bench.stand(sick(100, -2));
    bench.pass(ms(100));
    assert!(invited(&bench).is_empty());
    bench.overhear(word(GREATER, 99, Health::Well));
    assert_eq!(invited(&bench), [ip(GREATER)]);
}

#[test]
fn a_sick_node_offers_when_another_says_that_it_is_well_again() {
    let mut bench = active();
    bench.overhear(word(GREATER, 97, Health::Sick));
    bench.stand(sick(100, -2));
    bench.pass(SECOND);
    bench.clear();
    bench.overhear(word(GREATER, 97, Health::Well));
    assert_eq!(bench.log(), "", "well, and still no better");
    bench.overhear(word(GREATER, 99, Health::Sick));
    assert_eq!(bench.log(), "", "better, and no healthier: that is up to the election");
    bench.overhear(word(GREATER, 99, Health::Well));
    assert_eq!(bench.log(), "!0");
    assert_eq!(invited(&bench), [ip(GREATER)]);
}

#[test]
fn a_healthy_node_offers_nothing_to_a_better_one() {
    let mut bench = active();
    bench.overhear(word(GREATER, 200, Health::Well));
    assert_eq!(bench.log(), "", "whether that one preempts is its own affair");
    let unknown = tracking(-2).standing(BasePriority::new(100).unwrap());
    let mut bench = Bench::active(config(v3(100), linked()), unknown);
    bench.overhear(word(GREATER, 200, Health::Well));
    assert_eq!(bench.log(), "", "nor is one that doesn't know yet sick");
}

#[test]
fn an_operator_s_order_stands_until_somebody_better_is_there() {
    let mut bench = active();
    bench.overhear(word(GREATER, 1, Health::Failed));
    bench.order(Router::give_away);
    assert_eq!(bench.log(), "!2");
    bench.overhear(word(GREATER, 98, Health::Sick));
    assert_eq!(bench.log(), "!0");
    assert_eq!(invited(&bench), [ip(GREATER)]);
}

/// It says what it is worth, and doesn't hear that it is invited.
#[test]
fn offers_leave_a_sick_heir_that_hears_no_words_the_time_to_come() {
    let mut bench = active();
    bench.router.handle_config(config(v3(1000), linked()), well(100), bench.now).unwrap();
    bench.settle();
    bench.stand(sick(100, 0));
    let (mut silent, mut longest) = (0, 0);
    for _ in 0..120 {
        bench.overhear(word(GREATER, 2, Health::Sick));
        bench.pass(SECOND);
        silent = if bench.log().contains("!0") { 0 } else { silent + 1 };
        longest = longest.max(silent);
    }
    assert!(longest > 20, "an interval and a skew is never over: {longest} s");
}

#[test]
fn a_node_that_says_it_is_well_but_never_takes_the_addresses_is_asked_rarely() {
    let mut bench = active();
    bench.overhear(word(GREATER, 97, Health::Sick));
    bench.stand(sick(100, -2));
    bench.clear();
    for _ in 0..60 {
        bench.overhear(word(GREATER, 99, Health::Well));
        bench.pass(ms(500));
    }
    let offers = bench
        .log()
        .split(' ')
        .collect::<Vec<_>>()
        .windows(2)
        .filter(|pair| pair == &["!98", "!0"])
        .count();
    assert_eq!(offers, 2, "besides the first, in half a minute");
}

#[test]
fn a_retiring_node_invites_whoever_there_is() {
    let mut bench = active();
    bench.overhear(word(GREATER, 1, Health::Failed));
    bench.order(Router::retire);
    assert_eq!(invited(&bench), [ip(GREATER)]);
    assert_eq!(bench.words.last().unwrap().effective, Priority::RELEASE);
    bench.overhear(Word { able: false, ..word(GREATER, 1, Health::Failed) });
    assert_eq!(bench.words.last().unwrap().invites, None, "it can't any more");
    assert_eq!(bench.router.status().offer.map(|offer| offer.reason), Some(OfferReason::Leaving));
    bench.hear(GREATER, 1);
    assert_eq!(bench.log(), "!0 - A>I");
}

#[test]
fn the_best_of_several_is_invited() {
    let mut bench = active();
    let peers =
        [("10.9.9.2", LESSER, 90), ("10.9.9.3", GREATER, 99), ("10.9.9.4", "172.16.16.60", 95)];
    for (from, source, effective) in peers {
        bench.router.handle_word(ip(from), &word(source, effective, Health::Well), bench.now);
    }
    bench.order(Router::give_away);
    assert_eq!(invited(&bench), [ip(GREATER)]);
    let already_active = Word { state: State::Active, ..word(GREATER, 99, Health::Well) };
    bench.router.handle_word(ip("10.9.9.3"), &already_active, bench.now);
    bench.settle();
    assert_eq!(invited(&bench).last(), Some(&ip("172.16.16.60")), "who is active needs none");
}

#[test]
fn words_of_many_nodes_grow_no_table() {
    let mut bench = backup(100);
    for last in 0..=255 {
        let from = IpAddr::from([10, 9, 9, last]);
        bench.router.handle_word(from, &word(GREATER, 99, Health::Well), bench.now);
    }
    assert_eq!(bench.router.status().words.len(), SPEAKERS_MAX);
}
