use std::net::Ipv4Addr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use super::*;
use crate::plan::{Farewell, Held};

fn page() -> Page {
    Page::create(Duration::from_millis(30), None).unwrap().0
}

/// A plan that is recognised by its number, and of another length than its neighbours.
fn plan(number: u32) -> Plan {
    let address = Ipv4Addr::from(number).into();
    let length = usize::try_from(number % 7).unwrap() * 13;
    let [byte, ..] = number.to_le_bytes();
    let farewell = Farewell {
        interface: number,
        source: address,
        destination: address,
        message: vec![byte; length],
    };
    let held = Held { interface: number, address, prefix_len: 32 };
    Plan { farewells: vec![farewell; 3], addresses: vec![held; length] }
}

#[test]
fn a_page_is_seen_alike_from_both_sides() {
    let limit = Duration::from_millis(300);
    let (daemon, file) = Page::create(limit, NonZeroU8::new(50)).unwrap();
    let guard = Page::open(file.as_fd()).unwrap();
    assert_eq!((guard.limit(), guard.realtime()), (limit, NonZeroU8::new(50)));
    assert_eq!(guard.plan(), Some(Plan::default()));
    assert!(!guard.is_holding() && !guard.is_closing());
    for number in 1..10 {
        daemon.publish(&plan(number)).unwrap();
        assert!(guard.is_holding());
        assert_eq!(guard.plan(), Some(plan(number)));
    }
    daemon.publish(&Plan::default()).unwrap();
    assert!(!guard.is_holding());
    daemon.set_limit(limit * 2);
    daemon.set_realtime(None);
    assert_eq!((guard.limit(), guard.realtime()), (limit * 2, None));

    assert_eq!(daemon.report().ready, None);
    guard.tell_scheduling(Err(Errno::EPERM));
    guard.tell_ready(7, Ok(()));
    guard.tell_revocation();
    guard.tell_sweep(Duration::from_millis(2), 1);
    guard.tell_sweep(Duration::from_millis(3), 1);
    let expected = Report {
        ready: Some(7),
        realtime_refused: Some(Errno::EPERM),
        lock_refused: None,
        revocations: 1,
        sweep: Duration::from_millis(3),
        failures: 2,
    };
    assert_eq!(daemon.report(), expected);
    daemon.forget_guard();
    assert_eq!(daemon.report().ready, None);
    daemon.close();
    assert!(guard.is_closing());
}

#[test]
fn what_is_no_page_is_refused() {
    let file = memfd_create(c"test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    assert!(matches!(Page::open(file.as_fd()), Err(OpenError::Map(_))), "empty, not sealed");
    ftruncate(&file, 1 << 30).unwrap();
    assert!(matches!(Page::open(file.as_fd()), Err(OpenError::Map(_))), "not sealed");
    fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_SHRINK)).unwrap();
    assert!(matches!(Page::open(file.as_fd()), Err(OpenError::Layout)));
    let (reader, _writer) = io::pipe().unwrap();
    assert!(matches!(Page::open(reader.as_fd()), Err(OpenError::Map(_))));
}

#[test]
fn a_lease_is_revoked_only_as_it_was_seen() {
    let page = page();
    let seen = page.lease();
    page.beat(seen.beat.plus(Duration::from_millis(1)));
    assert!(!page.revoke(seen), "it has run in between");
    let seen = page.lease();
    assert!(page.begin_act(Stamp::now()));
    assert!(!page.revoke(seen), "it acts: it runs");
    assert!(page.revoke(page.lease()), "it has been silent within its act");
    assert!(!page.revoke(seen));
    let Lease { is_acting, is_revoked, is_swept, .. } = page.lease();
    assert_eq!((is_acting, is_revoked, is_swept), (true, true, false));
}

#[test]
fn who_begins_or_ends_an_act_runs() {
    let page = page();
    let (begun, ended) = (Stamp::from_nanos(80_000), Stamp::from_nanos(160_000));
    assert!(page.begin_act(begun));
    assert_eq!((page.lease().beat, page.lease().is_acting), (begun, true));
    page.end_act(ended);
    assert_eq!((page.lease().beat, page.lease().is_acting), (ended, false));
}

#[test]
fn who_lost_its_leave_gets_it_back_by_acknowledging_and_not_before_all_is_swept() {
    let page = page();
    assert!(page.begin_act(Stamp::now()) && page.revoke(page.lease()));
    assert!(!page.begin_act(Stamp::now()), "no act without leave");
    page.end_act(Stamp::now());
    page.beat(Stamp::now());
    assert!(page.lease().is_revoked && !page.begin_act(Stamp::now()), "a beat brings it not back");
    assert!(!page.acknowledge(Stamp::now(), false), "the guard is at it");
    page.mark_swept();
    let now = Stamp::from_nanos(80_000);
    assert!(page.acknowledge(now, false));
    assert_eq!(
        page.lease(),
        Lease { beat: now, is_acting: false, is_revoked: false, is_swept: false }
    );
    assert!(page.begin_act(Stamp::now()));

    page.end_act(Stamp::now());
    assert!(page.revoke(page.lease()));
    assert!(page.acknowledge(now, true), "no guard is alive that could be at it");
}

#[test]
fn a_daemon_that_dies_at_any_store_of_a_publication_leaves_a_whole_plan() {
    for (before, after) in [(0, 1), (1, 2), (2, 9), (20, 3)] {
        let stores = page().publication(&plan(after).encode().unwrap()).count();
        for survived in 0..=stores {
            let page = page();
            for number in [before, before, before].into_iter().take(usize::from(before != 0) * 3) {
                page.publish(&plan(number)).unwrap();
            }
            let bytes = plan(after).encode().unwrap();
            let stores: Vec<_> = page.publication(&bytes).take(survived).collect();
            let is_done = stores.last().is_some_and(|(index, _)| *index == at::GENERATION);
            stores.into_iter().for_each(|(index, value)| page.store(index, value));
            let expected = match (is_done, before) {
                (true, _) => plan(after),
                (false, 0) => Plan::default(),
                (false, before) => plan(before),
            };
            assert_eq!(page.plan(), Some(expected), "{before} to {after}, {survived} stores");
            // And the next to write doesn't stumble over it.
            page.publish(&plan(77)).unwrap();
            assert_eq!(page.plan(), Some(plan(77)));
        }
    }
}

#[test]
fn a_reader_that_comes_after_the_next_but_one_has_begun_reads_nothing() {
    let page = page();
    page.publish(&plan(1)).unwrap();
    let seen = page.generation();
    page.publish(&plan(2)).unwrap();
    assert_eq!(page.read(seen), Some(plan(1).encode().unwrap()), "not yet replaced");
    let bytes = plan(3).encode().unwrap();
    let stores: Vec<_> = page.publication(&bytes).collect();
    for (index, value) in stores {
        page.store(index, value);
        assert_eq!(page.read(seen), None);
    }
}

#[test]
fn a_plan_that_is_read_while_others_are_published_is_one_of_them() {
    const PLANS: u32 = 4_000;
    let page = page();
    page.publish(&plan(1)).unwrap();
    let is_over = AtomicBool::new(false);
    let read = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut read = Vec::new();
            while !is_over.load(Relaxed) {
                read.extend(page.plan());
            }
            read
        });
        for number in 2..PLANS {
            page.publish(&plan(number)).unwrap();
        }
        is_over.store(true, Relaxed);
        reader.join().unwrap()
    });
    assert!(!read.is_empty());
    for seen in read {
        assert_eq!(seen, plan(seen.farewells[0].interface));
    }
}
