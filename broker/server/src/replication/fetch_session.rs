//! A follower's side of an incremental fetch session (KIP-227), Kafka's `FetchSessionHandler`: a request names only what has changed since the one before, and an
//! answer only what has news, however many partitions are followed. Pure.

use std::collections::BTreeMap;

use protocol::model::TopicIdPartition;

use super::followed::Position;

/// The epoch of a request that wants a session, and names everything.
const INITIAL_EPOCH: i32 = 0;

/// A session with one leader, over one connection.
#[derive(Debug, Default)]
pub(super) struct FetchSession {
    /// As the leader has named it; 0 for none.
    id: i32,
    epoch: i32,
    /// What the leader was told last.
    told: BTreeMap<TopicIdPartition, Position>,
}

/// What a request says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) session_id: i32,
    pub(super) session_epoch: i32,
    /// What the leader does not know yet.
    pub(super) changed: Vec<(TopicIdPartition, Position)>,
    /// What is not fetched any more.
    pub(super) forgotten: Vec<TopicIdPartition>,
}

impl FetchSession {
    /// What the next request has to say, so that all of `positions`, and nothing else, is fetched.
    pub(super) fn next(&mut self, positions: BTreeMap<TopicIdPartition, Position>) -> Told {
        let before = match self.id {
            0 => BTreeMap::new(),
            _ => std::mem::take(&mut self.told),
        };
        let is_new =
            |(id, position): &(&TopicIdPartition, &Position)| before.get(id) != Some(position);
        let changed = positions.iter().filter(is_new);
        let changed = changed.map(|(id, position)| (*id, *position)).collect();
        let is_gone = |id: &&TopicIdPartition| !positions.contains_key(id);
        let forgotten = before.keys().filter(is_gone).copied().collect();
        self.told = positions;
        Told {
            session_id: self.id,
            session_epoch: self.epoch,
            changed,
            forgotten,
        }
    }

    /// The leader has answered, and has named the session; 0: it has none to give.
    pub(super) fn on_answer(&mut self, session_id: i32) {
        (self.id, self.epoch) = match session_id {
            0 => (0, INITIAL_EPOCH),
            // It is never 0 again.
            id => (id, self.epoch.checked_add(1).unwrap_or(1)),
        };
    }

    /// The leader does not know it: the next request begins another.
    pub(super) fn reset(&mut self) {
        *self = FetchSession::default();
    }
}

#[cfg(test)]
mod tests;
