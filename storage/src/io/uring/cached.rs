//! Whether a part of a file is in the page cache, by the kernel's `cachestat` (Linux 6.5).
#![expect(unsafe_code, reason = "a system call without a safe wrapper")]

use std::os::fd::{AsRawFd, BorrowedFd};

/// The call's number, on every architecture that has been added or kept since Linux 5.1 but alpha.
const SYS_CACHESTAT: libc::c_long = 451;
/// The unit of the page cache. Where it is larger, fewer pages are found than there must be, and the answer is no.
const PAGE: u64 = 4096;

/// `struct cachestat_range` of `linux/mman.h`.
#[repr(C)]
struct Range {
    offset: u64,
    len: u64,
}

/// `struct cachestat` of `linux/mman.h`, in pages.
#[repr(C)]
#[derive(Default)]
struct Stat {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// True when all pages of the range are in the page cache. Where the kernel cannot tell: false.
pub(in crate::io) fn is_cached(fd: BorrowedFd<'_>, offset: u64, len: u64) -> bool {
    let Some(end) = offset.checked_add(len) else {
        return false;
    };
    let pages = end.div_ceil(PAGE) - offset / PAGE;
    let range = Range { offset, len };
    let mut stat = Stat::default();
    // SAFETY: both pointers are to live values of the layout that the call has, which keeps neither; `fd` is open for as long as it is
    // borrowed.
    let outcome = unsafe {
        libc::syscall(
            SYS_CACHESTAT,
            fd.as_raw_fd(),
            &raw const range,
            &raw mut stat,
            0,
        )
    };
    len > 0 && outcome == 0 && stat.cached >= pages
}
