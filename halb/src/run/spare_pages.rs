//! Pages of the program that rest doesn't need.
//!
//! The kernel maps a program's file in pieces of 64 KiB and more wherever one page is touched
//! (fault-around, `do_fault_around()` of mm/memory.c), so that a start, a scrape or a reload each
//! leave most of the program resident: 4 to 5 of 8 MB, of which forwarding and checks use a tenth.
//! That comes back from the page cache as it is touched.
#![expect(
    unsafe_code,
    reason = "dl_iterate_phdr(3) tells where a program lies by bare addresses, and madvise(2) \
              takes them; malloc_trim(3) has no safe name"
)]

use std::ffi::{c_int, c_void};
use std::sync::Arc;
use std::time::Duration;
use std::{ptr, slice};

use nix::libc::{
    MADV_DONTNEED, PF_W, PT_LOAD, dl_iterate_phdr, dl_phdr_info, madvise, malloc_trim, size_t,
    sysconf,
};
use tokio::sync::Notify;
use tokio::time;

/// Without a stir for so long, the daemon rests. Scrapes of several collectors and a person's look
/// are one stir.
const CALM: Duration = Duration::from_secs(1);

/// What stirs without notice, such as a server's first check and its first connection, is let go of
/// in such a time.
const AGAIN: Duration = Duration::from_secs(10);

/// Lets go of them whenever the daemon rests again after it was stirred by its start, a look or an
/// order, and now and then. It costs some dozens of page faults. Memory that is locked for real time
/// stays.
pub(super) async fn release_at_rest(stirred: Arc<Notify>) {
    loop {
        while time::timeout(CALM, stirred.notified()).await.is_ok() {}
        release();
        // Either way it is looked at once more.
        let _ = time::timeout(AGAIN, stirred.notified()).await;
    }
}

fn release() {
    // SAFETY: it gives free memory of the allocator back to the kernel, and touches no other.
    unsafe { malloc_trim(0) };
    // SAFETY: `release_object` has the type that is asked for, doesn't unwind and ignores its data.
    unsafe { dl_iterate_phdr(Some(release_object), ptr::null_mut()) };
}

/// Called with the program, and with each library that it loaded.
unsafe extern "C" fn release_object(
    object: *mut dl_phdr_info,
    _size: size_t,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: `dl_iterate_phdr` passes a valid object, whose headers live as long as it is loaded.
    let (base, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr, slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()))
    };
    // SAFETY: it reads a number.
    let page = unsafe { sysconf(nix::libc::_SC_PAGESIZE) };
    let Some(page) = u64::try_from(page).ok().filter(|page| page.is_power_of_two()) else {
        return 0;
    };
    for header in headers {
        if header.p_type != PT_LOAD || header.p_flags & PF_W != 0 {
            continue;
        }
        let begin = (base + header.p_vaddr) & !(page - 1);
        let end = base + header.p_vaddr + header.p_memsz;
        let (Ok(address), Ok(length)) = (usize::try_from(begin), usize::try_from(end - begin))
        else {
            continue;
        };
        // SAFETY: the range is a segment of a loaded object that was never writable, so that its
        // pages are the file's, unchanged: to drop them loses nothing, and the next access reads
        // the same bytes again. A refusal (EINVAL where they are locked) leaves them as they are.
        unsafe { madvise(ptr::without_provenance_mut(address), length, MADV_DONTNEED) };
    }
    0
}
