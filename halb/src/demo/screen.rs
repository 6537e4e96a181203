//! Where the view is shown: redrawn on a terminal, line by line anywhere else.

use std::io;
use std::io::{IsTerminal as _, Write as _};

use tokio::sync::mpsc;

use super::keys::{Key, Keyboard};
use super::view::Scene;
use super::{keys, view};

/// Switches to a screen of its own and hides the cursor; back again.
const OPEN: &str = "\x1b[?1049h\x1b[?25l";
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";

/// Each line clears what it leaves of the one before; the rest is cleared at the end.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[J";

/// Pictures from one line of text to the next: one line every two seconds.
const PICTURES_PER_LINE: u32 = 4;

/// The open screen; closed on drop too.
pub(super) struct Screen {
    terminal: bool,
    keyboard: Option<Keyboard>,
    pictures: u32,
    /// Kept open where there are no keys.
    no_keys: Option<mpsc::Sender<Key>>,
}

impl Screen {
    pub(super) fn open() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let terminal = io::stdout().is_terminal() && !dumb;
        if terminal {
            // If it can't be written, the first picture can't either, and that ends the demo.
            let _ = write(OPEN);
        }
        let keyboard =
            if terminal && io::stdin().is_terminal() { Keyboard::take().ok() } else { None };
        Self { terminal, keyboard, pictures: 0, no_keys: None }
    }

    /// The keys that are typed; none ever where there is no keyboard.
    pub(super) fn keys(&mut self) -> mpsc::Receiver<Key> {
        if self.keyboard.is_some()
            && let Ok(keys) = keys::read()
        {
            return keys;
        }
        let (sender, keys) = mpsc::channel(1);
        self.no_keys = Some(sender);
        keys
    }

    pub(super) fn show(&mut self, scene: &Scene) -> io::Result<()> {
        let line_due = self.pictures.is_multiple_of(PICTURES_PER_LINE);
        self.pictures = self.pictures.wrapping_add(1);
        if self.terminal {
            let picture = view::picture(scene, self.keyboard.is_some());
            write(&format!("{HOME}{}{CLEAR_BELOW}", picture.replace('\n', CLEAR_LINE)))
        } else if line_due {
            write(&view::line(scene))
        } else {
            Ok(())
        }
    }

    /// Leaves the terminal as it was found.
    pub(super) fn close(self) {
        drop(self);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.terminal {
            // The terminal may be gone.
            let _ = write(CLOSE);
        }
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
