//! Requests, brought to the group they are for.

use std::sync::Arc;

use protocol::ErrorCode;

use super::ask::{self, GroupReply, GroupRequest, JoinReply, SyncReply};
use super::consumer::{Refusal, check_request};
use super::context::GroupEffects;
use super::members::{Group, Members, offered_bytes};
use super::{Context, GroupCoordinator};
use crate::{Now, Ticket};

impl GroupCoordinator {
    /// Decides a request. `None`: it is answered later, or has been answered.
    pub(super) fn request(
        &mut self,
        now: Now,
        ticket: Ticket,
        request: GroupRequest,
        effects: &mut GroupEffects,
    ) -> Option<GroupReply> {
        let reply = match request {
            GroupRequest::JoinGroup(ask) => {
                self.join(now, ticket, ask, effects);
                return None;
            }
            GroupRequest::SyncGroup(ask) => {
                self.sync(now, ticket, ask, effects);
                return None;
            }
            GroupRequest::Heartbeat(ask) => {
                let outcome =
                    self.with(
                        now,
                        effects,
                        &ask.group,
                        false,
                        |group, context| match &mut group.members {
                            Members::Classic(classic) => classic.heartbeat(context, &ask),
                            Members::Consumer(consumer) => {
                                consumer.heartbeat_classic(context, &ask)
                            }
                        },
                    );
                GroupReply::Heartbeat(outcome.unwrap_or_else(|| missing(&ask.group)))
            }
            GroupRequest::LeaveGroup(ask) => {
                let outcome =
                    self.with(
                        now,
                        effects,
                        &ask.group,
                        false,
                        |group, context| match &mut group.members {
                            Members::Classic(classic) => classic.leave(context, &ask),
                            Members::Consumer(consumer) => consumer.leave_classic(context, &ask),
                        },
                    );
                GroupReply::LeaveGroup(outcome.unwrap_or_else(|| none_left(&ask)))
            }
            GroupRequest::CommitOffsets(ask) => {
                GroupReply::CommitOffsets(self.commit(now, &ask, effects))
            }
            GroupRequest::FetchOffsets(ask) => {
                let group = self.groups.get(&ask.group);
                GroupReply::FetchOffsets(Group::fetch(group, &ask))
            }
            GroupRequest::DeleteOffsets(ask) => {
                let outcome = self.with(now, effects, &ask.group, false, |group, context| {
                    group.delete_offsets(context, &ask)
                });
                let missing = match ask.group.is_empty() {
                    true => ErrorCode::InvalidGroupId,
                    false => ErrorCode::GroupIdNotFound,
                };
                GroupReply::DeleteOffsets(outcome.unwrap_or(Err(missing)))
            }
            GroupRequest::ListGroups(_) => {
                // In this order, since a test of Kafka's takes that of its hash table for granted; so it is with the members of a consumer group.
                let groups = self.groups.values().rev();
                GroupReply::ListGroups(groups.map(Group::listed).collect())
            }
            GroupRequest::DescribeGroup(ask) => {
                let described = match self.groups.get(&ask.group).map(Group::classic) {
                    Some(Some(classic)) => Ok(classic.describe()),
                    Some(None) => Err(not_of_kind(
                        ErrorCode::GroupIdNotFound,
                        &ask.group,
                        "classic",
                    )),
                    None => Err(not_found(&ask.group)),
                };
                GroupReply::DescribeGroup(described)
            }
            GroupRequest::ConsumerHeartbeat(ask) => {
                GroupReply::ConsumerHeartbeat(self.consumer_heartbeat(now, &ask, effects))
            }
            GroupRequest::DescribeConsumerGroup(ask) => {
                GroupReply::DescribeConsumerGroup(self.describe_consumer(now, &ask, effects))
            }
            GroupRequest::DeleteGroup(ask) => {
                let outcome = self.with(now, effects, &ask.group, false, |group, context| {
                    group.delete(context)
                });
                GroupReply::DeleteGroup(outcome.unwrap_or(ErrorCode::GroupIdNotFound))
            }
            GroupRequest::ForgetTopics(ask) => {
                self.forget_topics(now, &ask.topics, effects);
                GroupReply::ForgetTopics(())
            }
        };
        Some(reply)
    }

    fn join(
        &mut self,
        now: Now,
        ticket: Ticket,
        mut ask: ask::JoinGroup,
        effects: &mut GroupEffects,
    ) {
        let refuse = |effects: &mut GroupEffects, error| {
            let refusal = JoinReply::refused(error, ask.member.clone());
            effects.reply(ticket, GroupReply::JoinGroup(refusal));
        };
        let sessions = self.config.session_timeout_ms_min..=self.config.session_timeout_ms_max;
        if ask.group.is_empty() {
            return refuse(effects, ErrorCode::InvalidGroupId);
        }
        if !sessions.contains(&ask.session_timeout_ms) {
            return refuse(effects, ErrorCode::InvalidSessionTimeout);
        }
        // A name counts once, where it comes first.
        let mut names = std::collections::BTreeSet::new();
        ask.protocols
            .retain(|it| names.insert(Arc::clone(&it.name)));
        let bytes = offered_bytes(&ask.protocols);
        if let Err(error) = self.check_size(&ask.group, ask.member.as_deref(), bytes) {
            let refusal = JoinReply::refused(error, ask.member.clone());
            return effects.reply(ticket, GroupReply::JoinGroup(refusal));
        }
        let is_new = ask.member.is_none();
        let group = Arc::clone(&ask.group);
        let found = self.with(now, effects, &group, is_new, |group, context| {
            group.become_classic_if_empty(context);
            match &mut group.members {
                Members::Classic(classic) => {
                    classic.join(context, ticket, &ask);
                }
                Members::Consumer(consumer) => {
                    let reply = consumer.join_classic(context, &ask);
                    context.reply(ticket, GroupReply::JoinGroup(reply));
                    group.downgrade_if_due(context);
                }
            }
        });
        if found.is_none() {
            let refusal = JoinReply::refused(ErrorCode::UnknownMemberId, ask.member.clone());
            effects.reply(ticket, GroupReply::JoinGroup(refusal));
        }
    }

    /// Members are held in memory as long as they are heard of, and what they say of themselves is recorded as a whole.
    fn check_size(&self, group: &str, member: Option<&str>, bytes: usize) -> Result<(), ErrorCode> {
        if bytes > self.config.record_bytes_max / 4 {
            return Err(ErrorCode::InvalidRequest);
        }
        let is_known = member.is_some_and(|member| {
            let group = self.groups.get(group);
            group.is_some_and(|group| group.has_member(member))
        });
        match is_known || self.member_bytes + bytes <= self.config.member_bytes_max {
            true => Ok(()),
            false => Err(ErrorCode::GroupMaxSizeReached),
        }
    }

    fn sync(&mut self, now: Now, ticket: Ticket, ask: ask::SyncGroup, effects: &mut GroupEffects) {
        let id = Arc::clone(&ask.group);
        let found = self.with(
            now,
            effects,
            &id,
            false,
            |group, context| match &mut group.members {
                Members::Classic(classic) => classic.sync(context, ticket, ask),
                Members::Consumer(consumer) => {
                    let reply = consumer.sync_classic(context, &ask);
                    context.reply(ticket, GroupReply::SyncGroup(reply));
                }
            },
        );
        if found.is_none() {
            let refusal = SyncReply::refused(missing(&id));
            effects.reply(ticket, GroupReply::SyncGroup(refusal));
        }
    }

    fn commit(
        &mut self,
        now: Now,
        ask: &ask::CommitOffsets,
        effects: &mut GroupEffects,
    ) -> ask::CommitReply {
        if !self.groups.contains_key(&ask.group)
            && let Some(error) = Group::missing_for_commit(ask)
        {
            return Err(error);
        }
        self.with(now, effects, &ask.group, true, |group, context| {
            group.commit(context, ask)
        })
        .unwrap_or(Err(ErrorCode::UnknownServerError))
    }

    fn consumer_heartbeat(
        &mut self,
        now: Now,
        ask: &ask::ConsumerHeartbeat,
        effects: &mut GroupEffects,
    ) -> ask::ConsumerHeartbeatReply {
        check_request(ask, &self.config)?;
        let names = ask.names.iter().flatten();
        let bytes = names.map(|name| name.len()).sum::<usize>()
            + ask.regex.as_ref().map_or(0, |regex| regex.len());
        self.check_size(&ask.group, Some(&ask.member), bytes)?;
        let is_leaving = ask.epoch < 0;
        let makes = ask.epoch == 0;
        let outcome = self.with(now, effects, &ask.group, makes, |group, context| {
            if makes {
                group.upgrade(context)?;
            }
            let Members::Consumer(consumer) = &mut group.members else {
                return Err(not_of_kind(
                    ErrorCode::GroupIdNotFound,
                    &ask.group,
                    "consumer",
                ));
            };
            let reply = match is_leaving {
                true => consumer.leave(context, ask),
                false => consumer.heartbeat(context, ask),
            };
            group.downgrade_if_due(context);
            reply
        });
        outcome.unwrap_or_else(|| Err(not_found(&ask.group)))
    }

    fn describe_consumer(
        &mut self,
        now: Now,
        ask: &ask::DescribeConsumerGroup,
        effects: &mut GroupEffects,
    ) -> ask::DescribeConsumerReply {
        let described = self.with(
            now,
            effects,
            &ask.group,
            false,
            |group, context: &mut Context<'_>| {
                group.consumer().map(|consumer| consumer.describe(context))
            },
        );
        match described {
            Some(Some(described)) => Ok(described),
            Some(None) => Err(not_of_kind(
                ErrorCode::GroupIdNotFound,
                &ask.group,
                "consumer",
            )),
            None => Err(not_found(&ask.group)),
        }
    }

    fn forget_topics(&mut self, now: Now, topics: &[Arc<str>], effects: &mut GroupEffects) {
        let ids: Vec<_> = self.groups.keys().cloned().collect();
        for id in ids {
            self.with(now, effects, &id, false, |group, context| {
                group.forget_topics(context, topics);
            });
        }
    }
}

fn not_found(group: &str) -> Refusal {
    let message = format!("Group {group} not found.");
    Refusal::new(ErrorCode::GroupIdNotFound, message)
}

fn not_of_kind(error: ErrorCode, group: &str, kind: &str) -> Refusal {
    Refusal::new(error, format!("Group {group} is not a {kind} group."))
}

/// The code for a group that is not there, where only members may ask.
fn missing(group: &str) -> ErrorCode {
    match group.is_empty() {
        true => ErrorCode::InvalidGroupId,
        false => ErrorCode::UnknownMemberId,
    }
}

/// The answer to those who leave a group that is not there.
fn none_left(ask: &ask::LeaveGroup) -> ask::LeaveReply {
    match missing(&ask.group) {
        ErrorCode::InvalidGroupId => Err(ErrorCode::InvalidGroupId),
        error => Ok(ask.members.iter().map(|it| (it.clone(), error)).collect()),
    }
}
