//! What metrics need to know of the network.

use super::CloseReason;

/// Told of what happens, on the connection's task: implementations count and return.
pub trait Observer: Send + Sync + 'static {
    /// A connection is being served.
    fn connection_opened(&self, _listener: &str) {}
    /// A connection that was served has ended.
    fn connection_closed(&self, _listener: &str, _reason: CloseReason) {}
    /// A connection was accepted and closed at once, over a limit.
    fn connection_refused(&self, _listener: &str, _reason: CloseReason) {}
    /// `accept` failed, for want of descriptors for example.
    fn accept_failed(&self, _listener: &str) {}
    /// Bytes arrived.
    fn bytes_in(&self, _bytes: u64) {}
    /// Bytes were handed to the socket.
    fn bytes_out(&self, _bytes: u64) {}
    /// A request was dispatched.
    fn request_started(&self) {}
    /// `count` requests are no longer in flight: answered on the socket, without an answer, or
    /// lost with their connection.
    fn requests_finished(&self, _count: u64) {}
}

/// Nobody watches.
impl Observer for () {}
