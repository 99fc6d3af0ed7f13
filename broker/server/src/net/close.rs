//! Why connections end.

use std::borrow::Cow;
use std::fmt;

/// The kind of an end, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The peer closed between two frames: the ordinary end.
    PeerClosed,
    /// The peer closed in the middle of a frame.
    Truncated,
    /// The connection was reset or failed below us.
    PeerReset,
    /// A frame's size was negative or over the limit.
    FrameSize,
    /// The service could not make sense of a frame.
    Malformed,
    /// The service ended the connection for another reason, such as failed authentication, or an
    /// `acks=0` produce that failed and has no answer to say so.
    Service,
    /// Nothing was sent for `connections.max.idle.ms`.
    Idle,
    /// A frame was begun and its rest did not come.
    SlowSender,
    /// Answers were not read.
    SlowReader,
    /// A frame of which a part had come found no memory for the rest, in a shortage that such
    /// frames had made.
    MemoryShortage,
    /// The handler of a request ended without an answer. That is a defect of ours.
    ReplyLost,
    /// Part of an answer is in a file that could not be read. Its length was promised already.
    FileRead,
    /// `max.connections` was reached; the connection was never served.
    TooManyConnections,
    /// `max.connections.per.ip` was reached; the connection was never served.
    TooManyConnectionsFromIp,
    /// The broker stops.
    Shutdown,
}

impl CloseReason {
    /// Every reason, so that a metric can be there before it counts.
    pub const ALL: [CloseReason; 15] = [
        CloseReason::PeerClosed,
        CloseReason::Truncated,
        CloseReason::PeerReset,
        CloseReason::FrameSize,
        CloseReason::Malformed,
        CloseReason::Service,
        CloseReason::Idle,
        CloseReason::SlowSender,
        CloseReason::SlowReader,
        CloseReason::MemoryShortage,
        CloseReason::ReplyLost,
        CloseReason::FileRead,
        CloseReason::TooManyConnections,
        CloseReason::TooManyConnectionsFromIp,
        CloseReason::Shutdown,
    ];

    /// The reason as a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            CloseReason::PeerClosed => "peer_closed",
            CloseReason::Truncated => "truncated",
            CloseReason::PeerReset => "peer_reset",
            CloseReason::FrameSize => "frame_size",
            CloseReason::Malformed => "malformed",
            CloseReason::Service => "service",
            CloseReason::Idle => "idle",
            CloseReason::SlowSender => "slow_sender",
            CloseReason::SlowReader => "slow_reader",
            CloseReason::MemoryShortage => "memory_shortage",
            CloseReason::ReplyLost => "reply_lost",
            CloseReason::FileRead => "file_read",
            CloseReason::TooManyConnections => "too_many_connections",
            CloseReason::TooManyConnectionsFromIp => "too_many_connections_from_ip",
            CloseReason::Shutdown => "shutdown",
        }
    }

    /// Whether an operator should read of it. Clients come and go; that is not news.
    pub(super) fn is_notable(self) -> bool {
        match self {
            CloseReason::PeerClosed
            | CloseReason::PeerReset
            | CloseReason::Idle
            | CloseReason::Shutdown => false,
            CloseReason::Truncated
            | CloseReason::FrameSize
            | CloseReason::Malformed
            | CloseReason::Service
            | CloseReason::SlowSender
            | CloseReason::SlowReader
            | CloseReason::MemoryShortage
            | CloseReason::ReplyLost
            | CloseReason::FileRead
            | CloseReason::TooManyConnections
            | CloseReason::TooManyConnectionsFromIp => true,
        }
    }

    /// Whether the peer may have sent bytes that nobody read. Closing a socket over unread bytes
    /// resets it, and a reset can destroy answers that the peer has not read yet.
    pub(super) fn may_leave_input(self) -> bool {
        matches!(
            self,
            CloseReason::FrameSize
                | CloseReason::Malformed
                | CloseReason::Service
                | CloseReason::ReplyLost
                | CloseReason::Shutdown
        )
    }
}

/// An end and its story, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The kind.
    pub reason: CloseReason,
    /// What was seen, in words; may be empty.
    pub detail: Cow<'static, str>,
}

impl Close {
    /// An end with its detail.
    pub fn new(reason: CloseReason, detail: impl Into<Cow<'static, str>>) -> Close {
        Close {
            reason,
            detail: detail.into(),
        }
    }

    /// The frame made no sense; `detail` usually is the error of the decoder.
    pub fn malformed(detail: impl fmt::Display) -> Close {
        Close::new(CloseReason::Malformed, detail.to_string())
    }
}

impl From<CloseReason> for Close {
    fn from(reason: CloseReason) -> Close {
        Close::new(reason, "")
    }
}
