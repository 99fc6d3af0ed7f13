//! ConsumerGroupHeartbeat (key 68), versions 0-1, of the consumer group protocol (KIP-848).
//!
//! A member joins, is alive, gives partitions up, or leaves, and is told what it is assigned. The coordinator assigns; nobody waits for anybody in a
//! request. From version 1 on a member chooses its id itself, so that it is the same one when it asks again, and may subscribe to a regular
//! expression (KIP-1082).

use std::collections::BTreeSet;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::consumer_group_heartbeat_response::{
    Assignment, TopicPartitions as Assigned,
};
use protocol::messages::{ApiKey, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};
use protocol::model::Uuid;
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::Refusal;
use broker_coordinators::group::ask::{ConsumerHeartbeat, ConsumerHeartbeatAnswer};

use super::groups::{consumer_protocol_is_on, host_of, message, on_wire, shared};
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ConsumerGroupHeartbeat,
    name: "ConsumerGroupHeartbeat",
    versions: VersionRange::new(0, 1),
    handle,
};

/// The first version in which a member chooses its id.
const OWN_ID_MIN: i16 = 1;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: ConsumerGroupHeartbeatRequest = decode(body, call.head.version)?;
    let head = call.head;
    let image = call.broker.metadata.image();
    if !consumer_protocol_is_on(call.broker, &image) {
        let error = ErrorCode::UnsupportedVersion;
        return Ok(Answer::Now(head.respond(&refused(&error.into()), error)));
    }
    let text = |text: &Option<StrBytes>| text.as_ref().map(shared);
    let ask = ConsumerHeartbeat {
        group: shared(&request.group_id.0),
        member: shared(&request.member_id),
        may_be_unnamed: head.version < OWN_ID_MIN,
        new_member: Uuid::new_v4(),
        epoch: request.member_epoch,
        instance: text(&request.instance_id),
        rack: text(&request.rack_id),
        client_id: head.client_id.as_ref().map(shared).unwrap_or_default(),
        client_host: host_of(call.connection.peer()),
        rebalance_timeout_ms: (request.rebalance_timeout_ms != -1)
            .then_some(request.rebalance_timeout_ms),
        names: request.subscribed_topic_names.as_ref().map(|names| {
            let names = names.iter();
            names.map(|name| shared(&name.0)).collect()
        }),
        regex: text(&request.subscribed_topic_regex),
        assignor: text(&request.server_assignor),
        owned: request.topic_partitions.as_ref().map(|topics| {
            let mut owned = BTreeSet::new();
            for topic in topics {
                owned.extend(topic.partitions.iter().map(|it| (topic.topic_id, *it)));
            }
            owned
        }),
    };
    let asked = call.broker.groups.ask(&image, ask);
    Ok(Answer::later(async move {
        let reply = asked.await.map_err(Refusal::from).and_then(|reply| reply);
        match reply {
            Ok(answer) => head.respond(&told(answer), ErrorCode::None),
            Err(refusal) => head.respond(&refused(&refusal), refusal.error),
        }
    }))
}

fn told(answer: ConsumerHeartbeatAnswer) -> ConsumerGroupHeartbeatResponse {
    let assignment = answer.assignment.map(|topics| {
        let topics = topics.into_iter().map(|(topic_id, partitions)| {
            Assigned::default()
                .with_topic_id(topic_id)
                .with_partitions(partitions)
        });
        Assignment::default().with_topic_partitions(topics.collect())
    });
    ConsumerGroupHeartbeatResponse::default()
        .with_member_id(Some(on_wire(&answer.member)))
        .with_member_epoch(answer.epoch)
        .with_heartbeat_interval_ms(answer.heartbeat_interval_ms)
        .with_assignment(assignment)
}

fn refused(refusal: &Refusal) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse::default()
        .with_error_code(refusal.error.code())
        .with_error_message(message(refusal))
        .with_member_id(None)
        .with_assignment(None)
}
