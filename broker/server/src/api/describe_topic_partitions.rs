//! DescribeTopicPartitions (key 75), version 0 (KIP-966).
//!
//! Topics by name, or all where none is named, in the order of their names and in pages: an answer has at most as many partitions as
//! the client asks for and `max.request.partition.size.limit` allows, and says where the next one begins. A topic is answered once,
//! however often it is asked for. With several topics a cursor has to name one of them.

use std::collections::BTreeSet;

use broker_controller::image::{PartitionImage, TopicImage};
use broker_controller::topic_name;
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::messages::describe_topic_partitions_request::Cursor;
use protocol::messages::describe_topic_partitions_response::{
    Cursor as NextCursor, DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
};
use protocol::messages::{
    ApiKey, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use protocol::model::{BrokerId, PartitionIndex, TopicId, TopicIdPartition};
use protocol::wire::WireError;
use protocol::wire::versions::VersionRange;

use super::controller::first_error;
use super::metadata::{OPERATIONS_OMITTED, TOPIC_OPERATIONS};
use super::topics::text;
use super::view::{View, on_wire};
use super::{Answer, Api, Call, decode};
use crate::broker::is_private;

/// The handler.
pub const API: Api = Api {
    key: ApiKey::DescribeTopicPartitions,
    name: "DescribeTopicPartitions",
    versions: VersionRange::new(0, 0),
    handle,
};

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let request: DescribeTopicPartitionsRequest = decode(body, call.head.version)?;
    let names: BTreeSet<&str> = request
        .topics
        .iter()
        .map(|topic| topic.name.as_str())
        .collect();
    let body = if is_cursor_good(request.cursor.as_ref(), &names) {
        let limit = call
            .broker
            .config
            .broker
            .requests
            .partitions_per_request_max;
        let asked = usize::try_from(request.response_partition_limit).unwrap_or(0);
        let image = call.broker.metadata.image();
        let mut page = Page {
            view: View {
                image: &image,
                listener: call.connection.listener_name(),
                led: &call.broker.partitions,
            },
            cursor: request.cursor.as_ref(),
            room: asked.clamp(1, limit.max(1)),
            topics: Vec::new(),
            next: None,
        };
        page.fill(&names);
        DescribeTopicPartitionsResponse::default()
            .with_topics(page.topics)
            .with_next_cursor(page.next)
    } else {
        DescribeTopicPartitionsResponse::default()
            .with_topics(names.iter().map(|name| invalid(name)).collect())
            .with_next_cursor(None)
    };
    let error = first_error(body.topics.iter().map(|topic| topic.error_code));
    Ok(Answer::Now(call.head.respond(&body, error)))
}

fn is_cursor_good(cursor: Option<&Cursor>, names: &BTreeSet<&str>) -> bool {
    cursor.is_none_or(|cursor| {
        let is_named = names.is_empty() || names.contains(cursor.topic_name.as_str());
        is_named && cursor.partition_index >= 0
    })
}

fn invalid(name: &str) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(ErrorCode::InvalidRequest.code())
        .with_name(Some(TopicName(text(name))))
        .with_topic_authorized_operations(OPERATIONS_OMITTED)
}

/// One answer.
struct Page<'a> {
    view: View<'a>,
    cursor: Option<&'a Cursor>,
    /// Partitions that may still be added.
    room: usize,
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    next: Option<NextCursor>,
}

impl<'a> Page<'a> {
    fn fill(&mut self, names: &BTreeSet<&str>) {
        let image = self.view.image;
        let from = self.cursor.map_or("", |cursor| cursor.topic_name.as_str());
        if names.is_empty() {
            let first = image.topic_named(from).into_iter();
            let topics = first.chain(image.topics_after(from));
            for topic in topics.filter(|topic| !is_private(topic.name())) {
                if !self.add(topic.name(), Some(topic)) {
                    return;
                }
            }
            return;
        }
        for name in names.range(from..) {
            let topic = image.topic_named(name).filter(|_| !is_private(name));
            if !self.add(name, topic.map(|topic| &**topic)) {
                return;
            }
        }
    }

    /// Adds what has room of a topic. Whether there may be room for another.
    fn add(&mut self, name: &str, topic: Option<&TopicImage>) -> bool {
        if self.room == 0 {
            self.next = Some(cursor(name, 0));
            return false;
        }
        let Some(topic) = topic else {
            self.topics.push(unknown(name));
            return true;
        };
        let first = match self.cursor {
            Some(cursor) if cursor.topic_name.as_str() == name => {
                usize::try_from(cursor.partition_index).unwrap_or(0)
            }
            _ => 0,
        };
        let partitions: Vec<_> = topic
            .partitions()
            .skip(first)
            .take(self.room)
            .map(|(index, state)| self.partition(topic.topic_id(), index, state))
            .collect();
        let end = first.saturating_add(partitions.len());
        self.room -= partitions.len();
        self.topics.push(
            DescribeTopicPartitionsResponseTopic::default()
                .with_name(Some(TopicName(text(name))))
                .with_topic_id(topic.topic_id().get())
                .with_is_internal(topic_name::is_internal(name))
                .with_topic_authorized_operations(TOPIC_OPERATIONS)
                .with_partitions(partitions),
        );
        if end < topic.partition_count() {
            self.next = Some(cursor(name, end));
            return false;
        }
        true
    }

    fn partition(
        &self,
        topic_id: TopicId,
        index: PartitionIndex,
        state: &PartitionImage,
    ) -> DescribeTopicPartitionsResponsePartition {
        let id = TopicIdPartition {
            topic_id,
            partition: index,
        };
        let (code, leader) = self.view.leader(id, state);
        DescribeTopicPartitionsResponsePartition::default()
            .with_error_code(code.code())
            .with_partition_index(index.get())
            .with_leader_id(leader.map_or(-1, BrokerId::get).into())
            .with_leader_epoch(state.leader_epoch.get())
            .with_replica_nodes(on_wire(state.replica_brokers()))
            .with_isr_nodes(on_wire(state.isr.iter().copied()))
            .with_eligible_leader_replicas(Some(on_wire(state.elr.iter().copied())))
            .with_last_known_elr(Some(Vec::new()))
            .with_offline_replicas(self.view.offline_replicas(state))
    }
}

fn unknown(name: &str) -> DescribeTopicPartitionsResponseTopic {
    let code = match topic_name::validate(name) {
        Err(_) => ErrorCode::InvalidTopicException,
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
    };
    DescribeTopicPartitionsResponseTopic::default()
        .with_error_code(code.code())
        .with_name(Some(TopicName(text(name))))
        .with_is_internal(topic_name::is_internal(name))
        .with_topic_authorized_operations(TOPIC_OPERATIONS)
}

fn cursor(name: &str, partition: usize) -> NextCursor {
    NextCursor::default()
        .with_topic_name(TopicName(text(name)))
        .with_partition_index(i32::try_from(partition).unwrap_or(i32::MAX))
}
