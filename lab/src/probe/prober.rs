//! The asking side.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::AsFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, ppoll},
    sys::socket::{setsockopt, sockopt},
};

use super::{ANSWER, Outage, QUESTION, Turn};
use crate::{eventually, net::Host};

/// Asks an address at a steady pace, until it is dropped.
#[derive(Debug)]
pub struct Prober {
    target: SocketAddr,
    log: Arc<Mutex<Log>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The questions so far and what became of them.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) questions: Vec<Question>,
    /// Hosts that have answered, by their numbers.
    pub(super) hosts: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Question {
    pub(super) sent: Instant,
    /// Which host answered.
    pub(super) answered: Option<u8>,
}

impl Prober {
    /// Begins to ask `target` from the host, once per `every`.
    ///
    /// # Errors
    /// When no socket is to be had.
    pub fn start(host: &Host, target: SocketAddr, every: Duration) -> io::Result<Self> {
        let any: IpAddr = match target {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // Not connected: an answer may come from another address of the host.
        let socket = host.run(|| UdpSocket::bind((any, 0)))?;
        socket.set_nonblocking(true)?;
        widen(&socket);
        let (log, over) = (Arc::<Mutex<Log>>::default(), Arc::<AtomicBool>::default());
        let (kept, is_over) = (Arc::clone(&log), Arc::clone(&over));
        let ask = move || ask(&socket, target, every, &kept, &is_over);
        let thread = Some(thread::Builder::new().name("prober".to_owned()).spawn(ask)?);
        Ok(Self { target, log, over, thread })
    }

    /// Waits until one of the last questions was answered by a host.
    ///
    /// # Panics
    /// When that doesn't happen within `limit`.
    #[track_caller]
    pub fn wait_for_answer_by(&self, host: &str, limit: Duration) {
        eventually(&format!("{} is answered by {host}", self.target), limit, || {
            let last = self.lock().answerer();
            if last.as_deref() == Some(host) { Ok(()) } else { Err(last) }
        });
    }

    /// The host that answered last, if that was within the last few questions.
    #[must_use]
    pub fn answerer(&self) -> Option<String> {
        self.lock().answerer()
    }

    /// Outages that touch what was asked after a moment; answers still on their way are waited for
    /// first, for as long as an answer may take.
    #[must_use]
    pub fn outages_since(&self, moment: Instant) -> Vec<Outage> {
        thread::sleep(ANSWER_TAKES);
        self.lock().outages(moment, Instant::now() - ANSWER_TAKES)
    }

    /// The longest outage that touches what was asked after a moment; zero if nothing was lost.
    #[must_use]
    pub fn longest_outage_since(&self, moment: Instant) -> Duration {
        let outages = self.outages_since(moment);
        let now = Instant::now();
        outages.iter().map(|outage| outage.length(now)).max().unwrap_or_default()
    }

    /// Which hosts answered what was asked after a moment, each time another one.
    #[must_use]
    pub fn turns_since(&self, moment: Instant) -> Vec<Turn> {
        self.lock().turns(moment)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        lock(&self.log)
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("the prober of {} panicked", self.target);
        }
        if thread::panicking() {
            let log = self.lock();
            eprintln!("{} was asked {} times", self.target, log.questions.len());
            let Some(first) = log.questions.first().map(|question| question.sent) else { return };
            for turn in log.turns(first) {
                eprintln!("  from {:?} on {} answered", turn.from - first, turn.by);
            }
            for outage in log.outages(first, Instant::now()) {
                eprintln!("  from {:?} on nobody: {outage}", outage.from - first);
            }
        }
    }
}

/// The thread: a question when it is time, answers as they come.
fn ask(
    socket: &UdpSocket,
    target: SocketAddr,
    every: Duration,
    log: &Mutex<Log>,
    over: &AtomicBool,
) {
    let mut next = Instant::now();
    while !over.load(Ordering::Relaxed) {
        let now = Instant::now();
        if now >= next {
            let mut log = lock(log);
            if log.questions.len() == QUESTIONS {
                return;
            }
            let number = u64::try_from(log.questions.len()).expect("a count fits 64 bits");
            log.questions.push(Question { sent: now, answered: None });
            drop(log);
            // One that can't be sent isn't answered.
            let _ = socket.send_to(&number.to_be_bytes(), target);
            // After a pause the pace goes on as before; what was left out isn't made up for.
            next = (next + every).max(now);
        }
        let mut ready = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        let left = next.saturating_duration_since(Instant::now());
        // An interrupted wait is a short one.
        let _ = ppoll(&mut ready, Some(left.into()), None);
        let mut answer = [0; ANSWER];
        while let Ok((length, _)) = socket.recv_from(&mut answer) {
            lock(log).answer(&answer[..length]);
        }
    }
}

impl Log {
    pub(super) fn answer(&mut self, answer: &[u8]) {
        let Some((number, name)) = answer.split_at_checked(QUESTION) else { return };
        let number = u64::from_be_bytes(number.try_into().expect("it was cut to that"));
        let name = String::from_utf8_lossy(name);
        let host = self.hosts.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.hosts.push(name.into_owned());
            self.hosts.len() - 1
        });
        let question = usize::try_from(number).ok().and_then(|at| self.questions.get_mut(at));
        if let (Some(question), Ok(host)) = (question, u8::try_from(host)) {
            question.answered = Some(host);
        }
    }

    pub(super) fn answerer(&self) -> Option<String> {
        let latest = self.questions.iter().rev().take(LATEST);
        let host = latest.filter_map(|question| question.answered).next()?;
        self.hosts.get(usize::from(host)).cloned()
    }

    /// Outages that reach beyond `since`, among what was asked before `until`.
    pub(super) fn outages(&self, since: Instant, until: Instant) -> Vec<Outage> {
        let mut outages = Vec::new();
        let Some(mut answered) = self.questions.first().map(|question| question.sent) else {
            return outages;
        };
        let mut lost = 0;
        for question in self.questions.iter().take_while(|question| question.sent <= until) {
            if question.answered.is_none() {
                lost += 1;
                continue;
            }
            if lost > 0 {
                outages.push(Outage { from: answered, to: Some(question.sent), lost });
                lost = 0;
            }
            answered = question.sent;
        }
        if lost > 0 {
            outages.push(Outage { from: answered, to: None, lost });
        }
        outages.retain(|outage| outage.to.is_none_or(|to| to >= since));
        outages
    }

    pub(super) fn turns(&self, since: Instant) -> Vec<Turn> {
        let mut turns: Vec<Turn> = Vec::new();
        for question in self.questions.iter().filter(|question| question.sent >= since) {
            let by = question.answered.and_then(|host| self.hosts.get(usize::from(host)));
            if let Some(by) = by
                && turns.last().is_none_or(|last| last.by != *by)
            {
                turns.push(Turn { from: question.sent, by: by.clone() });
            }
        }
        turns
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    // Each change is complete before the next call; a panic elsewhere spoils nothing.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for what comes while a thread waits for a busy machine. As much as is allowed is enough
/// where more isn't.
pub(super) fn widen(socket: &UdpSocket) {
    let _ = setsockopt(socket, sockopt::RcvBufForce, &BUFFER);
}

const BUFFER: usize = 1 << 20;

/// Questions of one prober: half an hour at 1 ms, 48 MB.
const QUESTIONS: usize = 2_000_000;

/// How long an answer may take on a machine that is busy with other things.
const ANSWER_TAKES: Duration = Duration::from_millis(100);

/// Questions among which the latest answer is looked for.
const LATEST: usize = 20;
