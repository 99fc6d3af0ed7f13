//! The groups that this broker coordinates.
//!
//! How far a group is behind is known in the partitions of which this broker has a replica.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use broker_controller::MetadataImage;
use broker_coordinators::group::GroupView;
use broker_coordinators::group::ask::{
    DescribeConsumerGroup, DescribeGroup, DescribedConsumerMember, DescribedMember, FetchOffsets,
};
use protocol::ErrorCode;
use protocol::consumer_protocol::assignment;
use serde::Serialize;

use super::Refusal;
use super::query::Filter;
use super::topics::high_watermark;
use crate::broker::Broker;

/// Groups that are shown.
const GROUPS_MAX: usize = 200;
/// Topics of a group that are shown.
const GROUP_TOPICS_MAX: usize = 200;
/// Members of a group that are shown.
const MEMBERS_MAX: usize = 200;

/// Topic, partition and committed offset.
type Committed = (Arc<str>, i32, i64);

/// How far a group is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Lag {
    /// Offsets that are behind what is committed and before the high watermark.
    offsets: i64,
    /// Partitions with a committed offset.
    partitions: usize,
    /// How many of them do not count, since there is no replica here.
    unknown: usize,
}

impl Lag {
    fn add(&mut self, broker: &Broker, image: &MetadataImage, committed: &Committed) {
        let (topic, partition, offset) = committed;
        self.partitions += 1;
        match high_watermark(broker, image, (topic, *partition)) {
            // A topic that was made again has less than was committed.
            Some(end) => {
                let lag = end.get().saturating_sub(*offset).max(0);
                self.offsets = self.offsets.saturating_add(lag);
            }
            None => self.unknown += 1,
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Groups {
    /// How many there are.
    total: usize,
    /// How many of them are asked for.
    matching: usize,
    groups: Vec<GroupRow>,
}

#[derive(Debug, Serialize)]
struct GroupRow {
    id: String,
    #[serde(rename = "type")]
    group_type: &'static str,
    protocol_type: String,
    state: &'static str,
    members: usize,
    lag: Lag,
}

/// Each coordinator is locked twice, for as long as it takes to copy what is shown.
pub(super) fn groups(broker: &Broker, filter: &Filter) -> Groups {
    let mut total = 0;
    let mut matching = Vec::new();
    broker.groups.for_each(|coordinator| {
        for group in coordinator.groups() {
            total += 1;
            if filter.matches(group.group) {
                matching.push(Arc::clone(group.group));
            }
        }
    });
    matching.sort_unstable();
    let count = matching.len();
    matching.truncate(GROUPS_MAX);
    let shown: BTreeSet<Arc<str>> = matching.into_iter().collect();
    let mut rows = Vec::with_capacity(shown.len());
    broker.groups.for_each(|coordinator| {
        let groups = coordinator.groups();
        let groups = groups.filter(|group| shown.contains(group.group));
        rows.extend(groups.map(row));
    });
    let image = broker.metadata.image();
    let groups = rows.into_iter().map(|(mut row, committed)| {
        for committed in &committed {
            row.lag.add(broker, &image, committed);
        }
        row
    });
    let mut groups: Vec<GroupRow> = groups.collect();
    groups.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Groups {
        total,
        matching: count,
        groups,
    }
}

/// What is said of a group, and what it has committed: its lag is looked up without the lock.
fn row(group: GroupView<'_>) -> (GroupRow, Vec<Committed>) {
    let offsets = group.offsets();
    let committed = offsets.map(|(topic, partition, at)| (Arc::clone(topic), partition, at));
    let row = GroupRow {
        id: group.group.to_string(),
        group_type: group.group_type,
        protocol_type: group.protocol_type.to_owned(),
        state: group.state,
        members: group.members,
        lag: Lag::default(),
    };
    (row, committed.collect())
}

#[derive(Debug, Serialize)]
pub(super) struct Group {
    id: String,
    #[serde(rename = "type")]
    group_type: &'static str,
    state: &'static str,
    assignor: String,
    topic_count: usize,
    topics: Vec<TopicRow>,
    member_count: usize,
    members: Vec<MemberRow>,
}

#[derive(Debug, Serialize)]
struct TopicRow {
    topic: String,
    lag: Lag,
}

#[derive(Debug, Serialize)]
struct MemberRow {
    id: String,
    instance: Option<String>,
    client_id: String,
    host: String,
    /// How many partitions it has, where that can be read.
    partitions: Option<usize>,
}

/// What its coordinator tells of a group.
pub(super) struct Told {
    id: Arc<str>,
    group_type: &'static str,
    state: &'static str,
    assignor: String,
    members: Members,
    committed: Vec<Committed>,
}

impl Told {
    /// Of a group whose offsets are not known yet.
    fn new(
        id: &Arc<str>,
        (group_type, state): (&'static str, &'static str),
        assignor: String,
        members: Members,
    ) -> Told {
        Told {
            id: Arc::clone(id),
            group_type,
            state,
            assignor,
            members,
            committed: Vec::new(),
        }
    }
}

/// How many members there are, and the first of them.
struct Members {
    count: usize,
    shown: Vec<MemberRow>,
}

impl Members {
    fn of<M>(members: &[M], row: fn(&M) -> MemberRow) -> Members {
        Members {
            count: members.len(),
            shown: members.iter().take(MEMBERS_MAX).map(row).collect(),
        }
    }
}

/// Asks the coordinator of a group, which is to be here. Done means: what it tells will not be taken back.
pub(super) async fn ask(broker: &Broker, id: Arc<str>) -> Result<Told, Refusal> {
    let image = broker.metadata.image();
    let group = Arc::clone(&id);
    let described = broker.groups.ask(&image, DescribeConsumerGroup { group });
    let mut told = match described.await.map_err(refused)? {
        Ok(described) => {
            let members = Members::of(&described.members, of_consumer_protocol);
            let assignor = described.assignor.to_owned();
            Told::new(&id, ("consumer", described.state), assignor, members)
        }
        Err(_) => {
            let group = Arc::clone(&id);
            let described = broker.groups.ask(&image, DescribeGroup { group });
            let described = described.await.map_err(refused)?;
            let described = described.map_err(|refusal| refused(refusal.error))?;
            let members = Members::of(&described.members, of_classic_protocol);
            let assignor = described.protocol.to_string();
            Told::new(&id, ("classic", described.state), assignor, members)
        }
    };
    let offsets = FetchOffsets {
        group: id,
        member: None,
        topics: None,
    };
    let fetched = broker.groups.ask(&image, offsets).await;
    for topic in fetched.flatten().map_err(refused)? {
        for (partition, committed) in topic.partitions {
            if let Some(committed) = committed {
                let topic = Arc::clone(&topic.topic);
                told.committed.push((topic, partition, committed.offset));
            }
        }
    }
    Ok(told)
}

fn refused(error: ErrorCode) -> Refusal {
    match error {
        ErrorCode::GroupIdNotFound | ErrorCode::InvalidGroupId => {
            Refusal::not_found("there is no group of that id")
        }
        ErrorCode::NotCoordinator => {
            Refusal::not_found("no group of that id is coordinated by this broker")
        }
        other => Refusal::unavailable(other.name()),
    }
}

fn of_consumer_protocol(member: &DescribedConsumerMember) -> MemberRow {
    let assigned = member.assigned.iter().map(|topic| topic.partitions.len());
    MemberRow {
        id: member.member.to_string(),
        instance: member.instance.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        host: host(&member.client_host),
        partitions: Some(assigned.sum()),
    }
}

fn of_classic_protocol(member: &DescribedMember) -> MemberRow {
    // Of other kinds of groups it means something else, and is seldom well-formed; of one that is not stable it is empty.
    let assigned = assignment(&member.assignment).ok();
    MemberRow {
        id: member.member.to_string(),
        instance: member.instance.as_deref().map(str::to_owned),
        client_id: member.client_id.to_string(),
        host: host(&member.client_host),
        partitions: assigned.map(|topics| topics.iter().map(|(_, it)| it.len()).sum()),
    }
}

/// Without the slash that Java prints before an address.
fn host(client_host: &str) -> String {
    client_host.trim_start_matches('/').to_owned()
}

pub(super) fn group(broker: &Broker, told: Told) -> Group {
    let image = broker.metadata.image();
    let mut lags: BTreeMap<&str, Lag> = BTreeMap::new();
    for committed in &told.committed {
        let lag = lags.entry(&committed.0).or_default();
        lag.add(broker, &image, committed);
    }
    let topics = lags.iter().take(GROUP_TOPICS_MAX);
    let topics = topics.map(|(topic, lag)| TopicRow {
        topic: (*topic).to_owned(),
        lag: *lag,
    });
    Group {
        topic_count: lags.len(),
        topics: topics.collect(),
        id: told.id.to_string(),
        group_type: told.group_type,
        state: told.state,
        assignor: told.assignor,
        member_count: told.members.count,
        members: told.members.shown,
    }
}
