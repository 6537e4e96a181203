//! The memory that two processes share, as words that only atomic operations touch.
#![expect(
    unsafe_code,
    reason = "shared memory is there only by mmap(2), which gives a bare address"
)]

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU64;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;

/// A file in memory, mapped as long as this value lives.
#[derive(Debug)]
pub(super) struct Memory {
    start: NonNull<AtomicU64>,
    words: NonZeroUsize,
}

impl Memory {
    /// Maps the first `words` words of a file that is at least as long and sealed against
    /// shrinking, so that no access can fail.
    pub(super) fn map(file: BorrowedFd<'_>, words: NonZeroUsize) -> io::Result<Self> {
        let length = words.checked_mul(WORD).ok_or(io::ErrorKind::InvalidInput)?;
        let seals = SealFlag::from_bits_truncate(fcntl(file, FcntlArg::F_GET_SEALS)?);
        let size = usize::try_from(fstat(file)?.st_size).map_err(io::Error::other)?;
        if !seals.contains(SealFlag::F_SEAL_SHRINK) || size < length.get() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses a free range, so nothing that exists is mapped over; the
        // range is valid until `drop` unmaps it, as the file can't shrink.
        let start = unsafe { mmap(None, length, rights, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self { start: start.cast(), words })
    }

    /// All words.
    pub(super) fn words(&self) -> &[AtomicU64] {
        // SAFETY: the range is mapped readable and writable for so many words as long as `self`
        // lives, begins at a page and so is aligned, and holds integers for which each pattern of
        // bits is valid. Others change it, this process through `AtomicU64` only and the other
        // likewise, which shared references to atomics allow.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.words.get()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let length = self.words.get() * WORD.get();
        // SAFETY: the range is the one that `map` got, and no reference into it outlives `self`.
        // A failure leaves it mapped, which harms nobody.
        let _ = unsafe { munmap(self.start.cast(), length) };
    }
}

// SAFETY: the value owns its range, and everything in it is atomic.
unsafe impl Send for Memory {}
// SAFETY: as above; `words` gives out shared references to atomics only.
unsafe impl Sync for Memory {}

/// Length of a word in bytes.
const WORD: NonZeroUsize = NonZeroUsize::new(size_of::<AtomicU64>()).expect("it isn't zero");
