use std::time::Duration;

use super::*;
use crate::config::tests::settings;
use crate::config::{Families, Family, HostName};
use crate::message::said;
use crate::name::Source;

fn question(name: &str) -> Question {
    Question { host: HostName::new(name).unwrap(), families: Families::Ipv4 }
}

fn answer(last: u8) -> Answer {
    let said = said(vec![IpAddr::from([10, 0, 0, last])], Duration::from_secs(60));
    Answer { source: Source::Nameserver, said: vec![(Family::Ipv4, said)] }
}

fn asked(book: &mut Book) -> Vec<(LookupId, String)> {
    let mut asked = Vec::new();
    while let Some(action) = book.poll_action() {
        if let Action::Ask { lookup, question } = action {
            asked.push((lookup, question.host.to_string()));
        }
    }
    asked
}

#[test]
fn all_names_are_asked_at_once_as_far_as_there_is_room() {
    let now = Instant::now();
    let mut book = Book::new(settings());
    let names: Vec<_> = (0..LOOKUPS_MAX + 3).map(|i| question(&format!("s{i:03}.x"))).collect();
    book.apply(now, settings(), names);
    let first = asked(&mut book);
    assert_eq!(first.len(), LOOKUPS_MAX);
    assert_eq!(book.poll_timeout(), None, "no room, so nothing to wait for but answers");
    for (lookup, _) in &first[..3] {
        book.handle_answer(now, *lookup, &answer(1));
    }
    assert_eq!(asked(&mut book).len(), 3);
    assert_eq!(book.unheard(), LOOKUPS_MAX);
}

#[test]
fn a_name_is_asked_again_when_its_answer_has_aged() {
    let now = Instant::now();
    let mut book = Book::new(settings());
    book.apply(now, settings(), [question("a.x")]);
    let (lookup, _) = asked(&mut book)[0].clone();
    book.handle_answer(now, lookup, &answer(1));
    let due = now + Duration::from_secs(60);
    assert_eq!(book.poll_timeout(), Some(due));
    book.handle_timeout(now + Duration::from_secs(59));
    assert!(asked(&mut book).is_empty());
    book.handle_timeout(due);
    assert_eq!(asked(&mut book).len(), 1);
}

#[test]
fn a_name_that_stays_keeps_its_address_and_one_that_goes_is_forgotten() {
    let now = Instant::now();
    let mut book = Book::new(settings());
    book.apply(now, settings(), [question("a.x"), question("b.x")]);
    for (lookup, _) in asked(&mut book) {
        book.handle_answer(now, lookup, &answer(1));
    }
    book.apply(now, settings(), [question("b.x"), question("c.x")]);
    assert_eq!(asked(&mut book).len(), 1, "only the new one");
    let known: Vec<_> = book.addresses().into_keys().map(|q| q.host.to_string()).collect();
    assert_eq!(known, ["b.x"]);
    assert_eq!(book.unheard(), 1);
}

#[test]
fn an_answer_to_a_name_that_went_and_came_back_is_nobodys() {
    let now = Instant::now();
    let mut book = Book::new(settings());
    let many: Vec<_> = (0..LOOKUPS_MAX).map(|i| question(&format!("s{i:03}.x"))).collect();
    book.apply(now, settings(), many.clone());
    let old = asked(&mut book);
    book.apply(now, settings(), []);
    book.apply(now, settings(), many);
    assert!(asked(&mut book).is_empty(), "the places are taken");
    for (lookup, _) in old {
        book.handle_answer(now, lookup, &answer(9));
    }
    assert!(book.addresses().is_empty());
    assert_eq!(asked(&mut book).len(), LOOKUPS_MAX);
}

#[test]
fn what_may_have_changed_is_asked_at_once() {
    let now = Instant::now();
    let mut book = Book::new(settings());
    book.apply(now, settings(), [question("a.x")]);
    let (lookup, _) = asked(&mut book)[0].clone();
    book.handle_answer(now, lookup, &answer(1));
    book.ask_all(now);
    let again = asked(&mut book);
    assert_eq!(again.len(), 1);
    book.ask_all(now);
    assert!(asked(&mut book).is_empty(), "it is being asked");
    book.handle_answer(now, again[0].0, &answer(1));
    let other = Settings { timeout: Duration::from_secs(2), ..settings() };
    book.apply(now, other, [question("a.x")]);
    assert_eq!(asked(&mut book).len(), 1);
}

#[test]
fn a_change_is_told_with_the_name() {
    let now = Instant::now();
    let mut book = Book::new(settings());
    book.apply(now, settings(), [question("a.x")]);
    let (lookup, _) = asked(&mut book)[0].clone();
    book.handle_answer(now, lookup, &answer(7));
    let to = IpAddr::from([10, 0, 0, 7]);
    let told = Action::Changed(question("a.x"), Change::Resolved { from: None, to });
    assert_eq!(book.poll_action(), Some(told));
    let status = &book.status(now + Duration::from_secs(3))[0];
    assert_eq!(status.address, Some((to, Duration::from_secs(3))));
    let last = Some(("10.0.0.7 (for 60 s)".to_owned(), Duration::from_secs(3)));
    assert_eq!((&status.last, status.answers, status.changes), (&last, 1, 1));
}
