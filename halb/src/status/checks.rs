//! What the checks tell, in HAProxy's words.

use halb_healthcheck::health::Verdict;
use halb_healthcheck::status::{MarkResult, TargetStatus};

use super::Check;
use super::build::CheckView;

/// The check of one server.
#[must_use]
pub fn view(target: &TargetStatus) -> CheckView {
    let last = target.last.as_ref();
    let detail = last.map_or("not checked yet", |last| last.outcome.detail());
    let check = Check {
        code: target.code().to_string(),
        detail: detail.to_owned(),
        duration_seconds: last.map(|last| last.took.as_secs_f64()),
        ago_seconds: last.map(|last| last.ago.as_secs_f64()),
        since_seconds: target.since.as_secs_f64(),
        checks: target.checks,
        failures: target.failures,
        inconclusive: target.inconclusive,
        flips: target.flips,
        paused: target.paused,
        history: target.history.iter().map(|mark| mark_char(mark.result)).collect(),
    };
    CheckView { state: state(target), check }
}

/// `UP` and `DOWN` at the ends, between them how far it is to the other verdict.
fn state(target: &TargetStatus) -> String {
    let top = target.rise.saturating_add(target.fall).saturating_sub(1);
    let (have, of) = target.progress();
    match target.verdict {
        Verdict::Up if target.health >= top => "UP".to_owned(),
        Verdict::Up => format!("UP {have}/{of}"),
        Verdict::Down if target.health == 0 => "DOWN".to_owned(),
        Verdict::Down => format!("DOWN {have}/{of}"),
    }
}

/// One character per check of the history strip.
fn mark_char(result: MarkResult) -> char {
    match result {
        MarkResult::Passed => '.',
        MarkResult::Failed => 'x',
        MarkResult::Inconclusive => '?',
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use halb_healthcheck::outcome::{FailureKind, Outcome};
    use halb_healthcheck::status::{LastCheck, Mark};

    use super::*;

    fn target(verdict: Verdict, health: u32) -> TargetStatus {
        TargetStatus {
            id: "masters/kmaster1".to_owned(),
            verdict,
            health,
            rise: 2,
            fall: 3,
            checking: false,
            paused: false,
            checks: 0,
            failures: 0,
            inconclusive: 0,
            flips: 0,
            since: Duration::from_secs(12),
            last: None,
            history: Vec::new(),
        }
    }

    #[test]
    fn states_read_as_in_haproxy() {
        let table = [
            (Verdict::Down, 0, "DOWN"),
            (Verdict::Down, 1, "DOWN 1/2"),
            (Verdict::Up, 2, "UP 1/3"),
            (Verdict::Up, 3, "UP 2/3"),
            (Verdict::Up, 4, "UP"),
        ];
        for (verdict, health, word) in table {
            assert_eq!(view(&target(verdict, health)).state, word);
        }
    }

    #[test]
    fn the_last_result_is_told_with_code_and_words() {
        let mut target = target(Verdict::Down, 0);
        assert_eq!(view(&target).check.code, "INI");
        let outcome = Outcome::failed(FailureKind::Connect, "connection refused");
        let took = Duration::from_millis(2);
        target.last = Some(LastCheck { outcome, took, ago: Duration::from_secs(1) });
        let marks = [MarkResult::Passed, MarkResult::Inconclusive, MarkResult::Failed];
        target.history = marks.iter().map(|result| Mark { result: *result, took }).collect();
        let check = view(&target).check;
        assert_eq!((check.code.as_str(), check.detail.as_str()), ("L4CON", "connection refused"));
        assert_eq!(check.duration_seconds, Some(0.002));
        assert_eq!(check.history, ".?x");
    }
}
