//! The metadata quorum: where records of the cluster's metadata become committed.
//!
//! [`Metadata`] is what the rest of the broker talks to. Commands are decided by one broker, the controller, one at a time, against its newest
//! image; on others they are sent there. [`MetadataQuorum`] is the seam below it: [`RaftQuorum`] commits by Raft, and applies what is committed to
//! [`Images`], on every voter in the same order.

use std::sync::Arc;
use std::time::Duration;

use broker_controller::{
    ApiError, Command, ConfigValidator, Context, ControllerConfig, Elections, MetadataImage,
    MetadataRecord,
};
use protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::metrics::ClusterMetrics;

pub use founding::Founding;
pub use images::{ImageListener, Images};
pub use observing::{Observe, Observed, Observer};
pub(crate) use raft::FORWARD_PATIENCE;
pub use raft::{
    ChangeVoters, HOST_BYTES_MAX, HeardBroker, METADATA_TOPIC, QuorumStatus, RaftQuorum,
    RaftTiming, Voter, VoterChange, VoterId, VoterStatus, metadata_partition,
};
pub use remote::{ControllerRequest, RemoteCommand, Submitted};

mod founding;
mod images;
pub mod observing;
pub mod raft;
mod remote;

/// How long a command looks for a controller that takes it.
const CONTROLLER_PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks for one, where none has changed.
const CONTROLLER_RETRY: Duration = Duration::from_millis(100);

/// Why records were not committed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum QuorumError {
    /// Somebody else leads, or nobody. Nothing was committed.
    #[error("this node does not lead the metadata quorum")]
    NotLeader,
    /// Whether the records will be found later is not known.
    #[error("metadata cannot be committed: {0}")]
    Failed(String),
}

/// Why a command was not decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SubmitError {
    /// This is not the controller: nothing happened.
    NotController,
    /// What a client is told. Whether something happened is not known.
    Failed(ApiError),
}

impl From<ApiError> for SubmitError {
    fn from(error: ApiError) -> SubmitError {
        SubmitError::Failed(error)
    }
}

/// What became of records that were decided on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// They are committed, applied, and reacted to here.
    Applied,
    /// The image was not the newest any more: nothing happened.
    Stale,
}

/// Where the controller is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Here.
    Here,
    /// On another broker.
    There,
    /// Nobody knows.
    Nowhere,
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

    /// Who decides now, as far as this node knows.
    fn controller(&self) -> Controller;

    /// Makes sure that this node still leads, and has applied all that was committed until now.
    fn confirm(&self) -> impl Future<Output = Result<(), QuorumError>> + Send;

    /// Ends when that is somebody else than at the call.
    fn controller_changed(&self) -> impl Future<Output = ()> + Send;

    /// Has a command decided by the controller on another broker.
    fn forward(
        &self,
        request: ControllerRequest,
    ) -> impl Future<Output = Result<Submitted, SubmitError>> + Send;
}

/// The cluster's metadata, as this node knows it, and the way to change it.
pub struct Metadata<Q> {
    quorum: Arc<Q>,
    images: Arc<Images>,
    config: ControllerConfig,
    validator: Arc<dyn ConfigValidator + Send + Sync>,
    /// Held from a decision until its records are applied.
    deciding: Arc<tokio::sync::Mutex<()>>,
    /// What is counted of decisions made here.
    metrics: Arc<ClusterMetrics>,
}

impl<Q: MetadataQuorum> Metadata<Q> {
    /// Over a quorum, and the images it leads to.
    pub fn new(
        quorum: Arc<Q>,
        images: Arc<Images>,
        config: ControllerConfig,
        validator: Arc<dyn ConfigValidator + Send + Sync>,
    ) -> Metadata<Q> {
        Metadata {
            quorum,
            images,
            config,
            validator,
            deciding: Arc::new(tokio::sync::Mutex::new(())),
            metrics: Arc::default(),
        }
    }

    /// Has decisions made here counted there.
    #[must_use]
    pub fn counting(mut self, metrics: Arc<ClusterMetrics>) -> Metadata<Q> {
        self.metrics = metrics;
        self
    }

    /// What is counted of decisions made here.
    pub fn metrics(&self) -> &ClusterMetrics {
        &self.metrics
    }

    /// The quorum.
    pub fn quorum(&self) -> &Arc<Q> {
        &self.quorum
    }

    /// Names who reacts to images from the newest on. Once. Done means: it has begun.
    pub fn set_listener(&self, listener: Arc<dyn ImageListener>) {
        self.images.set_listener(listener);
    }

    /// The newest image.
    pub fn image(&self) -> Arc<MetadataImage> {
        Arc::clone(&self.images.newest().image)
    }

    /// Has a command decided by the controller, wherever that is, and made so. Done means: its records are committed, applied, and reacted to here.
    ///
    /// Where nobody is the controller, this waits for one. A command that was sent and not answered may have been decided: the caller hears
    /// REQUEST_TIMED_OUT.
    pub async fn submit<C: RemoteCommand>(&self, command: &C) -> Result<C::Response, ApiError> {
        let deadline = Instant::now() + CONTROLLER_PATIENCE;
        loop {
            let changed = self.quorum.controller_changed();
            let outcome = match self.quorum.controller() {
                Controller::Here => self.submit_here(command).await.map(|(_, it)| it),
                Controller::There => self.submit_there(command).await,
                Controller::Nowhere => Err(SubmitError::NotController),
            };
            match outcome {
                Ok(response) => return Ok(response),
                Err(SubmitError::Failed(error)) => return Err(error),
                Err(SubmitError::NotController) => {}
            }
            if Instant::now() >= deadline {
                let message = "no controller is known, or none that takes the request";
                return Err(ApiError::new(ErrorCode::RequestTimedOut, message));
            }
            // It may be the same one, which was starting.
            let _ = tokio::time::timeout(CONTROLLER_RETRY, changed).await;
        }
    }

    async fn submit_there<C: RemoteCommand>(
        &self,
        command: &C,
    ) -> Result<C::Response, SubmitError> {
        let submitted = self.quorum.forward(command.to_request()).await?;
        let applied = self.images.wait_applied(submitted.index);
        if tokio::time::timeout(CONTROLLER_PATIENCE, applied)
            .await
            .is_err()
        {
            let message = "it is decided, but not known here yet";
            let error = ApiError::new(ErrorCode::RequestTimedOut, message);
            return Err(SubmitError::Failed(error));
        }
        remote::response::<C>(&submitted).map_err(SubmitError::Failed)
    }

    /// The index of the last entry that is applied here.
    pub fn applied(&self) -> u64 {
        self.images.applied()
    }

    /// Waits until an entry after that one is applied here.
    pub async fn changed_since(&self, index: u64) {
        self.images.wait_applied(index + 1).await;
    }

    /// Decides a command here, and makes it so. Returns, with the response, the index of the entry that it goes by.
    ///
    /// Once decided, it happens: the caller may go away (its client hung up), but records that may be durable are always applied
    /// before the next command is decided.
    pub async fn submit_here<C: Command>(
        &self,
        command: &C,
    ) -> Result<(u64, C::Response), SubmitError> {
        let failed = |error| Err(SubmitError::Failed(error));
        loop {
            let deciding = Arc::clone(&self.deciding).lock_owned().await;
            let version = self.images.newest();
            let decision = command.decide(&Context {
                image: &version.image,
                config: &self.config,
                configs: self.validator.as_ref(),
            });
            if decision.records.is_empty() {
                drop(deciding);
                match self.quorum.confirm().await {
                    Ok(()) if self.images.newest().index == version.index => {
                        return Ok((version.index, decision.response));
                    }
                    Ok(()) => continue,
                    Err(QuorumError::NotLeader) => return Err(SubmitError::NotController),
                    Err(error) => {
                        let code = ErrorCode::KafkaStorageError;
                        return failed(ApiError::new(code, error.to_string()));
                    }
                }
            }
            let quorum = Arc::clone(&self.quorum);
            let records = decision.records;
            let elections = Elections::of(&version.image, &records);
            let done = tokio::spawn(async move {
                let outcome = quorum.commit(version.index, &records).await;
                drop(deciding);
                outcome
            });
            match done.await {
                Ok(Ok(Committed::Applied)) => {
                    self.metrics.on_elections(elections);
                    return Ok((self.images.newest().index, decision.response));
                }
                // Somebody else has decided meanwhile: on what there is now.
                Ok(Ok(Committed::Stale)) => {}
                Ok(Err(QuorumError::NotLeader)) => return Err(SubmitError::NotController),
                Ok(Err(error)) => {
                    tracing::error!(%error, "metadata change failed");
                    let code = ErrorCode::KafkaStorageError;
                    return failed(ApiError::new(code, error.to_string()));
                }
                // The runtime is going down.
                Err(_) => return failed(ApiError::bare(ErrorCode::BrokerNotAvailable)),
            }
        }
    }
}
