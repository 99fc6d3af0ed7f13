//! Tells the controller which data directories are short of space, so that others lead what is there.
//!
//! A directory is short of space from when it has less than the watermark demands until it has a quarter more ([`storage::data_dir::SpaceState`]): while it refuses produce
//! requests. The controller is told when that is not what the metadata says, again and again until it is. What it then does is in [`ReportSpace`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use broker_controller::decide::ReportSpace;
use broker_controller::{DirectoryId, MetadataImage};
use protocol::model::{BrokerEpoch, BrokerId};
use tokio::time::MissedTickBehavior;

use crate::quorum::{Metadata, RaftQuorum};

/// Between two looks, and two attempts. The disks are looked at as often.
const LOOK: Duration = Duration::from_millis(100);

/// Tells the controller, for as long as it is polled, which directories of this life are among `short_of_space`.
pub async fn report_space(
    life: (BrokerId, BrokerEpoch),
    metadata: Arc<Metadata<RaftQuorum>>,
    short_of_space: impl Fn() -> BTreeSet<DirectoryId>,
) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last_error = None;
    loop {
        tick.tick().await;
        let Some(report) = news(life, &metadata.image(), &short_of_space()) else {
            continue;
        };
        let directories = report.short_of_space.len();
        match metadata.submit(&report).await {
            Ok(Ok(())) if directories == 0 => {
                tracing::info!(
                    "the controller knows that there is space: this broker may lead again"
                );
                last_error = None;
            }
            Ok(Ok(())) => {
                tracing::warn!(
                    directories,
                    "the controller knows what is short of space: others that have space lead what is there"
                );
                last_error = None;
            }
            Ok(Err(error)) | Err(error) => {
                if last_error.as_ref() != Some(&error) {
                    tracing::warn!(%error, "the controller does not know what is short of space");
                    last_error = Some(error);
                }
            }
        }
    }
}

/// What is to be told; `None` if the metadata says so already, or is of another life.
fn news(
    (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
    image: &MetadataImage,
    short_of_space: &BTreeSet<DirectoryId>,
) -> Option<ReportSpace> {
    let registered = image.broker(broker_id)?;
    let directories = registered.directories.iter().copied();
    let mut short: Vec<_> = directories
        .filter(|it| short_of_space.contains(it))
        .collect();
    short.sort_unstable();
    let is_news = registered.broker_epoch == broker_epoch && registered.short_of_space != short;
    is_news.then_some(ReportSpace {
        broker_id,
        broker_epoch,
        short_of_space: short,
    })
}
