//! One connection with its two directions apart: one thread sends, another receives.

use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::wire::{FRAME_SIZE_BYTES, frame_size, split_frame};

use crate::BenchError;
use crate::course::Course;

/// No answer may take longer.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Nobody is waited for longer who does not even take the connection.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const RESPONSE_BYTES_MAX: usize = 256 << 20;
/// What is read at once of answers that are smaller.
const READ_BYTES: usize = 64 << 10;
/// Linux takes so many pieces in a call (`IOV_MAX`).
const PIECES_MAX: usize = 1024;

/// Opens a connection, which ends with the run.
pub(crate) fn open(address: &str, course: &Course) -> Result<(Sender, Receiver), BenchError> {
    let failed = |source| BenchError::Connect {
        address: address.to_owned(),
        source,
    };
    let stream = connect(address).map_err(failed)?;
    let other = stream.try_clone().map_err(failed)?;
    course.watch(stream.try_clone().map_err(failed)?);
    let receiver = Receiver {
        stream: other,
        received: BytesMut::new(),
    };
    Ok((Sender { stream }, receiver))
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let address = addresses.first().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(address, CONNECT_MAX)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    Ok(stream)
}

/// The direction to the broker.
pub(crate) struct Sender {
    stream: TcpStream,
}

impl Sender {
    /// Sends bytes of whole requests.
    pub(crate) fn send(&mut self, requests: &[u8]) -> Result<(), BenchError> {
        self.send_pieces(&[requests])
    }

    /// Sends pieces of whole requests, one after the other, in one call if the system takes them at once.
    pub(crate) fn send_pieces(&mut self, pieces: &[&[u8]]) -> Result<(), BenchError> {
        let failed = BenchError::io("send a request");
        for some in pieces.chunks(PIECES_MAX) {
            let mut slices: Vec<IoSlice<'_>> = some.iter().map(|it| IoSlice::new(it)).collect();
            let mut left = slices.as_mut_slice();
            while !left.is_empty() {
                let sent = match self.stream.write_vectored(left) {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    sent => sent,
                };
                IoSlice::advance_slices(&mut left, sent.map_err(&failed)?);
            }
        }
        Ok(())
    }
}

/// The direction from the broker.
pub(crate) struct Receiver {
    stream: TcpStream,
    received: BytesMut,
}

impl Receiver {
    /// The next answer: its correlation id and what follows it.
    pub(crate) fn receive(&mut self) -> Result<(i32, Bytes), BenchError> {
        let frame = loop {
            if let Some(frame) = split_frame(&mut self.received, RESPONSE_BYTES_MAX)? {
                break frame.freeze();
            }
            self.read().map_err(|source| match source.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    BenchError::Silent(SILENCE_MAX)
                }
                io::ErrorKind::UnexpectedEof => BenchError::HungUp,
                _ => BenchError::io("read an answer")(source),
            })?;
        };
        let id = frame
            .first_chunk()
            .ok_or(BenchError::Unexpected("an answer without a correlation id"))?;
        Ok((i32::from_be_bytes(*id), frame.slice(4..)))
    }

    /// More, as much as there is, up to the end of a large answer.
    fn read(&mut self) -> io::Result<()> {
        let size = frame_size(&self.received, RESPONSE_BYTES_MAX).map_err(io::Error::other)?;
        let missing = size.map_or(0, |size| FRAME_SIZE_BYTES + size - self.received.len());
        let at = self.received.len();
        self.received.resize(at + missing.max(READ_BYTES), 0);
        let read = loop {
            match self.stream.read(&mut self.received[at..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.received.truncate(at + *read.as_ref().unwrap_or(&0));
        match read? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
