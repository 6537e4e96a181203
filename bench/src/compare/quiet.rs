//! Waits that are the program's, and not the machine's.
//!
//! Where processors have nothing to do at times, a wait has two parts that say nothing about a
//! program: how long a processor takes to wake, and the times in which a virtual one is kept from
//! running. The first is kept away, the second is noted.

use std::time::Duration;

use halb_lab::{Awake, Witness, witness::Stall};

use super::contender::Contender;
use crate::{load::Window, scenario::to_f64};

/// In force until it is dropped.
pub(super) struct Quiet {
    witness: Option<Witness>,
    _awake: Option<Awake>,
}

impl Quiet {
    /// As far as the system allows it: a witness takes root.
    pub(super) fn begin() -> Self {
        Self { witness: Witness::start().ok(), _awake: Awake::start().ok() }
    }

    /// The times in which the machine stood still or whoever waited for it was still waiting; none
    /// where nobody could tell.
    pub(super) fn disturbed(&self) -> Option<Vec<Window>> {
        Some(disturbed_by(&self.witness.as_ref()?.stalls(STALL)))
    }
}

/// Each stall and as long again: so long what gathered meanwhile takes to be worked off.
fn disturbed_by(stalls: &[Stall]) -> Vec<Window> {
    let times = stalls.iter().map(|it| Window { from: it.from, to: it.to + (it.to - it.from) });
    Window::united(times.collect())
}

/// What a reader must know of waits that were left out: of each contender so many of so many.
pub(super) fn note(
    present: &[Contender],
    left_out: &[(u64, u64)],
    is_unwitnessed: bool,
) -> Option<String> {
    if is_unwitnessed {
        return Some(
            "stalls of the machine itself are in the latencies: it takes root to tell".into(),
        );
    }
    let asked = present.iter().zip(left_out).filter(|(_, (_, all))| *all > 0);
    let share = |(contender, (out, all)): (&Contender, &(u64, u64))| {
        format!("{} {:.1} %", contender.name(), to_f64(*out) * 100.0 / to_f64(*all))
    };
    let shares: Vec<_> = asked.map(share).collect();
    let is_any = left_out.iter().any(|(out, _)| *out > 0);
    is_any.then(|| format!("the machine stood still: not in latencies {}", shares.join(", ")))
}

/// A stall that shows in a wait.
const STALL: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const TWO: [Contender; 2] = [Contender::Direct, Contender::Router];

    #[test]
    fn who_waits_is_disturbed_for_as_long_again_as_the_machine_stood_still() {
        let begin = Instant::now();
        let ms = |count| begin + Duration::from_millis(count);
        let stalls = [(10, 14), (3, 5), (17, 18)].map(|(from, to)| (ms(from), ms(to)));
        let disturbed = disturbed_by(&stalls.map(|(from, to)| Stall { from, to }));
        let disturbed: Vec<_> = disturbed.iter().map(|time| (time.from, time.to)).collect();
        assert_eq!(disturbed, [(ms(3), ms(7)), (ms(10), ms(19))]);
    }

    #[test]
    fn a_note_says_whose_waits_were_left_out() {
        assert_eq!(note(&TWO, &[(0, 900), (0, 0)], false), None);
        let told = note(&TWO, &[(9, 900), (1, 400)], false).unwrap();
        assert_eq!(told, "the machine stood still: not in latencies direct 1.0 %, router 0.2 %");
        assert!(told.len() < 78, "{told}");
    }

    #[test]
    fn without_a_witness_the_note_says_that_nothing_was_left_out() {
        assert!(note(&TWO, &[(0, 900), (0, 900)], true).unwrap().contains("takes root"));
    }
}
