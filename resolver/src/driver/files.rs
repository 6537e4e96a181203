//! The files of a host that answers hang on, read anew when they change.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::{task, time};

use crate::config::{Nameservers, Settings};
use crate::resolv_conf::{self, NAMESERVERS_MAX};

/// From one look at the files to the next: two calls of `stat`.
const PACE: Duration = Duration::from_secs(2);

/// Files read at a time, on a thread that may block; a disk that hangs holds it, and what was read
/// before stays in use.
pub const FILE_READS_MAX: usize = 1;

/// What is read of a file, in bytes; a hosts file that blocks advertisers is of this order.
const FILE_LEN_MAX: u64 = 1024 * 1024;

/// What the files say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// The hosts file's text; empty where there is none.
    pub(super) hosts: String,
    /// Who is asked.
    pub(super) nameservers: Vec<SocketAddr>,
}

/// What tells a changed file: inode, length, time of its last change.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Reads the files, and tells what they say at first and after each change, until nobody listens.
pub(super) async fn watch(settings: Settings, sender: mpsc::Sender<Files>) {
    let mut pace = time::interval(PACE);
    pace.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut told: Option<(Vec<Stamp>, Files)> = None;
    loop {
        pace.tick().await;
        let before = told.as_ref().map(|(stamps, _)| stamps.clone());
        let settings = settings.clone();
        let look = task::spawn_blocking(move || read_if_changed(&settings, before.as_ref()));
        let Ok(Some((stamps, files))) = look.await else { continue };
        let same = told.as_ref().is_some_and(|(_, before)| *before == files);
        told = Some((stamps, files.clone()));
        if !same && sender.send(files).await.is_err() {
            return;
        }
    }
}

fn read_if_changed(
    settings: &Settings,
    before: Option<&Vec<Stamp>>,
) -> Option<(Vec<Stamp>, Files)> {
    let resolv_conf = match &settings.nameservers {
        Nameservers::File(path) => Some(path.as_path()),
        Nameservers::These(_) => None,
    };
    let hosts_file = settings.hosts_file.as_deref();
    // Before they are read, so that a change in between is seen the next time.
    let stamps: Vec<Stamp> = [hosts_file, resolv_conf].map(|path| stamp(path?)).to_vec();
    if before == Some(&stamps) {
        return None;
    }
    let text = |path: Option<&Path>| path.map(read).unwrap_or_default();
    let nameservers = match &settings.nameservers {
        Nameservers::File(_) => resolv_conf::nameservers(&text(resolv_conf)),
        Nameservers::These(these) => these.iter().copied().take(NAMESERVERS_MAX).collect(),
    };
    Some((stamps, Files { hosts: text(hosts_file), nameservers }))
}

fn stamp(path: &Path) -> Stamp {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
}

/// As much of a file as counts; nothing of one that can't be read, as the C library has it.
fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let file = fs::File::open(path);
    let read = file.and_then(|file| file.take(FILE_LEN_MAX).read_to_end(&mut bytes));
    if read.is_ok() { String::from_utf8_lossy(&bytes).into_owned() } else { String::new() }
}
