//! A member of the consumer protocol.

use std::collections::BTreeSet;
use std::time::Duration;

use client::{ClientError, Connection, Topic};
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::ConsumerGroupHeartbeatRequest;
use protocol::messages::consumer_group_heartbeat_request::TopicPartitions;

use super::{Order, Orders, World};

const REBALANCE_TIMEOUT_MS: i32 = 60_000;
const RETRY: Duration = Duration::from_millis(20);

/// A member.
pub(super) struct Member {
    group: String,
    id: String,
    topic: Topic,
    epoch: i32,
    pub(super) owned: BTreeSet<i32>,
    has_to_say: bool,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Member {
    pub(super) fn new(group: &str, id: String, topic: &Topic) -> Member {
        Member {
            group: group.to_owned(),
            id,
            topic: topic.clone(),
            epoch: 0,
            owned: BTreeSet::new(),
            has_to_say: true,
        }
    }

    /// A heartbeat. Returns when the next one is due.
    pub(super) fn beat(&mut self, connection: &mut Connection) -> Result<Duration, ClientError> {
        let mut request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(text(&self.group).into())
            .with_member_id(text(&self.id))
            .with_member_epoch(self.epoch)
            .with_rebalance_timeout_ms(-1);
        if self.epoch == 0 {
            self.owned.clear();
            request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
            request.subscribed_topic_names = Some(vec![text(&self.topic.name).into()]);
        }
        if self.epoch == 0 || self.has_to_say {
            let topic = TopicPartitions::default()
                .with_topic_id(self.topic.id)
                .with_partitions(self.owned.iter().copied().collect());
            let topics = if self.owned.is_empty() {
                Vec::new()
            } else {
                vec![topic]
            };
            request.topic_partitions = Some(topics);
        }
        let answer = connection.call(&request)?;
        match ErrorCode::from_code(answer.error_code) {
            Some(ErrorCode::None) => {}
            Some(ErrorCode::FencedMemberEpoch | ErrorCode::UnknownMemberId) => {
                self.epoch = 0;
                return Ok(Duration::ZERO);
            }
            _ => return Ok(RETRY),
        }
        self.has_to_say = false;
        self.epoch = answer.member_epoch;
        if let Some(assignment) = answer.assignment {
            let topics = assignment.topic_partitions.into_iter();
            let assigned: BTreeSet<i32> = topics.flat_map(|topic| topic.partitions).collect();
            if assigned != self.owned {
                self.owned = assigned;
                self.has_to_say = true;
                return Ok(Duration::ZERO);
            }
        }
        let interval = u64::try_from(answer.heartbeat_interval_ms).unwrap_or(0);
        Ok(Duration::from_millis(interval))
    }

    pub(super) fn leave(&mut self, connection: &mut Connection) -> Result<(), ClientError> {
        self.epoch = -1;
        let request = ConsumerGroupHeartbeatRequest::default()
            .with_group_id(text(&self.group).into())
            .with_member_id(text(&self.id))
            .with_member_epoch(-1);
        connection.call(&request).map(drop)
    }
}

pub(super) fn run(world: &World, number: usize, orders: &mut Orders) -> Result<(), ClientError> {
    let mut connection = world.connect()?;
    let mut member = Member::new(&world.group, format!("member-{number:05}"), &world.topic);
    loop {
        let next = member.beat(&mut connection)?;
        world.set(number, &member.owned);
        match orders.wait(next) {
            Order::Stay => {}
            Order::Leave => return member.leave(&mut connection),
            Order::Die => return Ok(()),
        }
    }
}
