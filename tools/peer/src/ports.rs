//! Ports for brokers, held until the broker is gone.
//!
//! Letting the system choose (port 0) is not enough here: Apache Kafka must know its ports before it
//! starts, and a broker must find its port free again when it is restarted. So ports come from below
//! the ephemeral range, where no outgoing connection can take one in between, and each is claimed by
//! a locked file, which the system releases however the process ends.

use std::{
    fs::File,
    net::Ipv4Addr,
    sync::atomic::{AtomicU16, Ordering},
};

use tokio::net::TcpSocket;

use crate::{PeerError, jars::home};

const FIRST: u16 = 12_000;
const LAST: u16 = 31_999;

/// One claimed port.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) number: u16,
    _claim: File,
}

impl Port {
    pub(crate) fn claim() -> Result<Port, PeerError> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let claims = home()?.join("ports");
        std::fs::create_dir_all(&claims).map_err(PeerError::at("create", &claims))?;
        let span = LAST - FIRST + 1;
        // Processes start looking at different places, so that they rarely meet.
        let start = (std::process::id().wrapping_mul(97) % u32::from(span)) as u16;
        for _ in 0..span {
            let step = NEXT.fetch_add(1, Ordering::Relaxed) % span;
            let number =
                FIRST + (u32::from(start) + u32::from(step)).rem_euclid(span.into()) as u16;
            let path = claims.join(number.to_string());
            let claim = File::create(&path).map_err(PeerError::at("create", &path))?;
            if claim.try_lock().is_ok() && is_free(number) {
                return Ok(Port {
                    number,
                    _claim: claim,
                });
            }
        }
        Err(PeerError::NoPort {
            first: FIRST,
            last: LAST,
        })
    }

    pub(crate) fn address(&self) -> String {
        self.address_at("127.0.0.1")
    }

    /// On an address that is reached from here, though it may be in another network namespace.
    pub(crate) fn address_at(&self, host: &str) -> String {
        format!("{host}:{}", self.number)
    }
}

fn is_free(port: u16) -> bool {
    // Both, since a listener on every address blocks ours, but not the other way round. Neither
    // listens: a process that another thread is starting has our sockets too until its program
    // begins, and only one that listens would keep the port from who claimed it.
    [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED]
        .into_iter()
        .all(|address| {
            let bound = TcpSocket::new_v4().and_then(|socket| {
                socket.set_reuseaddr(true)?;
                socket.bind((address, port).into())
            });
            bound.is_ok()
        })
}

#[cfg(test)]
mod tests;
