//! Commands that are decided elsewhere: by the controller, which is the broker whose voter leads the quorum.

use broker_controller::decide::{
    AllocateProducerIds, AlterConfigs, AlterPartition, AlterPartitionReassignments,
    BootstrapCluster, CreatePartitions, CreateTopics, DeleteTopics, ElectLeaders, FenceBroker,
    HandOver, IncrementalAlterConfigs, RegisterBroker, ReportSpace, UnfenceBroker,
    UnregisterBroker, UpdateFeatures,
};
use broker_controller::{ApiError, Command};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Metadata, MetadataQuorum, SubmitError};

/// A command that can be sent to the controller.
pub trait RemoteCommand: Command<Response: Serialize + DeserializeOwned + Send> + Sync {
    /// As it is sent.
    fn to_request(&self) -> ControllerRequest;
}

/// What the controller answers, unless it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The entry that the answer goes by: who has applied it sees what was done.
    pub index: u64,
    /// The command's response, as postcard writes it.
    pub response: Bytes,
}

/// Declares the commands. The order is that of the bytes: new ones go to the end.
macro_rules! commands {
    ($($command:ident)*) => {
        /// A command on its way to the controller.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        pub enum ControllerRequest {
            $(
                #[doc = concat!("[`", stringify!($command), "`]")]
                $command($command),
            )*
        }

        $(impl RemoteCommand for $command {
            fn to_request(&self) -> ControllerRequest {
                ControllerRequest::$command(self.clone())
            }
        })*

        impl ControllerRequest {
            /// Decides it here.
            pub async fn submit<Q: MetadataQuorum>(
                &self,
                metadata: &Metadata<Q>,
            ) -> Result<Submitted, SubmitError> {
                match self {
                    $(ControllerRequest::$command(command) => submit(metadata, command).await,)*
                }
            }
        }
    };
}

commands! {
    BootstrapCluster
    RegisterBroker
    FenceBroker
    UnfenceBroker
    CreateTopics
    CreatePartitions
    DeleteTopics
    IncrementalAlterConfigs
    AlterConfigs
    UpdateFeatures
    AllocateProducerIds
    AlterPartition
    ElectLeaders
    AlterPartitionReassignments
    UnregisterBroker
    ReportSpace
    HandOver
}

async fn submit<Q: MetadataQuorum, C: RemoteCommand>(
    metadata: &Metadata<Q>,
    command: &C,
) -> Result<Submitted, SubmitError> {
    let (index, response) = metadata.submit_here(command).await?;
    // Writing to memory fails for types of unknown length only.
    let response = postcard::to_stdvec(&response).expect("a response has only sized fields");
    Ok(Submitted {
        index,
        response: response.into(),
    })
}

/// The response, as it is sent.
pub(super) fn response<C: RemoteCommand>(submitted: &Submitted) -> Result<C::Response, ApiError> {
    postcard::from_bytes(&submitted.response).map_err(|error| {
        let message = format!("the controller's answer does not parse: {error}");
        ApiError::new(protocol::ErrorCode::UnknownServerError, message)
    })
}
