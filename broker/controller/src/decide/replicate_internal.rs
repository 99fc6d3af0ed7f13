//! Topics that brokers keep for themselves get the replicas they are to have, once there are brokers for that: a node that was alone made them with one.

use serde::{Deserialize, Serialize};

use super::reassign::{AlterPartitionReassignments, NewReplicas};
use crate::placement::Placement;
use crate::{Command, Context, Decision, MetadataImage, topic_name};

/// Gives internal topics more replicas where they have a single one. Where there are several, somebody has decided on them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplicateInternalTopics {
    /// Replicas that each partition is to have, once so many brokers are alive.
    pub replication_factor: usize,
}

impl ReplicateInternalTopics {
    /// Where more replicas are to go.
    pub fn lacking(&self, image: &MetadataImage) -> Vec<NewReplicas> {
        let mut placement = Placement::new(image);
        let mut lacking = Vec::new();
        let topics = image.topics_by_name();
        for topic in topics.filter(|topic| topic_name::is_internal(topic.name())) {
            for (index, partition) in topic.partitions() {
                if partition.replicas.len() > 1 {
                    continue;
                }
                let brokers: Vec<_> = partition.replica_brokers().collect();
                let more = placement.more(topic, index, &brokers, self.replication_factor);
                if more.len() == self.replication_factor.max(2) {
                    lacking.push(NewReplicas {
                        topic: topic.name().to_string(),
                        partition: index.get(),
                        brokers: Some(more),
                    });
                }
            }
        }
        lacking
    }
}

impl Command for ReplicateInternalTopics {
    /// How many partitions get more replicas.
    type Response = usize;

    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response> {
        // The rest is for another time.
        let mut partitions = self.lacking(context.image);
        partitions.truncate(context.config.request_partitions_max);
        let command = AlterPartitionReassignments {
            allow_replication_factor_change: true,
            partitions,
        };
        let Decision { records, response } = command.decide(context);
        Decision {
            records,
            response: response.iter().flatten().filter(|it| it.is_ok()).count(),
        }
    }
}
