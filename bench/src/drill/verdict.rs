//! Whether a drill cost no more than it may.

use std::time::Duration;

use super::{
    bounds::{self, Bound},
    figures::Figures,
    plan::Drill,
    record::Record,
};

/// A drill that was played, and what is to be said of it.
#[derive(Clone, Debug)]
pub struct Line {
    /// Which drill.
    pub drill: Drill,
    /// What it may cost.
    pub bound: Bound,
    /// What was seen.
    pub record: Record,
    /// What that amounts to.
    pub figures: Figures,
    /// What was worse than it may be, in words. Empty: it passed.
    pub broken: Vec<String>,
}

/// What became of a drill.
#[derive(Clone, Debug)]
pub enum Played {
    /// It was played to the end.
    Line(Box<Line>),
    /// It couldn't be played, or the subject didn't even get well before the fault.
    Unplayed {
        /// Which drill.
        drill: Drill,
        /// Why.
        why: String,
    },
}

impl Line {
    /// Judges a record.
    #[must_use]
    pub fn judge(drill: Drill, record: Record) -> Self {
        let bound = bounds::of(drill);
        let figures = Figures::of(&record);
        let broken = broken(&bound, &figures);
        Self { drill, bound, record, figures, broken }
    }

    /// Whether nothing was worse than it may be.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.broken.is_empty()
    }
}

impl Played {
    /// Which drill it was.
    #[must_use]
    pub fn drill(&self) -> Drill {
        match self {
            Self::Line(line) => line.drill,
            Self::Unplayed { drill, .. } => *drill,
        }
    }

    /// Whether nothing was worse than it may be.
    #[must_use]
    pub fn passed(&self) -> bool {
        match self {
            Self::Line(line) => line.passed(),
            Self::Unplayed { .. } => false,
        }
    }
}

/// Whether all passed that count.
#[must_use]
pub fn all_passed(played: &[Played]) -> bool {
    played.iter().filter(|one| one.drill().counts()).all(Played::passed)
}

/// What of the figures is worse than the bound allows, in words.
#[must_use]
pub fn broken(bound: &Bound, figures: &Figures) -> Vec<String> {
    let mut broken = Vec::new();
    let mut longer = |what: &str, is: Duration, may: Option<Duration>| {
        if let Some(may) = may.filter(|may| is > *may) {
            broken.push(format!("{what} {}, at most {}", millis(is), millis(may)));
        }
    };
    longer("nobody answered for the address for", figures.address, Some(bound.address));
    longer("no request was answered for", figures.service, bound.service);
    longer(
        "after the end of the fault no request was answered for",
        figures.service_after,
        bound.service_after,
    );
    if let Some(stall) = figures.stall {
        longer("a connection that lasted waited for", stall, bound.stall);
    }
    longer("both nodes held the address for", figures.both, bound.both);
    longer(
        "after the end of the fault both held it for",
        figures.both_after,
        Some(bound.both_after),
    );
    let lost = figures.failed + figures.hung;
    if let Some(may) = bound.lost_requests.filter(|may| lost > *may) {
        broken.push(format!("{lost} requests failed or hung, at most {may}"));
    }
    if let Some(may) = bound.lost_connections.filter(|may| figures.lost > *may) {
        broken.push(format!("{} connections were lost, at most {may}", figures.lost));
    }
    if figures.wrong > 0 {
        broken.push(format!("{} connections brought other bytes than were sent", figures.wrong));
    }
    if figures.moves > bound.moves {
        broken.push(format!("the address moved {} times, at most {}", figures.moves, bound.moves));
    }
    if !bound.holder.is(figures.holders) {
        let held = match figures.holders {
            [false, false] => "nobody",
            [true, false] => "loadbalancer01 alone",
            [false, true] => "loadbalancer02 alone",
            [true, true] => "both nodes",
        };
        broken.push(format!("{held} held the address at the end, not {}", bound.holder.words()));
    }
    if figures.moves > 0 {
        match figures.announcing {
            None => broken.push("the address moved and nobody announced it".to_owned()),
            Some(took) if took > bound.announcing => broken.push(format!(
                "it was announced {} after it came, at most {}",
                millis(took),
                millis(bound.announcing)
            )),
            Some(_) => {}
        }
    }
    broken
}

/// Times as these reports have them.
#[must_use]
pub fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 99.95 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::plan::{Fault, Setting, Subject};

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_connection_that_may_not_be_lost_or_wait_is_named() {
        let drill =
            Drill { fault: Fault::LinkCut, subject: Subject::KernelFlow, setting: Setting::Second };
        let (bound, good) = (bounds::of(drill), cut().1);
        let said = |figures: Figures| broken(&bound, &figures).join("; ");
        assert_eq!(said(Figures { stall: Some(ms(7000)), ..good }), "");
        assert_eq!(
            said(Figures { stall: Some(ms(8000)), ..good }),
            "a connection that lasted waited for 8000 ms, at most 7569 ms"
        );
        assert_eq!(said(Figures { lost: 1, ..good }), "1 connections were lost, at most 0");
        assert_eq!(
            said(Figures { wrong: 2, ..good }),
            "2 connections brought other bytes than were sent"
        );
    }

    fn cut() -> (Bound, Figures) {
        let figures = Figures {
            address: ms(3600),
            service: ms(3700),
            moves: 2,
            holders: [true, false],
            announced: Some(ms(3600)),
            announcing: Some(ms(1)),
            ..Figures::default()
        };
        (bounds::bound(Fault::LinkCut, Setting::Second), figures)
    }

    #[test]
    fn what_is_within_its_bound_passes() {
        let (bound, figures) = cut();
        assert_eq!(broken(&bound, &figures), Vec::<String>::new());
    }

    #[test]
    fn each_figure_that_is_worse_than_it_may_be_is_named() {
        let (bound, good) = cut();
        let said = |figures: Figures| broken(&bound, &figures).join("; ");
        assert_eq!(
            said(Figures { address: ms(3700), ..good }),
            "nobody answered for the address for 3700 ms, at most 3659 ms"
        );
        assert!(said(Figures { service: ms(3900), ..good }).starts_with("no request was answered"));
        assert!(said(Figures { both: ms(51), ..good }).starts_with("both nodes held the address"));
        assert!(said(Figures { both_after: ms(51), ..good }).contains("51.0 ms, at most 50.0 ms"));
        assert_eq!(
            said(Figures { holders: [true, true], ..good }),
            "both nodes held the address at the end, not loadbalancer01 alone"
        );
        assert_eq!(said(Figures { moves: 3, ..good }), "the address moved 3 times, at most 2");
        assert_eq!(
            said(Figures { announcing: None, announced: None, ..good }),
            "the address moved and nobody announced it"
        );
        assert!(said(Figures { announcing: Some(ms(60)), ..good }).starts_with("it was announced"));
    }

    #[test]
    fn requests_that_are_lost_count_where_none_may_be() {
        let bound = bounds::bound(Fault::Stop, Setting::Second);
        let good = Figures {
            moves: 1,
            holders: [false, true],
            announcing: Some(ms(1)),
            ..Figures::default()
        };
        assert_eq!(broken(&bound, &good), Vec::<String>::new());
        let lost = Figures { failed: 4, hung: 2, ..good };
        assert_eq!(broken(&bound, &lost), ["6 requests failed or hung, at most 5"]);
    }

    #[test]
    fn only_halbs_lines_decide() {
        let unplayed = |subject| Played::Unplayed {
            drill: Drill { fault: Fault::Kill, subject, setting: Setting::Second },
            why: "it doesn't start".to_owned(),
        };
        assert!(all_passed(&[unplayed(Subject::Peers)]));
        assert!(!all_passed(&[unplayed(Subject::Peers), unplayed(Subject::Halb)]));
    }
}
