//! What clients met: their requests in the order in which they began, and what became of each.
//!
//! An outage is a run of requests none of which was answered in time: from the beginning of the last
//! one before it that was to the beginning of the first one after it. So neither a pause of the
//! whole machine nor a single bad server is taken for one.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// All that is known of the clients' requests; the oldest are forgotten, their sums stay.
#[derive(Debug, Default)]
pub(super) struct Felt {
    kept: VecDeque<Request>,
    /// Number of the first kept one.
    first: u64,
    /// By the server that answered.
    pub(super) by_server: BTreeMap<String, u64>,
    pub(super) answered: u64,
    pub(super) failed: u64,
    /// Why the last failed request did.
    pub(super) last_failure: Option<String>,
}

#[derive(Debug)]
struct Request {
    began: Instant,
    ended: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    at: Instant,
    answered: bool,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    InTime,
    /// Answered late, failed, or still waiting for longer than is good.
    Bad,
    Open,
}

/// What a stretch of time cost the clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Toll {
    /// Requests that got no answer, or wait for too long at its end.
    pub(super) failed: u64,
    /// Answered, but not in time.
    pub(super) late: u64,
    /// The longest time that an answer took.
    pub(super) slowest: Duration,
    /// The longest time in which nobody was answered.
    pub(super) outage: Option<Duration>,
}

/// A time in which nobody was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outage {
    pub(super) from: Instant,
    /// None: it lasts.
    pub(super) to: Option<Instant>,
}

impl Felt {
    /// A request begins; its number is for [`Self::end`].
    pub(super) fn begin(&mut self, now: Instant) -> u64 {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(Request { began: now, ended: None });
        self.first + u64::try_from(self.kept.len()).unwrap_or(u64::MAX) - 1
    }

    /// It was answered by a server, or wasn't.
    pub(super) fn end(&mut self, number: u64, now: Instant, answer: Result<String, String>) {
        let answered = answer.is_ok();
        match answer {
            Ok(server) => {
                self.answered += 1;
                // Names come from the demo's own servers, so there are few.
                *self.by_server.entry(server).or_default() += 1;
            }
            Err(why) => {
                self.failed += 1;
                self.last_failure = Some(why);
            }
        }
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        if let Some(request) = index.and_then(|index| self.kept.get_mut(index)) {
            request.ended = Some(End { at: now, answered });
        }
    }

    /// Answers of the last second.
    pub(super) fn rate(&self, now: Instant) -> usize {
        let recent = |end: End| end.answered && now.saturating_duration_since(end.at) < SECOND;
        self.kept.iter().rev().filter(|request| request.ended.is_some_and(recent)).count()
    }

    /// Whether all is decided of what began before `now`, apart from what is still in time.
    pub(super) fn is_calm(&self, now: Instant) -> bool {
        self.kept.iter().all(|request| request.ended.is_some() || request.fate(now) == Fate::Open)
    }

    /// The latest outage, as far as it is still known.
    pub(super) fn last_outage(&self, now: Instant) -> Option<Outage> {
        self.outages(now).pop()
    }

    /// What the time since a moment has cost.
    pub(super) fn toll(&self, since: Instant, now: Instant) -> Toll {
        let mut toll = Toll::default();
        for request in &self.kept {
            if request.ended.is_some_and(|end| end.at < since) {
                continue;
            }
            match (request.fate(now), request.ended) {
                (Fate::Open, _) => continue,
                (Fate::InTime, _) => {}
                (Fate::Bad, Some(End { answered: true, .. })) => toll.late += 1,
                (Fate::Bad, _) => toll.failed += 1,
            }
            if let Some(End { at, answered: true }) = request.ended {
                toll.slowest = toll.slowest.max(at.saturating_duration_since(request.began));
            }
        }
        let outages = self.outages(now).into_iter();
        let touching = outages.filter(|outage| outage.to.is_none_or(|to| to >= since));
        toll.outage = touching.map(|outage| outage.length(now)).max();
        toll
    }

    fn outages(&self, now: Instant) -> Vec<Outage> {
        let mut outages = Vec::new();
        let Some(mut good) = self.kept.front().map(|request| request.began) else {
            return outages;
        };
        let mut bad = 0;
        for request in &self.kept {
            match request.fate(now) {
                Fate::Open => break,
                Fate::Bad => bad += 1,
                Fate::InTime => {
                    if bad >= RUN {
                        outages.push(Outage { from: good, to: Some(request.began) });
                    }
                    (good, bad) = (request.began, 0);
                }
            }
        }
        if bad >= RUN {
            outages.push(Outage { from: good, to: None });
        }
        outages
    }
}

impl Request {
    fn fate(&self, now: Instant) -> Fate {
        let until = self.ended.map_or(now, |end| end.at);
        let in_time = until.saturating_duration_since(self.began) <= IN_TIME;
        match self.ended {
            Some(End { answered: true, .. }) if in_time => Fate::InTime,
            None if in_time => Fate::Open,
            Some(_) | None => Fate::Bad,
        }
    }
}

impl Outage {
    pub(super) fn length(&self, now: Instant) -> Duration {
        self.to.unwrap_or(now).saturating_duration_since(self.from)
    }
}

/// What an answer may take: many times what it takes, even where the machine is busy, and less than
/// the second after which TCP repeats a lost beginning.
pub(super) const IN_TIME: Duration = Duration::from_millis(500);

/// Fewer bad requests in a row are those of one bad server, while others are answered.
const RUN: u32 = 3;

/// Requests kept: the last minute and a half, 200 kB.
const KEPT: usize = 8192;

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Duration = Duration::from_millis(10);

    fn millis(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    /// Requests at a steady pace; each took so many milliseconds, or failed after them.
    fn felt(start: Instant, requests: &[Result<u64, u64>]) -> (Felt, Instant) {
        let mut felt = Felt::default();
        let mut began = start;
        for request in requests {
            let number = felt.begin(began);
            let (took, answer) = match request {
                Ok(took) => (*took, Ok("kmaster1".to_owned())),
                Err(took) => (*took, Err("reset".to_owned())),
            };
            felt.end(number, began + millis(took), answer);
            began += PACE;
        }
        (felt, began)
    }

    #[test]
    fn what_is_answered_in_time_costs_nothing() {
        let start = Instant::now();
        let (felt, now) = felt(start, &[Ok(3); 20]);
        let toll = felt.toll(start, now);
        assert_eq!(toll, Toll { slowest: millis(3), ..Toll::default() });
        assert_eq!((felt.answered, felt.failed, felt.last_outage(now)), (20, 0, None));
        assert_eq!(felt.by_server["kmaster1"], 20);
    }

    #[test]
    fn an_outage_lasts_from_the_last_good_beginning_to_the_next() {
        let start = Instant::now();
        let (felt, now) = felt(start, &[Ok(3), Ok(3), Err(1), Ok(1040), Err(3000), Ok(3)]);
        let toll = felt.toll(start, now + SECOND);
        assert_eq!(toll.outage, Some(millis(40)));
        assert_eq!((toll.failed, toll.late, toll.slowest), (2, 1, millis(1040)));
        let outage = felt.last_outage(now).unwrap();
        assert_eq!((outage.from, outage.to), (start + PACE, Some(start + 5 * PACE)));
    }

    #[test]
    fn one_bad_server_of_three_is_no_outage() {
        let start = Instant::now();
        let (felt, now) = felt(start, &[Ok(3), Ok(3), Err(900)].repeat(5));
        let toll = felt.toll(start, now);
        assert_eq!((toll.outage, toll.failed), (None, 5));
    }

    #[test]
    fn a_machine_that_stands_still_for_a_moment_is_no_outage() {
        let start = Instant::now();
        let (felt, now) = felt(start, &[Ok(3), Ok(400), Ok(390), Ok(380), Ok(370), Ok(3)]);
        assert_eq!(felt.toll(start, now).outage, None);
    }

    #[test]
    fn what_waits_too_long_counts_before_it_ends_and_is_not_calm() {
        let start = Instant::now();
        let (mut felt, _) = felt(start, &[Ok(3)]);
        let waiting: Vec<_> = (1..=5).map(|n| felt.begin(start + n * PACE)).collect();
        assert!(felt.is_calm(start + millis(100)), "all may still be in time");
        assert_eq!(felt.toll(start, start + millis(100)).failed, 0);
        let now = start + millis(900);
        assert!(!felt.is_calm(now));
        assert_eq!(felt.last_outage(now), Some(Outage { from: start, to: None }));
        assert_eq!(felt.toll(start, now).failed, 5, "as far as one knows");
        for number in waiting {
            felt.end(number, now, Ok("kmaster2".to_owned()));
        }
        assert!(felt.is_calm(now));
        let toll = felt.toll(start, now);
        assert_eq!((toll.failed, toll.late), (0, 5));
    }

    #[test]
    fn what_ended_before_a_moment_is_not_counted_after_it() {
        let start = Instant::now();
        let (felt, now) =
            felt(start, &[Err(1), Err(1), Err(1), Err(1), Ok(3), Ok(3), Ok(3), Ok(3)]);
        let since = start + 5 * PACE;
        let toll = felt.toll(since, now);
        assert_eq!((toll.failed, toll.outage, toll.slowest), (0, None, millis(3)));
        assert_eq!(felt.toll(start, now).failed, 4);
    }

    #[test]
    fn the_rate_is_of_the_last_second_and_memory_is_bounded() {
        let start = Instant::now();
        let (felt, now) = felt(start, &vec![Ok(1); KEPT + 300]);
        assert_eq!(felt.rate(now), 100);
        assert_eq!(felt.kept.len(), KEPT);
        assert_eq!(felt.answered, u64::try_from(KEPT).unwrap() + 300);
    }
}
