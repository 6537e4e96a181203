use proptest::prelude::*;

use super::*;

fn hello(oldest: u32, newest: u32) -> ToOld {
    ToOld::Hello { oldest, newest, halb_version: "9.9.9".to_owned() }
}

fn heard(word: ToOld) -> Event {
    Event::Heard(word)
}

/// One in each phase, with the instant of its deadline.
fn at(phase: Phase) -> (Giving, Instant) {
    let now = Instant::now();
    let mut giving = Giving::new(HANDING_OVER_MAX, now);
    let way = [(Phase::Greeting, hello(OLDEST, NEWEST)), (Phase::Preparing, ToOld::Ready)];
    for (from, word) in way {
        if giving.phase == phase {
            break;
        }
        assert_eq!(giving.phase, from);
        giving.handle(now, heard(word));
    }
    if phase == Phase::Over {
        giving.handle(now, heard(ToOld::Serving));
    }
    assert_eq!(giving.phase, phase);
    let deadline = giving.deadline();
    (giving, deadline)
}

const PHASES: [Phase; 4] = [Phase::Greeting, Phase::Preparing, Phase::HandingOver, Phase::Over];

#[test]
fn a_hand_over_that_goes_well_takes_four_steps() {
    let now = Instant::now();
    let mut giving = Giving::new(HANDING_OVER_MAX, now);
    let steps = [
        (hello(OLDEST, NEWEST), Action::Welcome(NEWEST)),
        (ToOld::Ready, Action::Go),
        (ToOld::Serving, Action::Over(Ok("9.9.9".to_owned()))),
    ];
    for (word, action) in steps {
        assert_eq!(giving.handle(now, heard(word)), [action]);
    }
    assert!(giving.handle(now, Event::Gone("ended".to_owned())).is_empty());
}

/// Every word in every phase: what is done, and in which phase it ends.
#[test]
fn every_word_in_every_phase() {
    let words = || {
        [
            hello(OLDEST, NEWEST),
            ToOld::Refused { why: "no".to_owned() },
            ToOld::Ready,
            ToOld::Serving,
            ToOld::Standing { servers: Vec::new() },
            ToOld::Stop { patience_ms: 1 },
        ]
    };
    let expected = [
        // Hello, Refused, Ready, Serving, Standing, Stop
        (Phase::Greeting, ["welcome", "over", "over", "over", "over", "over"]),
        (Phase::Preparing, ["over", "over", "go", "over", "over", "over"]),
        (
            Phase::HandingOver,
            ["back, over", "back, over", "back, over", "given", "back, over", "back, over"],
        ),
        (Phase::Over, [""; 6]),
    ];
    for (phase, outcomes) in expected {
        for (word, outcome) in words().into_iter().zip(outcomes) {
            let (mut giving, _) = at(phase);
            let done: Vec<&str> = giving
                .handle(Instant::now(), heard(word.clone()))
                .iter()
                .map(|action| match action {
                    Action::SayMismatch(_) => "mismatch",
                    Action::Welcome(_) => "welcome",
                    Action::Go => "go",
                    Action::TakeBack => "back",
                    Action::Over(Ok(_)) => "given",
                    Action::Over(Err(_)) => "over",
                })
                .collect();
            assert_eq!(done.join(", "), outcome, "{word:?} while {phase:?}");
        }
    }
}

#[test]
fn a_daemon_of_another_age_is_sent_away_with_advice() {
    let mut giving = Giving::new(HANDING_OVER_MAX, Instant::now());
    let actions = giving.handle(Instant::now(), heard(hello(NEWEST + 1, NEWEST + 2)));
    let [Action::SayMismatch(said), Action::Over(Err(why))] = actions.as_slice() else {
        panic!("{actions:?}");
    };
    assert_eq!(said, why);
    assert!(why.contains("systemctl restart halb"), "{why}");
}

#[test]
fn silence_ends_each_phase_at_its_deadline_and_not_before() {
    for phase in PHASES {
        let (mut giving, deadline) = at(phase);
        let before = deadline - Duration::from_millis(1);
        assert!(giving.handle(before, Event::Timeout).is_empty());
        let actions = giving.handle(deadline, Event::Timeout);
        let ended = matches!(actions.last(), Some(Action::Over(Err(_))));
        assert_eq!(ended, phase != Phase::Over, "{phase:?}: {actions:?}");
        let taken_back = actions.contains(&Action::TakeBack);
        assert_eq!(taken_back, phase == Phase::HandingOver, "{phase:?}");
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..4_u32, 0..4_u32).prop_map(|(oldest, newest)| heard(hello(oldest, newest))),
        Just(heard(ToOld::Ready)),
        Just(heard(ToOld::Serving)),
        Just(heard(ToOld::Refused { why: "no".to_owned() })),
        Just(heard(ToOld::Stop { patience_ms: 0 })),
        Just(Event::Gone("ended".to_owned())),
        Just(Event::Timeout),
    ]
}

proptest! {
    /// Whatever comes in whatever order: it ends once; what was stood back from is either given
    /// or taken back; nothing is given that wasn't welcomed and told to go.
    #[test]
    fn nothing_is_given_without_all_steps_and_nothing_is_lost(
        events in prop::collection::vec((any_event(), 0..30_u64), 0..12),
    ) {
        let mut now = Instant::now();
        let mut giving = Giving::new(HANDING_OVER_MAX, now);
        let mut done = Vec::new();
        for (event, seconds) in events {
            now += Duration::from_secs(seconds);
            done.extend(giving.handle(now, event));
        }
        let count = |wanted: fn(&Action) -> bool| done.iter().filter(|done| wanted(done)).count();
        let given = count(|action| matches!(action, Action::Over(Ok(_))));
        let over = count(|action| matches!(action, Action::Over(_)));
        let gone = count(|action| matches!(action, Action::Go));
        let welcomed = count(|action| matches!(action, Action::Welcome(_)));
        let back = count(|action| matches!(action, Action::TakeBack));
        prop_assert!(over <= 1 && gone <= welcomed && given + back <= gone);
        if over == 1 {
            prop_assert_eq!(given + back, gone);
            prop_assert!(matches!(done.last(), Some(Action::Over(_))));
        }
    }
}
