//! A generation as it is recorded, and loaded.

use std::sync::Arc;

use bytes::Bytes;
use protocol::group_records::{GroupMemberValue, GroupMetadataValue, GroupRecord};

use super::super::ask::Protocol;
use super::super::context::Context;
use super::member::ClassicMember;
use super::{ClassicGroup, ClassicState};

impl ClassicGroup {
    /// Records the generation, with its assignments.
    pub(super) fn record(&mut self, context: &mut Context<'_>) {
        let protocol = self.protocol.as_deref().unwrap_or_default();
        let member = |member: &ClassicMember| GroupMemberValue {
            member_id: member.id.to_string(),
            group_instance_id: member.instance.as_ref().map(ToString::to_string),
            client_id: member.client_id.to_string(),
            client_host: member.client_host.to_string(),
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            session_timeout_ms: member.session_timeout_ms,
            subscription: member.metadata(protocol),
            assignment: member.assignment.clone(),
        };
        let value = GroupMetadataValue {
            protocol_type: self.protocol_type.as_deref().unwrap_or_default().to_owned(),
            generation: self.generation,
            protocol: self.protocol.as_ref().map(ToString::to_string),
            leader: self.leader.as_ref().map(ToString::to_string),
            current_state_timestamp_ms: self.state_since_ms.unwrap_or(-1),
            members: self.members.values().map(member).collect(),
        };
        self.is_recorded = true;
        context.record(GroupRecord::GroupMetadata {
            group: self.id.to_string(),
            value: Some(value),
        });
    }

    /// Records that there was such a group, though its members are gone before there was a generation: so it is known until offsets are looked
    /// through, as with Kafka.
    pub(in crate::group) fn record_as_empty(&mut self, context: &mut Context<'_>) {
        self.is_recorded = true;
        context.record(GroupRecord::GroupMetadata {
            group: self.id.to_string(),
            value: Some(GroupMetadataValue {
                current_state_timestamp_ms: context.now.wall_ms,
                ..GroupMetadataValue::default()
            }),
        });
    }

    /// What a record says.
    pub(in crate::group) fn load(id: Arc<str>, value: &GroupMetadataValue) -> ClassicGroup {
        let mut group = ClassicGroup::new(id);
        group.is_recorded = true;
        group.generation = value.generation;
        group.protocol_type =
            Some(value.protocol_type.as_str().into()).filter(|kind: &Arc<str>| !kind.is_empty());
        group.state_since_ms = Some(value.current_state_timestamp_ms).filter(|ms| *ms >= 0);
        let protocol: Arc<str> = value.protocol.as_deref().unwrap_or_default().into();
        for loaded in &value.members {
            group.joins += 1;
            let member = loaded_member(loaded, Arc::clone(&protocol), group.joins);
            if let Some(instance) = &member.instance {
                group
                    .static_members
                    .insert(Arc::clone(instance), Arc::clone(&member.id));
            }
            group.members.insert(Arc::clone(&member.id), member);
        }
        group.count_bytes();
        let leader = value
            .leader
            .as_ref()
            .and_then(|leader| group.members.get_key_value(leader.as_str()))
            .or_else(|| group.members.first_key_value());
        if let Some((leader, _)) = leader {
            group.leader = Some(Arc::clone(leader));
            group.state = ClassicState::Stable;
            group.offered = [(Arc::clone(&protocol), group.members.len())].into();
            group.protocol = Some(protocol);
            group.note_subscriptions();
        }
        group
    }
}

fn loaded_member(loaded: &GroupMemberValue, protocol: Arc<str>, number: u64) -> ClassicMember {
    ClassicMember {
        id: loaded.member_id.as_str().into(),
        instance: loaded.group_instance_id.as_deref().map(Into::into),
        client_id: loaded.client_id.as_str().into(),
        client_host: loaded.client_host.as_str().into(),
        rebalance_timeout_ms: loaded.rebalance_timeout_ms,
        session_timeout_ms: loaded.session_timeout_ms,
        // What else it offered is not recorded.
        protocols: vec![Protocol {
            name: protocol,
            metadata: loaded.subscription.clone(),
        }],
        assignment: Bytes::clone(&loaded.assignment),
        awaiting_join: None,
        awaiting_sync: None,
        is_new: false,
        number,
    }
}
