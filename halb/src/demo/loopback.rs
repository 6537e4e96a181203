//! The plain form: three stand-in API servers, the real daemon before them, a little traffic and a
//! live view, on addresses of loopback that nobody else has.
//!
//! ```text
//!  traffic ──TLS──▶ halb run (a child process) ──▶ kmaster1 kmaster2 kmaster3 (in this process)
//!     └── who answered ──▶ view ◀── status ──┘            ▲ keys stop and start them
//! ```

mod cluster;
mod daemon;
mod traffic;
mod view;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio::{task, time};

use super::screen;
use super::screen::Screen;
use crate::cli::Exit;
use crate::ends::Ends;
use cluster::Cluster;
use daemon::Daemon;
use traffic::Traffic;
use view::Scene;

/// Time between two pictures.
const PICTURE: Duration = Duration::from_millis(500);

/// Pictures from one line of text to the next, where there is no terminal: one every two seconds.
const PICTURES_PER_LINE: u32 = 4;

/// Shows it until something ends it; `why` says why it is the plain form, if nobody asked for that.
pub(super) async fn show(mut ends: Ends, why: Option<&'static str>) -> anyhow::Result<Exit> {
    let cluster = Cluster::start().await?;
    let daemon = Arc::new(Daemon::start(&cluster).await?);
    let traffic = Traffic::start(daemon.frontend(), cluster.authority());
    let mut screen = Screen::open();
    let mut keys = screen.keys();
    let mut pictures = time::interval(PICTURE);
    let mut shown: u32 = 0;
    let began = Instant::now();
    loop {
        tokio::select! {
            () = ends.come() => break,
            key = keys.recv() => match key {
                Some(b'q' | b'Q') | None => break,
                Some(key) => if let Some(number) = server_of(key) {
                    cluster.toggle(number).await?;
                },
            },
            _ = pictures.tick() => {
                let asked = Arc::clone(&daemon);
                let status = task::spawn_blocking(move || asked.status()).await??;
                let scene = Scene {
                    why,
                    elapsed: began.elapsed(),
                    frontend: daemon.frontend(),
                    http: daemon.http(),
                    socket: daemon.socket(),
                    status,
                    answers: traffic.answers(),
                };
                let line_due = shown.is_multiple_of(PICTURES_PER_LINE);
                shown = shown.wrapping_add(1);
                let written = if screen.is_terminal() {
                    screen.draw(&view::picture(&scene, screen.has_keyboard()))
                } else if line_due {
                    screen::say(&view::line(&scene))
                } else {
                    Ok(())
                };
                if written.is_err() {
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
    let _ = screen::say(&view::farewell(&answers));
    ended?;
    Ok(if answers.answered() > 0 { Exit::Done } else { Exit::Failed })
}

/// The server that a key stands for.
fn server_of(key: u8) -> Option<usize> {
    key.is_ascii_digit().then(|| usize::from(key - b'0'))
}
