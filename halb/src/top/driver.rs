//! Asks the daemon, reads keys, draws.

use std::io;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event;
use ratatui::crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use tokio::runtime::Builder;
use tokio::sync::{Notify, mpsc};
use tokio::{task, time};

use super::series::Marks;
use super::state::{Action, Key, Top, Wish};
use super::view;
use super::view::Means;
use crate::cli::chain;
use crate::control::client;
use crate::control::protocol::{Request, Response};
use crate::ends::Ends;
use crate::status::Status;
use crate::status::text::Colour;

/// From one look at the daemon to the next.
const PAUSE: Duration = Duration::from_secs(1);

/// Keys that wait to be acted upon; whoever types faster waits.
const KEYS_MAX: usize = 16;

/// Looks and outcomes that wait to be shown: there is one of each at a time.
const ANSWERS_MAX: usize = 1;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopError {
    /// Standard output is none.
    #[error("halb top draws on a terminal, which this is not; try 'halb status --watch'")]
    NoTerminal,
    /// It went away, or can't be switched.
    #[error("the terminal can't be used")]
    Terminal(#[from] io::Error),
}

/// Shows the daemon behind `socket` until somebody ends it.
pub(crate) fn run(socket: &Path, colour: Colour) -> Result<(), TopError> {
    if !io::stdout().is_terminal() {
        return Err(TopError::NoTerminal);
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut terminal = ratatui::try_init()?;
    let ended = runtime.block_on(watch(socket.to_owned(), colour, &mut terminal));
    let restored = ratatui::try_restore();
    // A daemon that hangs may be waited for; nobody wants to wait for that.
    runtime.shutdown_background();
    ended.and(restored).map_err(TopError::from)
}

async fn watch(socket: PathBuf, colour: Colour, terminal: &mut DefaultTerminal) -> io::Result<()> {
    let mut events = events()?;
    let mut ends = Ends::catch(None)?;
    let now = Arc::new(Notify::new());
    let mut looks = looks(socket.clone(), Arc::clone(&now));
    let (outcome, mut outcomes) = mpsc::channel(ANSWERS_MAX);
    let mut ages = time::interval(PAUSE);
    let mut top = Top::new();
    let marks = marks();
    loop {
        draw(&top, colour, marks, terminal)?;
        tokio::select! {
            Some(answer) = looks.recv() => top.look(answer, Instant::now()),
            Some(said) = outcomes.recv() => {
                top.told(said);
                now.notify_one();
            }
            event = events.recv() => match event {
                None => return Ok(()),
                Some(event) => match key(&event).and_then(|key| top.press(key)) {
                    None => {}
                    Some(Action::Quit) => return Ok(()),
                    Some(Action::Tell(wish)) => {
                        let (socket, outcome) = (socket.clone(), outcome.clone());
                        task::spawn_blocking(move || outcome.blocking_send(tell(&socket, wish)));
                    }
                },
            },
            _ = ages.tick() => {}
            () = ends.come() => return Ok(()),
        }
    }
}

fn draw(top: &Top, colour: Colour, marks: Marks, terminal: &mut DefaultTerminal) -> io::Result<()> {
    let now = Instant::now();
    terminal.draw(|frame| {
        let area = frame.area();
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let lines = view::lines(top, Means { colour, marks, width, height }, now);
        for (y, line) in (area.y..area.bottom()).zip(lines) {
            frame.buffer_mut().set_line(area.x, y, &line, area.width);
        }
    })?;
    Ok(())
}

/// Looks at the daemon, one after the other, the next one a pause later or when it is asked for.
fn looks(socket: PathBuf, now: Arc<Notify>) -> mpsc::Receiver<Result<Status, String>> {
    let (sender, looks) = mpsc::channel(ANSWERS_MAX);
    task::spawn(async move {
        loop {
            let socket = socket.clone();
            let Ok(answer) = task::spawn_blocking(move || look(&socket)).await else { return };
            if sender.send(answer).await.is_err() {
                return;
            }
            tokio::select! {
                () = time::sleep(PAUSE) => {}
                () = now.notified() => {}
            }
        }
    });
    looks
}

fn look(socket: &Path) -> Result<Status, String> {
    match client::ask(socket, Request::Status) {
        Ok(Response::Status { status }) => Ok(*status),
        Ok(Response::Refused { message }) => Err(message),
        Ok(other) => Err(format!("halb gave another answer than asked for: {other:?}")),
        Err(error) => Err(chain(&error)),
    }
}

/// The order that `halb server` gives, and what came of it in words.
fn tell(socket: &Path, wish: Wish) -> String {
    let Wish { server, admin } = wish;
    match client::ask(socket, Request::ServerAdmin { server, admin }) {
        Ok(Response::Done { message }) => message,
        Ok(Response::Refused { message }) => format!("nothing was changed: {message}"),
        Ok(other) => format!("halb gave another answer than asked for: {other:?}"),
        Err(error) => format!("nobody knows whether it was done: {}", chain(&error)),
    }
}

/// Reads keys on a thread of its own, which ends with the process.
fn events() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, events) = mpsc::channel(KEYS_MAX);
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    })?;
    Ok(events)
}

/// Keys that aren't characters.
const KEYS: [(KeyCode, Key); 7] = [
    (KeyCode::Up, Key::Up),
    (KeyCode::Down, Key::Down),
    (KeyCode::PageUp, Key::PageUp),
    (KeyCode::PageDown, Key::PageDown),
    (KeyCode::Home, Key::Home),
    (KeyCode::End, Key::End),
    (KeyCode::Esc, Key::Escape),
];

fn key(event: &Event) -> Option<Key> {
    let key = event.as_key_event().filter(|key| key.kind != KeyEventKind::Release)?;
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    if let KeyCode::Char(character) = key.code {
        return match (control, character) {
            (true, 'c') => Some(Key::Interrupt),
            (true, _) => None,
            (false, character) => Some(Key::Char(character)),
        };
    }
    KEYS.iter().find(|(code, _)| *code == key.code).map(|(_, key)| *key)
}

/// Bars only where the terminal is told to be of UTF-8; the first of these that is set decides.
fn marks() -> Marks {
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    let decides = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set);
    let charset = decides.and_then(|name| std::env::var(name).ok()).unwrap_or_default();
    let charset = charset.to_ascii_lowercase().replace('-', "");
    if charset.contains("utf8") { Marks::Blocks } else { Marks::Ascii }
}
