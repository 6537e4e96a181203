//! The thread of the virtual routers.

use std::io;
use std::time::Duration;

use super::{Handle, Options, StartError, Stopped};
use crate::settings::Settings;

/// The thread as whoever started it sees it.
#[derive(Debug)]
pub(super) struct Running;

/// Starts it.
pub(super) fn start(_: Settings, _: Options) -> Result<(Handle, Running), StartError> {
    let source = io::ErrorKind::Unsupported.into();
    Err(StartError::Kernel { what: "virtual routers do not run yet".to_owned(), source })
}

impl Running {
    /// Hands over and ends it.
    pub(super) fn stop(self, _: Duration) -> Stopped {
        Stopped::Done
    }
}
