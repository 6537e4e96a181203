//! Keeps the list of addresses that are ours, where the kernel doesn't, ahead of the thread.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::AddressMarks;
use super::engine::words;
use super::netlink::{Netlink, NetlinkError};
use super::ownership::{self, Marks, OwnershipError, Tagging};
use crate::interfaces::Interfaces;
use crate::settings::Settings;

/// Which settings hold, and where their addresses are listed.
#[derive(Debug)]
pub(super) struct Ledger {
    /// None: the kernel keeps marks.
    run_dir: Option<PathBuf>,
    /// Held while settings are applied.
    settings: Mutex<Settings>,
    /// For people, who don't wait for that.
    marks: Mutex<AddressMarks>,
}

impl Ledger {
    /// Lists the addresses of the first settings, if that is needed on this kernel; and whether
    /// that worked. If not, nobody knows of an address that a crash leaves behind.
    pub(super) fn open(
        run_dir: &Path,
        settings: Settings,
        tagging: Tagging,
    ) -> (Self, Result<(), OwnershipError>) {
        let run_dir = (!keeps_marks(run_dir, tagging)).then(|| run_dir.to_owned());
        let ledger = Self::new(run_dir, settings);
        let written =
            ledger.write(&[&ledger.settings.lock().unwrap_or_else(PoisonError::into_inner)]);
        if let Err(error) = &written {
            ledger.mark(AddressMarks::Unlisted { why: words(error) });
        }
        (ledger, written)
    }

    fn new(run_dir: Option<PathBuf>, settings: Settings) -> Self {
        let (settings, marks) = (Mutex::new(settings), Mutex::new(AddressMarks::Kept));
        Self { run_dir, settings, marks }
    }

    /// How it is known which addresses are ours.
    pub(super) fn marks(&self) -> AddressMarks {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn mark(&self, marks: AddressMarks) {
        *self.marks.lock().unwrap_or_else(PoisonError::into_inner) = marks;
    }

    /// Lists the addresses of both settings while `apply` puts the new ones in force, and those of
    /// the new ones alone if it did.
    ///
    /// # Errors
    /// That of `apply`, or its like for a list that can't be written; then nothing was applied.
    pub(super) fn apply<T, E: From<OwnershipError>>(
        &self,
        settings: Settings,
        apply: impl FnOnce(Settings) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut old = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&[&old, &settings])?;
        let applied = apply(settings.clone())?;
        *old = settings;
        // What is listed beyond need is only looked for in vain.
        let _ = self.write(&[&old]);
        Ok(applied)
    }

    fn write(&self, settings: &[&Settings]) -> Result<(), OwnershipError> {
        let Some(run_dir) = &self.run_dir else { return Ok(()) };
        ownership::write(run_dir, settings)?;
        self.mark(AddressMarks::Listed { file: ownership::file(run_dir) });
        Ok(())
    }
}

fn keeps_marks(run_dir: &Path, tagging: Tagging) -> bool {
    let picture = || -> Result<Interfaces, NetlinkError> {
        let mut netlink = Netlink::open()?;
        let mut picture = Interfaces::default();
        picture.replace(netlink.interfaces()?, netlink.addresses()?);
        Ok(picture)
    };
    let picture = picture().unwrap_or_default();
    matches!(Marks::find(&picture, run_dir, tagging), Ok(Marks::Kept))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::OrderError;

    fn listed(dir: &Path) -> String {
        std::fs::read_to_string(dir.join("addresses")).unwrap()
    }

    fn settings(last: u8) -> Settings {
        let address = std::net::IpAddr::from([10, 0, 0, last]);
        let instance = crate::node::tests::with_address("A", address);
        Settings {
            instances: vec![instance],
            groups: Vec::new(),
            realtime: None,
            freeze_limit: None,
        }
    }

    #[test]
    fn both_settings_are_listed_while_one_replaces_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = Some(dir.path().to_owned());
        let ledger = Ledger::new(run_dir, settings(1));
        let during = ledger.apply(settings(2), |_| Ok::<_, OrderError>(listed(dir.path())));
        assert_eq!(during.unwrap(), "eth0 10.0.0.1/32\neth0 10.0.0.2/32\n");
        assert_eq!(listed(dir.path()), "eth0 10.0.0.2/32\n");
        let refused = ledger.apply(settings(3), |_| Err::<(), _>(OrderError::Busy));
        assert_eq!(refused, Err(OrderError::Busy));
        assert_eq!(listed(dir.path()), "eth0 10.0.0.2/32\neth0 10.0.0.3/32\n");
    }

    #[test]
    fn without_the_list_nothing_is_applied() {
        let run_dir = Some(PathBuf::from("/nonexistent"));
        let ledger = Ledger::new(run_dir, settings(1));
        let refused =
            ledger.apply(settings(2), |_| -> Result<(), OrderError> { panic!("applied") });
        let Err(OrderError::Unlisted(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("/nonexistent/addresses"), "{why}");
    }

    #[test]
    fn a_list_that_could_not_be_written_is_told_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("halb");
        let (ledger, written) = Ledger::open(&run_dir, settings(1), Tagging::Ignored);
        let why = words(&written.unwrap_err());
        assert_eq!(ledger.marks(), AddressMarks::Unlisted { why });
        std::fs::create_dir(&run_dir).unwrap();
        ledger.apply(settings(2), |_| Ok::<_, OrderError>(())).unwrap();
        assert_eq!(ledger.marks(), AddressMarks::Listed { file: run_dir.join("addresses") });
    }

    #[test]
    fn a_kernel_that_keeps_marks_needs_no_list() {
        let run_dir = Path::new("/nonexistent");
        let ledger = Ledger::new(None, settings(1));
        ledger.apply(settings(2), |_| Ok::<_, OrderError>(())).unwrap();
        assert_eq!(ledger.marks(), AddressMarks::Kept);
        assert!(!run_dir.exists());
    }
}
