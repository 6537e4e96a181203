//! The seeds' cluster on one machine: two balancers with a virtual IP, three API servers and
//! clients, each a host of its own, and someone who breaks it.
//!
//! ```text
//!   keys, or a show ──▶ plan: what can be done ──▶ stage: does it
//!                                                    │ looks: the kernel's and the daemons' word
//!   clients ──▶ felt: what they met ──▶ story ◀──────┘
//!                                         └──▶ view: a picture, or line by line
//! ```
//!
//! `plan`, `felt`, `story` and `view` are pure.

mod clients;
mod felt;
mod node;
mod plan;
mod stage;
mod story;
mod view;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::sync::mpsc;
use tokio::{task, time};

use super::screen;
use super::screen::Screen;
use crate::cli::Exit;
use crate::ends::Ends;
use clients::lock;
use felt::Felt;
use plan::Deed;
use stage::Stage;
use story::{Look, Story};
use view::Scene;

/// Time between two looks at the cluster, each of which is a picture.
const LOOK: Duration = Duration::from_millis(100);

/// How long all is well before the first fault of a show.
const PRELUDE: Duration = Duration::from_secs(2);

/// What is told to whoever shows it.
enum News {
    Seen(anyhow::Result<Look>),
    Done(Deed, Result<(), String>),
}

/// Looks and outcomes on their way: one of each kind at a time, since the next is asked for only
/// after the last has come.
const NEWS_MAX: usize = 4;

/// Everything that the loop below holds.
struct Demo {
    began: Instant,
    story: Story,
    felt: Arc<Mutex<Felt>>,
    screen: Screen,
    socket: PathBuf,
    /// Events that were said.
    said: usize,
    /// Deeds to come where nobody presses keys.
    show: Option<VecDeque<Deed>>,
    /// A deed is being done.
    busy: bool,
    /// The cluster is being looked at.
    looking: bool,
}

/// Shows it until something ends it.
pub(super) async fn show(mut ends: Ends) -> anyhow::Result<Exit> {
    screen::say(&view::opening()).context("nobody can see it")?;
    let felt = Arc::new(Mutex::new(Felt::default()));
    let counted = Arc::clone(&felt);
    let stage = task::spawn_blocking(move || Stage::start(&counted)).await??;
    let stage = Arc::new(stage);
    let mut demo = Demo::new(felt, stage.socket());
    let mut keys = demo.screen.keys();
    let (tell, mut news) = mpsc::channel(NEWS_MAX);
    let mut looks = time::interval(LOOK);
    let broken = loop {
        tokio::select! {
            () = ends.come() => break None,
            key = keys.recv() => match key {
                Some(b'q' | b'Q') | None => break None,
                Some(key) => if let Some(deed) = demo.deed_of(key) {
                    demo.begin(deed, &stage, &tell);
                },
            },
            Some(news) = news.recv() => match demo.hear(news) {
                Ok(true) => {}
                Ok(false) => break None,
                Err(error) => break Some(error),
            },
            _ = looks.tick() => match demo.next_of_the_show() {
                Some(Some(deed)) => demo.begin(deed, &stage, &tell),
                Some(None) => break None,
                None => demo.look(&stage, &tell),
            },
        }
    };
    demo.screen.close();
    drop(tell);
    // What is still being done ends first: it holds the stage.
    while news.recv().await.is_some() {}
    let stage = Arc::into_inner(stage).context("the stage is still in use")?;
    let ended = task::spawn_blocking(move || stage.end()).await?;
    // Nobody may be left to read it.
    let _ = screen::say(&view::farewell(&lock(&demo.felt)));
    if let Some(error) = broken {
        return Err(error);
    }
    ended?;
    let served = lock(&demo.felt).answered > 0;
    Ok(if served && demo.story.is_as_expected() { Exit::Done } else { Exit::Failed })
}

impl Demo {
    fn new(felt: Arc<Mutex<Felt>>, socket: PathBuf) -> Self {
        let screen = Screen::open();
        let show = if screen.has_keyboard() { None } else { Some(plan::SHOW.into()) };
        Self {
            began: Instant::now(),
            story: Story::new(),
            felt,
            screen,
            socket,
            said: 0,
            show,
            busy: false,
            looking: false,
        }
    }

    /// What a key asks for, as it was shown; nothing while a deed is being done.
    fn deed_of(&self, key: u8) -> Option<Deed> {
        let key = char::from(key).to_ascii_lowercase();
        let offers = self.story.condition().offers();
        let offer = offers.into_iter().find(|offer| offer.key == key && !self.busy);
        offer.map(|offer| offer.deed)
    }

    /// The next deed of a show if its time has come; none in it: the show is over.
    fn next_of_the_show(&mut self) -> Option<Option<Deed>> {
        let now = self.began.elapsed() > PRELUDE && self.story.is_settled();
        let show = self.show.as_mut().filter(|_| now)?;
        Some(show.pop_front())
    }

    fn begin(&mut self, deed: Deed, stage: &Arc<Stage>, tell: &mpsc::Sender<News>) {
        self.busy = true;
        self.story.begin(deed, Instant::now());
        let (stage, tell) = (Arc::clone(stage), tell.clone());
        task::spawn_blocking(move || {
            let outcome = stage.act(deed).map_err(|error| format!("{error:#}"));
            drop(stage);
            // Nobody listens once the demo is over.
            let _ = tell.blocking_send(News::Done(deed, outcome));
        });
    }

    fn look(&mut self, stage: &Arc<Stage>, tell: &mpsc::Sender<News>) {
        if self.looking {
            return;
        }
        self.looking = true;
        let (stage, tell) = (Arc::clone(stage), tell.clone());
        task::spawn_blocking(move || {
            let look = stage.look();
            drop(stage);
            let _ = tell.blocking_send(News::Seen(look));
        });
    }

    /// Takes in what was seen or done, and shows it; false: nobody can see it any more.
    fn hear(&mut self, news: News) -> anyhow::Result<bool> {
        match news {
            News::Done(deed, outcome) => {
                self.busy = false;
                self.story.done(deed, Instant::now(), outcome);
            }
            News::Seen(look) => {
                self.looking = false;
                self.story.saw(look?, &lock(&self.felt));
            }
        }
        Ok(self.tell().is_ok())
    }

    fn tell(&mut self) -> std::io::Result<()> {
        if self.screen.is_terminal() {
            let felt = lock(&self.felt);
            return self.screen.draw(&view::picture(&Scene {
                began: self.began,
                now: Instant::now(),
                story: &self.story,
                felt: &felt,
                socket: &self.socket,
                keyboard: self.screen.has_keyboard(),
            }));
        }
        let (events, said) = self.story.since(self.said);
        let lines = events.into_iter().map(|event| view::event(event, self.began) + "\n");
        screen::say(&lines.collect::<String>())?;
        self.said = said;
        Ok(())
    }
}
