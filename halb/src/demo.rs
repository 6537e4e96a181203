//! `halb demo`: a cluster with two balancers on this machine, to look at and to break. Ends leaving
//! nothing.
//!
//! ```text
//!   cluster    hosts in network namespaces: the whole of it, with a virtual IP   (as a rule)
//!   loopback   one balancer before three servers on loopback   (--loopback, or namespaces denied)
//!   screen keys   what both need of the terminal
//! ```

mod cluster;
mod keys;
mod loopback;
mod screen;

use std::future::Future;

use anyhow::Context as _;
use halb_lab::enter_user_namespace;
use tokio::runtime::Runtime;

use crate::cli;
use crate::cli::Exit;
use crate::ends::Ends;

/// Shows it for `seconds`, or until it is over, Ctrl-C or `q`.
pub fn run(seconds: Option<u32>, on_loopback: bool) -> Exit {
    if on_loopback {
        return shown(seconds, |ends| loopback::show(ends, None));
    }
    // Before any thread is started, the runtime's too.
    match enter_user_namespace() {
        Ok(()) => shown(seconds, cluster::show),
        Err(error) => {
            cli::complain(&format!("halb: {DENIED}: {:#}", anyhow::Error::new(error)));
            shown(seconds, |ends| loopback::show(ends, Some(DENIED)))
        }
    }
}

/// Why the plain form is shown unasked.
const DENIED: &str = "no network namespaces here, so this is the plain form on loopback";

fn shown<F>(seconds: Option<u32>, show: impl FnOnce(Ends) -> F) -> Exit
where
    F: Future<Output = anyhow::Result<Exit>>,
{
    let shown = Runtime::new().context("can't start").and_then(|runtime| {
        let shown = runtime
            .block_on(async { show(Ends::catch(seconds).context("can't catch signals")?).await });
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
