//! The metadata quorum: where records of the cluster's metadata become committed.
//!
//! [`Metadata`] is what the rest of the broker talks to: it decides commands one at a time against the newest image and has the
//! records committed. [`MetadataQuorum`] is the seam below it: [`RaftQuorum`] commits by Raft, and applies what is committed to [`Images`], on every
//! voter in the same order.

use std::sync::Arc;

use broker_controller::{
    ApiError, Command, ConfigValidator, Context, ControllerConfig, MetadataImage, MetadataRecord,
};
use protocol::ErrorCode;

pub use images::{ImageListener, Images};
pub use raft::{METADATA_TOPIC, RaftQuorum, RaftTiming, Voter, metadata_partition};

mod images;
pub mod raft;

/// Why records were not committed. Whether they will be found after a restart is not known.
#[derive(Clone, Debug, thiserror::Error)]
#[error("metadata cannot be committed: {0}")]
pub struct QuorumError(pub String);

/// What became of records that were decided on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// They are committed, applied, and reacted to here.
    Applied,
    /// The image was not the newest any more: nothing happened.
    Stale,
}

/// Commits metadata records.
pub trait MetadataQuorum: Send + Sync + 'static {
    /// Commits one entry, all of its records or none, decided on the image of the entry at index `base`. Done means: it survives whatever the
    /// quorum promises to survive.
    fn commit(
        &self,
        base: u64,
        records: &[MetadataRecord],
    ) -> impl Future<Output = Result<Committed, QuorumError>> + Send;
}

/// The cluster's metadata, as this node knows it, and the way to change it.
pub struct Metadata<Q> {
    quorum: Arc<Q>,
    images: Arc<Images>,
    config: ControllerConfig,
    validator: Arc<dyn ConfigValidator + Send + Sync>,
    /// Held from a decision until its records are applied.
    deciding: Arc<tokio::sync::Mutex<()>>,
}

impl<Q: MetadataQuorum> Metadata<Q> {
    /// Over a quorum, and the images it leads to.
    pub fn new(
        quorum: Q,
        images: Arc<Images>,
        config: ControllerConfig,
        validator: Arc<dyn ConfigValidator + Send + Sync>,
    ) -> Metadata<Q> {
        Metadata {
            quorum: Arc::new(quorum),
            images,
            config,
            validator,
            deciding: Arc::new(tokio::sync::Mutex::new(())),
        }
    }

    /// The quorum.
    pub fn quorum(&self) -> &Q {
        &self.quorum
    }

    /// Names who reacts to new images. Once.
    pub fn set_listener(&self, listener: Arc<dyn ImageListener>) {
        self.images.set_listener(listener);
    }

    /// The newest image.
    pub fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.images.newest().image)
    }

    /// Decides a command and makes it so. Done means: its records are committed, applied, and reacted to here.
    ///
    /// Once decided, it happens: the caller may go away (its client hung up), but records that may be durable are always applied
    /// before the next command is decided.
    pub async fn submit<C: Command>(&self, command: &C) -> Result<C::Response, ApiError> {
        loop {
            let deciding = Arc::clone(&self.deciding).lock_owned().await;
            let version = self.images.newest();
            let decision = command.decide(&Context {
                image: &version.image,
                config: &self.config,
                configs: self.validator.as_ref(),
            });
            if decision.records.is_empty() {
                return Ok(decision.response);
            }
            let quorum = Arc::clone(&self.quorum);
            let records = decision.records;
            let done = tokio::spawn(async move {
                let outcome = quorum.commit(version.index, &records).await;
                drop(deciding);
                outcome
            });
            match done.await {
                Ok(Ok(Committed::Applied)) => return Ok(decision.response),
                // Somebody else has decided meanwhile: on what there is now.
                Ok(Ok(Committed::Stale)) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "metadata change failed");
                    return Err(ApiError::new(
                        ErrorCode::KafkaStorageError,
                        error.to_string(),
                    ));
                }
                // The runtime is going down.
                Err(_) => return Err(ApiError::bare(ErrorCode::BrokerNotAvailable)),
            }
        }
    }
}
