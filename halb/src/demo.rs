//! `halb demo`: three stand-in API servers, the real daemon before them, a little traffic and a
//! live view, on addresses of loopback that nobody else has. Ends leaving nothing.
//!
//! ```text
//!  traffic ──TLS──▶ halb run (a child process) ──▶ kmaster1 kmaster2 kmaster3 (in this process)
//!     └── who answered ──▶ view ◀── status ──┘            ▲ keys stop and start them
//! ```

mod cluster;
mod daemon;
mod keys;
mod screen;
mod traffic;
mod view;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::signal::unix;
use tokio::signal::unix::SignalKind;
use tokio::time::Instant;
use tokio::{task, time};

use crate::cli;
use crate::cli::Exit;
use cluster::Cluster;
use daemon::Daemon;
use keys::Key;
use screen::Screen;
use traffic::Traffic;
use view::Scene;

/// Time between two pictures.
const PICTURE: Duration = Duration::from_millis(500);

/// Shows it for `seconds`, or until Ctrl-C or `q`.
pub fn run(seconds: Option<u32>) -> Exit {
    let shown = Runtime::new().context("can't start").and_then(|runtime| {
        let shown = runtime.block_on(show(seconds));
        // The thread that reads keys never ends by itself.
        runtime.shutdown_background();
        shown
    });
    match shown {
        Ok(exit) => exit,
        Err(error) => {
            cli::complain(&format!("halb: {error:#}"));
            Exit::Failed
        }
    }
}

async fn show(seconds: Option<u32>) -> anyhow::Result<Exit> {
    let mut ends = Ends::catch(seconds).context("can't catch signals")?;
    let cluster = Cluster::start().await?;
    let daemon = Arc::new(Daemon::start(&cluster).await?);
    let traffic = Traffic::start(daemon.frontend(), cluster.authority());
    let mut screen = Screen::open();
    let mut keys = screen.keys();
    let mut pictures = time::interval(PICTURE);
    let began = Instant::now();
    loop {
        tokio::select! {
            () = ends.come() => break,
            key = keys.recv() => match key {
                Some(Key::Server(number)) => cluster.toggle(number).await?,
                Some(Key::Quit) | None => break,
            },
            _ = pictures.tick() => {
                let asked = Arc::clone(&daemon);
                let status = task::spawn_blocking(move || asked.status()).await??;
                let scene = Scene {
                    elapsed: began.elapsed(),
                    frontend: daemon.frontend(),
                    http: daemon.http(),
                    socket: daemon.socket(),
                    status,
                    answers: traffic.answers(),
                };
                if screen.show(&scene).is_err() {
                    break;
                }
            }
        }
    }
    screen.close();
    let answers = traffic.end().await;
    let ended = task::spawn_blocking(move || daemon.stop()).await?;
    drop(cluster);
    // Nobody may be left to read it.
    let _ = io::Write::write_all(&mut io::stdout(), view::farewell(&answers).as_bytes());
    ended?;
    Ok(if answers.answered() > 0 { Exit::Done } else { Exit::Failed })
}

/// What ends the demo from outside.
struct Ends {
    deadline: Option<Instant>,
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

impl Ends {
    fn catch(seconds: Option<u32>) -> io::Result<Self> {
        let length = seconds.map(|seconds| Duration::from_secs(seconds.into()));
        Ok(Self {
            deadline: length.map(|length| Instant::now() + length),
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hangup: unix::signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the first of them. May be cancelled and called again.
    async fn come(&mut self) {
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            () = time::sleep_until(self.deadline.unwrap_or(far)), if self.deadline.is_some() => {}
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
