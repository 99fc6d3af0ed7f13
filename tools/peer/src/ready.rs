//! Asking a broker whether it is there.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

/// How often a broker that does not answer yet is asked again. There is no event to wait for: a
/// refused connection says nothing about when the next one will succeed.
const PROBE_INTERVAL: Duration = Duration::from_millis(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Calls `probe` until it says yes, `gone` says that waiting is pointless, or `limit` has passed.
/// True if the answer was yes.
pub(crate) fn poll_until(
    limit: Duration,
    mut probe: impl FnMut() -> bool,
    mut gone: impl FnMut() -> bool,
) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if probe() {
            return true;
        }
        if gone() || Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(PROBE_INTERVAL);
    }
}

/// How many brokers the broker at `address` knows to be alive, from a Metadata v1 answer.
///
/// Written by hand, so that a fault in our own codec cannot hide one in the broker.
pub(crate) fn live_brokers(address: &str) -> io::Result<usize> {
    const METADATA_V1: &[u8] = &[
        0, 0, 0, 20, // length of what follows
        0, 3, 0, 1, // api key, api version
        0, 0, 0, 7, // correlation id
        0, 6, b'p', b'r', b'o', b'b', b'e', b'r', // client id
        0, 0, 0, 0, // no topics
    ];
    let mut stream = connect(address)?;
    stream.write_all(&[METADATA_V1].concat())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer[4..8] != [0, 0, 0, 7] {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "not our correlation id",
        ));
    }
    Ok(i32::from_be_bytes([answer[8], answer[9], answer[10], answer[11]]).max(0) as usize)
}

/// The status and body of `GET http://address/path`.
pub(crate) fn http_get(address: &str, path: &str) -> io::Result<(u16, String)> {
    let mut stream = connect(address)?;
    // In one write: a server that answers and closes on a part of a request resets the rest.
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not HTTP"))?;
    Ok((status, body.to_owned()))
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, ANSWER_TIMEOUT)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
mod tests;
