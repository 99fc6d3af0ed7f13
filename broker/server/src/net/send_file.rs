//! Files on their way to a socket, without a copy.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

/// What a connection writes to.
pub(super) trait SendFile: AsyncWrite {
    /// Sends at most `len` bytes of a file from `offset` on. 0: the file ends there.
    ///
    /// Reads from the disk, and blocks, what is not in the page cache.
    fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
        len: usize,
    ) -> Poll<io::Result<usize>>;
}

impl SendFile for TcpStream {
    fn poll_send_file(
        &self,
        cx: &mut Context<'_>,
        file: BorrowedFd<'_>,
        offset: u64,
        len: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.poll_write_ready(cx))?;
            let mut from = offset;
            let sent = self.try_io(Interest::WRITABLE, || {
                Ok(rustix::fs::sendfile(self, file, Some(&mut from), len)?)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return Poll::Ready(sent),
            }
        }
    }
}
