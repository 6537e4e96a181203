//! Gathers the facts: files of the kernel, three programs if they are there (`nft`, `timedatectl`,
//! and nothing that changes anything), and the wire for a while. It needs no right to run, and says
//! of what it couldn't see why.

mod files;
mod links;
mod listen;
mod sockets;

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::facts::{Clock, Host, Subject, Wanted};
use crate::firewall::Ruleset;

/// Looks at this host; listens for adverts for `listening`, if any virtual router is wanted.
/// `daemon` is the process of the daemon, where it is known; else it is looked for by its name.
#[must_use]
pub fn examine(wanted: &Wanted, daemon: Option<u32>, listening: Duration) -> Host {
    let interfaces = links::all();
    let daemon = daemon.or_else(sockets::daemon);
    let process = daemon.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    Host {
        subject: if daemon.is_some() { Subject::Daemon } else { Subject::Asker },
        capabilities: files::capabilities(&process),
        descriptors: files::descriptors(&process),
        default_route: files::default_route(),
        unprivileged_port: files::setting("net/ipv4/ip_unprivileged_port_start").unwrap_or(1024),
        ephemeral: files::ephemeral(),
        reserved: files::reserved(),
        firewall: firewall(),
        tracking: files::tracking(),
        listening: sockets::listening(daemon),
        clock: clock(),
        heard: listen::hear(wanted, &interfaces, listening),
        interfaces,
    }
}

fn firewall() -> Result<Ruleset, String> {
    let text = match said("nft", &["--json", "list", "ruleset"]) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("nft isn't installed".to_owned());
        }
        Err(error) => return Err(format!("nft says: {error}")),
    };
    if files::has_legacy_tables() {
        return Err("rules of iptables-legacy are there, which nft doesn't show; see \
                    iptables-legacy-save"
            .to_owned());
    }
    // No rule at all is no word at all.
    let text = if text.trim().is_empty() { "{}" } else { &text };
    Ruleset::read(text).map_err(|error| format!("nft says what isn't understood: {error}"))
}

fn clock() -> Clock {
    match said("timedatectl", &["show", "--property=NTPSynchronized", "--value"]) {
        Ok(text) if text.trim() == "yes" => Clock::Synchronised,
        Ok(text) if text.trim() == "no" => Clock::Free,
        Ok(_) | Err(_) => Clock::Unknown,
    }
}

/// What a program writes to its standard output when all is well.
fn said(program: &str, arguments: &[&str]) -> io::Result<String> {
    // Root's programs need not be on everybody's path.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(errors.lines().next().unwrap_or("nothing").to_owned()))
}
