//! Two nodes, a network that loses and reorders, and two kernels that are maps.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::publisher::{Action, Publisher};
use super::shadow::{Order, Shadow};
use super::wire::{ADDRESSES_MAX, Body, CHANGES_MAX, LEN_MAX, Message, ParseError};
use super::*;
use crate::table::{Balance, Frontend, Limits, Server, Standing, Strays, Table};

fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from(([172, 16, 16, last], port))
}

fn table() -> Table {
    let server = |last| Server { address: at(last, 6443), weight: 1, standing: Standing::Serving };
    let frontend = Frontend {
        name: "kubernetes".to_owned(),
        binds: vec![at(100, 6443)],
        balance: Balance::RoundRobin,
        servers: [101, 102, 103].map(server).to_vec(),
        spread: Duration::ZERO,
        strays: Strays::Reset,
        limits: Limits::default(),
    };
    Table::new(vec![frontend]).unwrap()
}

fn holder() -> Scope {
    Scope::new(&table(), [at(100, 0).ip()])
}

fn standby() -> Scope {
    Scope::new(&table(), [])
}

fn entry(client: u16, server: u8, phase: Phase) -> Entry {
    let flow = Flow {
        client: at(9, client),
        vip: at(100, 6443),
        server: at(server, 6443),
        source: at(100, client),
    };
    Entry { flow, phase, timeout: 432_000 }
}

/// What an order does to a kernel.
fn carry_out(kernel: &mut BTreeMap<Key, Entry>, order: Order) {
    match order {
        Order::Insert(entry) => {
            let old = kernel.insert(entry.flow.key(), entry);
            assert_eq!(old, None, "inserted twice");
        }
        Order::Refresh(entry) => {
            let old = kernel.insert(entry.flow.key(), entry).unwrap();
            assert_eq!(old.flow, entry.flow, "a refreshment can't change ends");
        }
        Order::Delete(flow) => {
            kernel.remove(&flow.key()).unwrap();
        }
    }
}

#[derive(Debug, Clone)]
enum Happening {
    Open(u16, u8, Phase),
    Over(u16),
    /// It ends or begins, and no event says so.
    Unseen(u16, Option<u8>),
    Wait(u64),
    Overrun,
    /// What becomes of messages from here on: each `lost`th is lost, each `late`th comes late.
    Weather {
        lost: usize,
        late: usize,
    },
}

fn happenings() -> impl Strategy<Value = Happening> {
    let phase = prop_oneof![
        4 => Just(Phase::Established),
        1 => Just(Phase::FinWait),
        1 => Just(Phase::CloseWait),
        1 => Just(Phase::LastAck),
    ];
    let server = prop_oneof![Just(101u8), Just(102), Just(103)];
    prop_oneof![
        6 => (0..40u16, server.clone(), phase).prop_map(|(c, s, p)| Happening::Open(c, s, p)),
        3 => (0..40u16).prop_map(Happening::Over),
        1 => (0..40u16, prop::option::of(server)).prop_map(|(c, s)| Happening::Unseen(c, s)),
        4 => (0..3_000u64).prop_map(Happening::Wait),
        1 => Just(Happening::Overrun),
        1 => (0..6usize, 0..6usize).prop_map(|(lost, late)| Happening::Weather { lost, late }),
    ]
}

struct World {
    now: Instant,
    publisher: Publisher,
    shadow: Shadow,
    kernels: [BTreeMap<Key, Entry>; 2],
    weather: (usize, usize),
    sent: usize,
    late: Vec<Message>,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let mut publisher = Publisher::new(7, now);
        let mut shadow = Shadow::new(now);
        publisher.set_scope(holder(), now);
        shadow.set_scope(standby(), now);
        let kernels = [BTreeMap::new(), BTreeMap::new()];
        Self { now, publisher, shadow, kernels, weather: (0, 0), sent: 0, late: Vec::new() }
    }

    fn happen(&mut self, happening: &Happening) {
        match *happening {
            Happening::Open(client, server, phase) => {
                let entry = entry(client, server, phase);
                self.kernels[0].insert(entry.flow.key(), entry);
                self.publisher.observe(Event::Open(entry), self.now);
            }
            Happening::Over(client) => {
                let key = entry(client, 101, Phase::Established).flow.key();
                self.kernels[0].remove(&key);
                self.publisher.observe(Event::Over(key), self.now);
            }
            Happening::Unseen(client, Some(server)) => {
                let entry = entry(client, server, Phase::Established);
                self.kernels[0].insert(entry.flow.key(), entry);
            }
            Happening::Unseen(client, None) => {
                self.kernels[0].remove(&entry(client, 101, Phase::Established).flow.key());
            }
            Happening::Overrun => self.publisher.overrun(self.now),
            Happening::Wait(milliseconds) => self.run(Duration::from_millis(milliseconds)),
            Happening::Weather { lost, late } => self.weather = (lost, late),
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.publisher.poll_timeout().into_iter();
            let next = next.chain([self.shadow.poll_timeout()]).min().unwrap();
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            if self.shadow.poll(self.now) {
                self.publisher.wanted(self.now);
            }
            for action in self.publisher.poll(self.now) {
                match action {
                    Action::List => {
                        let all: Vec<_> = self.kernels[0].values().copied().collect();
                        self.publisher.listed(all, self.now);
                    }
                    Action::Send(message) => self.carry(message),
                }
            }
        }
        self.now = end;
    }

    fn carry(&mut self, message: Message) {
        self.sent += 1;
        let (lost, late) = self.weather;
        if lost > 0 && self.sent.is_multiple_of(lost) {
            return;
        }
        if late > 0 && self.sent.is_multiple_of(late) {
            self.late.push(message);
            return;
        }
        let overtaken: Vec<_> = self.late.drain(..).collect();
        for message in [vec![message], overtaken].concat() {
            let bytes = message.encode();
            assert!(bytes.len() <= LEN_MAX);
            assert_eq!(Message::parse(&bytes), Ok(message.clone()));
            for order in self.shadow.take(&message, self.now) {
                carry_out(&mut self.kernels[1], order);
            }
        }
    }
}

proptest! {
    /// Whatever was lost, the copy is whole again once the network is.
    #[test]
    fn the_copy_becomes_what_it_is_a_copy_of(
        happenings in prop::collection::vec(happenings(), 1..80),
    ) {
        let mut world = World::new();
        happenings.iter().for_each(|happening| world.happen(happening));
        world.weather = (0, 0);
        world.run(Duration::from_secs(100));
        prop_assert_eq!(&world.kernels[0], &world.kernels[1]);
        prop_assert_eq!(world.shadow.flows(), world.kernels[1].len());
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
        let _ = Message::parse(&bytes);
        let ours = [vec![1, 1], bytes].concat();
        if let Ok(message) = Message::parse(&ours) {
            prop_assert_eq!(message.encode(), ours);
        }
    }

    #[test]
    fn a_cut_message_is_an_error(cut in any::<prop::sample::Index>()) {
        let changes = vec![(entry(1, 101, Phase::FinWait).flow, Some((Phase::FinWait, 5))); 3];
        let body = Body::Changes { round: 1, age_ms: 2, changes };
        let bytes = Message { epoch: 1, number: 2, body }.encode();
        let cut = cut.index(bytes.len());
        prop_assert_eq!(Message::parse(&bytes[..cut]), Err(ParseError::Malformed));
    }
}

#[test]
fn the_fullest_messages_fit() {
    let long = |port| SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1], port));
    let flow = Flow { client: long(1), vip: long(2), server: long(3), source: long(4) };
    let changes = vec![(flow, Some((Phase::LastAck, u32::MAX))); CHANGES_MAX];
    let addresses = vec![long(1).ip(); ADDRESSES_MAX];
    for body in [
        Body::Changes { round: u32::MAX, age_ms: u32::MAX, changes },
        Body::End { round: 1, flows: u32::MAX, addresses },
        Body::Want,
    ] {
        let message = Message { epoch: u32::MAX, number: u64::MAX, body };
        let bytes = message.encode();
        assert!(bytes.len() <= LEN_MAX, "{}", bytes.len());
        assert_eq!(Message::parse(&bytes), Ok(message));
    }
    assert_eq!(Message::parse(&[9, 1]), Err(ParseError::Version(9)));
}

#[test]
fn changes_are_told_within_a_tick_and_short_flows_not_at_all() {
    let mut world = World::new();
    world.run(Duration::from_secs(5));
    let sent = world.publisher.counters().sent;
    world.happen(&Happening::Open(1, 101, Phase::Established));
    world.run(Duration::from_millis(5));
    assert_eq!(world.kernels[1].len(), 1);
    assert_eq!(world.publisher.counters().sent, sent + 1);
    world.happen(&Happening::Open(2, 101, Phase::Established));
    world.happen(&Happening::Over(2));
    world.run(Duration::from_millis(50));
    assert_eq!(world.publisher.counters().sent, sent + 1);
}

#[test]
fn flows_of_other_tables_and_of_addresses_held_here_are_refused_and_counted() {
    let now = Instant::now();
    let mut shadow = Shadow::new(now);
    let change =
        |server| (entry(1, server, Phase::Established).flow, Some((Phase::Established, 9)));
    let message = |number, server| {
        let body = Body::Changes { round: 0, age_ms: 0, changes: vec![change(server)] };
        Message { epoch: 1, number, body }
    };
    shadow.set_scope(standby(), now);
    assert_eq!(shadow.take(&message(1, 99), now), []);
    assert_eq!(shadow.take(&message(2, 101), now).len(), 1);
    shadow.set_scope(holder(), now);
    assert_eq!(shadow.flows(), 0, "what this node holds is no copy");
    assert_eq!(shadow.take(&message(3, 102), now), []);
    assert_eq!(shadow.counters().refused, 2);
}

#[test]
fn numbers_as_far_apart_as_they_can_be_are_counted_as_many_lost() {
    let now = Instant::now();
    let mut shadow = Shadow::new(now);
    for epoch in [1, 2] {
        for number in [1, u64::MAX] {
            let body = Body::Changes { round: 0, age_ms: 0, changes: Vec::new() };
            shadow.take(&Message { epoch, number, body }, now);
        }
    }
    assert_eq!((shadow.counters().taken, shadow.counters().lost), (4, u64::MAX));
}

#[test]
fn a_new_standby_learns_in_a_round_which_of_its_old_flows_are_over() {
    let now = Instant::now();
    let mut shadow = Shadow::new(now);
    shadow.set_scope(standby(), now);
    let [stays, goes] = [1, 2].map(|client| entry(client, 101, Phase::Established));
    let orders = shadow.adopt([stays, goes], now);
    assert_eq!(orders, [Order::Refresh(stays), Order::Refresh(goes)]);
    let told = Body::Changes {
        round: 1,
        age_ms: 0,
        changes: vec![(stays.flow, Some((stays.phase, stays.timeout)))],
    };
    assert_eq!(shadow.take(&Message { epoch: 1, number: 1, body: told }, now), []);
    let addresses = vec![at(100, 0).ip()];
    let end = Body::End { round: 1, flows: 1, addresses };
    let orders = shadow.take(&Message { epoch: 1, number: 2, body: end }, now);
    assert_eq!(orders, [Order::Delete(goes.flow)]);
}

#[test]
fn timeouts_are_refreshed_before_the_kernel_gives_up() {
    let now = Instant::now();
    let mut shadow = Shadow::new(now);
    shadow.set_scope(standby(), now);
    let tell = |number, timeout| {
        let flow = entry(1, 101, Phase::Established).flow;
        let changes = vec![(flow, Some((Phase::Established, timeout)))];
        Message { epoch: 1, number, body: Body::Changes { round: 0, age_ms: 0, changes } }
    };
    assert!(matches!(shadow.take(&tell(1, 300), now)[..], [Order::Insert(_)]));
    let later = now + Duration::from_secs(60);
    assert_eq!(shadow.take(&tell(2, 300), later), [], "a fifth late");
    let later = now + Duration::from_secs(90);
    assert!(matches!(shadow.take(&tell(3, 300), later)[..], [Order::Refresh(_)]));
}
