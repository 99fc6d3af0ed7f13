//! A group's members, of the one protocol or the other.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::group_records::GroupRecord;

use super::ask::{ListedGroup, Protocol};
use super::classic::{CONSUMER_PROTOCOL_TYPE, ClassicGroup, ClassicState};
use super::consumer::{ConsumerGroup, Refusal};
use super::context::Context;
use super::offsets::GroupOffsets;

/// A group: members, offsets, or both.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) id: Arc<str>,
    pub(super) members: Members,
    pub(super) offsets: GroupOffsets,
    /// Its record has just been taken back.
    is_buried: bool,
    /// Since when it is not at rest, by the monotonic clock; volatile.
    unsettled_since_ms: Option<i64>,
    /// The epoch of the consumer protocol in which it was last seen to be.
    settled_epoch: i32,
}

/// Who is in a group.
#[derive(Debug)]
pub(super) enum Members {
    /// A group of the classic protocol, or one that only commits offsets.
    Classic(Box<ClassicGroup>),
    /// A group of the consumer protocol.
    Consumer(Box<ConsumerGroup>),
}

impl Members {
    fn of_classic(group: ClassicGroup) -> Members {
        Members::Classic(Box::new(group))
    }
}

impl Group {
    pub(super) fn new(id: Arc<str>) -> Group {
        Group {
            members: Members::of_classic(ClassicGroup::new(Arc::clone(&id))),
            id,
            offsets: GroupOffsets::default(),
            is_buried: false,
            unsettled_since_ms: None,
            settled_epoch: 0,
        }
    }

    pub(super) fn classic(&self) -> Option<&ClassicGroup> {
        match &self.members {
            Members::Classic(classic) => Some(classic),
            Members::Consumer(_) => None,
        }
    }

    pub(super) fn consumer(&self) -> Option<&ConsumerGroup> {
        match &self.members {
            Members::Classic(_) => None,
            Members::Consumer(consumer) => Some(consumer),
        }
    }

    /// Nobody is in it, though somebody may be about to be.
    pub(super) fn has_no_members(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.state() == ClassicState::Empty,
            Members::Consumer(consumer) => consumer.is_empty(),
        }
    }

    /// Nobody is in it, and nobody is about to be.
    pub(super) fn is_abandoned(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.is_empty(),
            Members::Consumer(consumer) => consumer.is_empty(),
        }
    }

    /// The log has a record of it, which has to be taken back when it is gone.
    pub(super) fn is_recorded(&self) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.is_recorded(),
            Members::Consumer(consumer) => consumer.is_recorded(),
        }
    }

    /// Records a group that somebody was in until now, if it has no record yet.
    pub(super) fn record_if_left(&mut self, context: &mut Context<'_>, was_in_use: bool) {
        let is_buried = std::mem::take(&mut self.is_buried);
        let is_left = was_in_use && self.is_abandoned() && !self.is_recorded() && !is_buried;
        if let (true, Members::Classic(classic)) = (is_left, &mut self.members) {
            classic.record_as_empty(context);
        }
    }

    /// Counts how long it took until all members had what they are to have.
    pub(super) fn note_rest(&mut self, context: &Context<'_>) {
        let is_at_rest = match &self.members {
            Members::Classic(classic) => {
                matches!(classic.state(), ClassicState::Stable | ClassicState::Empty)
            }
            // To look at all members is too much for each heartbeat.
            Members::Consumer(consumer)
                if self.unsettled_since_ms.is_none() && consumer.epoch() == self.settled_epoch =>
            {
                true
            }
            Members::Consumer(consumer) => matches!(consumer.state(), "Stable" | "Empty"),
        };
        if let (true, Members::Consumer(consumer)) = (is_at_rest, &self.members) {
            self.settled_epoch = consumer.epoch();
        }
        let now_ms = context.now.monotonic_ms;
        match (is_at_rest, self.unsettled_since_ms) {
            (true, Some(since_ms)) => {
                self.unsettled_since_ms = None;
                context.counters.settled.add(1);
                let millis = u64::try_from(now_ms - since_ms).unwrap_or(0);
                context.counters.unsettled_ms.add(millis);
            }
            (false, None) => self.unsettled_since_ms = Some(now_ms),
            _ => {}
        }
    }

    /// Nothing would be lost with it.
    pub(super) fn is_vacant(&self) -> bool {
        self.is_abandoned() && self.offsets.is_empty() && !self.is_recorded()
    }

    /// What its members take.
    pub(super) fn bytes(&self) -> usize {
        match &self.members {
            Members::Classic(classic) => classic.bytes(),
            Members::Consumer(consumer) => consumer.bytes(),
        }
    }

    pub(super) fn has_member(&self, member: &str) -> bool {
        match &self.members {
            Members::Classic(classic) => classic.has_member(member),
            Members::Consumer(consumer) => consumer.has_member(member),
        }
    }

    pub(super) fn member_count(&self) -> usize {
        match &self.members {
            Members::Classic(classic) => classic.members(),
            Members::Consumer(consumer) => consumer.members(),
        }
    }

    /// Its state, as Kafka's tools print it.
    pub(super) fn state(&self) -> &'static str {
        match &self.members {
            Members::Classic(classic) => classic.state().name(),
            Members::Consumer(consumer) => consumer.state(),
        }
    }

    /// What the members are subscribed to, if that is known.
    pub(super) fn subscribed(&self) -> Option<BTreeSet<&str>> {
        match &self.members {
            Members::Classic(classic) => {
                let topics = classic.subscribed()?;
                Some(topics.iter().map(String::as_str).collect())
            }
            Members::Consumer(consumer) => {
                let topics = consumer.subscribed().into_iter();
                Some(topics.map(|topic| &**topic).collect())
            }
        }
    }

    /// The kind of group; empty for one that only commits offsets.
    pub(super) fn protocol_type(&self) -> &str {
        match &self.members {
            Members::Classic(classic) => classic.protocol_type().map_or("", |it| &**it),
            Members::Consumer(_) => CONSUMER_PROTOCOL_TYPE,
        }
    }

    /// Its type (KIP-848).
    pub(super) fn group_type(&self) -> &'static str {
        match &self.members {
            Members::Classic(_) => "classic",
            Members::Consumer(_) => "consumer",
        }
    }

    pub(super) fn listed(&self) -> ListedGroup {
        ListedGroup {
            group: Arc::clone(&self.id),
            protocol_type: self.protocol_type().into(),
            state: self.state(),
            group_type: self.group_type(),
        }
    }

    pub(super) fn check(&self) {
        match &self.members {
            Members::Classic(classic) => classic.check(),
            Members::Consumer(consumer) => consumer.check(),
        }
    }

    pub(super) fn on_loaded(&mut self, context: &mut Context<'_>) {
        match &mut self.members {
            Members::Classic(classic) => classic.on_loaded(context),
            Members::Consumer(consumer) => consumer.on_loaded(context),
        }
    }

    /// A member was not heard of in time.
    pub(super) fn on_session_timer(&mut self, context: &mut Context<'_>, member: &Arc<str>) {
        match &mut self.members {
            Members::Classic(classic) => classic.on_session_timer(context, member),
            Members::Consumer(consumer) => consumer.on_session_timer(context, member),
        }
    }

    /// Takes up a record about members.
    pub(super) fn load(&mut self, record: &GroupRecord) {
        match record {
            GroupRecord::GroupMetadata { value, .. } => match (value, &self.members) {
                (Some(value), _) => {
                    let loaded = ClassicGroup::load(Arc::clone(&self.id), value);
                    self.members = Members::of_classic(loaded);
                }
                // The group has changed its protocol.
                (None, Members::Consumer(_)) => {}
                (None, Members::Classic(_)) => self.forget_members(),
            },
            record => match &mut self.members {
                Members::Consumer(consumer) => {
                    consumer.apply(record);
                    let is_gone = matches!(record, GroupRecord::ConsumerGroup { value: None, .. });
                    if is_gone {
                        self.forget_members();
                    }
                }
                // What takes something back is about a group that was here before.
                Members::Classic(_) if record.is_removal() => {}
                Members::Classic(_) => {
                    let mut consumer = ConsumerGroup::new(Arc::clone(&self.id));
                    consumer.apply(record);
                    self.members = Members::Consumer(Box::new(consumer));
                }
            },
        }
    }

    pub(super) fn forget_members(&mut self) {
        self.members = Members::of_classic(ClassicGroup::new(Arc::clone(&self.id)));
    }

    /// Takes back the record of a group that nobody is in.
    pub(super) fn bury(&mut self, context: &mut Context<'_>) {
        self.is_buried = true;
        match &mut self.members {
            Members::Classic(classic) => {
                classic.abandon(context);
                context.record(GroupRecord::GroupMetadata {
                    group: self.id.to_string(),
                    value: None,
                });
            }
            Members::Consumer(consumer) => {
                consumer.bury(context);
                self.forget_members();
            }
        }
    }

    /// Makes it a group of the consumer protocol, if it is not and may be.
    pub(super) fn upgrade(&mut self, context: &mut Context<'_>) -> Result<(), Refusal> {
        let Members::Classic(classic) = &mut self.members else {
            return Ok(());
        };
        let consumer = if classic.is_empty() {
            if classic.is_recorded() {
                context.record(GroupRecord::GroupMetadata {
                    group: self.id.to_string(),
                    value: None,
                });
            }
            ConsumerGroup::new(Arc::clone(&self.id))
        } else {
            let upgraded = if !context.config.migration.upgrades {
                Err("online upgrade is disabled")
            } else if !classic.is_of_consumers() {
                Err("the group does not use the consumer embedded protocol")
            } else if classic.members() > context.config.consumer_members_max {
                Err("the group size exceeds the consumer group maximum size")
            } else {
                ConsumerGroup::upgrade(context, &self.id, classic)
            };
            upgraded.map_err(|why| {
                let id = &self.id;
                let message =
                    format!("Cannot upgrade classic group {id} to consumer group because {why}.");
                Refusal::new(ErrorCode::GroupIdNotFound, message)
            })?
        };
        self.members = Members::Consumer(Box::new(consumer));
        Ok(())
    }

    /// Makes it classic, if it is of the consumer protocol and nobody is in it.
    pub(super) fn become_classic_if_empty(&mut self, context: &mut Context<'_>) {
        if self.consumer().is_some_and(ConsumerGroup::is_empty) {
            self.bury(context);
        }
    }

    /// Makes it classic, if all members of the consumer protocol are gone and others are not.
    pub(super) fn downgrade_if_due(&mut self, context: &mut Context<'_>) {
        let Members::Consumer(consumer) = &mut self.members else {
            return;
        };
        if let Some(downgrade) = consumer.downgrade(context) {
            let classic = downgrade.into_classic(context, Arc::clone(&self.id));
            self.members = Members::of_classic(classic);
        }
    }
}

/// What the assignors that a member offers take.
pub(super) fn offered_bytes(protocols: &[Protocol]) -> usize {
    super::classic::protocol_bytes(protocols)
}
