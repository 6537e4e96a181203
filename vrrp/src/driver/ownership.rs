//! Which addresses on this host's interfaces are ours.
//!
//! A kernel since 5.18 keeps a mark on each address that says who put it there. For an older one a
//! file in the daemon's own directory lists the addresses that it may put somewhere. The file is
//! written by whoever starts the thread or gives it new settings, before it can act on them: the
//! thread itself touches no file.

use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{fmt::Write, fs};

use crate::interfaces::{Assigned, Interfaces};
use crate::settings::Settings;

/// An address that the daemon may put on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owned {
    /// Name of the interface.
    pub(super) interface: String,
    /// The address.
    pub(super) address: IpAddr,
    /// Length of its prefix.
    pub(super) prefix_len: u8,
}

/// The file can't be written or read.
#[derive(Debug, thiserror::Error)]
#[error("cannot {order} '{path}', which lists the addresses that are halb's")]
pub struct OwnershipError {
    order: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

const NAME: &str = "addresses";

/// Longest file that is read: a line has 80 bytes at most, so these are 13,000 addresses.
const LONGEST: u64 = 1 << 20;

/// Lists the addresses of all these settings; those of old ones belong to them until the last of
/// their addresses is gone.
///
/// # Errors
/// The file can't be written; what it said before stays.
pub(super) fn write(run_dir: &Path, settings: &[&Settings]) -> Result<(), OwnershipError> {
    let path = file(run_dir);
    let mut text = String::new();
    for instance in settings.iter().flat_map(|settings| &settings.instances) {
        for placement in &instance.placements {
            let interface = placement.interface.as_ref().unwrap_or(&instance.interface);
            let (address, prefix_len) = (placement.address, placement.prefix_len);
            // Writing to a string doesn't fail.
            let _written = writeln!(text, "{interface} {address}/{prefix_len}");
        }
    }
    let unfinished = run_dir.join(format!("{NAME}.new"));
    let written = fs::write(&unfinished, text).and_then(|()| fs::rename(&unfinished, &path));
    written.map_err(|source| OwnershipError { order: "write", path, source })
}

/// What the file lists; nothing if there is none. Lines that can't be read are left out.
///
/// # Errors
/// The file is there and can't be read.
fn read(run_dir: &Path) -> Result<Vec<Owned>, OwnershipError> {
    let path = file(run_dir);
    let mut bytes = Vec::new();
    let read = fs::File::open(&path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(String::from_utf8_lossy(&bytes).lines().filter_map(line).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(OwnershipError { order: "read", path, source }),
    }
}

fn line(text: &str) -> Option<Owned> {
    let (interface, address) = text.split_once(' ')?;
    let (address, prefix_len) = address.split_once('/')?;
    let (address, prefix_len) = (address.parse().ok()?, prefix_len.parse().ok()?);
    Some(Owned { interface: interface.to_owned(), address, prefix_len })
}

/// The file's path.
pub(super) fn file(run_dir: &Path) -> PathBuf {
    run_dir.join(NAME)
}

/// Whether the kernel keeps marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tagging {
    /// As it shows, or as its version says.
    AsTheKernelDoes,
    /// It is taken for one that keeps none, whatever it shows.
    #[cfg(test)]
    Ignored,
}

/// How addresses are known to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Marks {
    /// The kernel keeps marks.
    Kept,
    /// It doesn't; these are listed.
    Listed(Vec<Owned>),
}

impl Marks {
    /// Whether the kernel keeps marks, as it shows or as its version says; else the list.
    ///
    /// # Errors
    /// The list is needed and can't be read.
    pub(super) fn find(
        picture: &Interfaces,
        run_dir: &Path,
        tagging: Tagging,
    ) -> Result<Self, OwnershipError> {
        let version = fs::read_to_string(KERNEL_VERSION).unwrap_or_default();
        let kept = match tagging {
            Tagging::AsTheKernelDoes => picture.shows_tags() || keeps_tags(&version),
            #[cfg(test)]
            Tagging::Ignored => false,
        };
        if kept { Ok(Self::Kept) } else { read(run_dir).map(Self::Listed) }
    }

    /// The addresses on interfaces that halb put there.
    pub(super) fn held(&self, picture: &Interfaces) -> Vec<Assigned> {
        match self {
            Self::Kept => picture.tagged().copied().collect(),
            Self::Listed(listed) => {
                let found = listed.iter().filter_map(|owned| owned.find(picture));
                let mut held: Vec<Assigned> = Vec::new();
                for assigned in found {
                    if !held.contains(&assigned) {
                        held.push(assigned);
                    }
                }
                held
            }
        }
    }
}

impl Owned {
    fn find(&self, picture: &Interfaces) -> Option<Assigned> {
        let index = picture.named(&self.interface)?.index;
        let fits = |assigned: &&Assigned| {
            assigned.address == self.address && assigned.prefix_len == self.prefix_len
        };
        picture.addresses(index).iter().find(fits).copied()
    }
}

/// Where the kernel says its version, such as `6.1.0-18-amd64`.
const KERNEL_VERSION: &str = "/proc/sys/kernel/osrelease";

/// `IFA_PROTO` came with Linux 5.18; some distributions have it in older ones.
fn keeps_tags(version: &str) -> bool {
    let mut numbers = version.split(|digit: char| !digit.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return false };
    (major, minor) >= (5, 18)
}

#[cfg(test)]
mod tests;
