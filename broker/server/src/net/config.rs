//! The limits of the network shell.

use std::time::Duration;

/// One listener to bind.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// The name, such as `PLAINTEXT`.
    pub name: String,
    /// `HOST:PORT`; port 0 asks the system for a free one.
    pub address: String,
    /// Connections start with the cap [`NetConfig::frame_size_max_unauthenticated`], until the
    /// service calls [`super::ConnectionContext::set_authenticated`].
    pub requires_authentication: bool,
}

/// Limits, each with Kafka's name where Kafka has it.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// `socket.request.max.bytes`: the largest frame.
    pub frame_size_max: usize,
    /// The largest frame before authentication (`sasl.server.max.receive.size`).
    pub frame_size_max_unauthenticated: usize,
    /// Requests of one connection that were dispatched and are not yet answered on the socket. At
    /// this number the connection is not read. Kafka's broker takes one at a time; its clients
    /// send five.
    pub in_flight_max: usize,
    /// Bytes of answers that wait for the socket. From here on neither replies nor requests are
    /// taken; a single answer may be larger.
    pub output_backlog_bytes_max: u64,
    /// `max.connections`, over all listeners. Kafka lets excess connections wait unaccepted; here
    /// they are closed, so that the client knows.
    pub connections_max: usize,
    /// And at most so many, whatever that limit is changed to: each takes a file descriptor.
    pub connections_possible: usize,
    /// `max.connections.per.ip`, over all listeners.
    pub connections_per_ip_max: usize,
    /// `connections.max.idle.ms`: nothing read, nothing pending.
    pub idle_timeout: Duration,
    /// Within this time a frame that has begun must end, or bring another 256 KiB. Time in which
    /// we did not read does not count. Kafka's clients give up on a request after 30 s themselves
    /// (`request.timeout.ms`).
    pub slow_sender_timeout: Duration,
    /// Within this time the peer must take all that waits to be written, or another 256 KiB. Long
    /// on purpose: a Java consumer with assigned partitions reads its socket only in `poll()`, and
    /// between two calls may lie `max.poll.interval.ms`, five minutes.
    pub write_stall_timeout: Duration,
    /// Both of these while memory is short, for connections that hold some of it: a request has
    /// waited for the budget for longer than a second. If most of it is held by frames that have
    /// not arrived whole, those that wait for more are given up after twice this time.
    pub memory_shortage_timeout: Duration,
    /// How long earlier requests may take to be answered once the connection is bound to end,
    /// because of a malformed frame or because the peer closed its half.
    pub drain_timeout: Duration,
    /// The same for all connections when the server stops.
    pub shutdown_timeout: Duration,
    /// `socket.listen.backlog.size`.
    pub listen_backlog: u32,
}

impl Default for NetConfig {
    fn default() -> NetConfig {
        NetConfig {
            frame_size_max: 100 * 1024 * 1024,
            frame_size_max_unauthenticated: 512 * 1024,
            in_flight_max: 64,
            output_backlog_bytes_max: 1024 * 1024,
            connections_max: 10_000,
            connections_possible: usize::MAX,
            connections_per_ip_max: usize::MAX,
            idle_timeout: Duration::from_secs(600),
            slow_sender_timeout: Duration::from_secs(30),
            write_stall_timeout: Duration::from_secs(600),
            memory_shortage_timeout: Duration::from_secs(5),
            drain_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(10),
            listen_backlog: 1024,
        }
    }
}
