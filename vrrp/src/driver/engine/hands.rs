//! Another thread that changes addresses and reads everything anew when asked to.
//!
//! The kernel takes a lock for that, the same for all interfaces of a host, and whoever makes or
//! deletes network namespaces may hold it for tens of milliseconds, sometimes for a second.
//! Adverts don't need it, and don't wait for it.
//!
//! One batch is worked at at a time, in order. What waits meanwhile is bounded by the addresses of
//! this node: of each place only what is wanted last is done.

use std::collections::VecDeque;
use std::num::NonZeroU8;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::{io, thread};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::super::mailbox::{Answer, Awaited, answer};
use super::super::netlink::{Netlink, NetlinkError, Removed};
use super::super::punctual;
use super::words;
use crate::interfaces::{Assigned, Interface, Placed};
use crate::node::Key;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Put an address on its interface.
    Add(Place),
    /// Take it off.
    Remove(Place),
    /// Ask for all interfaces and addresses.
    Read,
}

/// An address, and for which router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) key: Key,
    /// The router's name.
    pub(super) name: Arc<str>,
    /// Which of the router's orders it belongs to; the latest one counts.
    pub(super) order: u64,
    pub(super) placed: Placed,
    /// An earlier life left it there.
    pub(super) is_leftover: bool,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Added(Place, Result<(), String>),
    /// True: it was there.
    Removed(Place, Result<bool, String>),
    Read(Result<Reading, NetlinkError>),
}

/// Everything that there is.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) interfaces: Vec<Interface>,
    pub(super) addresses: Vec<Assigned>,
}

#[derive(Debug)]
enum Message {
    Work(Vec<Job>, Answer<Vec<Outcome>>),
    Schedule(Option<NonZeroU8>),
}

/// The thread's employer.
#[derive(Debug)]
pub(super) struct Hands {
    sender: Sender<Message>,
    /// Rings when a batch is done.
    bell: Arc<EventFd>,
    waiting: VecDeque<Job>,
    working: Option<Awaited<Vec<Outcome>>>,
}

/// Stack of the thread; its buffers are on the heap.
const STACK: usize = 256 << 10;

impl Hands {
    /// Starts the thread, which shares the descriptors of the calling one.
    pub(super) fn start(netlink: Netlink) -> io::Result<Self> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = Arc::new(EventFd::from_flags(flags)?);
        let (sender, receiver) = mpsc::channel();
        let builder = thread::Builder::new().name("halb-vrrp-hands".to_owned()).stack_size(STACK);
        let ring = Arc::clone(&bell);
        builder.spawn(move || work(netlink, &receiver, &ring))?;
        Ok(Self { sender, bell, waiting: VecDeque::new(), working: None })
    }

    /// Schedules the thread as the one that it works for.
    pub(super) fn schedule(&self, priority: Option<NonZeroU8>) {
        self.send(Message::Schedule(priority));
    }

    /// Something is wanted. What was wanted of the same place before and isn't begun is left out.
    pub(super) fn want(&mut self, job: Job) {
        let overtaken = |waiting: &Job| match (waiting, &job) {
            (Job::Add(waiting), Job::Add(wanted))
            | (Job::Add(waiting) | Job::Remove(waiting), Job::Remove(wanted)) => {
                waiting.placed.is_at(&wanted.placed)
            }
            (Job::Read, Job::Read) => true,
            // What is taken away and put back is made anew.
            (Job::Remove(_), Job::Add(_)) | (Job::Read, _) | (_, Job::Read) => false,
        };
        self.waiting.retain(|waiting| !overtaken(waiting));
        self.waiting.push_back(job);
    }

    /// Something that adds waits to be begun.
    pub(super) fn is_to_add(&self) -> bool {
        self.waiting.iter().any(|job| matches!(job, Job::Add(_)))
    }

    /// Nothing is to be added after all.
    pub(super) fn forget_additions(&mut self) {
        self.waiting.retain(|job| !matches!(job, Job::Add(_)));
    }

    /// Nothing is worked at.
    pub(super) fn are_free(&self) -> bool {
        self.working.is_none()
    }

    /// Nothing is worked at, and nothing waits.
    pub(super) fn are_idle(&self) -> bool {
        self.are_free() && self.waiting.is_empty()
    }

    /// Begins with what waits, if nothing is worked at.
    pub(super) fn begin(&mut self) {
        if self.are_idle() || !self.are_free() {
            return;
        }
        let (answer, awaited) = answer();
        let jobs = self.waiting.drain(..).collect();
        self.send(Message::Work(jobs, answer));
        self.working = Some(awaited);
    }

    /// What became of the last batch, once it is done.
    pub(super) fn take_outcomes(&mut self) -> Option<Vec<Outcome>> {
        // The bell only wakes.
        let _ = self.bell.read();
        let outcomes = self.working.take()?.take();
        match outcomes {
            Ok(outcomes) => Some(outcomes.expect("the hands end only after this")),
            Err(working) => {
                self.working = Some(working);
                None
            }
        }
    }

    fn send(&self, message: Message) {
        let sent = self.sender.send(message);
        sent.expect("the hands end only after this");
    }
}

impl AsFd for Hands {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

fn work(mut netlink: Netlink, messages: &Receiver<Message>, bell: &EventFd) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Work(jobs, answer) => {
                answer.give(jobs.into_iter().map(|job| do_job(&mut netlink, job)).collect());
                // Only a counter that is full could refuse, and then the bell rings already.
                let _ = bell.write(1);
            }
            // The other thread has told what is refused.
            Message::Schedule(Some(priority)) => drop(punctual::schedule(priority)),
            Message::Schedule(None) => punctual::schedule_as_usual(),
        }
    }
}

fn do_job(netlink: &mut Netlink, job: Job) -> Outcome {
    match job {
        Job::Add(place) => {
            let added = netlink.add_address(&place.placed);
            Outcome::Added(place, added.map(drop).map_err(|error| words(&error)))
        }
        Job::Remove(place) => {
            let removed = netlink.remove_address(&place.placed);
            let removed = removed.map(|removed| matches!(removed, Removed::Gone));
            Outcome::Removed(place, removed.map_err(|error| words(&error)))
        }
        Job::Read => Outcome::Read(read(netlink)),
    }
}

/// Asks the kernel for everything.
pub(super) fn read(netlink: &mut Netlink) -> Result<Reading, NetlinkError> {
    Ok(Reading { interfaces: netlink.interfaces()?, addresses: netlink.addresses()? })
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn place(last: u8, order: u64) -> Place {
        let address = IpAddr::from([10, 0, 0, last]);
        let placed =
            Placed { index: 1, interface: "lo".into(), address, prefix_len: 32, label: None };
        Place { key: Key::of(1), name: "A".into(), order, placed, is_leftover: false }
    }

    fn waiting(wanted: impl IntoIterator<Item = Job>) -> Vec<Job> {
        let mut hands = Hands::start(Netlink::open().unwrap()).unwrap();
        wanted.into_iter().for_each(|job| hands.want(job));
        hands.waiting.into()
    }

    #[test]
    fn of_a_place_only_what_is_wanted_last_waits() {
        let (add, remove) = (
            |last, order| Job::Add(place(last, order)),
            |last, order| Job::Remove(place(last, order)),
        );
        assert_eq!(waiting([add(1, 1), remove(1, 2)]), [remove(1, 2)]);
        assert_eq!(waiting([add(1, 1), add(2, 1), add(1, 2)]), [add(2, 1), add(1, 2)]);
        let anew = [remove(1, 1), add(1, 2)];
        assert_eq!(waiting(anew.clone()), anew, "its label may differ");
        let flapping = (0..100).flat_map(|order| [add(1, order), remove(1, order)]);
        assert_eq!(waiting(flapping), [remove(1, 99)]);
        assert_eq!(waiting([Job::Read, add(1, 1), Job::Read]), [add(1, 1), Job::Read]);
    }

    #[test]
    fn a_batch_is_done_in_order_and_the_next_one_waits_for_it() {
        let mut hands = Hands::start(Netlink::open().unwrap()).unwrap();
        assert!(hands.are_idle() && hands.take_outcomes().is_none());
        hands.want(Job::Read);
        hands.begin();
        hands.want(Job::Read);
        assert!(!hands.are_free() && !hands.are_idle());
        let mut done = 0;
        while !hands.are_idle() {
            if let Some(outcomes) = hands.take_outcomes() {
                let [Outcome::Read(Ok(reading))] = outcomes.as_slice() else {
                    panic!("{outcomes:?}");
                };
                assert!(reading.interfaces.iter().any(|interface| *interface.name == *"lo"));
                done += 1;
                hands.begin();
            }
            thread::yield_now();
        }
        assert_eq!(done, 2);
    }
}
