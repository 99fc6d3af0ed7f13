//! What brokers of a cluster say to each other besides Kafka's protocol: Raft, and what goes to the controller. It has a listener of its own.
//!
//! A connection begins with a [`wire::Hello`] each way, in which both say which versions they speak and who they are. Then one side asks and the
//! other answers, in any order, many at once.

mod client;
mod gone;
mod server;
mod whereabouts;
pub mod wire;

use std::io;
use std::time::Duration;

use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_user_timeout,
};
use tokio::net::TcpStream;

pub use client::{Caller, Peer, PeerError};
pub use gone::WATCH;
pub use server::{Handler, Internal};
pub use whereabouts::Whereabouts;

/// What the other end's machine does not confirm for so long, the connection is given up for, with all that waits in it: the system would try for a quarter of an
/// hour, ever more seldom, and a network that is well again would not be used.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(2);
/// Without anything to send the other end's machine is asked so often whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// Makes a connection one that is quick, and ends when the other machine is out of reach.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    set_tcp_keepidle(stream, KEEPALIVE)?;
    set_tcp_keepintvl(stream, KEEPALIVE)?;
    set_socket_keepalive(stream, true)?;
    let unconfirmed_max = u32::try_from(UNCONFIRMED_MAX.as_millis()).map_err(io::Error::other)?;
    set_tcp_user_timeout(stream, unconfirmed_max)?;
    Ok(())
}

#[cfg(test)]
mod tests;
