//! ConsumerGroupHeartbeat (Kafka's `consumerGroupHeartbeat`).
//!
//! A heartbeat may come twice, or late, when a client or the network sends it again. Nobody is fenced for that as long as it asks for nothing new:
//!
//! | epoch of the heartbeat | what it is taken for |
//! |---|---|
//! | 0 | the member joins, or joins again; where it is known, it is told what it has |
//! | the member's | the next heartbeat |
//! | the one before | the answer was lost, or the request is late: what it asks for is taken up, and it is told its epoch and all it has; what it says it has counts for nothing, since it may have got more since |
//! | an older one that asks for nothing new | it is late: it is told its epoch and all it has, and nothing changes |
//! | an older one that asks for something else | the member has missed more than can be made up for: fenced |
//! | a newer one | the coordinator does not know of it: fenced |
//!
//! (Kafka fences in the third row unless the heartbeat says that the member has nothing but what is its own, and then believes it; and always in
//! the fourth: KAFKA-19222, KAFKA-19233, KAFKA-19235.)

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ErrorCode;
use protocol::group_records::GroupRecord;

use super::super::ask::{ConsumerHeartbeat, ConsumerHeartbeatAnswer, ConsumerHeartbeatReply};
use super::super::config::GroupConfig;
use super::super::context::Context;
use super::member::{AWAY_EPOCH, ConsumerMember, MemberState, Profile, by_topic};
use super::subscription::NewRegex;
use super::{ConsumerGroup, Refusal};

/// Who sends a heartbeat.
pub(super) enum Speaker {
    /// A member.
    Member(Arc<str>),
    /// A member that has not heard of its epoch, or had not when it said this.
    Behind(Arc<str>),
    /// A member whose heartbeat says nothing new.
    Late(Arc<str>),
    /// Somebody new.
    New(Arc<str>),
    /// A static member under a new id, in the place of this one.
    Replacing(Arc<str>),
}

/// What can be seen to be wrong without the group (Kafka's `throwIfConsumerGroupHeartbeatRequestIsInvalid`).
pub(in crate::group) fn check_request(
    ask: &ConsumerHeartbeat,
    config: &GroupConfig,
) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let is_blank = |text: &str| text.trim().is_empty();
    let is_blank_if_there = |text: &Option<Arc<str>>| text.as_deref().is_some_and(is_blank);
    let is_unnamed = is_blank(&ask.member) && !(ask.may_be_unnamed && ask.epoch == 0);
    if is_unnamed && !ask.may_be_unnamed {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&ask.group) {
        return invalid("GroupId can't be empty.");
    }
    if is_blank_if_there(&ask.instance) {
        return invalid("InstanceId can't be empty.");
    }
    if is_blank_if_there(&ask.rack) {
        return invalid("RackId can't be empty.");
    }
    if ask.epoch < AWAY_EPOCH {
        return invalid("MemberEpoch is invalid.");
    }
    if is_unnamed {
        return invalid("MemberId can't be empty.");
    }
    if ask.epoch == AWAY_EPOCH && ask.instance.is_none() {
        return invalid("InstanceId can't be null.");
    }
    if ask.epoch == 0 {
        if ask.rebalance_timeout_ms.is_none() {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        if ask.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        if ask.names.is_none() && ask.regex.is_none() {
            return invalid(
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
            );
        }
    }
    let known = &config.consumer_assignors;
    match &ask.assignor {
        Some(name) if !known.iter().any(|it| it.name() == &**name) => {
            let names: Vec<_> = known.iter().map(|it| it.name()).collect();
            let message = format!(
                "ServerAssignor {name} is not supported. Supported assignors: {}.",
                names.join(", ")
            );
            Err(Refusal::new(ErrorCode::UnsupportedAssignor, message))
        }
        _ => Ok(()),
    }
}

impl ConsumerGroup {
    pub(in crate::group) fn heartbeat(
        &mut self,
        context: &mut Context<'_>,
        ask: &ConsumerHeartbeat,
    ) -> ConsumerHeartbeatReply {
        let id = match ask.member.is_empty() {
            true => ask.new_member.to_string().into(),
            false => Arc::clone(&ask.member),
        };
        let speaker = self.speaker(ask, id)?;
        if let Speaker::Late(id) = &speaker {
            return Ok(self.answer(context, id, true));
        }
        self.check_room(context, &speaker)?;
        let new_regex = self.check_regex(&**context.cluster, ask.regex.as_deref())?;

        // From here on nothing is refused.
        let is_behind = matches!(speaker, Speaker::Behind(_));
        let (id, is_changed) = self.take_in(context, ask, speaker, new_regex);
        self.refresh(context, is_changed);
        self.assign_if_due(context);
        self.touch(context, &id);
        if is_behind {
            return Ok(self.answer(context, &id, true));
        }
        if let Some(member) = self.members.get_mut(&id)
            && member.is_of_its_epoch
            && ask.epoch == member.current.epoch
        {
            member.is_unconfirmed = false;
        }
        self.note_confirmation(&id, ask);
        let mut has_to_confirm = false;
        if ask.epoch == 0 {
            // It has nothing.
            self.reconcile(context, &id, ask.owned.as_ref());
        } else if self.holds_revocation(context, &id) {
            has_to_confirm = true;
        } else {
            let member = &self.members[&id];
            let said = ask.owned.as_ref().filter(|owned| member.says_of_now(owned));
            self.reconcile(context, &id, said);
        }
        let is_full = ask.rebalance_timeout_ms.is_some()
            && (ask.names.is_some() || ask.regex.is_some())
            && ask.owned.is_some();
        self.note_confirmation(&id, ask);
        let member = &self.members[&id];
        // Until it says that it has followed, or could not know its epoch otherwise: an answer may be lost, or go to a request that was sent
        // twice. (Kafka tells it once.)
        let is_to_follow = has_to_confirm
            || member.is_unconfirmed
            || member.current.state == MemberState::Unrevoked;
        let tells_all = ask.epoch == 0 || is_full || is_to_follow || !member.was_told;
        if let Some(member) = self.members.get_mut(&id) {
            member.was_told = true;
        }
        Ok(self.answer(context, &id, tells_all))
    }

    fn note_confirmation(&mut self, id: &Arc<str>, ask: &ConsumerHeartbeat) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let says_so = |owned: &BTreeSet<_>| owned.iter().eq(member.current.assigned.keys());
        if ask.owned.as_ref().is_some_and(says_so) {
            member.is_unconfirmed = false;
            member.fresh.clear();
        }
    }

    fn answer(
        &self,
        context: &Context<'_>,
        id: &Arc<str>,
        tells_all: bool,
    ) -> ConsumerHeartbeatAnswer {
        let member = &self.members[id];
        let interval_ms = context.heartbeat_interval_ms(&self.id);
        let is_where_it_is_to_be =
            self.epoch == self.target_epoch && member.is_reconciled_to(self.target_epoch);
        ConsumerHeartbeatAnswer {
            member: Arc::clone(id),
            epoch: member.current.epoch,
            heartbeat_interval_ms: match is_where_it_is_to_be {
                true => interval_ms,
                // Partitions it waits for may be free soon.
                false => interval_ms.min(context.config.consumer_rebalance_heartbeat_interval_ms),
            },
            assignment: tells_all.then(|| by_topic(member.current.assigned.keys())),
        }
    }

    fn speaker(&self, ask: &ConsumerHeartbeat, id: Arc<str>) -> Result<Speaker, Refusal> {
        let is_joining = ask.epoch == 0;
        if let Some(instance) = &ask.instance {
            let current = self.static_members.get(instance);
            if let Some(current) = current.filter(|current| **current != id) {
                return self.other_instance(is_joining, current, instance, &id);
            }
            if current.is_none() && !is_joining {
                let message = format!("Instance id {instance} is unknown.");
                return Err(Refusal::new(ErrorCode::UnknownMemberId, message));
            }
        }
        match self.members.get(&id) {
            Some(member) => self.check_epoch(ask, id, member),
            None if is_joining => Ok(Speaker::New(id)),
            None => {
                let group = &self.id;
                let message = format!("Member {id} is not a member of group {group}.");
                Err(Refusal::new(ErrorCode::UnknownMemberId, message))
            }
        }
    }

    /// The instance id belongs to a member of another id.
    fn other_instance(
        &self,
        is_joining: bool,
        current: &Arc<str>,
        instance: &str,
        id: &str,
    ) -> Result<Speaker, Refusal> {
        let member = &self.members[current];
        let refuse = |error, what: &str| {
            let message = format!(
                "Static member {id} with instance id {instance} {what} by member {current}."
            );
            Err(Refusal::new(error, message))
        };
        if !is_joining {
            return refuse(ErrorCode::FencedInstanceId, "was fenced");
        }
        if member.is_classic() || member.current.epoch == AWAY_EPOCH {
            return Ok(Speaker::Replacing(Arc::clone(current)));
        }
        refuse(
            ErrorCode::UnreleasedInstanceId,
            "cannot join the group because the instance id is owned",
        )
    }

    fn check_epoch(
        &self,
        ask: &ConsumerHeartbeat,
        id: Arc<str>,
        member: &ConsumerMember,
    ) -> Result<Speaker, Refusal> {
        let current = &member.current;
        if ask.epoch == 0 || ask.epoch == current.epoch {
            return Ok(Speaker::Member(id));
        }
        let fenced = |than: &str| {
            let message = format!(
                "The consumer group member has a {than} member epoch ({}) than the one known by the group \
                 coordinator ({}). The member must abandon all its partitions and rejoin.",
                ask.epoch, current.epoch
            );
            Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
        };
        if ask.epoch > current.epoch {
            return fenced("greater");
        }
        if ask.epoch == current.previous_epoch {
            return Ok(Speaker::Behind(id));
        }
        let mut profile = member.profile.clone();
        update(&mut profile, ask);
        match profile == member.profile {
            true => Ok(Speaker::Late(id)),
            false => fenced("smaller"),
        }
    }

    fn check_room(&self, context: &Context<'_>, speaker: &Speaker) -> Result<(), Refusal> {
        let members_max = context.config.consumer_members_max;
        if matches!(speaker, Speaker::New(_)) && self.members.len() >= members_max {
            let message = format!(
                "The consumer group has reached its maximum capacity of {members_max} members."
            );
            return Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message));
        }
        Ok(())
    }

    /// Takes up what a member asks for. Returns its id, and whether it asks for other topics than before.
    fn take_in(
        &mut self,
        context: &mut Context<'_>,
        ask: &ConsumerHeartbeat,
        speaker: Speaker,
        new_regex: Option<NewRegex>,
    ) -> (Arc<str>, bool) {
        let is_new = !matches!(speaker, Speaker::Member(_) | Speaker::Behind(_));
        let (id, before) = match speaker {
            Speaker::Member(id) | Speaker::Behind(id) | Speaker::Late(id) => {
                let profile = self.members[&id].profile.clone();
                (id, profile)
            }
            Speaker::New(id) => (id, Profile::default()),
            Speaker::Replacing(replaced) => {
                let id = match ask.member.is_empty() {
                    true => ask.new_member.to_string().into(),
                    false => Arc::clone(&ask.member),
                };
                self.replace(context, &replaced, &id);
                let profile = self.members[&id].profile.clone();
                (id, profile)
            }
        };
        if ask.epoch == 0 {
            self.come_back(context, &id);
        }
        let mut profile = before.clone();
        update(&mut profile, ask);
        if let (Some(regex), Some(new)) = (&profile.regex, new_regex) {
            self.add_regex(context, regex, new);
        }
        let is_changed = self.put_profile(context, &id, &before, profile, is_new);
        (id, is_changed)
    }

    /// A static member that was away is back.
    fn come_back(&mut self, context: &mut Context<'_>, id: &Arc<str>) {
        let Some(member) = self.members.get(id) else {
            return;
        };
        if member.current.epoch < 0 {
            let mut current = member.current.clone();
            (current.epoch, current.previous_epoch) = (0, 0);
            self.put_current(context, id, &current);
        }
    }

    /// Records what a member says of itself, if it is new. Returns whether that asks for a new epoch of the group.
    pub(super) fn put_profile(
        &mut self,
        context: &mut Context<'_>,
        id: &Arc<str>,
        before: &Profile,
        profile: Profile,
        is_new: bool,
    ) -> bool {
        let had: BTreeSet<_> = self.topics_of(before).into_iter().cloned().collect();
        let has: BTreeSet<_> = self.topics_of(&profile).into_iter().cloned().collect();
        // An expression that stands for no topic changes nothing for anybody.
        let is_changed = before.names != profile.names
            || (before.regex != profile.regex && had != has)
            || (!is_new && before.rack != profile.rack)
            || (!is_new && before.assignor != profile.assignor);
        if *before == profile && !is_new {
            return false;
        }
        let record = GroupRecord::ConsumerMember {
            group: self.id.to_string(),
            member: id.to_string(),
            value: Some(profile.to_record()),
        };
        self.put(context, record);
        if before.regex.is_some() {
            self.forget_regexes(context);
        }
        is_changed
    }

    /// A static member goes on under a new id, with all it has and is to have.
    pub(super) fn replace(
        &mut self,
        context: &mut Context<'_>,
        replaced: &Arc<str>,
        id: &Arc<str>,
    ) {
        let Some(member) = self.members.get(replaced).cloned() else {
            return;
        };
        self.cancel_timers(context, replaced);
        self.put_removal(context, replaced);
        let (group, name) = (self.id.to_string(), id.to_string());
        self.put(
            context,
            GroupRecord::ConsumerMember {
                group: group.clone(),
                member: name.clone(),
                value: Some(member.profile.to_record()),
            },
        );
        self.put(
            context,
            GroupRecord::TargetAssignment {
                group,
                member: name,
                value: Some(super::member::target_to_record(&member.target)),
            },
        );
        let mut current = member.current;
        (current.epoch, current.previous_epoch) = (0, 0);
        // It has given up all that it had before it came back.
        current.state = MemberState::Stable;
        current.revoking.clear();
        self.put_current(context, id, &current);
    }
}

/// What a heartbeat says of a member. What it does not say stays.
fn update(profile: &mut Profile, ask: &ConsumerHeartbeat) {
    if ask.instance.is_some() {
        profile.instance.clone_from(&ask.instance);
    }
    if ask.rack.is_some() {
        profile.rack.clone_from(&ask.rack);
    }
    if let Some(millis) = ask.rebalance_timeout_ms {
        profile.rebalance_timeout_ms = millis;
    }
    if ask.assignor.is_some() {
        profile.assignor.clone_from(&ask.assignor);
    }
    if let Some(names) = &ask.names {
        profile.names = names.iter().cloned().collect();
    }
    if let Some(regex) = &ask.regex {
        profile.regex = Some(Arc::clone(regex)).filter(|regex| !regex.is_empty());
    }
    profile.client_id = Arc::clone(&ask.client_id);
    profile.client_host = Arc::clone(&ask.client_host);
    profile.classic = None;
}
