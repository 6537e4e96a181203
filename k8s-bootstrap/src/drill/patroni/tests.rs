use proptest::prelude::*;

use super::*;
use crate::addon::tests::{PATRONI, REGISTRY, with};
use crate::inventory::{example, parse};

const NAMES: [&str; 3] = ["patroni-0", "patroni-1", "patroni-2"];

fn drill(how: How) -> Drill {
    Drill {
        how,
        leader: NAMES[0].to_owned(),
        witness: "kmaster01".to_owned(),
        members: NAMES.map(str::to_owned).to_vec(),
    }
}

fn at(tenths: u64) -> Duration {
    Duration::from_millis(tenths * 100)
}

/// A round of three letters, one for each member: who (l)eads, (s)treams, (a)nswers, is (x) silent;
/// in capitals for another pod than at first; `-` for none.
fn round(letters: &str) -> Round {
    let member = |name: &str, letter: char| {
        let standing = match letter.to_ascii_lowercase() {
            'l' => Standing::Leads,
            's' => Standing::Streams,
            'a' => Standing::Answers,
            'x' => Standing::Silent,
            _ => return None,
        };
        let number = if letter.is_uppercase() { 2 } else { 1 };
        Some(Member { pod: format!("{name}.{number}"), standing })
    };
    let named = NAMES.iter().zip(letters.chars());
    named.filter_map(|(name, letter)| Some(((*name).to_owned(), member(name, letter)?))).collect()
}

/// Plays such rounds, each for so many tenths of a second; what was to be done, and when.
fn play(watch: &mut Watch, from: u64, rounds: &[(&str, u64)]) -> Vec<(u64, Next)> {
    let mut told = Vec::new();
    let mut tenth = from;
    for (letters, tenths) in rounds {
        for _ in 0..*tenths {
            watch.take(at(tenth), round(letters));
            match watch.poll(at(tenth)) {
                Next::Watch => {}
                next @ (Next::Act | Next::Over) => told.push((tenth, next)),
            }
            tenth += 1;
        }
    }
    told
}

/// A watch at the moment when it acts.
fn acting(how: How) -> (Watch, u64) {
    let mut watch = Watch::new(drill(how));
    let told = play(&mut watch, 0, &[("lss", 31)]);
    assert_eq!(told, [(30, Next::Act)]);
    (watch, 31)
}

/// Every phase, what is seen in it for how long, and what comes of it.
#[test]
fn each_transition_is_as_the_table_says() {
    let calm = |rounds: &[(&str, u64)]| {
        let mut watch = Watch::new(drill(How::Stop));
        (play(&mut watch, 0, rounds), watch)
    };
    for (rounds, wanted) in [
        (&[("lss", 30)][..], None),
        (&[("lss", 31)], Some((30, Next::Act))),
        (&[("lss", 29), ("lsa", 1), ("lss", 30)], None),
        (&[("lss", 29), ("ls-", 1), ("lss", 31)], Some((60, Next::Act))),
        // Another member leads than the one that was agreed to.
        (&[("sls", 60)], None),
        (&[("lls", 60)], None),
        (&[("sss", 60)], None),
        (&[("lsa", 602)], Some((601, Next::Over))),
    ] {
        let (told, watch) = calm(rounds);
        assert_eq!(told.first().copied(), wanted, "{rounds:?}");
        let is_over = wanted.is_some_and(|(_, next)| next == Next::Over);
        let fault = if is_over { "all wasn't well before" } else { "it didn't come to its end" };
        assert_eq!(watch.verdict().faults.last().map(String::as_str), Some(fault), "{rounds:?}");
    }
    for (rounds, over_after, faults) in [
        // An orderly end, and the pod's place is taken by a replica.
        (&[("ass", 10), ("asl", 10), ("Ssl", 40)][..], Some(50), &[][..]),
        // The same name leads again, in another pod.
        (&[("-ss", 10), ("Lss", 40)], Some(41), &[]),
        // The old pod leads on: it isn't gone.
        (&[("lss", 1201), ("lss", 100)], None, &["no other pod led in time"]),
        // Another one leads, and the pod never comes back.
        (&[("asl", 1), ("-sl", 6100)], Some(6001), &["not all members came back"]),
        // It comes back, and doesn't stream.
        (&[("asl", 1), ("Asl", 6100)], Some(6001), &["not all members came back"]),
        (
            &[("asl", 10), ("Sll", 3), ("Ssl", 40)],
            Some(43),
            &["patroni-1 and patroni-2 lead at the same time"],
        ),
        // Two looks on both sides of a change are none.
        (&[("asl", 10), ("Sll", 1), ("Ssl", 40)], Some(41), &[]),
        (&[("ass", 350), ("Ssl", 40)], Some(381), &["nobody led for 35.1 s, longer than 30.0 s"]),
    ] {
        let (mut watch, from) = acting(How::Stop);
        let told = play(&mut watch, from, rounds);
        let over = told.first().map(|(tenth, next)| {
            assert_eq!(*next, Next::Over);
            tenth - from
        });
        assert_eq!(over, over_after, "{rounds:?}");
        let mut verdict = watch.verdict();
        let is_open = over.is_none();
        assert_eq!(verdict.faults.last().is_some_and(|it| it.contains("its end")), is_open);
        verdict.faults.retain(|fault| !fault.contains("its end"));
        assert_eq!(verdict.faults, faults, "{rounds:?}");
        assert_eq!(verdict.passed, faults.is_empty() && !is_open);
    }
}

#[test]
fn a_lock_that_runs_out_may_take_longer_than_a_hand_over() {
    let rounds = [("-ss", 350), ("Ssl", 40)];
    let (mut watch, from) = acting(How::Kill);
    play(&mut watch, from, &rounds);
    let verdict = watch.verdict();
    assert!(verdict.passed, "{verdict:?}");
    assert_eq!(verdict.longest_without_leader_ms, 35_100);
    assert_eq!(verdict.leader.as_deref(), Some("patroni-2"));
}

#[test]
fn the_timeline_tells_who_led_and_what_became_of_the_pod() {
    let (mut watch, from) = acting(How::Stop);
    play(&mut watch, from, &[("ass", 5), ("-ss", 5), ("Xsl", 20), ("Ssl", 40)]);
    let lines: Vec<_> =
        watch.timeline().iter().map(|it| format!("{} {}", it.at_ms, it.what)).collect();
    assert_eq!(
        lines,
        [
            "0 patroni-0: its pod is deleted in an orderly way",
            "100 no member leads",
            "100 patroni-0 answers, and neither leads nor streams",
            "600 patroni-0 has no pod",
            "1100 patroni-2 leads, after 1.1 s without a leader at most",
            "1100 patroni-0 is a new pod",
            "1100 patroni-0 doesn't answer",
            "3100 patroni-0 streams",
            "6100 all members lead or stream",
        ]
    );
}

#[test]
fn a_time_in_which_nobody_looked_is_no_pass_and_begins_nothing() {
    let (mut watch, from) = acting(How::Stop);
    watch.take(at(from), round("ass"));
    play(&mut watch, from + 200, &[("Ssl", 40)]);
    let verdict = watch.verdict();
    assert!(!verdict.passed);
    assert!(verdict.faults[0].starts_with("nobody could look for 20.0 s"), "{verdict:?}");

    let mut watch = Watch::new(drill(How::Stop));
    watch.take(at(0), round("lss"));
    assert_eq!(watch.poll(at(40)), Next::Watch, "nobody knows what is there now");
}

#[test]
fn a_pod_that_could_not_be_deleted_ends_it() {
    let (mut watch, from) = acting(How::Stop);
    watch.refused(at(from), "forbidden");
    assert_eq!(watch.poll(at(from)), Next::Over);
    assert_eq!(watch.verdict().faults, ["the pod wasn't deleted: forbidden"]);
}

#[test]
fn what_would_cost_the_last_one_or_begins_unwell_is_refused() {
    let inventory = with(&format!("{REGISTRY}{PATRONI}"));
    let told = |letters: &str| {
        let chosen = choose(&inventory, &round(letters), How::Stop, "kmaster01");
        chosen.map_err(|faults| {
            let told: Vec<_> = faults.into_iter().map(|fault| fault.what).collect();
            told.join("; ")
        })
    };
    let chosen = told("sls").expect("all is well");
    assert_eq!((chosen.leader.as_str(), chosen.members.len()), ("patroni-1", 3));
    for (letters, why) in [
        ("sss", "no member of the database leads"),
        ("lls", "patroni-0 and patroni-1 lead at the same time"),
        ("lsx", "patroni-2 doesn't answer"),
        ("lsa", "patroni-2 answers, and neither leads nor streams"),
        ("ls-", "patroni-2 has no pod"),
        ("lx-", "patroni-0 is the last one that has everything"),
        ("---", "no member of the database leads; patroni-0 has no pod"),
    ] {
        let refused = told(letters).expect_err(letters);
        assert!(refused.contains(why), "{letters}: {refused}");
    }
    let none = parse(example::HIGHLY_AVAILABLE).expect("good").inventory;
    let refused = choose(&none, &round("lss"), How::Stop, "kmaster01").expect_err("no database");
    assert!(refused[0].what.contains("no section 'addons.patroni'"), "{refused:?}");
}

#[test]
fn lines_become_rounds_and_others_are_left_alone() {
    let mut rounds = Rounds::default();
    for line in ["Welcome!", "member patroni-0 patroni-0.1 leads", "member patroni-1 x nods"] {
        assert_eq!(rounds.take(line), None);
    }
    assert_eq!(rounds.take("member patroni-1 patroni-1.1 streams"), None);
    assert_eq!(rounds.take("round"), Some(round("ls-")));
    assert_eq!(rounds.take("round"), Some(Round::new()));
}

fn letters() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just("lss".to_owned()),
        2 => Just("Ssl".to_owned()),
        1 => "[lsaxLSAX-]{3}",
    ]
}

proptest! {
    /// Whatever is seen: the pod is deleted once at most, only after three seconds of all that is
    /// well; a pass says that all is well in the end, without that pod and in time.
    #[test]
    fn nothing_is_done_unwell_and_a_pass_means_that_all_came_back(
        rounds in prop::collection::vec((letters(), 1..60_u64), 1..40),
        how in prop_oneof![Just(How::Stop), Just(How::Kill)],
    ) {
        let mut watch = Watch::new(drill(how));
        let (mut tenth, mut well, mut acts, mut over) = (0, 0, 0, false);
        let mut last = Round::new();
        for (letters, tenths) in rounds {
            for _ in 0..tenths {
                last = if over { last } else { round(&letters) };
                let is_well = letters.to_lowercase() == "lss";
                well = if is_well { well + 1 } else { 0 };
                watch.take(at(tenth), round(&letters));
                match watch.poll(at(tenth)) {
                    Next::Act => {
                        acts += 1;
                        prop_assert!(well > 30, "after {well} tenths");
                    }
                    Next::Over => over = true,
                    Next::Watch => prop_assert!(!over, "it goes on after its end"),
                }
                tenth += 1;
            }
        }
        prop_assert!(acts <= 1);
        let verdict = watch.verdict();
        if verdict.passed {
            prop_assert!(over && acts == 1);
            prop_assert!(watch.is_whole(&last));
            let gone = watch.gone.as_ref().expect("it was deleted");
            prop_assert!(last.values().all(|member| member.pod != *gone));
            prop_assert!(watch.outage <= how.outage_max());
        }
        let times: Vec<_> = watch.timeline().iter().map(|entry| entry.at_ms).collect();
        prop_assert!(times.is_sorted());
    }
}
