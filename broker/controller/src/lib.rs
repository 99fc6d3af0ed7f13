//! The controller: a replicated state machine over the cluster's metadata, and nothing but that.
//!
//! - [`decide()`] takes an image and a [`Command`] and returns a [`Decision`]: records and a response.
//!   It cannot change state.
//! - [`MetadataImage::apply`] takes records and returns the next image. It cannot fail, and it is the
//!   only change. Loading is `apply` in a loop.
//! - [`MetadataRecord`] is what the metadata log holds; its bytes are a format with a version.
//!
//! The caller owns the log: it decides, makes the records durable, applies them, and only then answers.
//! Commands are decided one at a time, each against an image that holds all records before it.
//!
//! Pure: no clock, no randomness, no I/O. Topic ids, incarnations and directory ids come in as arguments.

mod api_error;
mod configs;
mod context;
pub mod decide;
mod election;
mod elections;
mod ids;
pub mod image;
mod placement;
pub mod record;
pub mod topic_name;

pub use api_error::ApiError;
pub use configs::{ConfigResource, ConfigValidator, ResourceType, TopicRules};
pub use context::{Command, Context, ControllerConfig, Decision, decide};
pub use elections::Elections;
pub use ids::{ClusterId, DirectoryId, IncarnationId};
pub use image::{Applied, MetadataDelta, MetadataImage};
pub use record::{MetadataRecord, RecordError};
