//! `sync_file_range`, which has no safe wrapper in the crates used here.
#![expect(unsafe_code, reason = "a system call without a safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Starts writing back dirty pages of the range. Best effort: an unsupported call is no error.
pub(in crate::io) fn start_writeback(fd: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<()> {
    // Zero would mean "to the end of the file" to the kernel.
    if len == 0 {
        return Ok(());
    }
    let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    // SAFETY: the call takes no pointers, and `fd` is open for as long as it is borrowed.
    let outcome =
        unsafe { libc::sync_file_range(fd.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE) };
    if outcome == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOSYS | libc::ESPIPE | libc::EINVAL) => Ok(()),
        _ => Err(error),
    }
}
