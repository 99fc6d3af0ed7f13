//! The leader of a partition.
//!
//! ```text
//! high watermark = the smallest durable end over the maximal ISR, once the committed ISR has min.insync.replicas members and the ELR none
//!
//! committed ISR   what the metadata says
//! maximal ISR     that, and whom a proposal that is under way would add: it may be committed already, and nobody here knows
//! ```
//!
//! A leader that hears neither the controller nor its ISR may have been replaced ([`Leader::is_abandoned`]).
//!
//! A follower is in sync as long as it has had on its disk, at some time within the last `replica.lag.time.max.ms`, all that the leader had then. It comes into the ISR
//! when it has all that is committed, and all that was there when this leadership began.

use std::collections::{BTreeMap, BTreeSet};

use protocol::model::{BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionEpoch};

/// What the metadata says of the partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionView {
    /// The leadership.
    pub leader_epoch: LeaderEpoch,
    /// The state.
    pub partition_epoch: PartitionEpoch,
    /// The committed ISR.
    pub isr: Vec<BrokerId>,
    /// The replicas that are alive, each in its life.
    pub live: BTreeMap<BrokerId, BrokerEpoch>,
    /// With fewer members the ISR commits nothing. At least 1, at most as many as there are replicas.
    pub min_insync_replicas: usize,
    /// Whether somebody else may be elected because nothing is committed now (KIP-966): then nothing is, whatever `min_insync_replicas` says here.
    pub has_elr: bool,
    /// Whether there are other replicas, alive or not.
    pub has_others: bool,
    /// The replicas whose disks are short of space.
    pub short_of_space: BTreeSet<BrokerId>,
}

/// Who is short of space, and behind, has probably no room left: it is waited for only so much less than others.
const SHORT_OF_SPACE_LAG_SHARE: i64 = 4;

/// For so long a producer may wait for an answer of a leader that cannot be reached any more: librdkafka's `socket.timeout.ms`, the longest of the clients'.
const UNANSWERED_MS_MAX: i64 = 60_000;

/// Where the leader's own log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnds {
    /// What is known committed: from before, at the begin of a leadership.
    pub high_watermark: Offset,
    /// What is on the disk.
    pub durable_end: Offset,
    /// What was appended.
    pub end: Offset,
}

/// What a follower says once a fetch has shown that its log agrees with the leader's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerReport {
    /// Who.
    pub broker_id: BrokerId,
    /// In which life.
    pub broker_epoch: BrokerEpoch,
    /// What it has on its disk.
    pub durable_end: Offset,
}

/// Why a report does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportError {
    /// It is no replica, or not alive as far as the leader knows.
    UnknownReplica,
    /// It is another life than that which the leader knows: either may be behind.
    OtherLife,
    /// It claims to have more than there is.
    BeyondEnd,
    /// It follows another leadership.
    OtherLeadership,
}

/// Who is to be in sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedIsr {
    /// The leadership.
    pub leader_epoch: LeaderEpoch,
    /// The state it is for.
    pub partition_epoch: PartitionEpoch,
    /// The members, each in the life that was seen in sync.
    pub isr: Vec<(BrokerId, BrokerEpoch)>,
}

/// What a leader wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Everything before is committed from now on.
    HighWatermark(Offset),
    /// The controller is to decide. Whatever it answers is told to [`Leader::on_view`] or [`Leader::on_refused`].
    Propose(ProposedIsr),
}

/// A follower, as its leader knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowerState {
    /// Who.
    pub broker_id: BrokerId,
    /// What it has on its disk.
    pub durable_end: Offset,
    /// When it had all that the leader had.
    pub caught_up_ms: i64,
}

#[derive(Clone, Debug)]
struct Follower {
    broker_epoch: BrokerEpoch,
    durable_end: Offset,
    /// When it had all that the leader had.
    caught_up_ms: i64,
    /// When it reported last, and what the leader had then.
    reported_ms: i64,
    end_then: Offset,
}

/// A leadership.
#[derive(Clone, Debug)]
pub struct Leader {
    id: BrokerId,
    lag_ms_max: i64,
    view: PartitionView,
    /// The end of the log when the leadership began.
    start: Offset,
    began_ms: i64,
    ends: LogEnds,
    followers: BTreeMap<BrokerId, Follower>,
    /// What the controller has not answered yet.
    proposal: Option<ProposedIsr>,
}

impl Leader {
    /// Begins a leadership. `lag_ms_max` is `replica.lag.time.max.ms`.
    pub fn new(
        id: BrokerId,
        lag_ms_max: i64,
        now_ms: i64,
        view: PartitionView,
        ends: LogEnds,
        effects: &mut Vec<Effect>,
    ) -> Leader {
        let mut leader = Leader {
            id,
            lag_ms_max,
            view,
            start: ends.end,
            began_ms: now_ms,
            ends,
            followers: BTreeMap::new(),
            proposal: None,
        };
        leader.advance(effects);
        leader
    }

    /// What is committed.
    pub fn high_watermark(&self) -> Offset {
        self.ends.high_watermark
    }

    /// Whether all that was there when the leadership began is committed: until then the high watermark may lie behind what consumers have seen of the leader before
    /// (KIP-207).
    pub fn is_settled(&self) -> bool {
        self.ends.high_watermark >= self.start
    }

    /// What is on the disk here.
    pub fn durable_end(&self) -> Offset {
        self.ends.durable_end
    }

    /// What the metadata says.
    pub fn view(&self) -> &PartitionView {
        &self.view
    }

    /// Whether the committed ISR is large enough to commit anything, and the controller knows that it is.
    pub fn can_commit(&self) -> bool {
        self.has_enough() && !self.view.has_elr
    }

    fn has_enough(&self) -> bool {
        self.view.isr.len() >= self.view.min_insync_replicas
    }

    /// Whether producers may still wait for answers of the leader before, which come again here when they do not come there.
    pub fn is_successor(&self, now_ms: i64) -> bool {
        let is_first = self.view.leader_epoch == LeaderEpoch::new(0);
        let is_recent = now_ms - self.began_ms < UNANSWERED_MS_MAX;
        self.view.has_others && !is_first && is_recent
    }

    /// How far a follower is durable, as far as it has said in this leadership.
    pub fn durable_end_of(&self, broker_id: BrokerId) -> Option<Offset> {
        self.followers.get(&broker_id).map(|it| it.durable_end)
    }

    /// The followers that have spoken in this leadership.
    pub fn followers(&self) -> impl Iterator<Item = FollowerState> {
        self.followers.iter().map(|(id, follower)| FollowerState {
            broker_id: *id,
            durable_end: follower.durable_end,
            caught_up_ms: follower.caught_up_ms,
        })
    }

    /// The log is longer.
    pub fn on_append(&mut self, end: Offset) {
        assert!(end >= self.ends.end, "a leader's log only grows");
        self.ends.end = end;
    }

    /// More of the log is durable here.
    pub fn on_durable(&mut self, durable_end: Offset, effects: &mut Vec<Effect>) {
        assert!(
            durable_end >= self.ends.durable_end && durable_end <= self.ends.end,
            "what is durable stays, and was appended"
        );
        self.ends.durable_end = durable_end;
        self.advance(effects);
    }

    /// A follower says how far it is durable.
    pub fn on_report(
        &mut self,
        now_ms: i64,
        report: FollowerReport,
        effects: &mut Vec<Effect>,
    ) -> Result<(), ReportError> {
        let FollowerReport {
            broker_id,
            broker_epoch,
            durable_end,
        } = report;
        match self.view.live.get(&broker_id) {
            None => return Err(ReportError::UnknownReplica),
            Some(known) if *known != broker_epoch => return Err(ReportError::OtherLife),
            Some(_) => {}
        }
        if durable_end > self.ends.end {
            return Err(ReportError::BeyondEnd);
        }
        let end = self.ends.end;
        let began_ms = self.began_ms;
        let follower = self.followers.entry(broker_id).or_insert(Follower {
            broker_epoch,
            durable_end,
            caught_up_ms: began_ms,
            reported_ms: began_ms,
            end_then: Offset::new(i64::MAX),
        });
        if follower.broker_epoch != broker_epoch {
            // What its former life had counts no more.
            follower.broker_epoch = broker_epoch;
            follower.durable_end = durable_end;
        }
        // Reports may come in another order than they were made.
        follower.durable_end = follower.durable_end.max(durable_end);
        if durable_end >= end {
            follower.caught_up_ms = follower.caught_up_ms.max(now_ms);
        } else if durable_end >= follower.end_then {
            follower.caught_up_ms = follower.caught_up_ms.max(follower.reported_ms);
        }
        (follower.reported_ms, follower.end_then) = (now_ms, end);
        self.consider_joining(broker_id, effects);
        self.advance(effects);
        Ok(())
    }

    /// The metadata says something new of the partition, in the same leadership.
    pub fn on_view(&mut self, view: PartitionView, effects: &mut Vec<Effect>) {
        assert_eq!(
            view.leader_epoch, self.view.leader_epoch,
            "another leadership"
        );
        if view.partition_epoch < self.view.partition_epoch {
            return;
        }
        let is_answered = |proposal: &ProposedIsr| view.partition_epoch > proposal.partition_epoch;
        if self.proposal.as_ref().is_some_and(is_answered) {
            self.proposal = None;
        }
        // A follower in another life has to speak for itself.
        let live = &view.live;
        self.followers.retain(|id, follower| {
            live.get(id)
                .is_none_or(|epoch| *epoch == follower.broker_epoch)
        });
        self.view = view;
        self.advance(effects);
        self.consider_all(effects);
    }

    /// The controller has refused a proposal for certain, and what it knows has come, or is about to: nobody was added.
    pub fn on_refused(&mut self, refused: &ProposedIsr) {
        if self.proposal.as_ref() == Some(refused) {
            self.proposal = None;
        }
    }

    /// Time has passed: whoever has been behind for too long is to leave the ISR.
    pub fn on_tick(&mut self, now_ms: i64, effects: &mut Vec<Effect>) {
        // Who has all there is says nothing until there is more, and is not behind before then.
        for follower in self.followers.values_mut() {
            if follower.durable_end >= self.ends.end {
                follower.caught_up_ms = follower.caught_up_ms.max(now_ms);
            }
        }
        self.consider_all(effects);
        if self.proposal.is_some() {
            return;
        }
        let is_behind = |id: &BrokerId| {
            let share = match self.view.short_of_space.contains(id) {
                true => SHORT_OF_SPACE_LAG_SHARE,
                false => 1,
            };
            self.is_behind(*id, now_ms, self.lag_ms_max / share)
        };
        let stay: Vec<BrokerId> = self
            .view
            .isr
            .iter()
            .copied()
            .filter(|id| !is_behind(id))
            .collect();
        // `min.insync.replicas` may be lower than when the controller decided last: it is to decide anew.
        let is_held_up = self.has_enough() && self.view.has_elr;
        if stay.len() < self.view.isr.len() || is_held_up {
            self.propose(&stay, effects);
        }
    }

    /// Whether another broker may lead by now, and this one cannot hear of it: it has had no answer of the controller for longer than `silence_ms_max`, the last at
    /// `answered_ms`, and nothing has been committed for as long, or can be. As long as the ISR follows, no other leads.
    pub fn is_abandoned(&self, now_ms: i64, answered_ms: i64, silence_ms_max: i64) -> bool {
        let is_silent = |id: &BrokerId| self.is_behind(*id, now_ms, silence_ms_max);
        let is_cut_off = now_ms.saturating_sub(answered_ms) > silence_ms_max;
        is_cut_off && (!self.can_commit() || self.view.isr.iter().any(is_silent))
    }

    fn is_behind(&self, id: BrokerId, now_ms: i64, ms_max: i64) -> bool {
        match self.followers.get(&id) {
            _ if id == self.id => false,
            Some(follower) if follower.durable_end >= self.ends.end => false,
            Some(follower) => now_ms - follower.caught_up_ms > ms_max,
            None => now_ms - self.began_ms > ms_max,
        }
    }

    /// Whoever has caught up while another proposal was under way.
    fn consider_all(&mut self, effects: &mut Vec<Effect>) {
        let ids: Vec<BrokerId> = self.followers.keys().copied().collect();
        for id in ids {
            if self.view.live.contains_key(&id) {
                self.consider_joining(id, effects);
            }
        }
    }

    fn consider_joining(&mut self, id: BrokerId, effects: &mut Vec<Effect>) {
        let has_all = self.durable_end_of(id).is_some_and(|durable_end| {
            durable_end >= self.ends.high_watermark && durable_end >= self.start
        });
        if has_all && self.proposal.is_none() && !self.view.isr.contains(&id) {
            let mut isr = self.view.isr.clone();
            isr.push(id);
            self.propose(&isr, effects);
        }
    }

    fn propose(&mut self, isr: &[BrokerId], effects: &mut Vec<Effect>) {
        let live = &self.view.live;
        // One that is dead cannot be proposed: the controller takes it out by itself.
        let isr = isr.iter().filter_map(|id| Some((*id, *live.get(id)?)));
        let proposal = ProposedIsr {
            leader_epoch: self.view.leader_epoch,
            partition_epoch: self.view.partition_epoch,
            isr: isr.collect(),
        };
        self.proposal = Some(proposal.clone());
        effects.push(Effect::Propose(proposal));
    }

    fn advance(&mut self, effects: &mut Vec<Effect>) {
        self.check();
        if !self.can_commit() {
            return;
        }
        let proposed = self.proposal.iter().flat_map(|it| &it.isr);
        let maximal = self.view.isr.iter().chain(proposed.map(|(id, _)| id));
        let durable = maximal.map(|id| match *id == self.id {
            true => Some(self.ends.durable_end),
            false => self.durable_end_of(*id),
        });
        // One that has not spoken yet holds everything up.
        let Some(committed) = durable.min().flatten() else {
            return;
        };
        if committed > self.ends.high_watermark {
            self.ends.high_watermark = committed;
            effects.push(Effect::HighWatermark(committed));
        }
    }

    fn check(&self) {
        let LogEnds {
            high_watermark,
            durable_end,
            end,
        } = self.ends;
        assert!(
            high_watermark <= end && durable_end <= end,
            "{:?}",
            self.ends
        );
        assert!(
            self.view.min_insync_replicas >= 1,
            "nothing is committed by nobody"
        );
    }
}

#[cfg(test)]
mod tests;
