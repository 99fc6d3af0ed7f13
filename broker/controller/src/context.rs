//! What a decision sees, and what it is.

use crate::{ConfigValidator, MetadataImage, MetadataRecord};

/// The controller's own limits and defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerConfig {
    /// `num.partitions`: for topics made without a number.
    pub default_num_partitions: i32,
    /// `default.replication.factor`: for topics made without one.
    pub default_replication_factor: i16,
    /// Partitions that one request may create. Kafka has the same limit, as a constant.
    pub request_partitions_max: usize,
    /// Partitions the cluster may have.
    pub cluster_partitions_max: usize,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        ControllerConfig {
            default_num_partitions: 1,
            default_replication_factor: 1,
            request_partitions_max: 10_000,
            cluster_partitions_max: 200_000,
        }
    }
}

/// What a decision may look at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// All that was decided before.
    pub image: &'a MetadataImage,
    /// Limits and defaults.
    pub config: &'a ControllerConfig,
    /// What the keys of configurations mean.
    pub configs: &'a dyn ConfigValidator,
}

/// Records to append, all or none of them, and what to answer once they are durable and applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision<R> {
    /// One atomic entry of the metadata log. Empty: nothing changes, the answer may go out at once.
    pub records: Vec<MetadataRecord>,
    /// The answer.
    pub response: R,
}

impl<R> Decision<R> {
    /// An answer that changes nothing.
    pub fn unchanged(response: R) -> Decision<R> {
        Decision {
            records: Vec::new(),
            response,
        }
    }
}

/// A request to the controller.
pub trait Command {
    /// What is answered.
    type Response;

    /// Decides, changing nothing.
    fn decide(&self, context: &Context<'_>) -> Decision<Self::Response>;
}

/// Decides a command against an image.
pub fn decide<C: Command>(context: &Context<'_>, command: &C) -> Decision<C::Response> {
    command.decide(context)
}
