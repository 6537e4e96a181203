use std::time::{Duration, Instant};

use super::{
    Outage, Turn,
    prober::{Log, Question},
};

/// A question each millisecond; a letter names the host that answered, a dot says nobody did.
fn log(answers: &str) -> (Log, impl Fn(u64) -> Instant) {
    let begin = Instant::now();
    let at = move |millis| begin + Duration::from_millis(millis);
    let mut log = Log::default();
    for (number, letter) in (0..).zip(answers.chars()) {
        log.questions.push(Question { sent: at(number), answered: None });
        if letter != '.' {
            let name = letter.to_string();
            log.answer(&[number.to_be_bytes().as_slice(), name.as_bytes()].concat());
        }
    }
    (log, at)
}

#[test]
fn an_outage_reaches_from_the_last_answered_question_to_the_next_answered_one() {
    let (log, at) = log("aaa....bb.b");
    let long = Outage { from: at(2), to: Some(at(7)), lost: 4 };
    let short = Outage { from: at(8), to: Some(at(10)), lost: 1 };
    assert_eq!(log.outages(at(0), at(99)), [long, short]);
    assert_eq!(log.outages(at(8), at(99)), [short]);
    assert_eq!(long.length(at(99)), Duration::from_millis(5));
}

#[test]
fn an_outage_that_lasts_has_no_end_and_what_was_just_asked_is_none() {
    let (log, at) = log("aa...");
    assert_eq!(log.outages(at(0), at(99)), [Outage { from: at(1), to: None, lost: 3 }]);
    assert_eq!(log.outages(at(0), at(1)), []);
}

#[test]
fn questions_that_nobody_ever_answered_are_an_outage_from_the_first_one_on() {
    let (log, at) = log("..a");
    assert_eq!(log.outages(at(0), at(99)), [Outage { from: at(0), to: Some(at(2)), lost: 2 }]);
}

#[test]
fn a_pause_without_a_loss_is_no_outage() {
    let (mut log, at) = log("aa");
    log.questions.push(Question { sent: at(500), answered: Some(0) });
    assert_eq!(log.outages(at(0), at(999)), []);
}

#[test]
fn hosts_take_turns() {
    let (log, at) = log("aa..bba");
    let turn = |from, by: &str| Turn { from: at(from), by: by.to_owned() };
    assert_eq!(log.turns(at(0)), [turn(0, "a"), turn(4, "b"), turn(6, "a")]);
    assert_eq!(log.turns(at(5)), [turn(5, "b"), turn(6, "a")]);
    assert_eq!(log.answerer().as_deref(), Some("a"));
}
