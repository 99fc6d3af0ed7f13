//! The coordinators of consumer groups.

use std::sync::Arc;

use broker_controller::MetadataImage;
use broker_coordinators::group::ask::{CommitOffsets, CommitReply, ForgetTopics};
use broker_coordinators::group::{
    GroupAsk, GroupConfig, GroupCoordinator, OFFSETS_TOPIC, partition_of,
};
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::group_records::GroupRecord;
use protocol::model::{PartitionIndex, TopicIdPartition};
use storage::data_dir::SpaceState;

use super::{LeadershipListener, RecordFormat, Runtime};
use crate::config::Settings;
use crate::partition::Partition;

impl RecordFormat for GroupCoordinator {
    fn encode(record: &GroupRecord) -> Result<(Bytes, Option<Bytes>), ErrorCode> {
        // A name or an assignment of more bytes than a record can say.
        record.encode().map_err(|_| ErrorCode::MessageTooLarge)
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<GroupRecord>, String> {
        GroupRecord::decode(key, value).map_err(|error| error.to_string())
    }
}

/// The groups that are coordinated here.
pub struct Groups {
    runtime: Runtime<GroupCoordinator>,
}

impl Groups {
    /// None yet.
    pub fn new(config: GroupConfig) -> Groups {
        Groups {
            runtime: Runtime::new(move |partition| {
                GroupCoordinator::new(bounded(&config, partition))
            }),
        }
    }

    /// Asks the coordinator of a group, if it is here.
    pub fn ask<Q: GroupAsk>(
        &self,
        image: &MetadataImage,
        ask: Q,
    ) -> impl Future<Output = Result<Q::Reply, ErrorCode>> + Send + use<Q>
    where
        Q::Reply: Send,
    {
        let group = ask.group().unwrap_or_default();
        let asked = match coordinating_partition(image, group) {
            Some(partition) => Ok(self.runtime.ask(partition, ask.into_request())),
            None => Err(ErrorCode::NotCoordinator),
        };
        async move { reply_of::<Q>(asked?.await?) }
    }

    /// The same for offsets to commit, which need space on the disk like any record.
    pub fn commit(
        &self,
        image: &MetadataImage,
        ask: CommitOffsets,
    ) -> impl Future<Output = Result<CommitReply, ErrorCode>> + Send + use<> {
        let partition = coordinating_partition(image, &ask.group);
        let partition = partition.and_then(|partition| self.runtime.partition(partition));
        let is_short =
            |partition: Arc<Partition>| partition.data_dir().space_state() != SpaceState::Enough;
        let is_full = partition.is_some_and(is_short);
        let asked = (!is_full).then(|| self.ask(image, ask));
        async move {
            match asked {
                Some(asked) => asked.await,
                // It is retriable, unlike what Kafka answers when its disk is full: nothing, since it is not there any more.
                None => Err(ErrorCode::CoordinatorNotAvailable),
            }
        }
    }

    /// Asks all coordinators that are here.
    pub fn ask_all<Q: GroupAsk + Clone>(
        &self,
        ask: &Q,
    ) -> impl Future<Output = Result<Vec<Q::Reply>, ErrorCode>> + Send + use<Q>
    where
        Q::Reply: Send,
    {
        let partitions = self.runtime.partitions().into_iter();
        let asked: Vec<_> = partitions
            .map(|partition| self.runtime.ask(partition, ask.clone().into_request()))
            .collect();
        async move {
            let mut replies = Vec::with_capacity(asked.len());
            for reply in asked {
                replies.push(reply_of::<Q>(reply.await?)?);
            }
            Ok(replies)
        }
    }

    /// Has deleted topics forgotten by all groups.
    pub fn forget_topics(&self, topics: Vec<Arc<str>>) {
        // It is decided in the call; when it is committed nobody waits for.
        drop(self.ask_all(&ForgetTopics { topics }));
    }

    /// Ends all coordinators: the broker stops.
    pub fn close(&self) {
        self.runtime.close();
    }

    /// Looks at each coordinator that is loaded.
    pub fn for_each(&self, mut look: impl FnMut(&GroupCoordinator)) {
        self.runtime.for_each(|coordinator| look(coordinator));
    }
}

/// The settings for a partition whose log takes only batches of a size.
fn bounded(config: &GroupConfig, partition: &Partition) -> GroupConfig {
    let record_bytes_max = partition.log().batch_bytes_max() / 2;
    GroupConfig {
        record_bytes_max: record_bytes_max.min(config.record_bytes_max),
        ..config.clone()
    }
}

fn reply_of<Q: GroupAsk>(
    reply: broker_coordinators::group::GroupReply,
) -> Result<Q::Reply, ErrorCode> {
    Q::reply_of(reply).ok_or(ErrorCode::UnknownServerError)
}

/// The partition that a group belongs to, if the topic is there.
pub(crate) fn coordinating_partition(image: &MetadataImage, group: &str) -> Option<PartitionIndex> {
    let topic = image.topic_named(OFFSETS_TOPIC)?;
    let partitions = i32::try_from(topic.partitions().count()).unwrap_or(i32::MAX);
    Some(PartitionIndex::new(partition_of(group, partitions)))
}

impl LeadershipListener for Groups {
    fn on_led(&self, partition: &Arc<Partition>) {
        if **partition.topic() == *OFFSETS_TOPIC {
            self.runtime.on_led(partition);
        }
    }

    fn on_lost(&self, topic: &str, id: TopicIdPartition) {
        if topic == OFFSETS_TOPIC {
            self.runtime.on_lost(id);
        }
    }
}

/// What the broker's settings say about groups.
pub fn group_config(settings: &Settings) -> GroupConfig {
    let members_max: i32 = settings.number("group.max.size");
    let metadata_max: i32 = settings.number("offset.metadata.max.bytes");
    let retention_minutes: i64 = settings.number("offsets.retention.minutes");
    GroupConfig {
        session_timeout_ms_min: settings.number("group.min.session.timeout.ms"),
        session_timeout_ms_max: settings.number("group.max.session.timeout.ms"),
        initial_rebalance_delay_ms: settings.number("group.initial.rebalance.delay.ms"),
        members_max: usize::try_from(members_max).unwrap_or(0),
        offset_metadata_chars_max: usize::try_from(metadata_max).unwrap_or(0),
        offsets_retention_ms: retention_minutes.saturating_mul(60_000),
        offsets_retention_check_ms: settings.number("offsets.retention.check.interval.ms"),
        ..GroupConfig::default()
    }
}
