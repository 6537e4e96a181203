//! Timers and priorities of the election.

use super::*;

fn down(priority: u8, protocol: &Protocol) -> Duration {
    let config = config(protocol.clone(), Behaviour::default());
    down_interval(priority, config.interval())
}

fn backup(protocol: Protocol, preempt: Preempt) -> Bench {
    Bench::backup(config(protocol, preempting(preempt)), well(100))
}

#[test]
fn a_backup_waits_a_down_interval_from_its_start_and_from_each_advert() {
    for protocol in [v2(5), v2(1), v3(100), v3(1)] {
        let mut bench = backup(protocol.clone(), Preempt::Immediately);
        assert_eq!(bench.due_in(), down(100, &protocol));
        bench.pass(bench.interval());
        bench.hear(GREATER, 150);
        assert_eq!(bench.due_in(), down(100, &protocol));
    }
}

#[test]
fn silence_promotes_and_the_cause_says_who_fell_silent() {
    let mut bench = backup(v2(5), Preempt::Immediately);
    bench.hear(GREATER, 150);
    let heard_at = bench.now;
    bench.pass(down(100, &v2(5)));
    assert_eq!(bench.log(), "!100 + B>A *");
    let last = Heard {
        source: ip(GREATER),
        priority: Priority::new(150),
        interval: bench.router.config().interval(),
        at: heard_at,
    };
    let cause = Cause::Silence { last: Some(last), waited: down(100, &v2(5)) };
    assert_eq!(bench.causes, [cause]);
    let text = bench.router.journal().last().unwrap().to_string();
    let expected = "backup -> active: nothing heard for 15.609375s, last from 172.16.16.52 with \
                    priority 150 (priority 100 = 100)";
    assert_eq!(text, expected);
}

#[test]
fn a_release_promotes_after_the_skew() {
    let mut bench = backup(v2(5), Preempt::Immediately);
    bench.hear(GREATER, 150);
    bench.pass(SECOND);
    bench.hear(GREATER, 0);
    assert_eq!(bench.due_in(), Duration::from_micros(609_375));
    bench.pass(SECOND);
    assert!(matches!(bench.causes[..], [Cause::Released { by }] if by.source == ip(GREATER)));
}

#[test]
fn the_skew_after_a_release_follows_the_interval_that_it_carries() {
    let mut bench = backup(v3(1000), Preempt::Immediately);
    let short = |priority| {
        let interval = Centiseconds::new(10).unwrap();
        let body = Body::V3 { interval, checksum: ChecksumForm::PseudoHeader };
        backup(v3(1000), Preempt::Immediately).advert_of(GREATER, priority, body)
    };
    bench.deliver(GREATER, &short(50));
    bench.settle();
    bench.deliver(GREATER, &short(0));
    let interval = AdvertInterval::V3(Centiseconds::new(10).unwrap());
    assert_eq!(bench.due_in(), timers::skew(Priority::new(100), interval));
}

#[test]
fn a_lower_advert_does_not_restart_the_timer_of_a_preempting_backup() {
    let mut bench = backup(v3(100), Preempt::Immediately);
    for _ in 0..3 {
        bench.pass(SECOND);
        bench.hear(GREATER, 99);
    }
    bench.pass(down(100, &v3(100)) - 3 * SECOND);
    assert_eq!(bench.log(), "!100 + B>A *");
    assert!(matches!(bench.causes[..], [Cause::Preempted { rival }] if rival.priority.get() == 99));
}

#[test]
fn an_equal_advert_counts_in_a_backup_whatever_its_address() {
    for source in [LESSER, GREATER] {
        let mut bench = backup(v3(100), Preempt::Immediately);
        bench.pass(SECOND);
        bench.hear(source, 100);
        assert_eq!(bench.due_in(), down(100, &v3(100)));
    }
}

#[test]
fn addresses_are_compared_as_numbers_between_equal_priorities() {
    for (own, other, yields) in [
        ("9.0.0.1", "10.0.0.1", true),
        ("192.168.0.1", "10.0.0.1", false),
        ("10.0.0.1", "192.168.0.1", true),
        ("172.16.16.9", "172.16.16.10", true),
    ] {
        let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
        bench.link(true, Some(own));
        bench.clear();
        bench.hear(other, 100);
        let expected = if yields { "- A>B" } else { "!100 *" };
        assert_eq!(bench.log(), expected, "{own} against {other}");
    }
}

#[test]
fn its_own_packet_makes_no_difference_but_a_count() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    for _ in 0..10 {
        bench.hear(OWN, 200);
    }
    assert_eq!(bench.log(), "");
    assert_eq!(bench.router.refused(crate::packet::Reason::Own), 10);
    assert_eq!(bench.notices.len(), 1, "told once");
}

#[test]
fn nopreempt_lets_any_advert_count() {
    let mut bench = backup(v3(100), Preempt::Never);
    for _ in 0..20 {
        bench.pass(SECOND);
        bench.hear(GREATER, 1);
    }
    assert_eq!(bench.log(), "");
    bench.pass(down(100, &v3(100)));
    assert_eq!(bench.log(), "!100 + B>A *", "a dead router is replaced all the same");
}

#[test]
fn a_preemption_delay_counts_from_the_first_lower_advert() {
    let mut bench = backup(v3(100), Preempt::After(SECOND * 10));
    bench.hear(GREATER, 50);
    for _ in 0..9 {
        bench.pass(SECOND);
        bench.hear(GREATER, 50);
        assert_eq!(bench.due_in(), down(100, &v3(100)), "lower adverts count meanwhile");
    }
    bench.pass(SECOND);
    bench.hear(GREATER, 50);
    assert_eq!(bench.due_in(), down(100, &v3(100)) - SECOND, "and no more after it");
    bench.pass(SECOND * 3);
    assert_eq!(bench.log(), "!100 + B>A *");
}

#[test]
fn a_preemption_delay_starts_anew_after_an_advert_as_good_as_ours() {
    let mut bench = backup(v3(100), Preempt::After(SECOND * 3));
    bench.hear(GREATER, 50);
    bench.pass(SECOND * 2);
    bench.hear(GREATER, 100);
    bench.pass(SECOND);
    bench.hear(GREATER, 50);
    bench.pass(SECOND * 2);
    bench.hear(GREATER, 50);
    assert_eq!(bench.due_in(), down(100, &v3(100)), "two of three seconds have passed");
}

#[test]
fn a_preemption_delay_does_not_delay_the_takeover_from_a_dead_router() {
    let mut bench = backup(v3(100), Preempt::After(SECOND * 1000));
    bench.hear(GREATER, 50);
    bench.pass(down(100, &v3(100)));
    assert_eq!(bench.log(), "!100 + B>A *");
}

#[test]
fn version_3_goes_by_the_active_router_s_interval_and_back_to_its_own() {
    let mut bench = backup(v3(100), Preempt::Immediately);
    let ten_times = bench.advert_of(
        GREATER,
        150,
        Body::V3 {
            interval: Centiseconds::new(1000).unwrap(),
            checksum: ChecksumForm::PseudoHeader,
        },
    );
    bench.deliver(GREATER, &ten_times);
    assert_eq!(bench.due_in(), down(100, &v3(1000)));
    bench.pass(down(100, &v3(1000)));
    assert_eq!(bench.router.state(), State::Active);
    assert_eq!(bench.due_in(), SECOND, "active, it goes by its own");
}

#[test]
fn version_2_refuses_another_interval_and_tells_both() {
    let mut bench = backup(v2(5), Preempt::Immediately);
    bench.pass(SECOND);
    let body = Body::V2 { interval: Seconds::new(1).unwrap(), password: None };
    let other = bench.advert_of(GREATER, 150, body);
    bench.deliver(GREATER, &other);
    bench.settle();
    assert_eq!(bench.due_in(), down(100, &v2(5)) - SECOND, "timers don't notice");
    let refusal = crate::packet::Refusal::Interval { ours: SECOND * 5, theirs: SECOND };
    assert_eq!(bench.notices, [Notice::Refused { source: ip(GREATER), refusal }]);
}

#[test]
fn a_wrong_password_or_none_touches_no_timer_and_has_its_own_counters() {
    use crate::packet::Reason;
    let secret = |text: &str| Some(Password::new(text));
    let auth = Some(Auth { password: Password::new("mysecret"), also: secret("newer") });
    let protocol = Protocol::V2 { interval: Seconds::new(1).unwrap(), auth };
    let mut bench = backup(protocol, Preempt::Immediately);
    bench.pass(SECOND);
    let due = bench.router.poll_timeout();
    let body = |password| Body::V2 { interval: Seconds::new(1).unwrap(), password };
    for password in [secret("wrong"), None] {
        for priority in [0, 255] {
            let message = bench.advert_of(GREATER, priority, body(password));
            bench.deliver(GREATER, &message);
        }
    }
    assert_eq!(bench.router.poll_timeout(), due);
    assert_eq!(bench.router.refused(Reason::AuthFailure), 2);
    assert_eq!(bench.router.refused(Reason::AuthTypeMismatch), 2);

    for password in ["mysecret", "newer"] {
        bench.pass(ms(100));
        let message = bench.advert_of(GREATER, 150, body(secret(password)));
        bench.deliver(GREATER, &message);
        assert_eq!(bench.due_in(), down(100, &v2(1)), "{password} is accepted");
    }
    bench.pass(SECOND * 4);
    assert!(matches!(bench.sent[0].advert.body, Body::V2 { password, .. }
        if password == secret("mysecret")));
}

#[test]
fn an_owner_is_active_from_the_start_and_yields_to_none_but_a_greater_owner() {
    let mut bench = Bench::new(config(v3(100), preempting(Preempt::Never)), well(255));
    // An owner's address may well be the virtual one.
    bench.link(true, Some(VIP));
    bench.router.handle_start(bench.now);
    bench.settle();
    assert_eq!(bench.log(), "!255 + I>A *", "its addresses are its own: none is removed");
    bench.hear(GREATER, 254);
    assert_eq!(bench.log(), "!255 *");
    bench.hear(LESSER, 255);
    assert_eq!(bench.log(), "!255 *");
    bench.hear("172.16.16.101", 255);
    assert_eq!(bench.log(), "- A>B");
    for _ in 0..4 {
        bench.pass(SECOND);
        bench.hear(GREATER, 254);
    }
    let expected = "!255 + B>A * !255 *";
    assert_eq!(bench.log(), expected, "whatever the configuration says of preemption");
}

#[test]
fn two_that_promote_at_once_end_with_one_that_announces_last() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    bench.hear(LESSER, 100);
    assert_eq!(bench.log(), "!100 *", "the lesser one will hear that and yield");
    bench.hear(GREATER, 100);
    assert_eq!(bench.log(), "- A>B");
}

#[test]
fn a_backup_s_deadline_moves_with_its_priority_by_the_skew_only() {
    let mut bench = backup(v3(100), Preempt::Immediately);
    bench.pass(SECOND * 2);
    bench.stand(well(200));
    assert_eq!(bench.due_in(), down(200, &v3(100)) - SECOND * 2);
    bench.stand(well(50));
    assert_eq!(bench.due_in(), down(50, &v3(100)) - SECOND * 2);
}

#[test]
fn a_backup_that_sinks_below_a_router_it_meant_to_preempt_counts_what_it_heard_of_it() {
    let mut bench = backup(v3(100), Preempt::Immediately);
    bench.pass(SECOND * 3);
    bench.hear(GREATER, 99);
    bench.pass(ms(500));
    bench.stand(sick(100, -60));
    assert_eq!(bench.due_in(), down(40, &v3(100)) - ms(500));
}

#[test]
fn an_active_router_s_adverts_keep_their_beat() {
    let mut bench = Bench::active(config(v3(10), Behaviour::default()), well(100));
    let began = bench.router.poll_timeout().unwrap().0;
    for beat in 0..100_u32 {
        bench.pass_to_due();
        // Woken a little late, each time.
        bench.freeze(ms(1));
        bench.settle();
        assert_eq!(bench.router.poll_timeout().unwrap().0, began + ms(100) * (beat + 1));
    }
    assert_eq!(bench.sent.len(), 100);
    bench.freeze(ms(250));
    bench.settle();
    assert_eq!(bench.log().split(' ').count(), 101, "missed adverts aren't caught up with");
}

#[test]
fn version_3_sums_as_the_peer_does_once_it_was_heard() {
    let mut bench = backup(v3(100), Preempt::Immediately);
    let interval = Centiseconds::new(100).unwrap();
    let body = Body::V3 { interval, checksum: ChecksumForm::Message };
    bench.pass(SECOND * 5);
    let form = |bench: &Bench| match bench.sent.last().unwrap().advert.body {
        Body::V3 { checksum, .. } => checksum,
        Body::V2 { .. } => unreachable!("version 3 is configured"),
    };
    assert_eq!(form(&bench), ChecksumForm::PseudoHeader, "keepalived's default");
    let message = bench.advert_of(LESSER, 50, body);
    bench.deliver(LESSER, &message);
    bench.settle();
    assert_eq!(form(&bench), ChecksumForm::Message);
}

#[test]
fn an_active_node_of_the_same_priority_is_told_once_but_by_no_sick_node() {
    let told = |bench: &Bench| {
        let tie = |notice: &&Notice| matches!(notice, Notice::SamePriority(_));
        bench.notices.iter().filter(tie).count()
    };
    let mut bench = backup(v3(100), Preempt::Immediately);
    bench.hear(GREATER, 101);
    assert_eq!(told(&bench), 0);
    for _ in 0..3 {
        bench.hear(GREATER, 100);
    }
    assert_eq!(told(&bench), 1);
    let mut sick = Bench::backup(config(v3(100), preempting(Preempt::Immediately)), sick(102, -2));
    sick.hear(GREATER, 100);
    assert_eq!(told(&sick), 0, "a weight made it so");
}

#[test]
fn other_addresses_in_an_advert_are_told_and_the_advert_counts() {
    let mut bench = backup(v3(100), Preempt::Immediately);
    bench.pass(SECOND);
    let advert = Advert {
        vrid: VrId::new(1).unwrap(),
        priority: Priority::new(150),
        addresses: addresses(&["172.16.16.101"]),
        body: Body::V3 {
            interval: Centiseconds::new(100).unwrap(),
            checksum: ChecksumForm::Message,
        },
    };
    let message = advert.message(ip(GREATER), crate::packet::GROUP_V4.into());
    for _ in 0..3 {
        bench.deliver(GREATER, &message);
    }
    bench.settle();
    assert_eq!(bench.due_in(), down(100, &v3(100)));
    assert_eq!(bench.notices, [Notice::OtherAddresses { source: ip(GREATER) }]);
    assert_eq!(bench.router.status().stats.addr_list_err, 3);
}

#[test]
fn refusals_are_told_once_until_another_router_becomes_active() {
    let mut bench = backup(v3(100), Preempt::Immediately);
    let mut broken = bench.advert(LESSER, 10);
    broken[6] ^= 1;
    for _ in 0..50 {
        bench.deliver(LESSER, &broken);
    }
    bench.settle();
    assert_eq!(bench.notices.len(), 1);
    bench.hear(GREATER, 150);
    bench.deliver(LESSER, &broken);
    bench.settle();
    assert_eq!(bench.notices.len(), 2);
    bench.hear(GREATER, 150);
    bench.deliver(LESSER, &broken);
    bench.settle();
    assert_eq!(bench.notices.len(), 2, "the same active router changes nothing");
    let refused = bench.router.status().refused;
    assert_eq!(refused.iter().map(|sender| sender.count).collect::<Vec<_>>(), [52]);
}

#[test]
fn forged_senders_grow_neither_tables_nor_queues() {
    let mut bench = Bench::active(config(v3(100), Behaviour::default()), well(100));
    for number in 0..2_000_u32 {
        let source = std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string();
        let mut message = bench.advert(&source, 50);
        bench.deliver(&source, &message);
        message[6] ^= 1;
        bench.deliver(&source, &message);
    }
    let status = bench.router.status();
    assert_eq!(status.peers.len(), SENDERS_MAX);
    assert_eq!(status.refused.len(), REFUSED_MAX);
    bench.settle();
    assert_eq!(bench.log(), "!100 *", "one answer to all of them");
}

#[test]
fn unicast_sends_to_each_peer_and_announces_its_own_address_after_a_fault() {
    let delivery =
        Delivery::Unicast { peers: vec![ip(GREATER), ip(LESSER)], hop_limit_min: HOP_LIMIT };
    let vrid = VrId::new(1).unwrap();
    let unicast =
        RouterConfig::new(vrid, v3(100), addresses(&[VIP]), delivery, Behaviour::default());
    let mut bench = Bench::active(unicast.unwrap(), well(100));
    bench.pass(SECOND);
    let to: Vec<_> = bench.sent.iter().map(|outgoing| outgoing.destination).collect();
    assert_eq!(to, [ip(GREATER), ip(LESSER)]);
    bench.clear();
    bench.link(false, None);
    bench.link(true, Some(OWN));
    assert_eq!(bench.log(), "!0 !0 - A>F own* F>B");
}
