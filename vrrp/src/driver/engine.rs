//! What the thread does, turn by turn.
//!
//! ```text
//!  sleep until something comes or is due
//!    └▶ now ─▶ beat ─▶ read adverts ─▶ revoked? ─▶ read changes of interfaces, claims, mail
//!         └▶ timers ─▶ actions, and what became of them ─▶ announcements ─▶ guard ─▶ snapshot
//! ```
//!
//! `now` is taken before anything is read. Whatever was there at that time is read before a timer
//! is judged by it, even if the thread is put to sleep in between.
//!
//! Each kind of reading has a bound per turn. Where an advert may be left behind it, the routers
//! concerned are told so.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::announcements::Announcements;
use super::guard::Leash;
use super::handle::Board;
use super::mailbox::Mailbox;
use super::netlink::Netlink;
use super::outbox::Outbox;
use super::realtime::{self, Reached};
use super::{DriverNotice, Event, StartError};
use crate::node::{Key, Node};
use crate::plan::Plan;
use crate::settings::Settings;

mod acting;
mod claiming;
mod guarding;
mod handover;
mod hands;
mod hearing;
mod holdings;
mod looking;
mod network;
mod ordering;
mod placing;
mod publishing;
mod rivals;
mod troubles;

use handover::Handover;
use hands::Hands;
use hearing::Inboxes;
use holdings::Holdings;
use network::Network;
use ordering::Applied;
use placing::Orders;
use publishing::Published;
use rivals::Rivals;
use troubles::Troubles;

/// The thread's whole state.
#[derive(Debug)]
pub(super) struct Engine {
    settings: Settings,
    node: Node,
    network: Network,
    holdings: Holdings,
    hands: Hands,
    orders: Orders,
    announcements: Announcements,
    /// Frames sent so far, by router.
    announced: BTreeMap<Key, u64>,
    rivals: Rivals,
    leash: Leash,
    /// What the guard was told last.
    plan: Plan,
    /// It was told that the guard has taken the addresses away.
    revocation_told: bool,
    /// When it last did.
    revoked_at: Option<Instant>,
    troubles: Troubles,
    outbox: Outbox,
    mailbox: Arc<Mailbox>,
    bell: OwnedFd,
    reached: Reached,
    published: Published,
    overruns: u64,
    /// Packets that can't hold an advert.
    broken: u64,
    /// Changes of interfaces wait that weren't read yet.
    unread: bool,
    /// What the guard was told may be different now.
    plan_is_old: bool,
    /// Everything is being read anew.
    rereading: bool,
    /// When that is asked for again.
    reread_at: Option<Instant>,
    /// Answers that are given once the addresses are where they were ordered.
    answers: Vec<Applied>,
    /// A bound of a reading was reached in this turn.
    busy: bool,
    /// Claims of others aren't looked at before.
    claims_at: Option<Instant>,
    /// A guard is wanted.
    guarded: bool,
    /// When addresses that the kernel didn't let go of are tried again.
    linger_at: Option<Instant>,
    stopping: Stopping,
    handover: Handover,
    /// Something is to be tried again soon that didn't work just now.
    retry_at: Option<Instant>,
}

/// How far the end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    /// Nobody asked for it.
    No,
    /// The addresses are being handed over; by then it ends at the latest.
    By(Instant),
    /// All has been given up.
    Done,
}

/// What the thread is given at its start.
pub(super) struct Start {
    pub(super) settings: Settings,
    pub(super) leash: Leash,
    /// A guard is wanted.
    pub(super) guarded: bool,
    pub(super) outbox: Outbox,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) bell: OwnedFd,
    /// Another process is about to hand its roles over.
    pub(super) inherits: bool,
}

/// Deadlines that are judged in one turn: a takeover is one, its announcement the next. More wait
/// for the next turn, which reads first.
const ROUNDS_PER_TURN: usize = 8;

/// Pause after a turn that had to leave something unread. A flood must not keep a real-time thread
/// running without end: the kernel would take it for one that is out of control.
const BREATH: Duration = Duration::from_micros(100);

/// Time until something is tried again that a lock or the kernel refused for a moment.
const RETRY: Duration = Duration::from_millis(5);

impl Engine {
    /// Opens what the thread needs, looks at the interfaces and starts the routers.
    pub(super) fn open(start: Start) -> Result<Self, StartError> {
        let Start { settings, leash, guarded, outbox, mailbox, bell, inherits } = start;
        let mut netlink = Netlink::open().map_err(network::refused)?;
        let network = Network::open(&mut netlink)?;
        let hands = Hands::start(netlink).map_err(network::refused)?;
        let reached = realtime::prepare(settings.realtime);
        hands.schedule(settings.realtime);
        let now = Instant::now();
        let mut engine = Self {
            settings: Settings { instances: Vec::new(), groups: Vec::new(), ..settings.clone() },
            node: Node::default(),
            network,
            holdings: Holdings::default(),
            hands,
            orders: Orders::default(),
            announcements: Announcements::default(),
            announced: BTreeMap::new(),
            rivals: Rivals::default(),
            leash,
            plan: Plan::default(),
            revocation_told: false,
            revoked_at: None,
            troubles: Troubles::default(),
            outbox,
            mailbox,
            bell,
            reached,
            published: Published::new(now),
            overruns: 0,
            broken: 0,
            unread: false,
            plan_is_old: true,
            rereading: false,
            reread_at: None,
            answers: Vec::new(),
            busy: false,
            claims_at: None,
            guarded,
            linger_at: None,
            stopping: Stopping::No,
            handover: if inherits { Handover::Awaited(Vec::new()) } else { Handover::None },
            retry_at: None,
        };
        for notice in realtime::notices(&engine.reached).collect::<Vec<_>>() {
            engine.notice(notice);
        }
        if inherits {
            // Sockets take their time, which there will be none for.
            engine.network.fit(&[&settings], now);
            engine.settings = settings;
        } else {
            engine.take_settings(settings, now);
        }
        Ok(engine)
    }

    /// A board with the first snapshot.
    pub(super) fn board(&mut self) -> Arc<Board> {
        self.make_board(Instant::now())
    }

    /// Runs until it was told to stop and everything is given up.
    pub(super) fn run(mut self) {
        loop {
            self.turn();
            if self.stopping == Stopping::Done {
                break;
            }
            self.sleep();
        }
        // Otherwise dropping the leash leaves to the guard what couldn't be given up here.
        if self.plan.is_empty() {
            self.leash.close();
        }
    }

    fn turn(&mut self) {
        let now = Instant::now();
        self.leash.beat();
        (self.retry_at, self.busy) = (None, false);
        if self.handover.is_at_rest() {
            self.read_mail(now);
            self.tend(now);
            self.publish(now);
            return;
        }
        let inboxes = self.hear_adverts(now);
        self.hear_hands(now);
        self.face_revocation(now);
        self.look_at_interfaces(now);
        self.hear_claims(now);
        self.read_mail(now);
        self.judge(&inboxes, now);
        self.stand_aside(now);
        self.announce(now);
        self.ask_again(now);
        self.take_away_lingering(now);
        self.tend(now);
        self.end_if_time(now);
        self.answer_applied(now);
        self.publish(now);
    }

    /// Lets routers whose time has come act. Without leave to hold anything none may take over.
    fn judge(&mut self, inboxes: &Inboxes, now: Instant) {
        for _ in 0..ROUNDS_PER_TURN {
            self.act(now);
            let due = self.node.poll_timeout().is_some_and(|(due, _)| due <= now);
            if !due || self.leash.is_revoked() {
                return;
            }
            self.node.handle_timeout(|interface| inboxes.of(interface), now);
        }
        self.act(now);
    }

    fn end_if_time(&mut self, now: Instant) {
        let Stopping::By(by) = self.stopping else { return };
        if !self.node.is_retired() {
            if now < by {
                return;
            }
            self.node.handle_stop(now);
            self.act(now);
        }
        if self.hands.are_idle() {
            self.stopping = Stopping::Done;
        }
    }

    fn sleep(&mut self) {
        if self.busy {
            thread::sleep(BREATH);
        }
        let wake = self.next_wake(Instant::now());
        let left = wake.saturating_duration_since(Instant::now());
        let bells = [self.bell.as_fd(), self.hands.as_fd()];
        let claims = self.network.claims.iter().filter(|_| self.claims_at.is_none());
        let sockets = self.network.fds().chain(claims.map(AsFd::as_fd));
        // What comes for one that is at rest waits.
        let sockets = sockets.filter(|_| !self.handover.is_at_rest());
        let fds = bells.into_iter().chain(sockets).chain(self.leash.fd());
        let mut fds: Vec<_> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // A signal ends it early, and nothing else can go wrong.
        let _ = ppoll(&mut fds, Some(TimeSpec::from(left)), None);
    }

    fn next_wake(&self, now: Instant) -> Instant {
        let stop = match self.stopping {
            Stopping::No => None,
            // Once all has stopped, the hands ring.
            Stopping::By(by) => Some(by).filter(|_| !self.node.is_retired()),
            Stopping::Done => Some(now),
        };
        // A revoked node judges no deadline, and asks for its leave again.
        let revoked = self.leash.is_revoked();
        let deadline = self.node.poll_timeout().map(|(due, _)| due);
        let deadline = if revoked { Some(now + RETRY) } else { deadline };
        let beat = now + self.leash.pace();
        if self.handover.is_at_rest() {
            let times = [self.leash.deadline(now), self.published.due(), self.retry_at];
            return times.into_iter().flatten().fold(beat, Instant::min);
        }
        [
            deadline,
            self.announcements.due(),
            self.rivals.due(),
            self.leash.deadline(now),
            self.network.retry_at(),
            self.published.due(),
            self.retry_at,
            self.linger_at,
            self.claims_at,
            self.reread_at,
            stop,
        ]
        .into_iter()
        .flatten()
        .fold(beat, Instant::min)
    }

    fn notice(&mut self, notice: DriverNotice) {
        self.outbox.tell(Event::Driver(notice));
    }

    fn retry_soon(&mut self, now: Instant) {
        let at = now + RETRY;
        self.retry_at = Some(self.retry_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// An error with its causes.
pub(super) fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
