//! The least that reading a log has to cost: a file that is sent with `sendfile(2)` to who asks for it, piece by piece.
//!
//! A request is 12 bytes, big-endian: from where on in the file (`u64`), and how many bytes (`u32`). The answer is those bytes and no others. What is
//! beyond the end of the file ends the connection.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::BenchError;
use crate::interrupt::Interrupt;
use crate::native::read_back::ReadBack;

const REQUEST_BYTES: usize = 12;
/// What a broker sends of a partition in one call: as much as consumers ask for of each.
const PIECE_BYTES: u64 = 1 << 20;
/// What a request is answered with: as much as fetches bring of six partitions that are behind.
const ANSWER_BYTES: u64 = 6 * PIECE_BYTES;
/// What the reader takes at once.
const READ_BYTES: usize = 1 << 20;

/// Listens, and serves whoever connects until the process ends.
///
/// An error is one from before that: an address that cannot be listened on, or a file that cannot be read.
pub fn serve(address: &str, path: &Path) -> io::Result<SocketAddr> {
    let file = Arc::new(File::open(path)?);
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let file = Arc::clone(&file);
            // A reader that is done ends its connection.
            std::thread::spawn(move || send(stream, &file));
        }
    });
    Ok(address)
}

/// Returns when the reader asks for no more.
fn send(mut stream: TcpStream, file: &File) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut request = [0; REQUEST_BYTES];
        stream.read_exact(&mut request)?;
        let (mut at, mut left) = asked(&request);
        while left > 0 {
            let piece = left.min(PIECE_BYTES) as usize;
            match rustix::fs::sendfile(&stream, file, Some(&mut at), piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                sent => left -= sent as u64,
            }
        }
    }
}

/// From where on, and how many bytes.
fn asked(request: &[u8; REQUEST_BYTES]) -> (u64, u64) {
    let (at, bytes) = request.split_at(8);
    let at = at.iter().fold(0, |at, byte| at << 8 | u64::from(*byte));
    let bytes = bytes
        .iter()
        .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    (at, bytes)
}

/// Asks for the first `bytes` bytes of the file, and discards them. Less is read when `interrupt` is raised.
pub fn read(address: &str, bytes: u64, interrupt: &Interrupt) -> Result<ReadBack, BenchError> {
    let failed = BenchError::io("read from a sendfile loop");
    let mut stream = TcpStream::connect(address).map_err(&failed)?;
    stream.set_nodelay(true).map_err(&failed)?;
    let mut buffer = vec![0; READ_BYTES];
    let (begin, mut read) = (Instant::now(), 0);
    while read < bytes && !interrupt.is_raised() {
        let mut left = ANSWER_BYTES.min(bytes - read);
        let mut request = [0; REQUEST_BYTES];
        request[..8].copy_from_slice(&read.to_be_bytes());
        request[8..].copy_from_slice(&(left as u32).to_be_bytes());
        stream.write_all(&request).map_err(&failed)?;
        while left > 0 {
            let room = buffer.len().min(left as usize);
            let some = stream.read(&mut buffer[..room]).map_err(&failed)? as u64;
            if some == 0 {
                return Err(BenchError::HungUp);
            }
            (read, left) = (read + some, left - some);
        }
    }
    Ok(ReadBack {
        records: 0,
        bytes: read,
        elapsed: begin.elapsed(),
    })
}

/// Reads that much of a file, so that it is in the page cache.
pub fn warm(path: &Path, bytes: u64) -> io::Result<()> {
    let mut left = File::open(path)?.take(bytes);
    let mut buffer = vec![0; READ_BYTES];
    while left.read(&mut buffer)? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(bytes: u64) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let written: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
        file.write_all(&written).unwrap();
        file
    }

    #[test]
    fn the_reader_gets_all_bytes() {
        let bytes = 2 * ANSWER_BYTES + 12_345;
        let file = file_of(bytes);
        warm(file.path(), bytes).unwrap();
        let address = serve("127.0.0.1:0", file.path()).unwrap().to_string();
        let read = read(&address, bytes, &Interrupt::default()).unwrap();
        assert_eq!(read.bytes, bytes);
    }

    #[test]
    fn what_is_asked_for_is_what_is_sent() {
        let file = file_of(3 * PIECE_BYTES);
        let address = serve("127.0.0.1:0", file.path()).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let (at, length) = (PIECE_BYTES - 3, PIECE_BYTES as u32 + 7);
        stream.write_all(&at.to_be_bytes()).unwrap();
        stream.write_all(&length.to_be_bytes()).unwrap();
        let mut sent = vec![0; length as usize];
        stream.read_exact(&mut sent).unwrap();
        let is_right = |(at, byte): (u64, &u8)| *byte == (at % 251) as u8;
        assert!((at..).zip(&sent).all(is_right));
    }

    #[test]
    fn beyond_the_end_there_is_nothing() {
        let file = file_of(10);
        let address = serve("127.0.0.1:0", file.path()).unwrap().to_string();
        let error = read(&address, 11, &Interrupt::default()).unwrap_err();
        assert!(matches!(error, BenchError::HungUp), "{error}");
    }

    #[test]
    fn an_interrupt_ends_it() {
        let file = file_of(10);
        let address = serve("127.0.0.1:0", file.path()).unwrap().to_string();
        let interrupt = Interrupt::default();
        interrupt.raise();
        assert_eq!(read(&address, 10, &interrupt).unwrap().bytes, 0);
    }
}
