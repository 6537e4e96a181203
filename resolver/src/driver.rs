//! Runs a [`Book`] on tokio: asks, keeps time, takes orders, tells what changed.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};

use crate::book::{Action, Book, LookupId};
use crate::config::{Question, Settings};
use crate::hosts;
use crate::message::{Said, said};
use crate::name::{Answer, Change, Source, Status};

mod files;
mod lookup;

pub use files::FILE_READS_MAX;
use files::Files;

/// Orders that wait: reloads and looks at the status come one by one.
const REQUESTS_MAX: usize = 16;

/// Changes that wait for whoever tells of them. What doesn't fit is dropped: addresses are taken
/// from [`Known`], which is never late.
pub const EVENTS_MAX: usize = 256;

/// What is known of all names at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The address of each name that has one.
    pub addresses: BTreeMap<Question, IpAddr>,
    /// Names that no answer of any kind has come for yet.
    pub unheard: usize,
}

/// A name, and what became of it.
pub type Event = (Question, Change);

/// The running resolver. Cheap to clone; it ends with its last handle.
#[derive(Clone)]
pub struct Resolver {
    requests: mpsc::Sender<Request>,
    known: watch::Receiver<Arc<Known>>,
}

enum Request {
    Follow(Settings, Vec<Question>, oneshot::Sender<()>),
    Status(oneshot::Sender<Vec<Status>>),
}

impl Resolver {
    /// Starts with no names, on the current tokio runtime (which needs I/O and time).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(settings: Settings) -> (Self, mpsc::Receiver<Event>) {
        let (requests, request_queue) = mpsc::channel(REQUESTS_MAX);
        let (events, event_queue) = mpsc::channel(EVENTS_MAX);
        let (publisher, known) = watch::channel(Arc::default());
        tokio::spawn(Driver::new(settings, request_queue, publisher, events).run());
        (Self { requests, known }, event_queue)
    }

    /// These are the names from now on, and so are they asked; returns when that is so, before
    /// any of them is answered.
    pub async fn follow(&self, settings: Settings, questions: Vec<Question>) {
        let (done, followed) = oneshot::channel();
        if self.requests.send(Request::Follow(settings, questions, done)).await.is_ok() {
            // An error means that it has ended.
            let _ = followed.await;
        }
    }

    /// Waits until there was an answer of some kind for each name.
    pub async fn heard(&self) {
        // An error means that it has ended.
        let _ = self.known.clone().wait_for(|known| known.unheard == 0).await;
    }

    /// What is known, and a way to wait for more.
    #[must_use]
    pub fn known(&self) -> watch::Receiver<Arc<Known>> {
        self.known.clone()
    }

    /// All names.
    pub async fn status(&self) -> Vec<Status> {
        let (sender, status) = oneshot::channel();
        match self.requests.send(Request::Status(sender)).await {
            Ok(()) => status.await.unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}

/// Everything the task owns.
struct Driver {
    book: Book,
    requests: mpsc::Receiver<Request>,
    known: watch::Sender<Arc<Known>>,
    events: mpsc::Sender<Event>,
    /// What the host's own files say. None: they have yet to be read, and lookups wait.
    files: Option<Arc<Files>>,
    watcher: Watcher,
    tasks: JoinSet<Answer>,
    running: HashMap<task::Id, LookupId>,
    /// Lookups that wait for the files.
    waiting: Vec<(LookupId, Question)>,
}

/// The task that reads the files.
struct Watcher {
    read: mpsc::Receiver<Files>,
    task: AbortHandle,
}

impl Watcher {
    fn start(settings: &Settings) -> Self {
        let (sender, read) = mpsc::channel(1);
        Self { read, task: tokio::spawn(files::watch(settings.clone(), sender)).abort_handle() }
    }
}

impl Driver {
    fn new(
        settings: Settings,
        requests: mpsc::Receiver<Request>,
        known: watch::Sender<Arc<Known>>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Self {
            watcher: Watcher::start(&settings),
            book: Book::new(settings),
            requests,
            known,
            events,
            files: None,
            tasks: JoinSet::new(),
            running: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    async fn run(mut self) {
        loop {
            self.act();
            let timeout = self.book.poll_timeout();
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                Some(files) = self.watcher.read.recv() => {
                    self.files = Some(Arc::new(files));
                    self.book.ask_all(now());
                }
                request = self.requests.recv() => match request {
                    Some(request) => self.obey(request),
                    None => break,
                },
                () = tokio::time::sleep_until(timeout.unwrap_or_else(now).into()),
                    if timeout.is_some() => self.book.handle_timeout(now()),
            }
        }
        self.watcher.task.abort();
    }

    fn obey(&mut self, request: Request) {
        // Who asked may have gone.
        let _ = match request {
            Request::Follow(settings, questions, done) => {
                if self.book.settings() != &settings {
                    self.watcher.task.abort();
                    self.watcher = Watcher::start(&settings);
                    self.files = None;
                }
                self.book.apply(now(), settings, questions);
                // Before the answer to it, so that who waits for the names sees the new ones.
                self.publish();
                done.send(()).is_ok()
            }
            Request::Status(status) => status.send(self.book.status(now())).is_ok(),
        };
    }

    fn act(&mut self) {
        while let Some(action) = self.book.poll_action() {
            match action {
                Action::Ask { lookup, question } => self.waiting.push((lookup, question)),
                Action::Changed(question, change) => {
                    // Full: whoever tells of changes is far behind.
                    let _ = self.events.try_send((question, change));
                }
            }
        }
        if let Some(files) = &self.files {
            for (lookup, question) in std::mem::take(&mut self.waiting) {
                let settings = self.book.settings();
                let limits =
                    lookup::Limits { timeout: settings.timeout, attempts: settings.attempts };
                let task = self.tasks.spawn(look_up(Arc::clone(files), question, limits));
                self.running.insert(task.id(), lookup);
            }
        }
        self.publish();
    }

    fn publish(&self) {
        let known = Known { addresses: self.book.addresses(), unheard: self.book.unheard() };
        self.known.send_if_modified(|before| {
            let changed = **before != known;
            if changed {
                *before = Arc::new(known);
            }
            changed
        });
    }

    fn ended(&mut self, ended: Result<(task::Id, Answer), JoinError>) {
        let (id, answer) = match ended {
            Ok(ended) => ended,
            // One that panicked is our fault, not the name server's.
            Err(error) => {
                let answer = Answer { source: Source::Nameserver, said: Vec::new() };
                (error.id(), answer)
            }
        };
        if let Some(lookup) = self.running.remove(&id) {
            self.book.handle_answer(now(), lookup, &answer);
        }
    }
}

/// What the hosts file says, else what the name servers say.
async fn look_up(files: Arc<Files>, question: Question, limits: lookup::Limits) -> Answer {
    let known = hosts::addresses(&files.hosts, &question.host, question.families);
    if known.is_empty() {
        return lookup::ask(&files.nameservers, &question, limits).await;
    }
    let of = |family: &crate::config::Family| {
        let own = known.iter().copied().filter(|a| crate::config::Family::of(*a) == *family);
        (*family, said(own.collect(), std::time::Duration::MAX))
    };
    let said: Vec<(_, Said)> = question.families.in_order().iter().map(of).collect();
    Answer { source: Source::HostsFile, said }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
