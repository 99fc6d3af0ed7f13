//! ConsumerGroupDescribe (key 69), versions 0-1: groups of the consumer protocol (KIP-848), with what their members have and are to have.
//!
//! Version 1 tells which members speak the classic protocol (KIP-1099).

use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::consumer_group_describe_response::{
    Assignment, DescribedGroup, Member, TopicPartitions,
};
use protocol::messages::{
    ApiKey, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, TopicName,
};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use broker_coordinators::group::Refusal;
use broker_coordinators::group::ask::{
    DescribeConsumerGroup, DescribedConsumerGroup, DescribedConsumerMember, NamedPartitions,
};

use super::controller::first_error;
use super::groups::{GROUP_OPERATIONS, consumer_protocol_is_on, message, on_wire, shared};
use super::metadata::OPERATIONS_OMITTED;
use super::{Answer, Api, Call, decode};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::ConsumerGroupDescribe,
    name: "ConsumerGroupDescribe",
    versions: VersionRange::new(0, 1),
    handle,
};

/// The first version that tells a member's protocol.
const MEMBER_TYPE_MIN: i16 = 1;

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: ConsumerGroupDescribeRequest = decode(body, call.head.version)?;
    let head = call.head;
    let operations = match request.include_authorized_operations {
        true => GROUP_OPERATIONS,
        false => OPERATIONS_OMITTED,
    };
    let image = call.broker.metadata.image();
    let is_on = consumer_protocol_is_on(call.broker, &image);
    let asked: Vec<_> = request
        .group_ids
        .iter()
        .map(|group| {
            let group = shared(&group.0);
            let ask = DescribeConsumerGroup {
                group: Arc::clone(&group),
            };
            let asked = match () {
                () if !is_on => Err(ErrorCode::UnsupportedVersion),
                () if group.is_empty() => Err(ErrorCode::InvalidGroupId),
                () => Ok(call.broker.groups.ask(&image, ask)),
            };
            (group, asked)
        })
        .collect();
    Ok(Answer::later(async move {
        let mut groups = Vec::with_capacity(asked.len());
        for (group, asked) in asked {
            let reply = match asked {
                Ok(asked) => asked.await.map_err(Refusal::from).and_then(|reply| reply),
                Err(error) => Err(error.into()),
            };
            let described = match reply {
                Ok(found) => described(found, head.version).with_authorized_operations(operations),
                Err(refusal) => refused(&refusal),
            };
            groups.push(described.with_group_id(on_wire(&group).into()));
        }
        let error = first_error(groups.iter().map(|group| group.error_code));
        let body = ConsumerGroupDescribeResponse::default().with_groups(groups);
        head.respond(&body, error)
    }))
}

fn described(group: DescribedConsumerGroup, version: i16) -> DescribedGroup {
    let members = group.members.into_iter();
    DescribedGroup::default()
        .with_error_message(None)
        .with_group_state(on_wire(group.state))
        .with_group_epoch(group.epoch)
        .with_assignment_epoch(group.target_epoch)
        .with_assignor_name(on_wire(group.assignor))
        .with_members(members.map(|it| member(it, version)).collect())
}

fn member(member: DescribedConsumerMember, version: i16) -> Member {
    let names = member.names.iter();
    let mut described = Member::default()
        .with_member_id(on_wire(&member.member))
        .with_instance_id(member.instance.as_deref().map(on_wire))
        .with_rack_id(member.rack.as_deref().map(on_wire))
        .with_member_epoch(member.epoch)
        .with_client_id(on_wire(&member.client_id))
        .with_client_host(on_wire(&member.client_host))
        .with_subscribed_topic_names(names.map(|name| TopicName(on_wire(name))).collect())
        // Empty for none, as in Kafka.
        .with_subscribed_topic_regex(Some(on_wire(member.regex.as_deref().unwrap_or_default())))
        .with_assignment(assignment(member.assigned))
        .with_target_assignment(assignment(member.target));
    if version >= MEMBER_TYPE_MIN {
        described.member_type = i8::from(!member.is_classic);
    }
    described
}

fn assignment(topics: Vec<NamedPartitions>) -> Assignment {
    let topics = topics.into_iter().map(|topic| {
        TopicPartitions::default()
            .with_topic_id(topic.topic)
            .with_topic_name(TopicName(on_wire(&topic.name)))
            .with_partitions(topic.partitions)
    });
    Assignment::default().with_topic_partitions(topics.collect())
}

fn refused(refusal: &Refusal) -> DescribedGroup {
    DescribedGroup::default()
        .with_error_code(refusal.error.code())
        .with_error_message(message(refusal))
        .with_authorized_operations(OPERATIONS_OMITTED)
}
