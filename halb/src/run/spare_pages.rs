//! Pages of the program that rest doesn't need.
//!
//! Where one page of a program's file is touched the kernel maps its neighbours too: 64 KiB, and
//! since Linux 6.18 the whole folio of the page cache, up to 2 MiB (`filemap_map_pages()` of
//! mm/filemap.c). So a start, a scrape or a reload each leave most of the program resident, 4 to
//! 9 MB, and locked where memory is locked for real time; forwarding and checks use a tenth.
//!
//! It maps none beyond the border of a mapping. [`cut`] makes such borders, and what was needed once
//! is given back. That comes back from the page cache as it is touched.
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
    MADV_DONTDUMP, MADV_DONTNEED, PF_W, PT_LOAD, dl_iterate_phdr, dl_phdr_info, madvise,
    malloc_trim, size_t,
};
use tokio::sync::Notify;
use tokio::time;

/// Length of a piece of the program, in bytes: what one touch brings along at most. A process may
/// have 65,530 mappings (`vm.max_map_count`), and 20 MB of program are 600.
const PIECE: usize = 32 * 1024;

/// Smallest page that Linux has. Where they are larger some advice is refused, and a little more is
/// resident.
const PAGE: usize = 4096;

/// Without a stir for so long, the daemon rests. Scrapes of several collectors and a person's look
/// are one stir.
const CALM: Duration = Duration::from_secs(1);

/// What stirs without notice, such as a server's first check and its first connection, is let go of
/// in such a time.
const AGAIN: Duration = Duration::from_secs(60);

/// Lets go of them whenever the daemon rests again after it was stirred by its start, a look or an
/// order, and now and then. It costs some dozens of page faults. Memory that is locked for real time
/// stays.
pub(super) async fn release_at_rest(stirred: Arc<Notify>) {
    // What reading the configuration left behind. Once: threads that allocate wait for it.
    // SAFETY: it gives free memory of the allocator back to the kernel, and touches no other.
    unsafe { malloc_trim(0) };
    loop {
        while time::timeout(CALM, stirred.notified()).await.is_ok() {}
        for_each_segment(|address, length| advise(address, length, MADV_DONTNEED));
        // Either way it is looked at once more.
        let _ = time::timeout(AGAIN, stirred.notified()).await;
    }
}

/// Cuts the program into mappings of [`PIECE`] bytes. Before it does much, once.
pub(super) fn cut() {
    for_each_segment(|begin, length| {
        let end = begin + length;
        // Neighbours whose flags differ are two mappings. This one costs nothing: a core dump leaves
        // out unchanged pages of files anyway (core(5)), and reclaim treats them like all others.
        for piece in (begin + PIECE..end).step_by(2 * PIECE) {
            advise(piece, PIECE.min(end - piece), MADV_DONTDUMP);
        }
    });
}

fn advise(address: usize, length: usize, advice: c_int) {
    // SAFETY: the range is of a segment that was never writable, so that its pages are the file's,
    // unchanged: to drop them loses nothing, and the next access reads the same bytes again. A
    // refusal (EINVAL where they are locked) leaves them as they are.
    unsafe { madvise(ptr::without_provenance_mut(address), length, advice) };
}

type OfSegment<'a> = dyn FnMut(usize, usize) + 'a;

/// Calls with the address and the length in bytes of each segment that is only read: of the program
/// and of each library that it loaded.
fn for_each_segment(mut of_segment: impl FnMut(usize, usize)) {
    let mut of_segment: &mut OfSegment<'_> = &mut of_segment;
    let data: *mut &mut OfSegment<'_> = &raw mut of_segment;
    // SAFETY: `object_segments` has the type that is asked for, and gets what it takes `data` for,
    // which lives until this returns.
    unsafe { dl_iterate_phdr(Some(object_segments), data.cast()) };
}

/// Called with the program, and with each library.
unsafe extern "C" fn object_segments(
    object: *mut dl_phdr_info,
    _size: size_t,
    data: *mut c_void,
) -> c_int {
    // SAFETY: `dl_iterate_phdr` passes a valid object, whose headers live as long as it is loaded,
    // and the data of `for_each_segment`.
    let (base, headers, of_segment) = unsafe {
        let object = &*object;
        let headers = slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into());
        (object.dlpi_addr, headers, &mut *data.cast::<&mut OfSegment<'_>>())
    };
    for header in headers {
        if header.p_type != PT_LOAD || header.p_flags & PF_W != 0 {
            continue;
        }
        let (begin, end) = (base + header.p_vaddr, base + header.p_vaddr + header.p_memsz);
        let (Ok(begin), Ok(end)) = (usize::try_from(begin), usize::try_from(end)) else { continue };
        // It begins at the border of a page, as madvise(2) wants.
        let first = begin & !(PAGE - 1);
        of_segment(first, end - first);
    }
    0
}
