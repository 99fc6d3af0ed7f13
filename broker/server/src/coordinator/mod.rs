//! The runtime of coordinators: a [`Coordinator`] for each partition of an internal topic that this broker leads.
//!
//! A request is decided in the call, under the lock of its partition's coordinator, in the order of arrival; what is decided is
//! appended before the lock is given back. The reply waits, without the lock, until all that was appended before it is committed. A partition
//! that is led anew is loaded by a thread that may block; meanwhile requests are answered COORDINATOR_LOAD_IN_PROGRESS. When the partition is
//! lost, or does not take an append, the coordinator is thrown away with all that it knows, and those who wait are told to look for another.

mod cluster;
mod groups;
mod load;
mod shard;

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use broker_coordinators::Coordinator;
use parking_lot::RwLock;
use protocol::ErrorCode;
use protocol::model::{PartitionIndex, TopicIdPartition};
use tokio::time::Instant;

use crate::partition::Partition;
use shard::Shard;

pub use groups::Groups;
pub(crate) use groups::coordinating_partition;

/// How a coordinator's records become bytes and back.
pub trait RecordFormat: Coordinator + Send + 'static {
    /// Key and value.
    fn encode(record: &Self::Record) -> Result<(bytes::Bytes, Option<bytes::Bytes>), ErrorCode>;

    /// `None` for records of a kind that is not known.
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Option<Self::Record>, String>;
}

/// Makes a coordinator without any state.
type Make<C> = Box<dyn Fn(&Partition) -> C + Send + Sync>;

/// The coordinators of the partitions of one topic.
pub struct Runtime<C: RecordFormat> {
    make: Make<C>,
    /// What the monotonic clock counts from.
    since: Instant,
    shards: RwLock<HashMap<PartitionIndex, Arc<Shard<C>>>>,
}

impl<C: RecordFormat> Runtime<C>
where
    C::Request: Send,
    C::Reply: Send,
    C::Record: Send,
{
    /// One that has no partition yet.
    pub fn new(make: impl Fn(&Partition) -> C + Send + Sync + 'static) -> Runtime<C> {
        Runtime {
            make: Box::new(make),
            since: Instant::now(),
            shards: RwLock::default(),
        }
    }

    /// Takes over a partition that this broker leads from now on, and begins to load it.
    pub fn on_led(&self, partition: &Arc<Partition>) {
        let shard = Arc::new(Shard::new(Arc::clone(partition), self.since));
        let index = partition.id().partition;
        let before = self.shards.write().insert(index, Arc::clone(&shard));
        if let Some(before) = before {
            before.close(ErrorCode::NotCoordinator);
        }
        tokio::spawn(shard::begin((self.make)(partition), shard));
    }

    /// Lets go of a partition that this broker leads no more.
    pub fn on_lost(&self, id: TopicIdPartition) {
        let mut shards = self.shards.write();
        // One of another topic of the name stays.
        let is_it = |shard: &Arc<Shard<C>>| shard.partition().id() == id;
        if !shards.get(&id.partition).is_some_and(is_it) {
            return;
        }
        let lost = shards.remove(&id.partition);
        drop(shards);
        if let Some(lost) = lost {
            lost.close(ErrorCode::NotCoordinator);
        }
    }

    /// Ends all coordinators. Who waits is told to look for another.
    pub fn close(&self) {
        let shards = std::mem::take(&mut *self.shards.write());
        for shard in shards.into_values() {
            shard.close(ErrorCode::NotCoordinator);
        }
    }

    /// Asks the coordinator of a partition. The request is decided now; the reply is there when it is committed.
    pub fn ask(
        &self,
        partition: PartitionIndex,
        request: C::Request,
    ) -> impl Future<Output = Result<C::Reply, ErrorCode>> + Send + use<C> {
        let shard = self.shards.read().get(&partition).cloned();
        let asked = shard.ok_or(ErrorCode::NotCoordinator).and_then(|shard| {
            let reply = shard.ask(request)?;
            Ok((shard, reply))
        });
        async move {
            let (shard, reply) = asked?;
            shard.replied(reply).await
        }
    }

    /// A partition that there is a coordinator for.
    pub fn partition(&self, partition: PartitionIndex) -> Option<Arc<Partition>> {
        let shards = self.shards.read();
        let shard = shards.get(&partition)?;
        Some(Arc::clone(shard.partition()))
    }

    /// The partitions that there are coordinators for.
    pub fn partitions(&self) -> Vec<PartitionIndex> {
        let mut partitions: Vec<_> = self.shards.read().keys().copied().collect();
        partitions.sort_unstable();
        partitions
    }

    /// Looks at, or changes the settings of, each coordinator that is loaded.
    pub fn for_each(&self, mut look: impl FnMut(&Partition, &mut C)) {
        let shards: Vec<_> = self.shards.read().values().cloned().collect();
        for shard in shards {
            shard.with_loaded(|coordinator| look(shard.partition(), coordinator));
        }
    }
}

/// What hears of partitions that this broker begins or ends to lead.
pub trait LeadershipListener: Send + Sync {
    /// It is led from now on.
    fn on_led(&self, partition: &Arc<Partition>);

    /// It is led no more.
    fn on_lost(&self, topic: &str, id: TopicIdPartition);
}

/// A listener that is set once, after those it listens to are there.
#[derive(Default)]
pub struct Leadership(std::sync::OnceLock<Weak<dyn LeadershipListener>>);

impl Leadership {
    /// Names the listener. Once.
    pub fn set(&self, listener: Weak<dyn LeadershipListener>) {
        assert!(
            self.0.set(listener).is_ok(),
            "leaderships have one listener"
        );
    }

    /// The listener, if it is there.
    pub fn listener(&self) -> Option<Arc<dyn LeadershipListener>> {
        self.0.get().and_then(Weak::upgrade)
    }
}
