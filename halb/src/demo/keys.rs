//! Single keys from the terminal, without Enter.

use std::io::Read as _;
use std::{io, thread};

use nix::sys::termios;
use nix::sys::termios::{LocalFlags, SetArg, Termios};
use tokio::sync::mpsc;

/// Keys that wait to be acted upon; more are dropped, nobody types faster.
const KEYS_MAX: usize = 16;

/// Keeps the terminal in its mode and puts it back on drop.
pub(super) struct Keyboard {
    before: Termios,
}

impl Keyboard {
    /// Lets keys come one by one and unseen; Ctrl-C still interrupts.
    pub(super) fn take() -> nix::Result<Self> {
        let before = termios::tcgetattr(io::stdin())?;
        let mut wanted = before.clone();
        wanted.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &wanted)?;
        Ok(Self { before })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &self.before);
    }
}

/// Reads keys on a thread of its own, which ends with the process.
pub(super) fn read() -> io::Result<mpsc::Receiver<u8>> {
    let (sender, keys) = mpsc::channel(KEYS_MAX);
    thread::Builder::new().name("keys".to_owned()).spawn(move || {
        for key in io::stdin().lock().bytes().map_while(Result::ok) {
            // Full: the demo is busy with those before. Closed: it ends.
            let _ = sender.try_send(key);
        }
    })?;
    Ok(keys)
}
