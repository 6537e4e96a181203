//! A pool in use: clients come, wait and leave, servers fail and return, the operator steers. The
//! world keeps books of its own, in the plainest way, and checks each answer of the pool against
//! them.

use super::*;

/// What can happen. Indices are taken modulo what there is.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Arrive {
        client: u32,
    },
    /// A session's server refused the connection: it asks for another one.
    Fail {
        session: usize,
    },
    Close {
        session: usize,
    },
    /// A client leaves the queue.
    Leave {
        waiter: usize,
    },
    Health {
        server: usize,
        health: Health,
    },
    Admin {
        server: usize,
        admin: Admin,
    },
    Weight {
        server: usize,
        weight: Option<u16>,
    },
    Reload {
        balance: Balance,
        servers: Vec<Server>,
    },
    Pass {
        time: Duration,
    },
}

/// The world's book on one server.
#[derive(Debug, Clone)]
struct Record {
    config: Server,
    health: Health,
    admin: Admin,
    weight: Option<Weight>,
    removed: bool,
}

#[derive(Debug)]
struct Session {
    client: SocketAddr,
    server: ServerKey,
    tried: Vec<ServerKey>,
}

#[derive(Debug)]
struct Patient {
    client: SocketAddr,
    tried: Vec<ServerKey>,
    since: Instant,
}

/// How connections ended up; each is counted once in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) arrived: u64,
    pub(super) closed: u64,
    pub(super) refused: u64,
    pub(super) turned_away: u64,
    pub(super) timed_out: u64,
    pub(super) left: u64,
}

pub(super) struct World {
    pub(super) stand: Stand,
    pub(super) tally: Tally,
    template: Backend,
    books: BTreeMap<ServerKey, Record>,
    sessions: Vec<Session>,
    /// By ticket, which is the order of arrival.
    waiting: BTreeMap<u64, Patient>,
    next_ticket: u64,
}

impl World {
    pub(super) fn new(template: Backend) -> Self {
        let stand = Stand::new(template.clone());
        let mut world = Self {
            stand,
            tally: Tally::default(),
            template,
            books: BTreeMap::new(),
            sessions: Vec::new(),
            waiting: BTreeMap::new(),
            next_ticket: 0,
        };
        let servers = world.template.servers.clone();
        servers.into_iter().for_each(|server| world.write_in(server));
        world
    }

    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::Arrive { client: number } => {
                self.tally.arrived += 1;
                self.place(client(number), Vec::new());
            }
            Event::Fail { session } => {
                if let Some(session) = self.end(session) {
                    let tried = [session.tried, vec![session.server]].concat();
                    self.place(session.client, tried);
                }
            }
            Event::Close { session } => {
                let closed = self.end(session);
                self.tally.closed += u64::from(closed.is_some());
            }
            Event::Leave { waiter } => self.leave(waiter),
            Event::Health { server, health } => {
                self.steer(
                    server,
                    |pool, key, now| pool.set_health(key, health, now),
                    |book| {
                        book.health = health;
                    },
                );
            }
            Event::Admin { server, admin } => {
                self.steer(
                    server,
                    |pool, key, now| pool.set_admin(key, admin, now),
                    |book| {
                        book.admin = admin;
                    },
                );
            }
            Event::Weight { server, weight } => {
                let weight = weight.map(|weight| Weight::new(weight).unwrap());
                self.steer(
                    server,
                    |pool, key, now| pool.set_weight(key, weight, now),
                    |book| {
                        book.weight = weight;
                    },
                );
            }
            Event::Reload { balance, servers } => self.reload(balance, servers),
            Event::Pass { time } => self.pass(time),
        }
        self.settle();
    }

    /// Lets everyone finish and checks that nobody was lost.
    pub(super) fn finish(mut self) -> Tally {
        while !self.sessions.is_empty() {
            self.happen(Event::Close { session: 0 });
        }
        let time = self.template.queue.timeout;
        self.happen(Event::Pass { time });
        while !self.sessions.is_empty() {
            self.happen(Event::Close { session: 0 });
        }
        assert!(self.waiting.is_empty() && self.stand.pool.queued() == 0, "someone hangs");
        assert!(self.stand.loads.0.values().all(|load| *load == 0), "a count leaked");
        assert!(self.stand.pool.servers().all(|server| !server.removed), "all are forgotten");
        let tally = self.tally;
        let answered = tally.closed + tally.refused + tally.turned_away + tally.timed_out;
        assert_eq!(tally.arrived, answered + tally.left, "{tally:?}");
        tally
    }

    /// Names of the servers that share connections now, by the world's books.
    pub(super) fn sharing(&self) -> Vec<ServerKey> {
        let eligible = |book: &Record| {
            let weight = book.weight.unwrap_or(book.config.weight);
            let willing = book.admin == Admin::Ready && weight.get() > 0 && !book.removed;
            willing && book.health == Health::Up
        };
        let of = |backup: bool| {
            let fits = move |book: &Record| eligible(book) && book.config.backup == backup;
            let keys = self.books.iter().filter(|(_, book)| fits(book)).map(|(key, _)| *key);
            keys.collect::<Vec<_>>()
        };
        if of(false).is_empty() { of(true) } else { of(false) }
    }

    fn has_room(&self, key: ServerKey) -> bool {
        let view = self.stand.pool.server(key).unwrap();
        let most = view.config.maxconn.map(NonZeroU32::get);
        assert!(view.limit.is_some() == most.is_some() && view.limit <= most);
        view.limit.is_none_or(|limit| self.stand.loads.active(key) < limit)
    }

    fn own_servers(&self) -> bool {
        matches!(self.template.balance, Balance::Source | Balance::Flow)
    }

    fn place(&mut self, client: SocketAddr, tried: Vec<ServerKey>) {
        let sharing = self.sharing();
        let room: Vec<ServerKey> =
            sharing.iter().copied().filter(|key| self.has_room(*key)).collect();
        let before = self.stand.loads.clone();
        match self.stand.open(client, &tried) {
            Choice::Server(server) => {
                assert!(room.contains(&server), "{server:?} is not eligible or full");
                let others = if self.own_servers() { &sharing } else { &room };
                let untried = others.iter().any(|other| !tried.contains(other));
                assert!(!tried.contains(&server) || !untried, "tried in vain before");
                assert!(self.waiting.is_empty() || self.own_servers(), "overtakes");
                self.check_leastconn(server, &room, &tried, &before);
                self.sessions.push(Session { client, server, tried });
            }
            Choice::Wait => {
                assert!(!sharing.is_empty(), "waits for nobody");
                let idle = !self.own_servers() && self.waiting.is_empty() && !room.is_empty();
                assert!(!idle, "waits although {room:?} have room");
                self.queue_up(client, tried);
            }
            Choice::Refuse(Refusal::NoServer) => {
                assert_eq!(sharing, [], "refused although there are servers");
                self.tally.refused += 1;
            }
        }
    }

    /// With least connections and nobody starting slowly: nobody less busy was passed over.
    fn check_leastconn(
        &self,
        server: ServerKey,
        room: &[ServerKey],
        tried: &[ServerKey],
        loads: &Counts,
    ) {
        let ramping = self.stand.pool.servers().any(|server| server.slow_start_percent < 100);
        if self.template.balance != Balance::LeastConn || ramping || tried.contains(&server) {
            return;
        }
        let weight = |key: ServerKey| {
            let book = &self.books[&key];
            u64::from(book.weight.unwrap_or(book.config.weight).get())
        };
        for other in room.iter().copied().filter(|other| !tried.contains(other)) {
            let mine = u64::from(loads.active(server)) * weight(other);
            assert!(mine <= u64::from(loads.active(other)) * weight(server));
        }
    }

    fn queue_up(&mut self, client: SocketAddr, tried: Vec<ServerKey>) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let waiter = Waiter { ticket, client, tried: tried.clone() };
        let max = self.template.queue.max;
        match self.stand.pool.enqueue(waiter, self.stand.now) {
            Ok(()) => {
                let since = self.stand.now;
                let before = self.waiting.insert(ticket, Patient { client, tried, since });
                assert!(before.is_none());
                assert!(self.waiting.len() <= usize::try_from(max).unwrap());
            }
            Err(full) => {
                assert_eq!(full, QueueFull { max });
                assert!(self.waiting.len() >= usize::try_from(max).unwrap(), "not full at all");
                self.tally.turned_away += 1;
            }
        }
        assert_eq!(self.stand.pool.queued(), self.waiting.len());
    }

    fn end(&mut self, session: usize) -> Option<Session> {
        let index = session.checked_rem(self.sessions.len())?;
        let session = self.sessions.swap_remove(index);
        self.stand.close(session.server);
        Some(session)
    }

    fn leave(&mut self, waiter: usize) {
        if let Some(index) = waiter.checked_rem(self.waiting.len()) {
            let ticket = *self.waiting.keys().nth(index).unwrap();
            assert!(self.stand.pool.cancel(ticket));
            assert!(!self.stand.pool.cancel(ticket), "left twice");
            self.waiting.remove(&ticket);
            self.tally.left += 1;
        }
    }

    fn steer(
        &mut self,
        server: usize,
        tell: impl FnOnce(&mut Pool, ServerKey, Instant) -> Effect,
        note: impl FnOnce(&mut Record),
    ) {
        let Some(index) = server.checked_rem(self.books.len()) else { return };
        let (key, book) = self.books.iter_mut().nth(index).unwrap();
        let _ = tell(&mut self.stand.pool, *key, self.stand.now);
        note(book);
    }

    fn write_in(&mut self, config: Server) {
        let key = self.stand.key(config.name.as_str());
        let (health, admin) = (Health::Up, Admin::Ready);
        let record = Record { config, health, admin, weight: None, removed: false };
        self.books.insert(key, record);
    }

    fn reload(&mut self, balance: Balance, servers: Vec<Server>) {
        self.template = Backend { balance, servers: servers.clone(), ..self.template.clone() };
        let before = self.books.clone();
        let change = self.stand.apply(self.template.clone());
        self.books.values_mut().for_each(|book| book.removed = true);
        for config in servers {
            let key = self.stand.key(config.name.as_str());
            let old = before.values().find(|b| b.config.name == config.name && !b.removed);
            let kept = before.get(&key).filter(|book| !book.removed);
            assert_eq!(change.kept.contains(&key), kept.is_some());
            assert_eq!(change.added.contains(&key), !before.contains_key(&key));
            self.write_in(config.clone());
            let book = self.books.get_mut(&key).unwrap();
            book.health = kept.map_or(Health::Up, |kept| kept.health);
            book.admin = old.map_or(Admin::Ready, |old| old.admin);
            let same = old.filter(|old| old.config.weight == config.weight);
            book.weight = same.and_then(|old| old.weight);
        }
        for key in &change.removed {
            assert!(self.books[key].removed && !before[key].removed);
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.stand.now + time;
        while let Some((due, _)) = self.stand.pool.poll_timeout().filter(|(due, _)| *due <= end) {
            self.stand.now = due.max(self.stand.now);
            let _ = self.stand.pool.handle_timeout(self.stand.now);
            let before = self.stand.pool.poll_timeout();
            self.settle();
            let moved =
                self.stand.pool.poll_timeout() != before || before.is_none_or(|(at, _)| at > due);
            assert!(moved, "a timer that fires for ever: {before:?}");
        }
        self.stand.now = end;
    }

    /// What the driver does after each event.
    fn settle(&mut self) {
        self.serve();
        self.expire();
        let gone: Vec<ServerKey> =
            self.stand.pool.servers().filter(|s| s.removed).map(|s| s.key).collect();
        for key in gone.into_iter().filter(|key| self.stand.loads.active(*key) == 0) {
            self.stand.pool.forget(key);
            self.books.remove(&key);
        }
        self.stand.pool.check_invariants();
        let total: u32 = self.stand.loads.0.values().sum();
        assert_eq!(usize::try_from(total).unwrap(), self.sessions.len());
    }

    fn serve(&mut self) {
        let sharing = self.sharing();
        loop {
            let random = self.stand.next_random();
            let room: Vec<ServerKey> =
                sharing.iter().copied().filter(|key| self.has_room(*key)).collect();
            let next = self.stand.pool.next_waiter(&self.stand.loads, self.stand.now, random);
            let Some((ticket, server)) = next else {
                let idle = !self.own_servers() && !self.waiting.is_empty() && !room.is_empty();
                assert!(!idle, "{room:?} have room and someone waits");
                return;
            };
            assert!(room.contains(&server), "{server:?} is not eligible or full");
            let first = self.waiting.first_key_value().map(|(first, _)| *first);
            assert!(self.own_servers() || first == Some(ticket), "overtakes");
            let patient = self.waiting.remove(&ticket).expect("answered twice");
            *self.stand.loads.0.entry(server).or_default() += 1;
            let Patient { client, tried, .. } = patient;
            self.sessions.push(Session { client, server, tried });
        }
    }

    fn expire(&mut self) {
        let timeout = self.template.queue.timeout;
        for (ticket, why) in self.stand.expired() {
            let patient = self.waiting.remove(&ticket).expect("answered twice");
            match why {
                Expiry::NoServer => {
                    assert_eq!(self.sharing(), [], "refused although there are servers");
                    self.tally.refused += 1;
                }
                Expiry::TimedOut => {
                    assert!(self.stand.now >= patient.since + timeout, "too early");
                    self.tally.timed_out += 1;
                }
            }
        }
        let overdue = |patient: &Patient| self.stand.now >= patient.since + timeout;
        assert!(!self.waiting.values().any(overdue), "waits for ever");
        assert!(self.waiting.is_empty() || !self.sharing().is_empty(), "waits for nobody");
    }
}
