//! The first decision of a cluster.

use protocol::ErrorCode;
use serde::{Deserialize, Serialize};

use super::FEATURES;
use crate::record::{ClusterRecord, FeatureLevelRecord};
use crate::{ApiError, ClusterId, Command, Context, Decision, MetadataRecord};

/// Makes an empty metadata log that of a cluster. Repeated, it changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapCluster {
    /// Drawn by the caller.
    pub cluster_id: ClusterId,
}

impl Command for BootstrapCluster {
    /// Refused if the log is another cluster's.
    type Response = Result<(), ApiError>;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        let cluster_id = self.cluster_id;
        match context.image.cluster_id() {
            Some(existing) if existing == cluster_id => return Decision::unchanged(Ok(())),
            Some(existing) => {
                return Decision::unchanged(Err(ApiError::new(
                    ErrorCode::InconsistentClusterId,
                    format!("Expected cluster ID {existing}, but got cluster ID {cluster_id}"),
                )));
            }
            None => {}
        }
        let mut records = vec![MetadataRecord::Cluster(ClusterRecord { cluster_id })];
        records.extend(FEATURES.iter().map(|feature| {
            MetadataRecord::FeatureLevel(FeatureLevelRecord {
                name: feature.name.to_owned(),
                level: feature.default,
            })
        }));
        Decision {
            records,
            response: Ok(()),
        }
    }
}
