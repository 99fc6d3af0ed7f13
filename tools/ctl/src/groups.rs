//! Consumer groups: what there is, and how far behind.

use std::{collections::BTreeMap, time::Duration};

use client::{
    ClientError, ClusterMetadata, CommittedOffset, Connection, GroupMember, Topic, TopicMetadata,
};
use protocol::ErrorCode;
use serde::Serialize;

use crate::{CtlError, Seeds, log_ends::LogEnds, seeds::CLIENT_ID};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// A coordinator that loads its groups says so for a while.
const PATIENCE: Duration = Duration::from_secs(30);

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Listed {
    /// Its id.
    pub group: String,
    /// Its state, in Kafka's words.
    pub state: String,
    /// `classic`, `consumer` or another.
    pub kind: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
}

/// All about a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Its id.
    pub group: String,
    /// Its state, in Kafka's words.
    pub state: String,
    /// The broker that coordinates it.
    pub coordinator: i32,
    /// Records that it has not committed yet, of all partitions that are known.
    pub lag: i64,
    /// Its members.
    pub members: Vec<Member>,
    /// What it has committed.
    pub offsets: Vec<GroupOffset>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// How its client calls itself.
    pub client_id: String,
    /// Where it is.
    pub host: String,
    /// How many partitions it has. `None`: only the client knows.
    pub partitions: Option<usize>,
}

/// What a group has committed of a partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GroupOffset {
    /// The topic; its id, if it is deleted.
    pub topic: String,
    /// The partition's number.
    pub partition: i32,
    /// The offset that is read next.
    pub committed: i64,
    /// The end of what can be read. `None`: nobody says.
    pub end: Option<i64>,
    /// How many records lie between.
    pub lag: Option<i64>,
}

/// Where the offsets of a group go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The first record that is kept.
    Start,
    /// The end.
    End,
    /// An offset.
    Offset(i64),
}

impl To {
    /// Reads `start`, `end` or an offset.
    pub fn parse(text: &str) -> Result<To, String> {
        match text {
            "start" => Ok(To::Start),
            "end" => Ok(To::End),
            _ => match text.parse() {
                Ok(offset @ 0..) => Ok(To::Offset(offset)),
                _ => Err("start, end, or an offset".to_owned()),
            },
        }
    }
}

/// What groups there are, by id. Brokers that do not answer are left out, unless none does.
pub fn list(seeds: &Seeds) -> Result<Vec<Listed>, CtlError> {
    let (_, metadata) = seeds.ask(SILENCE_MAX, |it| it.metadata(Some(&[])))?;
    let mut groups = Vec::new();
    let mut last = None;
    let mut answered = false;
    for broker in &metadata.brokers {
        let listed = Connection::connect(&broker.address, CLIENT_ID, SILENCE_MAX)
            .and_then(|mut it| it.list_groups());
        match listed {
            Ok(listed) => {
                answered = true;
                groups.extend(listed.into_iter().map(|it| Listed {
                    group: it.id,
                    state: it.state,
                    kind: it.kind,
                    coordinator: broker.id,
                }));
            }
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) if !answered => Err(error.into()),
        _ => {
            groups.sort();
            Ok(groups)
        }
    }
}

/// All about a group.
pub fn describe(seeds: &Seeds, group: &str) -> Result<Described, CtlError> {
    let (_, metadata) = seeds.ask(SILENCE_MAX, |it| it.metadata(None))?;
    let coordinator = coordinator(seeds, group)?;
    let mut connection = connect(&metadata, coordinator)?;
    let described = match connection.describe_consumer_group(group) {
        // It is classic; or the broker knows no others.
        Err(
            ClientError::NoVersion(_)
            | ClientError::Refused {
                code: ErrorCode::GroupIdNotFound | ErrorCode::UnsupportedVersion,
                ..
            },
        ) => connection.describe_classic_group(group),
        described => described,
    };
    let described = described.map_err(|error| missing(error, group))?;
    let committed = connection.all_committed_offsets(group)?;
    let offsets = with_ends(committed, &metadata);
    Ok(Described {
        group: group.to_owned(),
        state: described.state,
        coordinator,
        lag: offsets.iter().filter_map(|it| it.lag).sum(),
        members: described.members.into_iter().map(member).collect(),
        offsets,
    })
}

fn missing(error: ClientError, group: &str) -> CtlError {
    match error {
        ClientError::Refused {
            code: ErrorCode::GroupIdNotFound,
            ..
        } => CtlError::Refused(format!("there is no group {group}")),
        error => error.into(),
    }
}

fn coordinator(seeds: &Seeds, group: &str) -> Result<i32, CtlError> {
    seeds.ask_patiently(SILENCE_MAX, PATIENCE, |it| it.find_coordinator(group))
}

fn connect(metadata: &ClusterMetadata, id: i32) -> Result<Connection, CtlError> {
    let broker = metadata.brokers.iter().find(|it| it.id == id);
    let broker = broker.ok_or_else(|| {
        CtlError::Refused(format!(
            "broker {id} coordinates the group, and is not known"
        ))
    })?;
    Ok(Connection::connect(
        &broker.address,
        CLIENT_ID,
        SILENCE_MAX,
    )?)
}

fn member(member: GroupMember) -> Member {
    let count = member.assigned.values().map(Vec::len).sum();
    Member {
        id: member.id,
        client_id: member.client_id,
        host: member.host,
        partitions: (!member.assigned.is_empty()).then_some(count),
    }
}

fn with_ends(committed: Vec<CommittedOffset>, metadata: &ClusterMetadata) -> Vec<GroupOffset> {
    let mut ends = LogEnds::new(metadata);
    let mut offsets: Vec<GroupOffset> = committed
        .into_iter()
        .map(|it| {
            let topics = &mut metadata.topics.iter();
            let topic = topics.find(|topic| topic.name == it.topic || topic.id == it.topic_id);
            let name = match (topic, it.topic.is_empty()) {
                (Some(topic), _) => topic.name.clone(),
                (None, false) => it.topic.clone(),
                (None, true) => it.topic_id.to_string(),
            };
            let end = topic.and_then(|topic| end_of(topic, it.partition, &mut ends));
            GroupOffset {
                topic: name,
                partition: it.partition,
                committed: it.offset,
                end,
                lag: end.map(|end| (end - it.offset).max(0)),
            }
        })
        .collect();
    offsets.sort();
    offsets
}

fn end_of(topic: &TopicMetadata, partition: i32, ends: &mut LogEnds) -> Option<i64> {
    let mut partitions = topic.partitions.iter();
    let partition = partitions.find(|it| it.partition == partition)?;
    ends.of(topic, partition).map(|(_, end)| end)
}

/// Deletes groups without members, with all that they have committed.
pub fn delete(seeds: &Seeds, groups: &[String]) -> Result<(), CtlError> {
    let (_, metadata) = seeds.ask(SILENCE_MAX, |it| it.metadata(Some(&[])))?;
    for group in groups {
        let coordinator = coordinator(seeds, group)?;
        let deleted = connect(&metadata, coordinator)?.delete_group(group);
        deleted.map_err(|error| match error {
            ClientError::Refused {
                code: ErrorCode::NonEmptyGroup,
                ..
            } => CtlError::Refused(format!("{group} has members: stop them first")),
            error => missing(error, group),
        })?;
    }
    Ok(())
}

/// Moves what a group without members has committed of a topic, in all of its partitions. Returns where they are now.
pub fn seek(
    seeds: &Seeds,
    group: &str,
    topic: &str,
    to: To,
) -> Result<BTreeMap<i32, i64>, CtlError> {
    let (_, metadata) = seeds.ask(SILENCE_MAX, |it| it.metadata(Some(&[topic])))?;
    let found = metadata.topics.iter().find(|it| it.name == topic);
    let found = found.filter(|it| it.error == ErrorCode::None);
    let found = found.ok_or_else(|| CtlError::Refused(format!("there is no topic {topic}")))?;
    let mut ends = LogEnds::new(&metadata);
    let mut offsets = BTreeMap::new();
    for partition in &found.partitions {
        let Some((start, end)) = ends.of(found, partition) else {
            return Err(CtlError::Refused(format!(
                "nobody says where {topic}-{} begins and ends; nothing was changed",
                partition.partition
            )));
        };
        let offset = match to {
            To::Start => start,
            To::End => end,
            To::Offset(offset) => offset.clamp(start, end),
        };
        offsets.insert(partition.partition, offset);
    }
    let addressed = Topic {
        name: topic.to_owned(),
        id: found.id,
        partitions: i32::try_from(found.partitions.len()).unwrap_or(i32::MAX),
    };
    let coordinator = coordinator(seeds, group)?;
    let committed = connect(&metadata, coordinator)?.commit_offsets(group, &addressed, &offsets);
    committed.map_err(|error| match error {
        ClientError::Refused {
            code: ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration,
            ..
        } => CtlError::Refused(format!("{group} has members: stop them first")),
        error => error.into(),
    })?;
    Ok(offsets)
}
