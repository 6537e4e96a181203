use proptest::prelude::*;

use crate::plan::{Plan, StageName};
use crate::testing::{plan, stage};

use super::*;

/// A run on a clock of its own.
struct Run {
    apply: Apply,
    now: Instant,
}

impl Run {
    fn new(plan: &Plan) -> Self {
        Self { apply: Apply::new(plan), now: Instant::now() }
    }

    /// What is to be begun, as `(host, step, phase)`.
    fn begun(&mut self) -> Vec<(usize, usize, Phase)> {
        let mut begun = Vec::new();
        while let Some((at, phase)) = self.apply.poll_action(self.now) {
            begun.push((at.host, at.step, phase));
        }
        begun
    }

    fn end(&mut self, host: usize, step: usize, end: End) -> Option<StepEnd> {
        let at = StepAt { stage: self.apply.stage, host, step };
        self.apply.handle_end(self.now, at, end);
        self.apply.poll_ended().map(|(_, end)| end)
    }

    /// Lets time pass until something is due.
    fn wait(&mut self) {
        self.now = self.apply.poll_timeout().expect("something is due");
    }
}

use End::{Failed, Good, Lost, NotYet};
use Phase::{Act, Probe, Verify};

/// Every phase with every end: what is next, and what became of the step.
#[test]
fn each_end_of_each_phase_leads_where_it_should() {
    let table = [
        (Probe, Good, None, Some(StepEnd::Unchanged)),
        (Probe, NotYet, Some(Act), None),
        (Probe, Failed, None, Some(StepEnd::Failed)),
        (Probe, Lost, Some(Probe), None),
        (Act, Good, Some(Verify), None),
        (Act, NotYet, None, Some(StepEnd::Failed)),
        (Act, Failed, None, Some(StepEnd::Failed)),
        (Act, Lost, Some(Probe), None),
        (Verify, Good, None, Some(StepEnd::Changed)),
        (Verify, NotYet, Some(Verify), None),
        (Verify, Failed, None, Some(StepEnd::Failed)),
        (Verify, Lost, Some(Verify), None),
    ];
    for (phase, end, next, became) in table {
        let mut run = Run::new(&plan(&[("a", 1)]));
        for (before, good) in [(Probe, NotYet), (Act, Good)] {
            if phase != before && (phase != Probe) && !(phase == Act && before == Act) {
                assert_eq!(run.begun(), [(0, 0, before)]);
                run.end(0, 0, good);
            }
        }
        assert_eq!(run.begun(), [(0, 0, phase)], "{phase:?}");
        assert_eq!(run.end(0, 0, end), became, "{phase:?} {end:?}");
        if run.apply.poll_timeout().is_some() {
            run.wait();
        }
        let next: Vec<_> = next.into_iter().map(|phase| (0, 0, phase)).collect();
        assert_eq!(run.begun(), next, "{phase:?} {end:?}");
    }
}

#[test]
fn a_step_without_probe_begins_with_its_act_and_one_without_verification_ends_with_it() {
    let mut plan = plan(&[("a", 1)]);
    let step = &mut plan.stages[0].hosts[0].steps[0];
    (step.probe, step.verify) = (None, None);
    let mut run = Run::new(&plan);
    assert_eq!(run.begun(), [(0, 0, Act)]);
    assert_eq!(run.end(0, 0, Good), Some(StepEnd::Changed));
    assert_eq!(run.apply.outcome(), Some(Outcome::Done));
}

#[test]
fn a_verification_is_asked_again_until_its_time_is_over() {
    let mut run = Run::new(&plan(&[("a", 1)]));
    run.begun();
    run.end(0, 0, NotYet);
    run.begun();
    let begun = run.now;
    run.end(0, 0, Good);
    let mut asked = 0;
    while run.apply.outcome().is_none() {
        assert_eq!(run.begun(), [(0, 0, Verify)]);
        asked += 1;
        if run.end(0, 0, NotYet).is_none() {
            run.wait();
        }
    }
    assert_eq!(run.apply.outcome(), Some(Outcome::Failed));
    assert_eq!(run.now - begun, Duration::from_secs(20));
    assert_eq!(asked, 11);
}

#[test]
fn a_host_that_stays_away_fails_and_one_that_comes_back_has_all_its_time_again() {
    let mut run = Run::new(&plan(&[("a", 1)]));
    let begun = run.now;
    while run.apply.outcome().is_none() {
        assert_eq!(run.begun(), [(0, 0, Probe)]);
        if run.end(0, 0, Lost).is_none() {
            run.wait();
        }
    }
    assert_eq!(run.now - begun, AWAY_MAX);
    let mut run = Run::new(&plan(&[("a", 1)]));
    for _ in 0..3 {
        run.begun();
        run.end(0, 0, Lost);
        run.now += AWAY_MAX / 2;
        run.begun();
        assert_eq!(run.end(0, 0, NotYet), None, "back in time");
        run.begun();
        run.end(0, 0, Lost);
        run.wait();
    }
    assert_eq!(run.apply.outcome(), None);
}

#[test]
fn hosts_that_have_begun_finish_their_stage_after_a_failure_and_nothing_else_begins() {
    let hosts: Vec<String> =
        (0..HOSTS_AT_ONCE_MAX + 1).map(|number| format!("h{number}")).collect();
    let hosts: Vec<(&str, usize)> = hosts.iter().map(|host| (host.as_str(), 2)).collect();
    let mut plan = plan(&hosts);
    plan.stages.push(stage(StageName::Workers, Pace::AtOnce, &[("h0", 1)]));
    let mut run = Run::new(&plan);
    assert_eq!(run.begun().len(), HOSTS_AT_ONCE_MAX);
    assert_eq!(run.end(3, 0, Failed), Some(StepEnd::Failed));
    assert!(run.begun().is_empty(), "a host began after another had failed");
    for host in (0..HOSTS_AT_ONCE_MAX).filter(|host| *host != 3) {
        for step in 0..2 {
            assert_eq!(run.apply.outcome(), None);
            run.end(host, step, Good);
            run.begun();
        }
    }
    assert_eq!(run.apply.outcome(), Some(Outcome::Failed));
}

#[test]
fn one_by_one_means_that_a_host_is_done_before_the_next_begins() {
    let plan = Plan {
        cluster: "test".to_owned(),
        stages: vec![stage(StageName::Masters, Pace::OneByOne, &[("b", 1), ("c", 1)])],
    };
    let mut run = Run::new(&plan);
    assert_eq!(run.begun(), [(0, 0, Probe)]);
    run.end(0, 0, Good);
    assert_eq!(run.begun(), [(1, 0, Probe)]);
}

#[test]
fn an_act_that_was_begun_is_finished_and_verified_after_the_operator_has_had_enough() {
    let mut run = Run::new(&plan(&[("a", 2), ("b", 2)]));
    run.begun();
    run.end(0, 0, NotYet);
    assert_eq!(run.begun(), [(0, 0, Act)]);
    run.apply.cancel();
    assert_eq!(run.end(1, 0, NotYet), None);
    assert!(run.begun().is_empty(), "an act began after that");
    run.end(0, 0, Good);
    assert_eq!(run.begun(), [(0, 0, Verify)]);
    assert_eq!(run.end(0, 0, Good), Some(StepEnd::Changed));
    assert!(run.begun().is_empty());
    assert_eq!(run.apply.outcome(), Some(Outcome::Cancelled));
}

#[test]
fn whoever_cancels_when_all_is_done_gets_all_done() {
    let mut run = Run::new(&plan(&[("a", 1)]));
    run.begun();
    run.apply.cancel();
    run.end(0, 0, Good);
    assert!(run.begun().is_empty());
    assert_eq!(run.apply.outcome(), Some(Outcome::Done));
}

#[test]
fn an_empty_plan_is_done() {
    let mut run = Run::new(&Plan { cluster: "test".to_owned(), stages: Vec::new() });
    assert!(run.begun().is_empty());
    assert_eq!(run.apply.outcome(), Some(Outcome::Done));
}

/// What a simulated host does with a phase that is begun.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Works,
    /// The connection goes before the act has begun.
    LostBefore,
    /// The act is done and nobody hears of it.
    LostAfter,
    Fails,
    /// The operator's machine dies here.
    Killed,
    Cancelled,
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        12 => Just(Fate::Works),
        2 => Just(Fate::LostBefore),
        2 => Just(Fate::LostAfter),
        1 => Just(Fate::Fails),
        1 => Just(Fate::Killed),
        1 => Just(Fate::Cancelled),
    ];
    proptest::collection::vec(fate, 0..60)
}

fn plans() -> impl Strategy<Value = Plan> {
    let hosts = proptest::collection::vec(1_usize..4, 1..4);
    let stages = proptest::collection::vec((any::<bool>(), hosts), 1..4);
    stages.prop_map(|stages| Plan {
        cluster: "test".to_owned(),
        stages: stages
            .into_iter()
            .map(|(at_once, steps)| {
                let names = ["a", "b", "c"];
                let hosts: Vec<_> = names.into_iter().zip(steps).collect();
                let pace = if at_once { Pace::AtOnce } else { Pace::OneByOne };
                stage(StageName::Nodes, pace, &hosts)
            })
            .collect(),
    })
}

/// One run, with what hosts do and how it ends. Steps that are done are in `world`.
fn play(
    plan: &Plan,
    world: &mut Vec<StepAt>,
    fates: &mut impl Iterator<Item = Fate>,
) -> Option<Outcome> {
    let mut run = Run::new(plan);
    let mut under_way: Vec<(StepAt, Phase)> = Vec::new();
    for turn in 0.. {
        assert!(turn < 100_000, "it never ends");
        while let Some((at, phase)) = run.apply.poll_action(run.now) {
            assert!(
                under_way.iter().all(|(other, _)| other.host != at.host),
                "two steps on a host"
            );
            assert!(
                under_way.iter().all(|(other, _)| other.stage == at.stage),
                "two stages at once"
            );
            let before = plan.stages[..at.stage].iter().enumerate().flat_map(|(stage, it)| {
                it.hosts.iter().enumerate().flat_map(move |(host, it)| {
                    (0..it.steps.len()).map(move |step| StepAt { stage, host, step })
                })
            });
            let own = (0..at.step).map(|step| StepAt { step, ..at });
            assert!(before.chain(own).all(|step| world.contains(&step)), "out of order");
            under_way.push((at, phase));
        }
        let pace = plan.stages.get(run.apply.stage).map(|stage| stage.pace);
        assert!(pace != Some(Pace::OneByOne) || under_way.len() <= 1, "one by one");
        if let Some(outcome) = run.apply.outcome() {
            assert!(under_way.is_empty(), "it ended with something under way");
            return Some(outcome);
        }
        if under_way.is_empty() {
            run.wait();
            continue;
        }
        let (at, phase) = under_way.swap_remove(turn % under_way.len());
        let fate = fates.next().unwrap_or(Fate::Works);
        let done = world.contains(&at);
        let acts = phase == Act && !matches!(fate, Fate::LostBefore | Fate::Fails);
        if acts {
            assert!(!done, "an act that was done already");
            world.push(at);
        }
        let end = match fate {
            Fate::Killed => return None,
            Fate::LostBefore | Fate::LostAfter => Lost,
            Fate::Fails => Failed,
            Fate::Works | Fate::Cancelled if phase == Act || world.contains(&at) => Good,
            Fate::Works | Fate::Cancelled => NotYet,
        };
        if matches!(fate, Fate::Cancelled) {
            run.apply.cancel();
        }
        run.apply.handle_end(run.now, at, end);
    }
    unreachable!("the loop ends by itself")
}

proptest! {
    /// Whatever happens on the way, running it again and again comes to the same end, and no act is
    /// done twice.
    #[test]
    fn a_run_that_was_cut_off_anywhere_is_finished_by_the_next(plan in plans(), fates in fates()) {
        let mut world = Vec::new();
        let mut fates = fates.into_iter();
        let mut runs = 0;
        loop {
            runs += 1;
            prop_assert!(runs < 100, "it is never done");
            if play(&plan, &mut world, &mut fates) == Some(Outcome::Done) {
                break;
            }
        }
        prop_assert_eq!(world.len(), plan.steps().count());
        // And once more: nothing is left to do.
        let before = world.len();
        prop_assert_eq!(play(&plan, &mut world, &mut std::iter::empty()), Some(Outcome::Done));
        prop_assert_eq!(world.len(), before);
    }
}
