//! What the APIs of consumer groups share.

use std::net::SocketAddr;
use std::sync::Arc;

use protocol::codec::StrBytes;

/// A name that is kept for long, apart from the frame it came in.
pub(super) fn shared(text: &StrBytes) -> Arc<str> {
    Arc::from(text.as_str())
}

/// A name, `None` for an empty one.
pub(super) fn named(text: &StrBytes) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| shared(text))
}

/// A name for the wire.
pub(super) fn on_wire(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// Where a client connects from, as Java's `InetAddress` prints it.
pub(super) fn host_of(peer: SocketAddr) -> Arc<str> {
    format!("/{}", peer.ip()).into()
}
