//! OffsetFetch (key 9), versions 1-10; many groups at once from version 8 on (KIP-709), topics by id in version 10 (KIP-848).
//!
//! The committed offsets of groups, in the partitions asked for or in all. What is answered is committed itself: it will not be taken back by
//! a failure. Where nothing is committed the offset is -1.
//!
//! `require_stable` (KIP-447) has nothing to wait for: there are no transactions.

use std::sync::Arc;

use broker_controller::MetadataImage;
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use protocol::messages::{ApiKey, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use protocol::model::LeaderEpoch;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::CommittedOffset;
use broker_coordinators::group::ask::{FetchOffsets, FetchReply, FetchedTopic};

use super::controller::first_error;
use super::groups::{on_wire, shared};
use super::topics::name_of;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::OffsetFetch,
    name: "OffsetFetch",
    versions: VersionRange::new(1, 10),
    handle,
};

/// The first version with an error for the group.
const GROUP_ERROR_MIN: i16 = 2;
/// The first version that asks for many groups.
const MANY_MIN: i16 = 8;
/// The first version in which topics have ids.
const TOPIC_IDS_MIN: i16 = 10;

/// Topics and partitions.
type Wanted = Option<Vec<(Arc<str>, Vec<i32>)>>;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: OffsetFetchRequest = decode(body, call.head.version)?;
    let head = call.head;
    let image = call.broker.metadata.image();
    let unknown: Vec<_> = match head.version >= TOPIC_IDS_MIN {
        true => {
            let groups = request.groups.iter();
            groups.map(|group| unknown_topics(&image, group)).collect()
        }
        false => Vec::new(),
    };
    let asks: Vec<FetchOffsets> = match head.version >= MANY_MIN {
        true => {
            let groups = request.groups.iter();
            groups
                .map(|group| of_group(&image, group, head.version))
                .collect()
        }
        false => vec![FetchOffsets {
            group: shared(&request.group_id.0),
            member: None,
            topics: request.topics.as_deref().map(of_topics),
        }],
    };
    let groups = &call.broker.groups;
    let asked: Vec<_> = asks
        .into_iter()
        .map(|ask| (ask.clone(), groups.ask(&image, ask)))
        .collect();
    Ok(Answer::later(async move {
        let mut fetched = Vec::with_capacity(asked.len());
        for (ask, reply) in asked {
            fetched.push((ask, reply.await.and_then(|reply| reply)));
        }
        let errors = fetched.iter().map(|(_, reply)| code_of(reply).code());
        let error = first_error(errors);
        let body = match fetched.pop() {
            Some((ask, reply)) if head.version < MANY_MIN => single(&ask, reply, head.version),
            last => {
                fetched.extend(last);
                let groups = fetched.into_iter().map(group);
                let mut groups: Vec<OffsetFetchResponseGroup> = groups.collect();
                for (group, unknown) in groups.iter_mut().zip(unknown) {
                    name_by_id(&image, group, unknown);
                }
                OffsetFetchResponse::default().with_groups(groups)
            }
        };
        head.respond(&body, error)
    }))
}

fn of_group(image: &MetadataImage, group: &OffsetFetchRequestGroup, version: i16) -> FetchOffsets {
    // An administrator names none.
    let is_member = group.member_id.is_some() || group.member_epoch >= 0;
    let member = group.member_id.as_ref().map(shared).unwrap_or_default();
    let of_topic = |topic: &OffsetFetchRequestTopics| {
        let name = match version >= TOPIC_IDS_MIN {
            true => name_of(image, topic.topic_id).ok()?,
            false => shared(&topic.name.0),
        };
        Some((name, topic.partition_indexes.clone()))
    };
    let topics = group.topics.as_ref();
    FetchOffsets {
        group: shared(&group.group_id.0),
        member: is_member.then_some((member, group.member_epoch)),
        topics: topics.map(|topics| topics.iter().filter_map(of_topic).collect()),
    }
}

/// The topics of a group whose ids are not known, with that error for each of their partitions.
fn unknown_topics(
    image: &MetadataImage,
    group: &OffsetFetchRequestGroup,
) -> Vec<OffsetFetchResponseTopics> {
    let topics = group.topics.iter().flatten();
    let unknown = topics.filter(|topic| name_of(image, topic.topic_id).is_err());
    let refused = |index: &i32| {
        OffsetFetchResponsePartitions::default()
            .with_partition_index(*index)
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(on_wire("")))
            .with_error_code(ErrorCode::UnknownTopicId.code())
    };
    unknown
        .map(|topic| {
            OffsetFetchResponseTopics::default()
                .with_topic_id(topic.topic_id)
                .with_partitions(topic.partition_indexes.iter().map(refused).collect())
        })
        .collect()
}

/// Gives topics their ids. One that is gone has none, and is left out.
fn name_by_id(
    image: &MetadataImage,
    group: &mut OffsetFetchResponseGroup,
    unknown: Vec<OffsetFetchResponseTopics>,
) {
    group
        .topics
        .retain_mut(|topic| match image.topic_named(&topic.name.0) {
            Some(known) => {
                topic.topic_id = known.topic_id().get();
                true
            }
            None => false,
        });
    if group.error_code == ErrorCode::None.code() {
        group.topics.extend(unknown);
    }
}

fn of_topics(topics: &[OffsetFetchRequestTopic]) -> Vec<(Arc<str>, Vec<i32>)> {
    let topics = topics.iter();
    topics
        .map(|topic| (shared(&topic.name.0), topic.partition_indexes.clone()))
        .collect()
}

fn code_of(reply: &FetchReply) -> ErrorCode {
    reply.as_ref().err().copied().unwrap_or(ErrorCode::None)
}

/// A partition's number, offset, leader epoch and metadata.
fn fields(index: i32, committed: Option<CommittedOffset>) -> (i32, i64, i32, String) {
    match committed {
        Some(committed) => {
            let epoch = committed.leader_epoch.map_or(-1, LeaderEpoch::get);
            (index, committed.offset, epoch, committed.metadata.into())
        }
        None => (index, -1, -1, String::new()),
    }
}

fn group((ask, reply): (FetchOffsets, FetchReply)) -> OffsetFetchResponseGroup {
    let code = code_of(&reply);
    let topics = reply.unwrap_or_default().into_iter().map(|fetched| {
        let partitions = fetched.partitions.into_iter().map(|(index, committed)| {
            let (index, offset, epoch, metadata) = fields(index, committed);
            OffsetFetchResponsePartitions::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(epoch)
                .with_metadata(Some(on_wire(&metadata)))
        });
        OffsetFetchResponseTopics::default()
            .with_name(TopicName(on_wire(&fetched.topic)))
            .with_partitions(partitions.collect())
    });
    OffsetFetchResponseGroup::default()
        .with_group_id(on_wire(&ask.group).into())
        .with_topics(topics.collect())
        .with_error_code(code.code())
}

/// The answer of versions that ask for one group.
fn single(ask: &FetchOffsets, reply: FetchReply, version: i16) -> OffsetFetchResponse {
    let code = code_of(&reply);
    let fetched = match reply {
        Ok(fetched) => fetched,
        // The oldest version has no other place for the error.
        Err(_) if version < GROUP_ERROR_MIN => nothing(&ask.topics),
        Err(_) => Vec::new(),
    };
    let partition_code = match version < GROUP_ERROR_MIN {
        true => code.code(),
        false => ErrorCode::None.code(),
    };
    let topics = fetched.into_iter().map(|fetched| {
        let partitions = fetched.partitions.into_iter().map(|(index, committed)| {
            let (index, offset, epoch, metadata) = fields(index, committed);
            OffsetFetchResponsePartition::default()
                .with_partition_index(index)
                .with_committed_offset(offset)
                .with_committed_leader_epoch(epoch)
                .with_metadata(Some(on_wire(&metadata)))
                .with_error_code(partition_code)
        });
        OffsetFetchResponseTopic::default()
            .with_name(TopicName(on_wire(&fetched.topic)))
            .with_partitions(partitions.collect())
    });
    let topics = topics.collect();
    OffsetFetchResponse::default()
        .with_topics(topics)
        .with_error_code(code.code())
}

fn nothing(wanted: &Wanted) -> Vec<FetchedTopic> {
    let wanted = wanted.iter().flatten();
    wanted
        .map(|(topic, partitions)| FetchedTopic {
            topic: Arc::clone(topic),
            partitions: partitions.iter().map(|index| (*index, None)).collect(),
        })
        .collect()
}
