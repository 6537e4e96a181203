//! What holds after any sequence of events.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Start,
    Stop,
    Link { is_up: bool, source: Option<&'static str> },
    Stand(Standing),
    Hear { source: &'static str, priority: u8, interval: u16 },
    Noise(Vec<u8>),
    Pass(u64),
    Freeze(u64),
    Timeout(Inbox),
    Report(AddressReport),
    Sent(bool),
    Revoke,
    Reload { interval: u16, base: u8, preempt: Preempt },
    GiveAway,
    Resume,
    Retire,
    Overhear(Word),
}

fn any_source() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(OWN), Just(LESSER), Just(GREATER)]
}

fn any_priority() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0), Just(1), Just(99), Just(100), Just(101), Just(255), any::<u8>()]
}

fn any_preempt() -> impl Strategy<Value = Preempt> {
    prop_oneof![Just(Preempt::Immediately), Just(Preempt::Never), Just(Preempt::After(SECOND * 3))]
}

fn any_standing() -> impl Strategy<Value = Standing> {
    (1_u8..=255, prop_oneof![Just(None), Just(Some(0)), (-20_i64..20).prop_map(Some)])
        .prop_map(|(base, weight)| weight.map_or_else(|| well(base), |weight| sick(base, weight)))
}

fn any_health() -> impl Strategy<Value = Health> {
    prop_oneof![Just(Health::Failed), Just(Health::Sick), Just(Health::Well)]
}

fn any_word() -> impl Strategy<Value = Word> {
    let invites = proptest::option::of(any_source().prop_map(ip));
    let state = prop_oneof![Just(State::Backup), Just(State::Active), Just(State::Fault)];
    (any_source(), any_priority(), any_health(), invites, state, any::<bool>()).prop_map(
        |(source, effective, health, invites, state, able)| Word {
            invites,
            state,
            able,
            ..word(source, effective, health)
        },
    )
}

fn any_op() -> impl Strategy<Value = Op> {
    let report = prop_oneof![
        Just(AddressReport::Installed),
        Just(AddressReport::Refused),
        Just(AddressReport::Lost)
    ];
    let inbox = prop_oneof![Just(Inbox::Drained), Just(Inbox::MayHoldMore)];
    let source = proptest::option::of(Just(OWN));
    prop_oneof![
        2 => Just(Op::Start),
        1 => Just(Op::Stop),
        2 => (any::<bool>(), source).prop_map(|(is_up, source)| Op::Link { is_up, source }),
        2 => Just(Op::Link { is_up: true, source: Some(OWN) }),
        3 => any_standing().prop_map(Op::Stand),
        8 => (any_source(), any_priority(), 1_u16..500)
            .prop_map(|(source, priority, interval)| Op::Hear { source, priority, interval }),
        1 => vec(any::<u8>(), 0..40).prop_map(Op::Noise),
        8 => (0_u64..5_000).prop_map(Op::Pass),
        2 => (0_u64..20_000).prop_map(Op::Freeze),
        3 => inbox.prop_map(Op::Timeout),
        2 => report.prop_map(Op::Report),
        2 => any::<bool>().prop_map(Op::Sent),
        1 => Just(Op::Revoke),
        1 => (1_u16..500, 1_u8..=255, any_preempt())
            .prop_map(|(interval, base, preempt)| Op::Reload { interval, base, preempt }),
        1 => Just(Op::GiveAway),
        1 => Just(Op::Resume),
        1 => Just(Op::Retire),
        5 => any_word().prop_map(Op::Overhear),
    ]
}

fn happen(bench: &mut Bench, op: Op) {
    let now = bench.now;
    match op {
        Op::Start => bench.router.handle_start(now),
        Op::Stop => bench.router.handle_stop(now),
        Op::Link { is_up, source } => bench.link(is_up, source),
        Op::Stand(standing) => bench.stand(standing),
        Op::Hear { source, priority, interval } => {
            let interval = Centiseconds::new(interval).unwrap();
            let body = Body::V3 { interval, checksum: ChecksumForm::Message };
            let message = bench.advert_of(source, priority, body);
            bench.deliver(source, &message);
        }
        Op::Noise(bytes) => bench.deliver(GREATER, &bytes),
        Op::Pass(time) => bench.pass(ms(time)),
        Op::Freeze(time) => bench.freeze(ms(time)),
        Op::Timeout(inbox) => bench.router.handle_timeout(inbox, now),
        Op::Report(report) => bench.router.handle_addresses(report, now),
        Op::Sent(succeeded) => bench.router.handle_sent(succeeded, now),
        Op::Revoke => bench.router.handle_revoked(now),
        Op::Reload { interval, base, preempt } => {
            let config = config(v3(interval), Behaviour { preempt, ..linked() });
            bench.router.handle_config(config, well(base), now).unwrap();
        }
        Op::GiveAway => bench.order(Router::give_away),
        Op::Resume => bench.order(Router::resume),
        Op::Retire => bench.order(Router::retire),
        Op::Overhear(word) => drop(bench.overhear(word)),
    }
}

/// Follows the actions: what is on the interface, and what the transitions say.
#[derive(Default)]
struct Follower {
    holds: bool,
    state: Option<char>,
}

impl Follower {
    fn follow(&mut self, bench: &mut Bench) -> Result<(), TestCaseError> {
        for entry in std::mem::take(&mut bench.log) {
            match entry.as_str() {
                "+" => self.holds = true,
                "-" => self.holds = false,
                "*" => prop_assert!(self.holds, "announced without the addresses"),
                step if step.contains('>') => {
                    let (from, to) = (step.chars().next(), step.chars().last());
                    prop_assert_ne!(from, to);
                    prop_assert_eq!(from, self.state.or(Some('I')), "each begins at the last");
                    self.state = to;
                }
                _ => {}
            }
        }
        let is_active = bench.router.state() == State::Active;
        prop_assert_eq!(self.holds, is_active, "addresses are there iff it is active");
        let state = self.state.unwrap_or('I');
        prop_assert_eq!(state, letter(bench.router.state()), "transitions tell the state");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn addresses_follow_the_state_and_deadlines_lie_ahead(
        base in 1_u8..=255,
        preempt in any_preempt(),
        delay in prop_oneof![Just(0_u32), 0_u32..10],
        ops in vec(any_op(), 1..60),
    ) {
        let behaviour = Behaviour { startup_delay: SECOND * delay, preempt, ..linked() };
        let mut bench = Bench::new(config(v3(100), behaviour), well(base));
        let mut follower = Follower::default();
        for op in ops {
            happen(&mut bench, op);
            bench.settle();
            follower.follow(&mut bench)?;
            if let Some((due, _)) = bench.router.poll_timeout() {
                prop_assert!(due > bench.now);
            }
            prop_assert!(bench.router.journal().iter().count() <= JOURNAL_LEN);
            let status = bench.router.status();
            prop_assert!(!status.retiring || status.state == State::Active);
            for word in std::mem::take(&mut bench.words) {
                prop_assert_eq!(Word::decode(&word.encode()), Ok(word));
                prop_assert!(word.invites.is_none() || word.state == State::Active);
                prop_assert_ne!(word.invites, Some(ip(OWN)), "nobody invites itself");
            }
            let at = bench.now;
            let _whatever_is_asked = bench.router.forecast(at);
        }
    }

    #[test]
    fn a_backup_in_silence_takes_over_and_one_that_hears_its_better_does_not(
        priority in 1_u8..=254,
        interval in 1_u16..=4095,
        better in any::<bool>(),
    ) {
        let mut bench = Bench::backup(config(v3(interval), Behaviour::default()), well(priority));
        let interval = bench.interval();
        for _ in 0..6 {
            if better {
                bench.hear(GREATER, priority);
            }
            bench.pass(interval);
        }
        let expected = if better { State::Backup } else { State::Active };
        prop_assert_eq!(bench.router.state(), expected);
    }
}
