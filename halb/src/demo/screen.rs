//! Where the demo is shown: redrawn on a terminal, line by line anywhere else.

use std::io;
use std::io::{IsTerminal as _, Write as _};

use tokio::sync::mpsc;

use super::keys;
use super::keys::Keyboard;

/// Switches to a screen of its own and hides the cursor; back again.
const OPEN: &str = "\x1b[?1049h\x1b[?25l";
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";

/// Each line clears what it leaves of the one before; the rest is cleared at the end.
const HOME: &str = "\x1b[H";
const CLEAR_LINE: &str = "\x1b[K\n";
const CLEAR_BELOW: &str = "\x1b[K\x1b[J";

/// The open screen; closed on drop too.
pub(super) struct Screen {
    terminal: bool,
    keyboard: Option<Keyboard>,
    /// Kept open where there are no keys.
    no_keys: Option<mpsc::Sender<u8>>,
}

impl Screen {
    pub(super) fn open() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let terminal = io::stdout().is_terminal() && !dumb;
        if terminal {
            // If it can't be written, the first picture can't either, and that ends the demo.
            let _ = say(OPEN);
        }
        let keyboard =
            if terminal && io::stdin().is_terminal() { Keyboard::take().ok() } else { None };
        Self { terminal, keyboard, no_keys: None }
    }

    /// Whether pictures are drawn here; otherwise lines are said.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether somebody can press keys.
    pub(super) fn has_keyboard(&self) -> bool {
        self.keyboard.is_some()
    }

    /// The keys that are typed; none ever where there is no keyboard.
    pub(super) fn keys(&mut self) -> mpsc::Receiver<u8> {
        if self.keyboard.is_some()
            && let Ok(keys) = keys::read()
        {
            return keys;
        }
        let (sender, keys) = mpsc::channel(1);
        self.no_keys = Some(sender);
        keys
    }

    /// Puts a picture in place of the one before.
    pub(super) fn draw(&self, picture: &str) -> io::Result<()> {
        // A line break after the last line of a full screen would move it all up.
        let picture = picture.trim_end_matches('\n').replace('\n', CLEAR_LINE);
        say(&format!("{HOME}{picture}{CLEAR_BELOW}"))
    }

    /// Leaves the terminal as it was found.
    pub(super) fn close(&mut self) {
        self.keyboard = None;
        if self.terminal {
            self.terminal = false;
            // It may be gone.
            let _ = say(CLOSE);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.close();
    }
}

/// Adds text to what was said before.
pub(super) fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}
