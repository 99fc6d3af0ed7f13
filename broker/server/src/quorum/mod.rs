//! The metadata quorum: where records of the cluster's metadata become committed.
//!
//! [`Metadata`] is what the rest of the broker talks to: it decides commands one at a time against the newest image, has the
//! records committed, applies them, and publishes the image. [`MetadataQuorum`] is the seam below it: one node commits to its own
//! durable log ([`LocalQuorum`]); a cluster will commit by Raft.

use std::sync::Arc;

use arc_swap::ArcSwap;
use broker_controller::{
    ApiError, Applied, Command, ConfigValidator, Context, ControllerConfig, MetadataDelta,
    MetadataImage, MetadataRecord,
};
use protocol::ErrorCode;

pub use local::{LocalQuorum, METADATA_TOPIC, metadata_partition};

mod local;

/// Why records were not committed. Whether they will be found after a restart is not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("metadata cannot be committed: {0}")]
pub struct QuorumError(pub String);

/// Commits metadata records.
pub trait MetadataQuorum: Send + Sync + 'static {
    /// Every committed entry, oldest first.
    fn load(&self) -> Result<Vec<Vec<MetadataRecord>>, QuorumError>;

    /// Commits one entry: all of its records or none. Done means: it survives whatever the quorum promises to survive.
    fn commit(
        &self,
        entry: &[MetadataRecord],
    ) -> impl Future<Output = Result<(), QuorumError>> + Send;
}

/// Reacts to a new image before anybody is answered because of it.
pub trait ImageListener: Send + Sync {
    /// The image changed by `delta`.
    fn on_image(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta);
}

/// The cluster's metadata, as this node knows it, and the way to change it.
pub struct Metadata<Q> {
    quorum: Q,
    image: ArcSwap<MetadataImage>,
    config: ControllerConfig,
    validator: Arc<dyn ConfigValidator + Send + Sync>,
    /// Held from a decision until its records are applied.
    deciding: tokio::sync::Mutex<()>,
    listener: std::sync::OnceLock<Arc<dyn ImageListener>>,
}

impl<Q: MetadataQuorum> Metadata<Q> {
    /// Loads what is committed.
    pub fn load(
        quorum: Q,
        config: ControllerConfig,
        validator: Arc<dyn ConfigValidator + Send + Sync>,
    ) -> Result<Metadata<Q>, QuorumError> {
        let mut image = MetadataImage::default();
        for entry in quorum.load()? {
            image = image.apply(&entry).image;
        }
        Ok(Metadata {
            quorum,
            image: ArcSwap::from_pointee(image),
            config,
            validator,
            deciding: tokio::sync::Mutex::new(()),
            listener: std::sync::OnceLock::new(),
        })
    }

    /// Names who reacts to new images. Once.
    pub fn set_listener(&self, listener: Arc<dyn ImageListener>) {
        assert!(
            self.listener.set(listener).is_ok(),
            "images have one listener"
        );
    }

    /// The newest image.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Decides a command and makes it so. Done means: its records are committed, applied, and reacted to here.
    pub async fn submit<C: Command>(&self, command: &C) -> Result<C::Response, ApiError> {
        let _deciding = self.deciding.lock().await;
        let image = self.image.load_full();
        let decision = {
            let configs = self.validator.as_ref();
            command.decide(&Context {
                image: &image,
                config: &self.config,
                configs,
            })
        };
        if decision.records.is_empty() {
            return Ok(decision.response);
        }
        self.quorum
            .commit(&decision.records)
            .await
            .map_err(|error| {
                tracing::error!(%error, "metadata change failed");
                ApiError::new(ErrorCode::KafkaStorageError, error.to_string())
            })?;
        let Applied { image, delta } = image.apply(&decision.records);
        let image = Arc::new(image);
        // Partitions exist before the image says so, so that who reads the image finds them.
        if let Some(listener) = self.listener.get() {
            listener.on_image(&image, &delta);
        }
        self.image.store(image);
        Ok(decision.response)
    }
}
