use std::time::Duration;

use super::*;

fn file(path: &str, value: i64) -> OwnedSighting {
    OwnedSighting::File(path.into(), value)
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

#[test]
fn of_a_subject_the_latest_sighting_waits_and_of_a_script_each() {
    let mailbox = Mailbox::default();
    let script = || OwnedSighting::Script("check".into(), ScriptResult::Failed);
    for sighting in [file("/a", 1), script(), file("/b", 1), file("/a", 2), script()] {
        mailbox.sight(sighting);
    }
    let letters = mailbox.take().unwrap();
    assert_eq!(letters.sightings, [script(), file("/b", 1), file("/a", 2), script()]);
    assert!(mailbox.take().unwrap().sightings.is_empty());
}

#[test]
fn what_waits_is_bounded() {
    let mailbox = Mailbox::default();
    for number in 0..3 * SIGHTINGS_MAX {
        mailbox.sight(file(&number.to_string(), 0));
    }
    let mut waiting = Vec::new();
    let refused = loop {
        let (answer, awaited) = answer();
        match mailbox.order(Order::Resume(None, answer)) {
            Ok(()) => waiting.push(awaited),
            Err(error) => break error,
        }
    };
    assert_eq!((refused, waiting.len()), (OrderError::Busy, ORDERS_MAX));
    let letters = mailbox.take().unwrap();
    let newest = file(&(3 * SIGHTINGS_MAX - 1).to_string(), 0);
    assert_eq!((letters.sightings.len(), letters.sightings.back()), (SIGHTINGS_MAX, Some(&newest)));
}

#[test]
fn an_answer_comes_to_whoever_waits_and_its_loss_too() {
    let mailbox = Mailbox::default();
    let (given, awaited) = answer();
    thread::scope(|scope| {
        scope.spawn(|| given.give(7));
        assert_eq!(awaited.wait_until(far()), Ok(7));
    });
    let (answer, awaited) = answer();
    mailbox.order(Order::Resume(None, answer)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| mailbox.close());
        assert_eq!(awaited.wait_until(far()), Err(OrderError::Ended));
    });
    let (answer, awaited) = self::answer();
    assert_eq!(mailbox.order(Order::Resume(None, answer)), Err(OrderError::Ended));
    assert_eq!(awaited.wait_until(far()), Err(OrderError::Ended));
    let (_kept, awaited) = self::answer::<u8>();
    assert_eq!(awaited.wait_until(Instant::now()), Err(OrderError::NoAnswer));
}

#[test]
fn the_thread_takes_nothing_while_another_lays_something_down_and_never_waits() {
    let mailbox = Mailbox::default();
    mailbox.sight(file("/a", 1));
    let held = mailbox.letters();
    assert!(mailbox.take().is_none());
    drop(held);
    assert_eq!(mailbox.take().unwrap().sightings.len(), 1);
}

#[test]
fn the_earliest_stop_counts_and_is_not_forgotten() {
    let (mailbox, now) = (Mailbox::default(), Instant::now());
    mailbox.stop(now + Duration::from_secs(5));
    mailbox.stop(now);
    mailbox.stop(now + Duration::from_secs(9));
    assert_eq!(mailbox.take().unwrap().stop_by, Some(now));
}
