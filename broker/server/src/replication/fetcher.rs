//! Fetching from leaders, over Kafka's protocol: one task and one connection for each broker that leads what is followed here. Kafka's `ReplicaFetcherThread`.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use protocol::ErrorCode;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic, ReplicaState};
use protocol::messages::{ApiKey, BrokerId as WireBrokerId, FetchRequest, FetchResponse};
use protocol::model::{
    BrokerEpoch, BrokerId, LeaderEpoch, Offset, PartitionIndex, TopicId, TopicIdPartition,
};
use protocol::wire::{decode_body, encode_request_frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fetch_session::{FetchSession, Told};
use super::followed::{Fetched, Followed, Position};
use super::peers::BrokerPeers;
use super::resting::{BACKOFF, Resting};
use crate::broker::Partitions;
use crate::clock::{monotonic_ms, wall_clock_ms};

/// The version of Fetch that is spoken between brokers.
const VERSION: i16 = 18;
/// How long a leader waits for records before it answers that there are none: `replica.fetch.wait.max.ms`.
const WAIT_MS_MAX: i32 = 500;
/// `replica.fetch.max.bytes`, and the same for all partitions of an answer.
const PARTITION_BYTES_MAX: i32 = 1 << 20;
const ANSWER_BYTES_MAX: i32 = 10 << 20;
/// One batch may pass the limits; a frame that passes this is no answer.
const FRAME_BYTES_MAX: usize = 256 << 20;
/// A leader that is silent for so long, the time it may wait included, is connected to again.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// For so long throttled replicas wait for their turn, while others have it.
const TURN: Duration = Duration::from_millis(100);

/// Between two looks whether there is room again for what is fetched.
const ROOM_LOOK: Duration = Duration::from_millis(100);

/// The tasks that fetch.
pub struct Fetchers {
    id: BrokerId,
    broker_epoch: BrokerEpoch,
    peers: Arc<BrokerPeers>,
    partitions: Weak<Partitions>,
    by_leader: Mutex<HashMap<BrokerId, Fetcher>>,
}

struct Fetcher {
    changed: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Fetchers {
    /// None yet.
    pub fn new(
        (id, broker_epoch): (BrokerId, BrokerEpoch),
        peers: Arc<BrokerPeers>,
        partitions: Weak<Partitions>,
    ) -> Fetchers {
        Fetchers {
            id,
            broker_epoch,
            peers,
            partitions,
            by_leader: Mutex::new(HashMap::new()),
        }
    }

    /// The metadata has changed what is followed, or whom.
    pub fn follow(&self) {
        let Some(partitions) = self.partitions.upgrade() else {
            return;
        };
        let leaders: std::collections::BTreeSet<BrokerId> = partitions
            .all_followed()
            .iter()
            .filter_map(|followed| followed.leader())
            .collect();
        let mut by_leader = self.by_leader.lock();
        by_leader.retain(|leader, _| leaders.contains(leader));
        for leader in leaders {
            let fetcher = by_leader.entry(leader).or_insert_with(|| {
                let changed = Arc::new(Notify::new());
                let loop_of = FetchLoop {
                    id: self.id,
                    broker_epoch: self.broker_epoch,
                    leader,
                    peers: Arc::clone(&self.peers),
                    partitions: Weak::clone(&self.partitions),
                    changed: Arc::clone(&changed),
                };
                Fetcher {
                    changed,
                    task: tokio::spawn(loop_of.run()),
                }
            });
            fetcher.changed.notify_one();
        }
    }
}

struct FetchLoop {
    id: BrokerId,
    broker_epoch: BrokerEpoch,
    leader: BrokerId,
    peers: Arc<BrokerPeers>,
    partitions: Weak<Partitions>,
    changed: Arc<Notify>,
}

/// What a replica asks for.
struct Question {
    followed: Arc<Followed>,
    position: Position,
    /// It is out of sync, and catches up at a limited rate (KIP-73).
    is_throttled: bool,
}

/// What a leader is to be asked.
#[derive(Default)]
struct Asked {
    questions: BTreeMap<TopicIdPartition, Question>,
    /// When there is more to ask for, without anything having changed.
    more_in: Option<Duration>,
}

impl FetchLoop {
    async fn run(self) {
        loop {
            if let Err(error) = self.converse().await {
                tracing::debug!(leader = %self.leader, %error, "fetching from a leader ended");
            }
            let _ = tokio::time::timeout(BACKOFF, self.changed.notified()).await;
        }
    }

    /// Fetches over one connection until it ends.
    async fn converse(&self) -> io::Result<()> {
        let Some(peer) = self.peers.get(self.leader) else {
            return Ok(());
        };
        let connect = tokio::time::timeout(SILENCE_MAX, peer.connect_kafka());
        let mut stream = connect.await?.map_err(io::Error::other)?;
        let mut session = FetchSession::default();
        let mut resting = Resting::default();
        for correlation_id in 0.. {
            let asked = self.asked(correlation_id, Instant::now(), &mut resting);
            let changed = self.changed.notified();
            if asked.questions.is_empty() {
                // Until there is something to ask for.
                match asked.more_in {
                    Some(more_in) => drop(tokio::time::timeout(more_in, changed).await),
                    None => changed.await,
                }
                continue;
            }
            let positions = asked.questions.iter().map(|(id, it)| (*id, it.position));
            let told = session.next(positions.collect());
            let request = self.request(told, asked.more_in);
            let frame = encode_request_frame(VERSION, correlation_id, Some("follower"), &request)
                .map_err(io::Error::other)?;
            let answer = async {
                stream.write_all(&frame).await?;
                read_answer(&mut stream, correlation_id).await
            };
            let answer = tokio::time::timeout(SILENCE_MAX, answer).await??;
            if is_of_another_session(answer.error_code) {
                session.reset();
                continue;
            }
            session.on_answer(answer.session_id);
            for (id, leader_epoch) in self.take(asked, answer).await? {
                resting.on_refused(Instant::now(), id, leader_epoch);
            }
        }
        Ok(())
    }

    /// What is to be asked of this leader, and where each stands, but for what rests. Of the throttled replicas those whose turn it is, if not all may be asked for.
    fn asked(&self, turn: i32, now: Instant, resting: &mut Resting) -> Asked {
        let mut asked = Asked::default();
        let Some(partitions) = self.partitions.upgrade() else {
            return asked;
        };
        let now_ms = monotonic_ms();
        let in_leadership = |id: &TopicIdPartition| {
            let position = partitions.followed(*id)?.position(self.leader, now_ms)?;
            Some(position.leader_epoch)
        };
        resting.wake(now, in_leadership);
        let mut throttled = BTreeMap::new();
        for followed in partitions.all_followed() {
            let position = followed.position(self.leader, now_ms);
            let Some(position) = position.filter(|_| !resting.has(&followed.id())) else {
                continue;
            };
            if !followed.has_room() {
                asked.more_in = Some(ROOM_LOOK);
                continue;
            }
            let is_throttled = followed.is_throttled();
            let questions = match is_throttled {
                true => &mut throttled,
                false => &mut asked.questions,
            };
            let question = Question {
                followed: Arc::clone(&followed),
                position,
                is_throttled,
            };
            questions.insert(followed.id(), question);
        }
        let quota = &partitions.throttles().follower;
        let (all, bytes_max) = (throttled.len(), PARTITION_BYTES_MAX.unsigned_abs() as usize);
        let count = quota.left(now_ms).map(|left| left.div_ceil(bytes_max));
        let count = count.map_or(all, |count| count.min(all));
        if count < all {
            let pause = quota.pause(now_ms).unwrap_or(TURN);
            asked.more_in = asked.more_in.into_iter().chain([pause]).min();
        }
        let first = usize::try_from(turn).unwrap_or(0) % all.max(1);
        let in_turn = throttled.into_iter().collect::<Vec<_>>();
        let mut in_turn = VecDeque::from(in_turn);
        in_turn.rotate_left(first);
        asked.questions.extend(in_turn.into_iter().take(count));
        let rested_in = resting.first_in(now);
        asked.more_in = asked.more_in.into_iter().chain(rested_in).min();
        asked
    }

    fn request(&self, told: Told, more_in: Option<Duration>) -> FetchRequest {
        let wait_ms = more_in.map_or(i32::MAX, |it| {
            i32::try_from(it.as_millis()).unwrap_or(i32::MAX)
        });
        let mut topics: Vec<FetchTopic> = Vec::new();
        for (id, position) in told.changed {
            let partition = FetchPartition::default()
                .with_partition(id.partition.get())
                .with_current_leader_epoch(position.leader_epoch.get())
                .with_fetch_offset(position.end.get())
                .with_last_fetched_epoch(position.last_epoch.map_or(-1, LeaderEpoch::get))
                .with_log_start_offset(position.start.get())
                .with_high_watermark(position.high_watermark.map_or(i64::MAX, Offset::get))
                .with_partition_max_bytes(PARTITION_BYTES_MAX);
            match topics.last_mut() {
                Some(topic) if topic.topic_id == id.topic_id.get() => {
                    topic.partitions.push(partition)
                }
                _ => topics.push(
                    FetchTopic::default()
                        .with_topic_id(id.topic_id.get())
                        .with_partitions(vec![partition]),
                ),
            }
        }
        let mut forgotten: Vec<ForgottenTopic> = Vec::new();
        for id in told.forgotten {
            match forgotten.last_mut() {
                Some(topic) if topic.topic_id == id.topic_id.get() => {
                    topic.partitions.push(id.partition.get());
                }
                _ => forgotten.push(
                    ForgottenTopic::default()
                        .with_topic_id(id.topic_id.get())
                        .with_partitions(vec![id.partition.get()]),
                ),
            }
        }
        let replica = ReplicaState::default()
            .with_replica_id(WireBrokerId(self.id.get()))
            .with_replica_epoch(self.broker_epoch.get());
        FetchRequest::default()
            .with_replica_state(replica)
            .with_max_wait_ms(wait_ms.min(WAIT_MS_MAX))
            .with_min_bytes(1)
            .with_max_bytes(ANSWER_BYTES_MAX)
            .with_session_id(told.session_id)
            .with_session_epoch(told.session_epoch)
            .with_forgotten_topics_data(forgotten)
            .with_topics(topics)
    }

    /// Gives each its answer. Returns those that were refused, with the leadership they asked.
    async fn take(
        &self,
        mut asked: Asked,
        answer: FetchResponse,
    ) -> io::Result<Vec<(TopicIdPartition, LeaderEpoch)>> {
        if answer.error_code != ErrorCode::None.code() {
            return Err(io::Error::other(format!("error {}", answer.error_code)));
        }
        let mut refused = Vec::new();
        let (mut bytes, mut throttled_bytes) = (0, 0);
        let mut taken = Vec::new();
        for topic in answer.responses {
            for mut partition in topic.partitions {
                let id = TopicId::new(topic.topic_id)
                    .zip(PartitionIndex::from_wire(partition.partition_index));
                let id = id.map(|(topic_id, partition)| TopicIdPartition {
                    topic_id,
                    partition,
                });
                let Some(question) = id.and_then(|id| asked.questions.remove(&id)) else {
                    continue;
                };
                let Question {
                    followed,
                    position,
                    is_throttled,
                } = question;
                let given = partition.records.as_ref().map_or(0, Bytes::len);
                bytes += given;
                throttled_bytes += if is_throttled { given } else { 0 };
                let diverging = &partition.diverging_epoch;
                let fetched = match ErrorCode::from_code(partition.error_code) {
                    Some(ErrorCode::None) if diverging.end_offset >= 0 => {
                        let epoch = LeaderEpoch::from_wire(diverging.epoch);
                        let epoch = epoch.unwrap_or(LeaderEpoch::new(0));
                        Fetched::Diverging(epoch, Offset::new(diverging.end_offset))
                    }
                    Some(ErrorCode::None) => Fetched::Records {
                        records: partition.records.take().unwrap_or_default(),
                        high_watermark: Offset::new(partition.high_watermark.max(0)),
                        log_start: Offset::new(partition.log_start_offset.max(0)),
                    },
                    Some(ErrorCode::OffsetOutOfRange)
                        if partition.log_start_offset > position.end.get() =>
                    {
                        Fetched::BehindStart(Offset::new(partition.log_start_offset))
                    }
                    _ => {
                        refused.push((followed.id(), position.leader_epoch));
                        continue;
                    }
                };
                taken.push((followed, position, fetched));
            }
        }
        if let Some(partitions) = self.partitions.upgrade() {
            partitions.on_replicated(bytes, throttled_bytes);
        }
        // A log that is cut may block on the disk.
        let blocking = taken
            .iter()
            .any(|(_, _, fetched)| !matches!(fetched, Fetched::Records { .. }));
        let now_ms = wall_clock_ms();
        let partitions = Weak::clone(&self.partitions);
        let apply = move || {
            for (followed, position, fetched) in taken {
                followed.on_fetched(&position, fetched, now_ms);
                if let Some(partitions) = partitions.upgrade() {
                    partitions.begin_anew_if_due(&followed);
                }
            }
        };
        match blocking {
            true => tokio::task::spawn_blocking(apply)
                .await
                .map_err(io::Error::other)?,
            false => apply(),
        }
        Ok(refused)
    }
}

/// Whether a leader does not know the session, or has another idea of it.
fn is_of_another_session(code: i16) -> bool {
    matches!(
        ErrorCode::from_code(code),
        Some(
            ErrorCode::FetchSessionIdNotFound
                | ErrorCode::InvalidFetchSessionEpoch
                | ErrorCode::FetchSessionTopicIdError
        )
    )
}

async fn read_answer(stream: &mut TcpStream, correlation_id: i32) -> io::Result<FetchResponse> {
    let length = usize::try_from(stream.read_u32().await?).map_err(io::Error::other)?;
    if !(HEADER_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Err(io::Error::other(format!("an answer of {length} bytes")));
    }
    let mut frame = BytesMut::with_capacity(length.min(1 << 20));
    while frame.len() < length {
        let left = length - frame.len();
        if (&mut *stream)
            .take(left as u64)
            .read_buf(&mut frame)
            .await?
            == 0
        {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let mut frame = frame.freeze();
    let header = frame.split_to(HEADER_BYTES);
    if header[..4] != correlation_id.to_be_bytes() || header[4] != 0 {
        return Err(io::Error::other("an answer to another question"));
    }
    debug_assert_eq!(
        protocol::wire::response::response_header_version(ApiKey::Fetch, VERSION),
        1
    );
    decode_body(frame, VERSION).map_err(io::Error::other)
}

/// The correlation id, and no tagged fields.
const HEADER_BYTES: usize = 5;

#[cfg(test)]
mod tests;
