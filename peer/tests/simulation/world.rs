//! Two ends, a network between them, somebody on it, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halb_peer::config::{Channel, Channels, Config, Key, Keys};
use halb_peer::frame::Session;
use halb_peer::link::{AGE_MAX, Event, Link, State};

use crate::dice::Dice;

/// How likely what is, in per cent per hop or per tick.
pub(crate) struct Faults {
    pub(crate) loss: u64,
    pub(crate) doubling: u64,
    pub(crate) reordering: u64,
    pub(crate) cuts: u64,
    pub(crate) freezes: u64,
    pub(crate) restarts: u64,
    pub(crate) rolls: u64,
    pub(crate) recorder: u64,
}

impl Faults {
    pub(crate) const NONE: Self = Self {
        loss: 0,
        doubling: 0,
        reordering: 0,
        cuts: 0,
        freezes: 0,
        restarts: 0,
        rolls: 0,
        recorder: 0,
    };
    pub(crate) const ALL: Self = Self {
        loss: 10,
        doubling: 5,
        reordering: 20,
        cuts: 10,
        freezes: 5,
        restarts: 5,
        rolls: 5,
        recorder: 100,
    };
}

/// Faults that last are drawn once in this time.
const TICK: Duration = Duration::from_millis(500);

/// Delay of a datagram; up to fifty times it where one is out of order.
const DELAY: Duration = Duration::from_millis(5);

const ADDRESSES: [&str; 2] = ["192.0.2.1:7112", "192.0.2.2:7112"];

struct End {
    link: Link,
    /// How often it began.
    start: u64,
    /// It does nothing until then.
    frozen_until: Instant,
    /// What it sends is lost until then.
    cut_until: Instant,
    /// Step of the roll of keys.
    roll: u8,
    /// The latest start of the other that it took anything from.
    latest: u64,
    next_message: Instant,
}

/// What a message was when it was sent.
struct Sent {
    by: usize,
    start: u64,
    at: Instant,
    to_start: u64,
}

pub(crate) struct World {
    dice: Dice,
    now: Instant,
    ends: [End; 2],
    /// Datagrams on their way: when they arrive, and a number to tell them apart.
    wire: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    datagrams: u64,
    recorded: Vec<(usize, Vec<u8>)>,
    sent: BTreeMap<u64, Sent>,
    delivered: BTreeSet<u64>,
    next_tick: Instant,
}

/// The keys of each step: three that overlap, then again with the old one as the new.
fn config(end: usize, roll: u8) -> Config {
    let key = |digits: &str| Key::from_hex(&digits.repeat(4)).unwrap();
    let (one, two) = (key("0123456789abcdef"), key("fedcba9876543210"));
    let (sign, also) = match roll % 6 {
        0 => (one, None),
        1 => (one, Some(two)),
        2 => (two, Some(one)),
        3 => (two, None),
        4 => (two, Some(one)),
        _ => (one, Some(two)),
    };
    Config {
        peer: address(1 - end),
        keys: Keys { sign, also },
        channels: Channels::of(&[channel()]),
    }
}

fn address(end: usize) -> SocketAddr {
    ADDRESSES[end].parse().unwrap()
}

fn channel() -> Channel {
    Channel::new(7).unwrap()
}

impl World {
    pub(crate) fn new(mut dice: Dice) -> Self {
        let now = Instant::now();
        let ends = [0, 1].map(|end| End {
            link: Link::new(config(end, 0), session(&mut dice), now),
            start: 0,
            frozen_until: now,
            cut_until: now,
            roll: 0,
            latest: 0,
            next_message: now + DELAY * 10,
        });
        Self {
            dice,
            now,
            ends,
            wire: BTreeMap::new(),
            datagrams: 0,
            recorded: Vec::new(),
            sent: BTreeMap::new(),
            delivered: BTreeSet::new(),
            next_tick: now + TICK,
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration, faults: &Faults) {
        let end = self.now + time;
        loop {
            let due = self.next_event();
            if due > end {
                break;
            }
            assert!(due >= self.now);
            self.now = due;
            self.arrive();
            self.wake();
            if self.next_tick <= self.now {
                self.next_tick = self.now + TICK;
                self.strike(faults);
            }
            self.talk();
            self.collect(faults);
        }
        self.now = end;
    }

    fn next_event(&self) -> Instant {
        let ends = self.ends.iter().flat_map(|end| {
            let (due, _) = end.link.poll_timeout();
            [due.max(end.frozen_until), end.next_message]
        });
        let arrival = self.wire.keys().next().map(|(at, _)| *at);
        ends.chain(arrival).chain([self.next_tick]).min().unwrap().max(self.now)
    }

    fn arrive(&mut self) {
        while let Some(first) = self.wire.first_entry().filter(|first| first.key().0 <= self.now) {
            let (to, datagram) = first.remove();
            let frozen_until = self.ends[to].frozen_until;
            if frozen_until > self.now {
                // It waits in the socket.
                self.put(frozen_until, to, datagram);
            } else {
                self.give(to, &datagram);
            }
        }
    }

    fn give(&mut self, to: usize, datagram: &[u8]) {
        let now = self.now;
        self.ends[to].link.handle_datagram(now, address(1 - to), datagram);
        while let Some(event) = self.ends[to].link.poll_event() {
            if let Event::Received { payload, channel: on, .. } = event {
                assert_eq!(on, channel());
                self.check(to, u64::from_be_bytes(payload.try_into().unwrap()));
            }
        }
    }

    fn check(&mut self, to: usize, id: u64) {
        let message = self.sent.get(&id).expect("nobody sent that");
        assert_eq!(message.by, 1 - to, "sent back to its sender");
        assert!(self.delivered.insert(id), "message {id} delivered twice");
        let age = self.now.duration_since(message.at);
        assert!(age <= AGE_MAX, "message {id} delivered after {age:?}");
        let end = &mut self.ends[to];
        assert_eq!(message.to_start, end.start, "message {id} was sent to an earlier start");
        assert!(message.start >= end.latest, "message {id} is of a start that was left");
        end.latest = message.start;
    }

    fn wake(&mut self) {
        let now = self.now;
        for end in self.ends.iter_mut().filter(|end| end.frozen_until <= now) {
            if end.link.poll_timeout().0 <= now {
                end.link.handle_timeout(now);
                assert!(end.link.poll_timeout().0 > now, "a deadline that is met is over");
            }
        }
    }

    /// What lasts for a while.
    fn strike(&mut self, faults: &Faults) {
        for index in [0, 1] {
            let (cut, frozen) = (self.dice.percent(faults.cuts), self.dice.percent(faults.freezes));
            let length = self.dice.time(Duration::from_secs(8));
            let end = &mut self.ends[index];
            if cut {
                end.cut_until = self.now + length;
            }
            if frozen {
                end.frozen_until = self.now + length / 4;
            }
            if self.dice.percent(faults.restarts) {
                self.restart(index);
            }
        }
        if self.dice.percent(faults.rolls) {
            self.roll();
        }
        if self.dice.percent(faults.recorder) {
            (0..20).for_each(|_| self.play());
        }
    }

    fn restart(&mut self, index: usize) {
        let end = &mut self.ends[index];
        end.start += 1;
        end.latest = 0;
        end.link = Link::new(config(index, end.roll), session(&mut self.dice), self.now);
    }

    /// One step of the roll of keys, on the node that is behind.
    fn roll(&mut self) {
        let index = usize::from(self.ends[0].roll > self.ends[1].roll);
        let end = &mut self.ends[index];
        end.roll += 1;
        end.link.apply(self.now, config(index, end.roll));
    }

    /// Something that was recorded, to either end, perhaps changed.
    fn play(&mut self) {
        if self.recorded.is_empty() {
            return;
        }
        let which = self.dice.index(self.recorded.len());
        let (_, mut datagram) = self.recorded[which].clone();
        let changed = self.dice.percent(30);
        if changed {
            let at = self.dice.index(datagram.len());
            datagram[at] ^= 1 << self.dice.index(8);
        }
        if self.dice.percent(10) {
            datagram.truncate(self.dice.index(datagram.len()));
        }
        let to = self.dice.index(2);
        let delay = self.dice.time(DELAY);
        self.put(self.now + delay, to, datagram);
    }

    /// Messages, now and then.
    fn talk(&mut self) {
        for index in [0, 1] {
            if self.ends[index].next_message > self.now {
                continue;
            }
            let id = u64::try_from(self.sent.len()).unwrap();
            let (start, to_start) = (self.ends[index].start, self.ends[1 - index].start);
            let frozen = self.ends[index].frozen_until > self.now;
            let now = self.now;
            let pause = self.dice.time(Duration::from_millis(300));
            let end = &mut self.ends[index];
            end.next_message = now + pause;
            if !frozen && end.link.send(now, channel(), &id.to_be_bytes()).is_ok() {
                self.sent.insert(id, Sent { by: index, start, at: now, to_start });
            }
        }
    }

    fn collect(&mut self, faults: &Faults) {
        for index in [0, 1] {
            while let Some(transmit) = self.ends[index].link.poll_transmit() {
                assert_eq!(transmit.to, address(1 - index));
                self.recorded.push((index, transmit.bytes.clone()));
                if self.ends[index].cut_until > self.now || self.dice.percent(faults.loss) {
                    continue;
                }
                let copies = 1 + usize::from(self.dice.percent(faults.doubling));
                for _ in 0..copies {
                    let late = self.dice.percent(faults.reordering);
                    let delay = if late { self.dice.time(DELAY * 50) } else { DELAY };
                    self.put(self.now + delay, 1 - index, transmit.bytes.clone());
                }
            }
        }
    }

    fn put(&mut self, at: Instant, to: usize, datagram: Vec<u8>) {
        self.datagrams += 1;
        self.wire.insert((at, self.datagrams), (to, datagram));
    }

    /// From here on everything works, and the roll of keys is where both understand each other.
    pub(crate) fn heal(&mut self) {
        for index in [0, 1] {
            let roll = self.ends.iter().map(|end| end.roll).max().unwrap();
            let end = &mut self.ends[index];
            end.roll = roll;
            end.link.apply(self.now, config(index, roll));
            (end.cut_until, end.frozen_until) = (self.now, self.now);
        }
    }

    pub(crate) fn check_both_up(&self) {
        for end in &self.ends {
            let status = end.link.status();
            assert_eq!(status.state, State::Up, "{status:?}");
        }
    }

    pub(crate) fn check_messages_arrive(&mut self) {
        let before = self.delivered.len();
        self.run(Duration::from_secs(2), &Faults::NONE);
        assert!(self.delivered.len() > before, "a healthy link carries");
    }

    pub(crate) fn check_one_session(&self) {
        for end in &self.ends {
            assert_eq!(end.link.status().counts.sessions, 1);
        }
    }

    pub(crate) fn check_nothing_refused(&self) {
        for end in &self.ends {
            let refused = end.link.status().refused;
            assert!(refused.is_empty(), "{refused:?}");
        }
    }

    /// At least this part of those that were sent, in per cent; the last may be under way.
    pub(crate) fn check_most_arrived(&self, percent: usize) {
        let sent = self.sent.len();
        assert!(sent > 100, "{sent} messages are too few to say anything");
        let arrived = self.delivered.len() + self.wire.len();
        assert!(arrived * 100 >= sent * percent, "{arrived} of {sent}");
    }
}

fn session(dice: &mut Dice) -> Session {
    Session::from_random(dice.bits() << 31 | dice.bits())
}
