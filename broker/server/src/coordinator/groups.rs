//! The coordinators of consumer groups.

use std::sync::Arc;

use arc_swap::ArcSwap;
use broker_controller::MetadataImage;
use broker_coordinators::group::ask::{CommitOffsets, CommitReply, ForgetTopics};
use broker_coordinators::group::{
    GroupAsk, GroupCall, GroupConfig, GroupCoordinator, GroupCounters, OFFSETS_TOPIC, partition_of,
};
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::group_records::GroupRecord;
use protocol::model::{PartitionIndex, TopicIdPartition};
use storage::data_dir::SpaceState;

use super::cluster::ImageCluster;
use super::{LeadershipListener, RecordFormat, Runtime};
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
    config: Arc<ArcSwap<GroupConfig>>,
    counters: Arc<GroupCounters>,
}

impl Groups {
    /// None yet.
    pub fn new(config: GroupConfig) -> Groups {
        let config = Arc::new(ArcSwap::from_pointee(config));
        let counters = Arc::<GroupCounters>::default();
        let (now, counted) = (Arc::clone(&config), Arc::clone(&counters));
        let make = move |partition: &Partition| {
            GroupCoordinator::new(bounded(&now.load(), partition), Arc::clone(&counted))
        };
        Groups {
            runtime: Runtime::new(make),
            config,
            counters,
        }
    }

    /// What is counted in all groups.
    pub fn counters(&self) -> &GroupCounters {
        &self.counters
    }

    /// Has groups follow other settings from now on.
    pub fn set_config(&self, config: GroupConfig) {
        if **self.config.load() == config {
            return;
        }
        self.config.store(Arc::new(config.clone()));
        self.runtime.for_each(|partition, coordinator| {
            coordinator.set_config(bounded(&config, partition));
        });
    }

    /// Asks the coordinator of a group, if it is here.
    pub fn ask<Q: GroupAsk>(
        &self,
        image: &Arc<MetadataImage>,
        ask: Q,
    ) -> impl Future<Output = Result<Q::Reply, ErrorCode>> + Send + use<Q>
    where
        Q::Reply: Send,
    {
        let group = ask.group().unwrap_or_default();
        let asked = match coordinating_partition(image, group) {
            Some(partition) => Ok(self.runtime.ask(partition, call(image, ask))),
            None => Err(ErrorCode::NotCoordinator),
        };
        async move { reply_of::<Q>(asked?.await?) }
    }

    /// The same for offsets to commit, which need space on the disk like any record.
    pub fn commit(
        &self,
        image: &Arc<MetadataImage>,
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
        image: &Arc<MetadataImage>,
        ask: &Q,
    ) -> impl Future<Output = Result<Vec<Q::Reply>, ErrorCode>> + Send + use<Q>
    where
        Q::Reply: Send,
    {
        let partitions = self.runtime.partitions().into_iter();
        let asked: Vec<_> = partitions
            .map(|partition| self.runtime.ask(partition, call(image, ask.clone())))
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
    pub fn forget_topics(&self, image: &Arc<MetadataImage>, topics: Vec<Arc<str>>) {
        // It is decided in the call; when it is committed nobody waits for.
        drop(self.ask_all(image, &ForgetTopics { topics }));
    }

    /// Ends all coordinators: the broker stops.
    pub fn close(&self) {
        self.runtime.close();
    }

    /// Looks at each coordinator that is loaded.
    pub fn for_each(&self, mut look: impl FnMut(&GroupCoordinator)) {
        self.runtime.for_each(|_, coordinator| look(coordinator));
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

fn call(image: &Arc<MetadataImage>, ask: impl GroupAsk) -> GroupCall {
    GroupCall {
        cluster: Arc::new(ImageCluster(Arc::clone(image))),
        request: ask.into_request(),
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
