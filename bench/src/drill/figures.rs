//! What a record amounts to.

use std::time::Duration;

use super::record::{Outcome, Record, Span};

/// The figures of one drill.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Figures {
    /// The longest time for which nobody answered for the address.
    pub address: Duration,
    /// The longest time without an answer to any request, among times in which one at least failed,
    /// hung or was late.
    pub service: Duration,
    /// The same, after the fault was mended.
    pub service_after: Duration,
    /// Requests that were sent.
    pub requests: usize,
    /// Those that ended with an error.
    pub failed: usize,
    /// Those without an answer for as long as clients wait.
    pub hung: usize,
    /// Connections that were open at the fault.
    pub open: usize,
    /// Those of them that were lost.
    pub lost: usize,
    /// Those of the lost ones whose clients weren't told.
    pub silent: usize,
    /// The longest time that a connection which lasted waited for a byte; none: nobody looked.
    pub stall: Option<Duration>,
    /// Connections that brought other bytes than were sent.
    pub wrong: usize,
    /// How long no node held the address.
    pub none: Duration,
    /// How long both did, as long as the fault lasted.
    pub both: Duration,
    /// How long both did once it was mended.
    pub both_after: Duration,
    /// How often the address came to a node after the fault.
    pub moves: usize,
    /// Who held it at the end.
    pub holders: [bool; 2],
    /// From the fault to the first announcement of the address by another node.
    pub announced: Option<Duration>,
    /// From the moment at which a node first got the address to that announcement.
    pub announcing: Option<Duration>,
}

impl Figures {
    /// Reckons.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let mended = record.mended.unwrap_or(record.length);
        let count = |outcome| record.requests.iter().filter(|it| it.outcome == outcome).count();
        let silences = silences(record);
        let longest = |spans: &mut dyn Iterator<Item = Span>| {
            spans.map(Span::length).max().unwrap_or_default()
        };
        let after = silences.iter().filter(|span| span.to > mended);
        let rest = |span: &Span| Span { from: span.from.max(mended), to: span.to };
        let taken = arrivals(record).next();
        Self {
            address: longest(&mut record.outages.iter().copied()),
            service: longest(&mut silences.iter().copied()),
            service_after: longest(&mut after.map(rest)),
            requests: record.requests.len(),
            failed: count(Outcome::Failed),
            hung: count(Outcome::Hung),
            open: record.connections.open,
            lost: record.connections.lost(),
            silent: record.connections.silent,
            stall: record.streams.map(|streams| streams.stall),
            wrong: record.streams.map_or(0, |streams| streams.wrong),
            none: held(record, record.fault, record.length, [false, false]),
            both: held(record, record.fault, mended, [true, true]),
            both_after: held(record, mended, record.length, [true, true]),
            moves: arrivals(record).count(),
            holders: record.holders.last().map_or([false, false], |(_, holders)| *holders),
            announced: record.announced.map(|at| at.saturating_sub(record.fault)),
            announcing: record
                .announced
                .zip(taken)
                .map(|(announced, taken)| announced.saturating_sub(taken)),
        }
    }
}

/// Moments after the fault at which the address came to a node.
fn arrivals(record: &Record) -> impl Iterator<Item = Duration> {
    let pairs = record.holders.windows(2);
    pairs.filter_map(|pair| {
        let ((_, before), (at, after)) = (pair[0], pair[1]);
        let came = (0..2).any(|node| after[node] && !before[node]);
        (came && at >= record.fault).then_some(at)
    })
}

/// How long within a stretch the holders were just these.
fn held(record: &Record, from: Duration, to: Duration, wanted: [bool; 2]) -> Duration {
    let next = record.holders.iter().skip(1).map(|(at, _)| *at).chain([record.length]);
    let spans = record.holders.iter().zip(next);
    let within = spans.filter(|((_, holders), _)| *holders == wanted);
    within.map(|((begin, _), end)| Span { from: from.max(*begin), to: to.min(end) }.length()).sum()
}

/// Times between two answers in which a request was begun that failed, hung or was late; before the
/// first answer and after the last one too.
#[must_use]
pub fn silences(record: &Record) -> Vec<Span> {
    let answered = |request: &&super::record::Request| request.outcome == Outcome::Answered;
    let mut answers: Vec<Duration> =
        record.requests.iter().filter(answered).map(|request| request.ended).collect();
    answers.sort_unstable();
    let begins = [Duration::ZERO].into_iter().chain(answers.iter().copied());
    let ends = answers.iter().copied().chain([record.length]);
    let spans = begins.zip(ends).map(|(from, to)| Span { from, to });
    let suffered = |span: &Span| {
        record.requests.iter().any(|request| {
            let is_bad = request.outcome != Outcome::Answered
                || request.ended.saturating_sub(request.sent) > LATE;
            // It was under way at some moment of the silence.
            is_bad && request.sent < span.to && request.ended > span.from
        })
    };
    spans.filter(|span| span.length() > PACE_AND_MORE && suffered(span)).collect()
}

/// An answer that takes longer comes from a client that had to try again; a machine that is busy
/// with other things takes less.
const LATE: Duration = Duration::from_millis(250);

/// Answers come no denser than requests are sent; what is less than a few of these is no silence.
const PACE_AND_MORE: Duration = Duration::from_millis(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::record::{Connections, Request};

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn request(sent: u64, ended: u64, outcome: Outcome) -> Request {
        Request { sent: ms(sent), ended: ms(ended), outcome }
    }

    /// The address moves 300 ms after the fault and comes back after the mending.
    fn moved() -> Record {
        Record {
            fault: ms(1000),
            mended: Some(ms(3000)),
            length: ms(5000),
            holders: vec![
                (ms(0), [true, false]),
                (ms(1010), [false, false]),
                (ms(1300), [false, true]),
                (ms(3400), [true, true]),
                (ms(3410), [true, false]),
            ],
            outages: vec![Span { from: ms(999), to: ms(1302) }],
            requests: vec![
                request(960, 970, Outcome::Answered),
                request(1000, 3000, Outcome::Hung),
                request(1020, 1021, Outcome::Failed),
                request(1310, 1320, Outcome::Answered),
                request(1350, 1355, Outcome::Answered),
                request(4980, 4990, Outcome::Answered),
            ],
            connections: Connections { open: 12, ended: 3, silent: 9 },
            streams: None,
            announced: Some(ms(1301)),
            notes: Vec::new(),
        }
    }

    #[test]
    fn holders_are_reckoned_before_and_after_the_mending() {
        let figures = Figures::of(&moved());
        assert_eq!((figures.none, figures.both, figures.both_after), (ms(290), ms(0), ms(10)));
        assert_eq!((figures.moves, figures.holders), (2, [true, false]));
        assert_eq!((figures.announced, figures.announcing), (Some(ms(301)), Some(ms(1))));
    }

    #[test]
    fn a_node_that_keeps_the_address_is_one_of_two_until_the_end() {
        let mut record = moved();
        record.mended = None;
        record.holders = vec![(ms(0), [true, false]), (ms(1500), [true, true])];
        let figures = Figures::of(&record);
        assert_eq!((figures.both, figures.both_after), (ms(3500), ms(0)));
        assert_eq!((figures.holders, figures.moves), ([true, true], 1));
    }

    #[test]
    fn a_silence_counts_where_a_request_suffered() {
        let record = moved();
        let figures = Figures::of(&record);
        assert_eq!(figures.address, ms(303));
        // The one that hung was under way in the second silence too.
        assert_eq!(figures.service, ms(4990 - 1355));
        assert_eq!(figures.service_after, Duration::ZERO.max(ms(4990 - 3000)));
        let mut calm = record.clone();
        calm.requests.retain(|it| it.outcome == Outcome::Answered);
        assert_eq!(Figures::of(&calm).service, ms(0), "nobody asked, so nobody waited");
        assert_eq!((figures.failed, figures.hung, figures.requests), (1, 1, 6));
        assert_eq!((figures.lost, figures.silent), (12, 9));
    }

    #[test]
    fn a_late_answer_is_a_silence_and_no_failure() {
        let mut record = moved();
        record.requests = vec![
            request(980, 990, Outcome::Answered),
            request(1000, 2010, Outcome::Answered),
            request(2020, 2030, Outcome::Answered),
        ];
        record.length = ms(2040);
        let figures = Figures::of(&record);
        assert_eq!((figures.service, figures.failed), (ms(2010 - 990), 0));
    }

    #[test]
    fn without_an_answer_the_silence_lasts_to_the_end() {
        let mut record = moved();
        record.requests =
            vec![request(980, 990, Outcome::Answered), request(1000, 3000, Outcome::Hung)];
        assert_eq!(Figures::of(&record).service, ms(5000 - 990));
    }
}
