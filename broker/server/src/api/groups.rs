//! What the APIs of consumer groups share.

use std::net::SocketAddr;
use std::sync::Arc;

use broker_controller::MetadataImage;
use broker_controller::decide::GROUP_VERSION;
use broker_coordinators::group::Refusal;
use protocol::codec::StrBytes;

use crate::broker::Broker;
use crate::config::has_consumer_protocol;

/// READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS and ALTER_CONFIGS, as Kafka numbers them (KIP-430): without an authorizer all that can be done.
pub(super) const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

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

/// Why something is refused, where there is more to say than the code does.
pub(super) fn message(refusal: &Refusal) -> Option<StrBytes> {
    (!refusal.message.is_empty()).then(|| on_wire(&refusal.message))
}

/// Whether there may be groups of the consumer protocol.
pub(super) fn consumer_protocol_is_on(broker: &Broker, image: &MetadataImage) -> bool {
    image.feature_level(GROUP_VERSION) > 0 && has_consumer_protocol(&broker.settings.now())
}
