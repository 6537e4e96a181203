//! What is shown and asked: pure. Answers and keys go in; orders come out.

use std::time::{Duration, Instant};

use super::rows;
use super::rows::{By, Order, Row};
use super::series::Trends;
use crate::status::{Admin, Status};

/// A daemon that said nothing for so long is silent: three looks.
const SILENCE: Duration = Duration::from_secs(3);

/// Rows that a page key moves by.
const PAGE: usize = 10;

/// A key, as far as it means anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// A page up.
    PageUp,
    /// A page down.
    PageDown,
    /// The first row.
    Home,
    /// The last row.
    End,
    /// Away with what is asked.
    Escape,
    /// The end.
    Interrupt,
    /// A character.
    Char(char),
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// The end.
    Quit,
    /// An order to the daemon, confirmed.
    Tell(Wish),
}

/// What somebody wants of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wish {
    /// `backend/server`.
    pub(super) server: String,
    /// What.
    pub(super) admin: Admin,
}

/// What stands over the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialog {
    /// Nothing.
    None,
    /// The keys.
    Help,
    /// Whether that is meant.
    Sure(Wish),
    /// It was told to the daemon, which hasn't answered yet.
    Told(Wish),
}

/// A look at the daemon, and when it came.
struct Seen {
    status: Status,
    at: Instant,
}

/// The silence of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Silence {
    /// How long it has lasted; none: there never was an answer.
    pub(super) age: Option<Duration>,
    /// What was said instead of an answer.
    pub(super) why: Option<String>,
}

/// All of it.
pub(super) struct Top {
    seen: Option<Seen>,
    /// Why the last look failed; none: it didn't.
    failure: Option<String>,
    trends: Trends,
    order: Order,
    /// The row that keys mean, by its place, and the server that stood there: it is followed.
    place: usize,
    chosen: Option<String>,
    dialog: Dialog,
    /// What came of the last order.
    outcome: Option<String>,
}

impl Top {
    pub(super) fn new() -> Self {
        Self {
            seen: None,
            failure: None,
            trends: Trends::default(),
            order: Order { by: By::Unusual, reversed: false },
            place: 0,
            chosen: None,
            dialog: Dialog::None,
            outcome: None,
        }
    }

    /// The daemon answered, or it is said why it didn't.
    pub(super) fn look(&mut self, answer: Result<Status, String>, now: Instant) {
        match answer {
            Ok(status) => {
                self.trends.take(self.seen.as_ref().map(|seen| &seen.status), &status);
                self.failure = None;
                self.seen = Some(Seen { status, at: now });
                self.follow();
            }
            Err(why) => self.failure = Some(why),
        }
    }

    /// What came of an order.
    pub(super) fn told(&mut self, outcome: String) {
        self.outcome = Some(outcome);
        if let Dialog::Told(_) = self.dialog {
            self.dialog = Dialog::None;
        }
    }

    /// A key was pressed.
    pub(super) fn press(&mut self, key: Key) -> Option<Action> {
        if key == Key::Interrupt {
            return Some(Action::Quit);
        }
        match std::mem::replace(&mut self.dialog, Dialog::None) {
            Dialog::Sure(wish) => return self.answer(key, wish),
            Dialog::Help => return None,
            told @ Dialog::Told(_) => self.dialog = told,
            Dialog::None => {}
        }
        let last = self.rows().len().saturating_sub(1);
        match key {
            Key::Up => self.choose(self.place.saturating_sub(1)),
            Key::Down => self.choose(self.place.saturating_add(1).min(last)),
            Key::PageUp => self.choose(self.place.saturating_sub(PAGE)),
            Key::PageDown => self.choose(self.place.saturating_add(PAGE).min(last)),
            Key::Home => self.choose(0),
            Key::End => self.choose(last),
            Key::Char('q') => return Some(Action::Quit),
            Key::Char(key) => self.typed(key),
            Key::Escape => self.outcome = None,
            Key::Interrupt => {}
        }
        None
    }

    fn typed(&mut self, key: char) {
        match key {
            'k' => self.choose(self.place.saturating_sub(1)),
            'j' => {
                let last = self.rows().len().saturating_sub(1);
                self.choose(self.place.saturating_add(1).min(last));
            }
            'd' => self.ask(Admin::Drain),
            'm' => self.ask(Admin::Maint),
            'r' => self.ask(Admin::Ready),
            '?' | 'h' => self.dialog = Dialog::Help,
            key => {
                if let Some(by) = By::ALL.into_iter().find(|by| by.key() == key) {
                    self.order = self.order.asked(by);
                    // Whoever sorts wants to see the top of it, whoever gets there.
                    (self.place, self.chosen) = (0, None);
                }
            }
        }
    }

    /// Nothing is ordered before somebody said yes, and one thing at a time.
    fn ask(&mut self, admin: Admin) {
        if let Dialog::Told(_) = self.dialog {
            return;
        }
        if self.failure.is_some() {
            self.outcome = Some("halb gives no answer, so it can't be ordered anything".to_owned());
            return;
        }
        let rows = self.rows();
        let Some(row) = rows.get(self.place) else { return };
        let (server, removed) = (row.id.clone(), row.server.removed);
        if removed {
            self.outcome = Some(format!("{server} was removed by a reload and takes no orders"));
        } else {
            self.outcome = None;
            self.dialog = Dialog::Sure(Wish { server, admin });
        }
    }

    fn answer(&mut self, key: Key, wish: Wish) -> Option<Action> {
        if let Key::Char('y' | 'Y') = key {
            self.dialog = Dialog::Told(wish.clone());
            return Some(Action::Tell(wish));
        }
        self.outcome = Some("nothing was changed".to_owned());
        None
    }

    fn choose(&mut self, place: usize) {
        self.chosen = self.rows().get(place).map(|row| row.id.clone());
        self.place = place;
    }

    /// The chosen server stays chosen wherever it has moved to.
    fn follow(&mut self) {
        let rows = self.rows();
        let moved =
            self.chosen.as_ref().and_then(|chosen| rows.iter().position(|row| row.id == *chosen));
        let last = rows.len().saturating_sub(1);
        self.place = moved.unwrap_or(self.place).min(last);
    }

    /// The last look.
    pub(super) fn status(&self) -> Option<&Status> {
        self.seen.as_ref().map(|seen| &seen.status)
    }

    /// Servers as they are to be shown.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        self.status().map_or_else(Vec::new, |status| rows::sorted(status, &self.trends, self.order))
    }

    /// The row that keys mean.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    pub(super) fn order(&self) -> Order {
        self.order
    }

    pub(super) fn dialog(&self) -> &Dialog {
        &self.dialog
    }

    pub(super) fn outcome(&self) -> Option<&str> {
        self.outcome.as_deref()
    }

    pub(super) fn trends(&self) -> &Trends {
        &self.trends
    }

    /// The daemon doesn't answer; none: it does.
    pub(super) fn silence(&self, now: Instant) -> Option<Silence> {
        let age = self.seen.as_ref().map(|seen| now.saturating_duration_since(seen.at));
        match (&self.failure, age) {
            (Some(why), age) => Some(Silence { age, why: Some(why.clone()) }),
            (None, Some(age)) if age < SILENCE => None,
            (None, age) => Some(Silence { age, why: None }),
        }
    }
}
