//! Incremental fetch sessions (KIP-227): Kafka's `FetchSession` and `FetchSessionCache`. Pure: time and randomness are arguments.
//!
//! A session remembers what a client fetches, so that a request names only what changed and an answer only what has news.

use std::collections::{BTreeMap, HashMap};

use protocol::ErrorCode;
use protocol::model::{LeaderEpoch, Offset};
use protocol::wire::produce::TopicRef;

/// A full cache gives up a session that was not used for so long (Kafka's `min.incremental.fetch.session.eviction.ms`).
const EVICTION_MS: i64 = 120_000;

/// The epoch of a request that wants a new session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that wants none.
const FINAL_EPOCH: i32 = -1;

/// A partition as requests name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    /// The topic.
    pub topic: TopicKey,
    /// The partition's number, as the client sent it.
    pub partition: i32,
}

/// A topic as requests name it, to be looked up by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TopicKey {
    /// By name, up to version 12.
    Name(std::sync::Arc<str>),
    /// By id.
    Id(u128),
}

impl From<&TopicRef> for TopicKey {
    fn from(topic: &TopicRef) -> TopicKey {
        match topic {
            TopicRef::Name(name) => TopicKey::Name(name.clone()),
            TopicRef::Id(id) => TopicKey::Id(id.as_u128()),
        }
    }
}

/// What to read of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionFetch {
    /// From here.
    pub offset: Offset,
    /// So many bytes, unless the first batch is larger.
    pub bytes_max: usize,
    /// The leader epoch the client knows.
    pub current_leader_epoch: Option<LeaderEpoch>,
    /// The epoch of the last record the client has (KIP-595).
    pub last_fetched_epoch: Option<LeaderEpoch>,
    /// Where a follower's log begins.
    pub log_start: Option<Offset>,
    /// What a follower knows to be committed, where it waits for more (KIP-1166).
    pub known_high_watermark: Option<Offset>,
}

/// What an answer said of a partition last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    high_watermark: Option<Offset>,
    log_start: Option<Offset>,
}

#[derive(Debug)]
struct Cached {
    fetch: PartitionFetch,
    told: Option<Told>,
    /// Where it stands in the order of reading.
    turn: u64,
}

#[derive(Debug)]
struct Session {
    epoch: i32,
    used_ms: i64,
    by_name: bool,
    partitions: HashMap<PartitionKey, Cached>,
    /// Partitions in the order of reading: those that had data last go to the end.
    turns: BTreeMap<u64, PartitionKey>,
    next_turn: u64,
}

/// A request, as far as sessions care.
#[derive(Debug)]
pub struct SessionRequest {
    /// The session, 0 for none.
    pub session_id: i32,
    /// Its epoch.
    pub session_epoch: i32,
    /// Whether topics are named rather than numbered.
    pub by_name: bool,
    /// Partitions that are new or changed; for a full request, all.
    pub partitions: Vec<(PartitionKey, PartitionFetch)>,
    /// Partitions to forget.
    pub forgotten: Vec<PartitionKey>,
}

/// What to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionPlan {
    /// The session's id for the answer, 0 for none.
    pub session_id: i32,
    /// Whether only news are told.
    pub incremental: bool,
    /// What to read, in order.
    pub partitions: Vec<(PartitionKey, PartitionFetch)>,
}

/// What was read of a partition.
#[derive(Clone, Copy, Debug)]
pub struct PartitionNews {
    /// Its high watermark.
    pub high_watermark: Option<Offset>,
    /// Its log start.
    pub log_start: Option<Offset>,
    /// There are records.
    pub has_records: bool,
    /// There is an error, or something else the client must hear of.
    pub must_tell: bool,
}

/// The sessions of a broker.
#[derive(Debug)]
pub struct FetchSessions {
    sessions: HashMap<i32, Session>,
    slots: usize,
}

impl FetchSessions {
    /// At most `slots` of them (`max.incremental.fetch.session.cache.slots`).
    pub fn new(slots: usize) -> FetchSessions {
        FetchSessions {
            sessions: HashMap::new(),
            slots,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Begins a fetch. `new_id` is a random id for a session that may be made.
    pub fn begin(
        &mut self,
        now_ms: i64,
        new_id: i32,
        request: SessionRequest,
    ) -> Result<SessionPlan, ErrorCode> {
        if request.session_epoch == INITIAL_EPOCH || request.session_epoch == FINAL_EPOCH {
            self.sessions.remove(&request.session_id);
            let session_id = match request.session_epoch {
                INITIAL_EPOCH => self.create(now_ms, new_id, &request),
                _ => 0,
            };
            let partitions = request.partitions;
            return Ok(SessionPlan {
                session_id,
                incremental: false,
                partitions,
            });
        }
        let Some(session) = self.sessions.get_mut(&request.session_id) else {
            return Err(ErrorCode::FetchSessionIdNotFound);
        };
        if session.epoch != request.session_epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_name != request.by_name {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.used_ms = now_ms;
        session.epoch = next_epoch(session.epoch);
        for key in &request.forgotten {
            session.forget(key);
        }
        for (key, fetch) in request.partitions {
            session.put(key, fetch);
        }
        let partitions = session.in_order();
        let mut session_id = request.session_id;
        if partitions.is_empty() {
            self.sessions.remove(&session_id);
            session_id = 0;
        }
        Ok(SessionPlan {
            session_id,
            incremental: true,
            partitions,
        })
    }

    /// Notes what is about to be answered and says, for each partition, whether it has news.
    pub fn finish(&mut self, plan: &SessionPlan, read: &[PartitionNews]) -> Vec<bool> {
        let Some(session) = self.sessions.get_mut(&plan.session_id) else {
            return vec![true; read.len()];
        };
        let told: Vec<bool> = plan
            .partitions
            .iter()
            .zip(read)
            .map(|((key, _), news)| session.tell(key, news) || !plan.incremental)
            .collect();
        told
    }

    fn create(&mut self, now_ms: i64, new_id: i32, request: &SessionRequest) -> i32 {
        if request.partitions.is_empty() || new_id <= 0 || self.sessions.contains_key(&new_id) {
            return 0;
        }
        if self.sessions.len() >= self.slots && !self.evict(now_ms) {
            return 0;
        }
        let mut session = Session {
            epoch: next_epoch(INITIAL_EPOCH),
            used_ms: now_ms,
            by_name: request.by_name,
            partitions: HashMap::with_capacity(request.partitions.len()),
            turns: BTreeMap::new(),
            next_turn: 0,
        };
        for (key, fetch) in &request.partitions {
            session.put(key.clone(), *fetch);
        }
        self.sessions.insert(new_id, session);
        new_id
    }

    fn evict(&mut self, now_ms: i64) -> bool {
        let stale = self
            .sessions
            .iter()
            .min_by_key(|(_, session)| session.used_ms);
        match stale {
            Some((id, session)) if now_ms - session.used_ms >= EVICTION_MS => {
                let id = *id;
                self.sessions.remove(&id).is_some()
            }
            _ => false,
        }
    }
}

impl Session {
    fn put(&mut self, key: PartitionKey, fetch: PartitionFetch) {
        if let Some(cached) = self.partitions.get_mut(&key) {
            // Who follows another leadership has to hear of it, if only that there is nothing new.
            if cached.fetch.current_leader_epoch != fetch.current_leader_epoch {
                cached.told = None;
            }
            cached.fetch = fetch;
            return;
        }
        let turn = self.take_turn();
        self.turns.insert(turn, key.clone());
        self.partitions.insert(
            key,
            Cached {
                fetch,
                told: None,
                turn,
            },
        );
    }

    fn forget(&mut self, key: &PartitionKey) {
        if let Some(cached) = self.partitions.remove(key) {
            self.turns.remove(&cached.turn);
        }
    }

    fn in_order(&self) -> Vec<(PartitionKey, PartitionFetch)> {
        let fetch = |key: &PartitionKey| self.partitions.get(key).map(|cached| cached.fetch);
        self.turns
            .values()
            .filter_map(|key| Some((key.clone(), fetch(key)?)))
            .collect()
    }

    fn tell(&mut self, key: &PartitionKey, news: &PartitionNews) -> bool {
        let next_turn = self.next_turn;
        let Some(cached) = self.partitions.get_mut(key) else {
            return true;
        };
        let now = Told {
            high_watermark: news.high_watermark,
            log_start: news.log_start,
        };
        let is_news = news.has_records || news.must_tell || cached.told != Some(now);
        // After an error the next answer tells again, whatever it is.
        cached.told = (!news.must_tell).then_some(now);
        if news.has_records {
            let before = std::mem::replace(&mut cached.turn, next_turn);
            self.next_turn += 1;
            if let Some(key) = self.turns.remove(&before) {
                self.turns.insert(next_turn, key);
            }
        }
        is_news
    }

    fn take_turn(&mut self) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        turn
    }
}

/// Epochs of a session count from 1 and wrap to 1.
fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
#[path = "fetch_sessions_tests.rs"]
mod tests;
