//! One connection with its two directions apart: one thread sends, another receives.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use protocol::wire::{FRAME_SIZE_BYTES, frame_size};

use crate::BenchError;

/// No answer may take longer.
const SILENCE_MAX: Duration = Duration::from_secs(60);
const RESPONSE_BYTES_MAX: usize = 256 << 20;
/// Where a request has its correlation id: behind size, API key and version.
const CORRELATION_ID_AT: usize = 8;

/// Opens a connection.
pub(crate) fn open(address: &str) -> Result<(Sender, Receiver), BenchError> {
    let failed = BenchError::io("connect");
    let stream = connect(address).map_err(&failed)?;
    let other = stream.try_clone().map_err(&failed)?;
    Ok((Sender { stream }, Receiver { stream: other }))
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let addresses: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
    let address = addresses.first().ok_or(io::ErrorKind::NotFound)?;
    let stream = TcpStream::connect_timeout(address, SILENCE_MAX)?;
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
        self.stream
            .write_all(requests)
            .map_err(BenchError::io("send a request"))
    }
}

/// The direction from the broker.
pub(crate) struct Receiver {
    stream: TcpStream,
}

impl Receiver {
    /// The next answer: its correlation id and what follows it.
    pub(crate) fn receive(&mut self) -> Result<(i32, Bytes), BenchError> {
        let failed = BenchError::io("read an answer");
        let mut size = [0; FRAME_SIZE_BYTES];
        self.stream.read_exact(&mut size).map_err(&failed)?;
        let size = frame_size(&size, RESPONSE_BYTES_MAX)?.unwrap_or_default();
        let mut frame = BytesMut::zeroed(size);
        self.stream.read_exact(&mut frame).map_err(&failed)?;
        let frame = frame.freeze();
        let id = frame
            .first_chunk()
            .ok_or(BenchError::Unexpected("an answer without a correlation id"))?;
        Ok((i32::from_be_bytes(*id), frame.slice(4..)))
    }
}

/// Puts another correlation id into a request that was encoded before.
pub(crate) fn set_correlation_id(request: &mut [u8], id: i32) {
    request[CORRELATION_ID_AT..CORRELATION_ID_AT + 4].copy_from_slice(&id.to_be_bytes());
}
