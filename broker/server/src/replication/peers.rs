//! The ways to other brokers, as the metadata says where they are.

use std::collections::HashMap;
use std::sync::Arc;

use broker_controller::MetadataImage;
use parking_lot::Mutex;
use protocol::model::BrokerId;

use crate::config::host_port;
use crate::internal::{Caller, Peer};

/// The name of the listener in registrations.
pub const INTERNAL: &str = "INTERNAL";

/// Connections to other brokers' internal listeners, made when they are needed.
pub struct BrokerPeers {
    caller: Caller,
    image: Box<dyn Fn() -> Arc<MetadataImage> + Send + Sync>,
    known: Mutex<HashMap<BrokerId, Arc<Peer>>>,
}

impl BrokerPeers {
    /// `image` is the newest metadata.
    pub fn new(
        caller: Caller,
        image: impl Fn() -> Arc<MetadataImage> + Send + Sync + 'static,
    ) -> BrokerPeers {
        BrokerPeers {
            caller,
            image: Box::new(image),
            known: Mutex::new(HashMap::new()),
        }
    }

    /// The way to a broker that is registered, where it says it is.
    pub fn get(&self, id: BrokerId) -> Option<Arc<Peer>> {
        let image = (self.image)();
        let broker = image.broker(id)?;
        let listener = broker.listeners.iter().find(|it| it.name == INTERNAL)?;
        let address = host_port(&listener.host, listener.port);
        let mut known = self.known.lock();
        if let Some(peer) = known.get(&id)
            && peer.address() == address
        {
            return Some(Arc::clone(peer));
        }
        let peer = Arc::new(Peer::new(id, address, self.caller.clone()));
        known.insert(id, Arc::clone(&peer));
        Some(peer)
    }
}
