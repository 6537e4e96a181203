use crate::testing::plan;

use super::*;

fn at(host: usize, step: usize) -> StepAt {
    StepAt { stage: 0, host, step }
}

fn seconds(start: Instant, seconds: u64) -> Instant {
    start + Duration::from_secs(seconds)
}

#[test]
fn a_pipe_gets_a_line_for_each_step_and_one_for_each_stage() {
    let plan = plan(&[("kmaster01", 12), ("lb", 1)]);
    let start = Instant::now();
    let mut progress = Progress::new(&plan, start);
    let mut lines = Vec::new();
    for (event, time) in [
        (Event::Began(at(0, 0), Phase::Probe), 0),
        (Event::Began(at(1, 0), Phase::Probe), 0),
        (Event::Ended(at(0, 0), StepEnd::Unchanged), 1),
        (Event::Began(at(0, 1), Phase::Probe), 1),
        (Event::Began(at(0, 1), Phase::Act), 1),
        (Event::Away(at(1, 0), "the connection was lost".to_owned()), 5),
        (Event::Away(at(1, 0), "the connection was lost".to_owned()), 8),
        (Event::Ended(at(0, 1), StepEnd::Changed), 13),
        (Event::Ended(at(1, 0), StepEnd::Failed), 125),
    ] {
        lines.extend(progress.take(&event, seconds(start, time)));
    }
    assert_eq!(
        lines.join("\n"),
        "\
Prepare all nodes
  kmaster01   1/12  step 0: as wanted
  lb          1/1   away: the connection was lost
  kmaster01   2/12  step 1: done in 12 s
  lb          1/1   step 0: FAILED after 2 min 05 s"
    );
}

#[test]
fn a_terminal_gets_a_picture_of_all_hosts_of_the_stage() {
    let plan = plan(&[("kmaster01", 12), ("kmaster02", 12), ("kmaster03", 1), ("kworker01", 2)]);
    let start = Instant::now();
    let mut progress = Progress::new(&plan, start);
    for (event, time) in [
        (Event::Began(at(0, 6), Phase::Act), 2),
        (Event::Began(at(1, 0), Phase::Verify), 3),
        (Event::Began(at(2, 0), Phase::Probe), 3),
        (Event::Ended(at(2, 0), StepEnd::Changed), 4),
    ] {
        progress.take(&event, seconds(start, time));
    }
    assert_eq!(
        progress.picture(seconds(start, 42), 80, 24).join("\n"),
        "\
Prepare all nodes (stage 1 of 1, 40 s)
  kmaster01   7/12  step 6: 40 s
  kmaster02   1/12  step 0: checking, 39 s
  kmaster03   1/1   done
  kworker01         waiting
1 of 27 steps, 42 s; Ctrl-C stops after the steps under way"
    );
}

#[test]
fn a_small_terminal_gets_those_at_work_and_never_more_than_it_has_room_for() {
    let names: Vec<String> = (0..20).map(|number| format!("kworker{number:02}")).collect();
    let hosts: Vec<(&str, usize)> = names.iter().map(|name| (name.as_str(), 3)).collect();
    let plan = plan(&hosts);
    let start = Instant::now();
    let mut progress = Progress::new(&plan, start);
    progress.take(&Event::Began(at(17, 0), Phase::Act), start);
    for (columns, lines) in [(20, 1), (20, 3), (40, 6), (200, 100)] {
        let picture = progress.picture(start, columns, lines);
        assert!(picture.len() <= lines, "{picture:?}");
        assert!(picture.iter().all(|line| line.chars().count() <= columns), "{picture:?}");
    }
    let picture = progress.picture(start, 80, 5).join("\n");
    assert!(picture.contains("kworker17") && picture.contains("and 18 more"), "{picture}");
}
