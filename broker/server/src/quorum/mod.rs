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
    /// The image is about to change by `delta`: what is new in it is made.
    fn on_image(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta);

    /// The image changed by `delta`: what is gone from it is removed.
    fn on_image_published(&self, image: &Arc<MetadataImage>, delta: &MetadataDelta);
}

/// The cluster's metadata, as this node knows it, and the way to change it.
pub struct Metadata<Q> {
    shared: Arc<Shared<Q>>,
    config: ControllerConfig,
    validator: Arc<dyn ConfigValidator + Send + Sync>,
    /// Held from a decision until its records are applied.
    deciding: Arc<tokio::sync::Mutex<()>>,
}

struct Shared<Q> {
    quorum: Q,
    image: ArcSwap<MetadataImage>,
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
        let shared = Shared {
            quorum,
            image: ArcSwap::from_pointee(image),
            listener: std::sync::OnceLock::new(),
        };
        Ok(Metadata {
            shared: Arc::new(shared),
            config,
            validator,
            deciding: Arc::new(tokio::sync::Mutex::new(())),
        })
    }

    /// Names who reacts to new images. Once.
    pub fn set_listener(&self, listener: Arc<dyn ImageListener>) {
        assert!(
            self.shared.listener.set(listener).is_ok(),
            "images have one listener"
        );
    }

    /// The newest image.
    pub fn image(&self) -> Arc<MetadataImage> {
        self.shared.image.load_full()
    }

    /// Decides a command and makes it so. Done means: its records are committed, applied, and reacted to here.
    ///
    /// Once decided, it happens: the caller may go away (its client hung up), but records that may be durable are always applied
    /// before the next command is decided.
    pub async fn submit<C: Command>(&self, command: &C) -> Result<C::Response, ApiError> {
        let deciding = Arc::clone(&self.deciding).lock_owned().await;
        let image = self.image();
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
        let shared = Arc::clone(&self.shared);
        let records = decision.records;
        let done = tokio::spawn(async move {
            let outcome = shared.commit(&image, &records).await;
            drop(deciding);
            outcome
        });
        match done.await {
            Ok(Ok(())) => Ok(decision.response),
            Ok(Err(error)) => Err(ApiError::new(
                ErrorCode::KafkaStorageError,
                error.to_string(),
            )),
            // The runtime is going down.
            Err(_) => Err(ApiError::bare(ErrorCode::BrokerNotAvailable)),
        }
    }
}

impl<Q: MetadataQuorum> Shared<Q> {
    async fn commit(
        &self,
        image: &MetadataImage,
        records: &[MetadataRecord],
    ) -> Result<(), QuorumError> {
        if let Err(error) = self.quorum.commit(records).await {
            tracing::error!(%error, "metadata change failed");
            return Err(error);
        }
        let Applied { image, delta } = image.apply(records);
        let image = Arc::new(image);
        // Partitions are there before the image says so and as long as it does, so that who reads the image finds them.
        let listener = self.listener.get();
        if let Some(listener) = listener {
            listener.on_image(&image, &delta);
        }
        self.image.store(Arc::clone(&image));
        if let Some(listener) = listener {
            listener.on_image_published(&image, &delta);
        }
        Ok(())
    }
}
