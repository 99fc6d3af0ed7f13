//! A member of a group of the classic protocol.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use protocol::consumer_protocol::subscribed_topics;

use super::super::ask::{DescribedMember, JoinGroup, Protocol};
use super::convert::ConvertedMember;
use crate::Ticket;

/// The protocol type of consumers, whose metadata Kafka looks into.
pub(in crate::group) const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// What a member takes besides texts and opaque bytes.
const MEMBER_BYTES: usize = 256;

/// What the assignors that a member offers take.
pub(in crate::group) fn protocol_bytes(protocols: &[Protocol]) -> usize {
    let each = |offered: &Protocol| offered.name.len() + offered.metadata.len();
    protocols.iter().map(each).sum()
}

/// A member.
#[derive(Debug)]
pub(super) struct ClassicMember {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<Arc<str>>,
    pub(super) client_id: Arc<str>,
    pub(super) client_host: Arc<str>,
    pub(super) rebalance_timeout_ms: i32,
    pub(super) session_timeout_ms: i32,
    /// The assignors it offers, the best first.
    pub(super) protocols: Vec<Protocol>,
    pub(super) assignment: Bytes,
    /// Its request that waits for the rebalance to be complete.
    pub(super) awaiting_join: Option<Ticket>,
    /// Its request that waits for the leader's assignments.
    pub(super) awaiting_sync: Option<Ticket>,
    /// It has not been answered yet, so it cannot send heartbeats.
    pub(super) is_new: bool,
    /// In the order of joining.
    pub(super) number: u64,
}

impl ClassicMember {
    pub(super) fn new(id: Arc<str>, number: u64, request: &JoinGroup) -> ClassicMember {
        ClassicMember {
            id,
            instance: request.instance.clone(),
            client_id: Arc::clone(&request.client_id),
            client_host: Arc::clone(&request.client_host),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocols: request.protocols.clone(),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: true,
            number,
        }
    }

    /// One that comes from a group of the consumer protocol.
    pub(super) fn converted(member: ConvertedMember, number: u64) -> ClassicMember {
        ClassicMember {
            id: member.id,
            instance: member.instance,
            client_id: member.client_id,
            client_host: member.client_host,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            protocols: member.protocols,
            assignment: member.assignment,
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
            number,
        }
    }

    /// What it takes in memory, and at most in a record.
    pub(super) fn bytes(&self) -> usize {
        MEMBER_BYTES
            + 2 * self.id.len()
            + self.client_id.len()
            + self.client_host.len()
            + self
                .instance
                .as_ref()
                .map_or(0, |instance| 2 * instance.len())
            + protocol_bytes(&self.protocols)
            + self.assignment.len()
    }

    pub(super) fn is_static(&self) -> bool {
        self.instance.is_some()
    }

    /// What it says of itself for an assignor.
    pub(super) fn metadata(&self, protocol: &str) -> Bytes {
        let offered = self.protocols.iter().find(|it| *it.name == *protocol);
        offered.map(|it| it.metadata.clone()).unwrap_or_default()
    }

    /// What a consumer is subscribed to; `None` where that cannot be read.
    pub(super) fn subscribed(&self, protocol: &str) -> Option<BTreeSet<String>> {
        let metadata = self.metadata(protocol);
        let topics = subscribed_topics(&metadata).ok()?;
        Some(topics.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn describe(&self, protocol: Option<&str>) -> DescribedMember {
        DescribedMember {
            member: Arc::clone(&self.id),
            instance: self.instance.clone(),
            client_id: Arc::clone(&self.client_id),
            client_host: Arc::clone(&self.client_host),
            metadata: protocol
                .map(|protocol| self.metadata(protocol))
                .unwrap_or_default(),
            assignment: match protocol {
                Some(_) => self.assignment.clone(),
                None => Bytes::new(),
            },
        }
    }
}
