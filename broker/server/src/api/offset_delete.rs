//! OffsetDelete (key 47), version 0 (KIP-496).
//!
//! Forgets offsets of a group, except in topics that its members are subscribed to. Kafka answers for each partition what became of its topic,
//! also where nothing was committed.

use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use protocol::messages::{ApiKey, OffsetDeleteRequest, OffsetDeleteResponse};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::ask::DeleteOffsets;

use super::controller::first_error;
use super::groups::shared;
use super::topics::has_partition;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::OffsetDelete,
    name: "OffsetDelete",
    versions: VersionRange::new(0, 0),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: OffsetDeleteRequest = decode(body, call.head.version)?;
    let head = call.head;
    let image = call.broker.metadata.image();
    let topics: Vec<(Arc<str>, Vec<i32>)> = request
        .topics
        .iter()
        .map(|topic| {
            let partitions = topic.partitions.iter().map(|it| it.partition_index);
            let existing = partitions.filter(|it| has_partition(&image, &topic.name.0, *it));
            (shared(&topic.name.0), existing.collect())
        })
        .collect();
    let ask = DeleteOffsets {
        group: shared(&request.group_id.0),
        topics: topics.clone(),
    };
    let asked = call.broker.groups.ask(&image, ask);
    Ok(Answer::later(async move {
        let outcomes = match asked.await.and_then(|reply| reply) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let body = OffsetDeleteResponse::default().with_error_code(error.code());
                return head.respond(&body, error);
            }
        };
        let answered = request.topics.into_iter().zip(topics.iter().zip(outcomes));
        let topics = answered.map(|(topic, ((_, existing), outcome))| {
            let partitions = topic.partitions.iter().map(|wanted| {
                let code = match existing.contains(&wanted.partition_index) {
                    true => outcome,
                    false => ErrorCode::UnknownTopicOrPartition,
                };
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(wanted.partition_index)
                    .with_error_code(code.code())
            });
            OffsetDeleteResponseTopic::default()
                .with_partitions(partitions.collect())
                .with_name(topic.name)
        });
        let topics: Vec<_> = topics.collect();
        let codes = topics.iter().flat_map(|topic| &topic.partitions);
        let error = first_error(codes.map(|partition| partition.error_code));
        head.respond(&OffsetDeleteResponse::default().with_topics(topics), error)
    }))
}
