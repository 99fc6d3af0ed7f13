//! Fetch (key 1), versions 4-18.
//!
//! Reads whole batches below the high watermark, record bytes untouched: from memory at the end of the log, from files elsewhere. A fetch
//! that finds less than `min_bytes` waits up to `max_wait_ms` for the high watermark to move. A fetch offset in the middle of a batch
//! gets the whole batch. The first batch is sent even if it is larger than the limits, so that every consumer can go on (KIP-74).
//! Incremental sessions (KIP-227); topics by id from version 13 (KIP-516); a diverging epoch is told (KIP-595).
//!
//! A follower fetches over a connection that it has made to the internal listener, from version 15 on, with the leadership it follows. It is given all there is, and
//! what it has on its disks it says elsewhere (`internal::wire::Progress`). Anybody else who pretends to be a replica is refused. One that names the high watermark it
//! knows (KIP-1166) is answered as soon as it can know of a higher one.
//!
//! A consumer may read from followers too, from version 11 on (KIP-392): what they know to be committed. With `replica.selector.class`, a leader sends it to a follower
//! in its rack ([`nearest_replica`]), with no records. A follower that may not hear of all that is committed serves what it has, and then says that it is not the
//! one to ask; so a consumer does not wait where nothing comes.

use std::sync::Arc;
use std::time::Duration;

use broker_controller::MetadataImage;
use broker_controller::record::Listener;
use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::{ApiKey, FetchRequest};
use protocol::model::{BrokerId, LeaderEpoch, Offset, TopicId};
use protocol::wire::WireError;
use protocol::wire::fetch_response::{
    EpochEndOffset, FetchPartition, FetchResponse, FetchTopic, LeaderIdAndEpoch, NodeEndpoint,
    Piece, RecordBytes,
};
use protocol::wire::produce::TopicRef;
use protocol::wire::versions::VersionRange;
use storage::log::Region;
use tokio::time::Instant;

use super::fetch_sessions::{
    PartitionFetch, PartitionKey, PartitionNews, SessionPlan, SessionRequest, TopicKey,
};
use super::fetch_source::Source;
use super::leader_hints::LeaderHints;
use super::nearest_replica::{Near, nearest_replica};
use super::topics::{id_of, known_id};
use super::view::View;
use super::{Answer, Api, Call, Head, Response, decode};
use crate::broker::Broker;
use crate::clock::{monotonic_ms, wall_clock_ms};
use crate::net::{Chunk, MemoryPermit, PeerBroker, ResponseBytes};
use crate::partition::{FetchWait, PartitionRead, Reader, Records};

/// The handler.
pub const API: Api = Api {
    key: ApiKey::Fetch,
    name: "Fetch",
    versions: VersionRange::new(4, 18),
    handle,
};

/// The first version in which a consumer says where it is, and may read from followers (KIP-392).
const RACK_MIN: i16 = 11;
/// The first version that names topics by id.
const TOPIC_ID_MIN: i16 = 13;
/// The first version that names the leader to who asks another (KIP-951).
const LEADER_HINT_MIN: i16 = 16;
/// The first version in which a follower says who it is in a field of its own.
const REPLICA_STATE_MIN: i16 = 15;
/// `isolation_level` of a consumer that wants committed transactions only.
const READ_COMMITTED: i8 = 1;

/// What is held waits at least so long until it is looked at again.
const HELD_MIN: Duration = Duration::from_millis(1);

/// What a read of files takes at least, in bytes: a batch of the usual size. A larger one passes it.
const READ_BYTES_MIN: usize = 1 << 20;

/// What is wanted, the session's memory included.
struct Wanted {
    plan: SessionPlan,
    bytes_min: usize,
    bytes_max: usize,
    read_committed: bool,
    reader: Reader,
    /// The broker that asks for its replicas.
    follower: Option<BrokerId>,
    /// Whether a replica that follows will do.
    or_followed: bool,
    /// The consumer's rack, where it may be sent to another replica.
    rack: Option<StrBytes>,
    /// The listener that the request came in through.
    listener: Arc<str>,
}

impl Wanted {
    /// What a follower knows to be committed, if it is to be told once that is more (KIP-1166).
    fn known_high_watermark(&self, fetch: &PartitionFetch) -> Option<Offset> {
        fetch
            .known_high_watermark
            .filter(|_| self.follower.is_some())
    }
}

/// A partition of the request, as far as it has been read.
struct PartitionResult {
    source: Option<Source>,
    error: ErrorCode,
    /// What the wait goes by: beyond it there was nothing to read.
    seen: Offset,
    high_watermark: Option<Offset>,
    last_stable: Option<Offset>,
    log_start: Option<Offset>,
    diverging: Option<EpochEndOffset>,
    /// Who had better be asked.
    preferred: Option<BrokerId>,
    /// The follower waits for the high watermark, and can know of a higher one.
    tells_high_watermark: bool,
    records: Vec<Records>,
    /// What is wanted lies in files.
    in_files: bool,
    /// The follower is out of sync, and catches up at a limited rate (KIP-73).
    is_throttled: bool,
    /// Nothing may go to it now.
    is_held: bool,
    /// So many bytes may be read.
    bytes_max: usize,
}

/// What is left of the limits of an answer.
struct Room {
    bytes: usize,
    /// For throttled partitions; `None` is any number.
    throttled: Option<usize>,
    /// The first batch always has room.
    is_first: bool,
}

fn handle(call: Call<'_>, body: BytesMut) -> Result<Answer, WireError> {
    let version = call.head.version;
    let request: FetchRequest = decode(body, version)?;
    let head = call.head;
    let replica_id = if version >= 15 {
        request.replica_state.replica_id
    } else {
        request.replica_id
    };
    let (reader, follower) = match i32::from(replica_id) {
        ..0 => (Reader::Consumer, None),
        id if call.connection.state::<PeerBroker>().0 == Some(BrokerId::new(id))
            && version >= REPLICA_STATE_MIN =>
        {
            (Reader::Follower, Some(BrokerId::new(id)))
        }
        _ => return Ok(Answer::Now(refuse(&head, ErrorCode::InvalidRequest))),
    };
    let wait_max = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0))
        .min(call.broker.config.broker.requests.fetch_wait_max);
    let bytes_max = usize::try_from(request.max_bytes)
        .unwrap_or(0)
        .min(call.broker.config.broker.requests.fetch_bytes_max);
    let bytes_min = usize::try_from(request.min_bytes)
        .unwrap_or(0)
        .min(bytes_max);
    let read_committed = request.isolation_level == READ_COMMITTED;
    let session = session_request(&request, version);
    let plan = {
        let mut sessions = call.broker.fetch_sessions.lock();
        let new_id = rand::random_range(1..=i32::MAX);
        match sessions.begin(wall_clock_ms(), new_id, session) {
            Ok(plan) => plan,
            Err(code) => return Ok(Answer::Now(refuse(&head, code))),
        }
    };
    let wanted = Wanted {
        plan,
        bytes_min,
        bytes_max,
        read_committed,
        reader,
        follower,
        or_followed: follower.is_none() && version >= RACK_MIN,
        rack: Some(request.rack_id).filter(|rack| {
            follower.is_none()
                && !rack.is_empty()
                && call.broker.config.broker.requests.nearest_replicas
        }),
        listener: Arc::clone(call.connection.listener_name()),
    };
    let results = read_memory(call.broker, &wanted);
    let in_files = results.iter().any(|result| result.in_files);
    if !in_files && (wait_max.is_zero() || is_enough(&wanted, &results)) {
        return Ok(Answer::Now(respond(
            call.broker,
            &head,
            &wanted,
            results,
            None,
        )));
    }
    let broker = Arc::clone(call.broker);
    let deadline = Instant::now() + wait_max;
    Ok(Answer::later(async move {
        finish(&broker, &head, wanted, results, deadline).await
    }))
}

/// Reads from files, and waits, until there is enough or the time is over.
async fn finish(
    broker: &Arc<Broker>,
    head: &Head,
    wanted: Wanted,
    mut results: Vec<PartitionResult>,
    deadline: Instant,
) -> Response {
    let mut permit = None;
    loop {
        if results.iter().any(|result| result.in_files) {
            let (read, held) = read_files(broker, &wanted, results).await;
            results = read;
            permit = Some(held);
        }
        if is_enough(&wanted, &results) || Instant::now() >= deadline {
            return respond(broker, head, &wanted, results, permit);
        }
        let wait = FetchWait::new();
        let registered = Registered {
            results: &results,
            wait: &wait,
        };
        for (result, (_, fetch)) in results.iter().zip(&wanted.plan.partitions) {
            let Some(source) = result.source.as_ref().filter(|_| !result.is_held) else {
                continue;
            };
            match wanted.reader {
                Reader::Consumer => source.when_readable(result.seen, &wait),
                Reader::Follower => source.when_appended(result.seen, &wait),
            }
            let known = wanted.known_high_watermark(fetch);
            if let (Some(_), Some(seen)) = (known, result.high_watermark) {
                source.when_readable(seen, &wait);
            }
        }
        // What is held may go sooner than the wait is over.
        let is_held = results.iter().any(|result| result.is_held);
        let pause = is_held.then(|| broker.partitions.throttles().leader.pause(monotonic_ms()));
        let pause = pause.map(|pause| pause.unwrap_or(HELD_MIN));
        let resume = pause.and_then(|pause| Instant::now().checked_add(pause));
        let wake_at = resume.map_or(deadline, |resume| resume.min(deadline));
        let timed_out = tokio::time::timeout_at(wake_at, wait.moved())
            .await
            .is_err()
            && wake_at == deadline;
        drop(registered);
        if timed_out {
            return respond(broker, head, &wanted, results, permit);
        }
        drop(permit.take());
        results = read_memory(broker, &wanted);
    }
}

/// A wait, at whatever it waits for, until this is dropped: with the fetch, if its client goes away.
struct Registered<'a> {
    results: &'a [PartitionResult],
    wait: &'a Arc<FetchWait>,
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let sources = self.results.iter().filter_map(|it| it.source.as_ref());
        for source in sources {
            source.forget_fetch(self.wait);
        }
    }
}

/// Enough bytes, or something a client must hear at once: Kafka's `DelayedFetch.tryComplete`.
fn is_enough(wanted: &Wanted, results: &[PartitionResult]) -> bool {
    let bytes: usize = results
        .iter()
        .flat_map(|result| &result.records)
        .map(Records::size_in_bytes)
        .sum();
    bytes >= wanted.bytes_min
        || results.is_empty()
        || results.iter().any(PartitionResult::must_be_told)
}

/// Reads every partition as far as it is in memory.
fn read_memory(broker: &Broker, wanted: &Wanted) -> Vec<PartitionResult> {
    let throttle = &broker.partitions.throttles().leader;
    let mut room = Room {
        bytes: wanted.bytes_max,
        throttled: wanted.follower.and_then(|_| throttle.left(monotonic_ms())),
        is_first: true,
    };
    let mut results = Vec::with_capacity(wanted.plan.partitions.len());
    for (key, fetch) in &wanted.plan.partitions {
        let mut result = match look_up(broker, wanted, key, fetch) {
            Ok(result) => result,
            Err(code) => PartitionResult::error(code),
        };
        let is_elsewhere = result.diverging.is_some() || result.preferred.is_some();
        if let (Some(partition), ErrorCode::None, false) =
            (&result.source, result.error, is_elsewhere)
        {
            partition.metrics().fetch_requests.increment();
            let bytes_max = room.of(&result, fetch.bytes_max);
            if result.is_throttled {
                result.bytes_max = bytes_max;
            }
            result.is_held = result.is_throttled && room.throttled == Some(0);
            if !result.is_held && (room.is_first || room.bytes > 0) {
                match partition.read(wanted.reader, fetch.offset, bytes_max) {
                    Ok(PartitionRead::Batches(batches)) => result.take(batches, &mut room),
                    Ok(PartitionRead::Files) => {
                        result.in_files = true;
                        // Whatever the files hold, later partitions get what it leaves.
                        room.on_read(&result, result.bytes_max);
                    }
                    Err(code) => result.fail(wanted.reader, code),
                }
            }
        }
        results.push(result);
    }
    results
}

impl Room {
    /// What a partition may have of it, which asks for so much.
    fn of(&self, result: &PartitionResult, bytes_max: usize) -> usize {
        let throttled = self.throttled.filter(|_| result.is_throttled);
        bytes_max
            .min(self.bytes)
            .min(throttled.unwrap_or(usize::MAX))
    }

    fn on_read(&mut self, result: &PartitionResult, bytes: usize) {
        self.is_first = false;
        self.bytes = self.bytes.saturating_sub(bytes);
        if let (Some(throttled), true) = (&mut self.throttled, result.is_throttled) {
            *throttled = throttled.saturating_sub(bytes);
        }
    }
}

/// Reads what lies in files, on a thread that may block, within the memory of the process.
async fn read_files(
    broker: &Arc<Broker>,
    wanted: &Wanted,
    mut results: Vec<PartitionResult>,
) -> (Vec<PartitionResult>, MemoryPermit) {
    let wishes: Vec<(usize, Offset)> = wanted
        .plan
        .partitions
        .iter()
        .enumerate()
        .filter(|(at, _)| results[*at].in_files)
        .map(|(at, (_, fetch))| (at, fetch.offset))
        .collect();
    let in_memory: usize = results
        .iter()
        .flat_map(|result| &result.records)
        .map(Records::size_in_bytes)
        .sum();
    let asked: usize = wishes.iter().map(|(at, _)| results[*at].bytes_max).sum();
    let left = wanted.bytes_max.saturating_sub(in_memory).min(asked);
    // Where memory is short, a consumer gets less at a time and not nothing at all.
    let mut permit = broker
        .budget
        .acquire_up_to(left.max(1), READ_BYTES_MIN)
        .await;
    let throttle = &broker.partitions.throttles().leader;
    let throttled = results.iter().filter(|it| it.is_throttled);
    let throttled: usize = throttled
        .flat_map(|it| &it.records)
        .map(Records::size_in_bytes)
        .sum();
    let allowed = wanted.follower.and_then(|_| throttle.left(monotonic_ms()));
    let mut room = Room {
        bytes: left.min(permit.bytes()),
        // What was read from memory is not counted yet.
        throttled: allowed.map(|allowed| allowed.saturating_sub(throttled)),
        is_first: in_memory == 0,
    };
    let reader = wanted.reader;
    let outcome = tokio::task::spawn_blocking(move || {
        for (at, offset) in wishes {
            let result = &mut results[at];
            result.in_files = false;
            let Some(source) = result.source.clone() else {
                continue;
            };
            result.is_held = result.is_throttled && room.throttled == Some(0);
            if result.is_held || room.bytes == 0 && !room.is_first {
                continue;
            }
            match source.read_files(reader, offset, room.of(result, result.bytes_max)) {
                Ok(batches) => result.take(batches, &mut room),
                Err(code) => result.fail(reader, code),
            }
        }
        results
    })
    .await;
    match outcome {
        Ok(results) => {
            let read = results.iter().flat_map(|result| &result.records);
            let read: usize = read.map(Records::bytes_in_memory).sum();
            permit.keep(read.saturating_sub(in_memory));
            (results, permit)
        }
        // The runtime is going down with its tasks; nobody reads this.
        Err(_) => (Vec::new(), permit),
    }
}

fn look_up(
    broker: &Broker,
    wanted: &Wanted,
    key: &PartitionKey,
    fetch: &PartitionFetch,
) -> Result<PartitionResult, ErrorCode> {
    let id = match &key.topic {
        TopicKey::Name(name) => id_of(broker, name)?,
        TopicKey::Id(id) => known_id(broker, protocol::model::Uuid::from_u128(*id))?,
    };
    let source = Source::find(broker, id, key.partition, wanted.or_followed)?;
    let is_throttled = match (&source, wanted.follower) {
        (Source::Led(partition), Some(follower)) => {
            let epoch = fetch.current_leader_epoch;
            let in_sync = partition.on_follower_fetch(follower, epoch, fetch.log_start)?;
            !in_sync && partition.is_throttled()
        }
        _ => {
            source.check_epoch(fetch.current_leader_epoch)?;
            false
        }
    };
    let offsets = source.offsets();
    // What is committed stays so, and can be read; more is with another, if there is one.
    if wanted.reader == Reader::Consumer
        && fetch.offset >= offsets.high_watermark
        && source.is_cut_off(broker)
    {
        return Err(ErrorCode::NotLeaderOrFollower);
    }
    // What a follower lacks says nothing about another way.
    let can_tell = match &source {
        Source::Led(_) => true,
        Source::Followed(_) => fetch.offset <= offsets.high_watermark,
    };
    let diverging = fetch
        .last_fetched_epoch
        .filter(|_| can_tell)
        .and_then(|last| {
            let (epoch, end_offset) = source
                .end_of_epoch(last)
                .unwrap_or((LeaderEpoch::new(0), offsets.log_start));
            let diverges = epoch < last || end_offset < fetch.offset;
            diverges.then_some(EpochEndOffset { epoch, end_offset })
        });
    let preferred = match (&source, &wanted.rack) {
        (Source::Led(partition), Some(rack)) => {
            let near = Near {
                rack,
                listener: &wanted.listener,
                offset: fetch.offset,
            };
            nearest_replica(&broker.metadata.image(), broker.id, partition, near)
        }
        _ => None,
    };
    let knowable = offsets.high_watermark.min(fetch.offset);
    Ok(PartitionResult {
        error: ErrorCode::None,
        seen: match wanted.reader {
            Reader::Consumer => offsets.high_watermark,
            Reader::Follower => offsets.log_end,
        },
        high_watermark: Some(offsets.high_watermark),
        last_stable: Some(offsets.last_stable),
        log_start: Some(offsets.log_start),
        diverging,
        preferred,
        tells_high_watermark: wanted
            .known_high_watermark(fetch)
            .is_some_and(|known| known < knowable),
        records: Vec::new(),
        in_files: false,
        is_throttled,
        is_held: false,
        bytes_max: fetch.bytes_max,
        source: Some(source),
    })
}

impl PartitionResult {
    fn error(code: ErrorCode) -> PartitionResult {
        PartitionResult {
            source: None,
            error: code,
            seen: Offset::ZERO,
            high_watermark: None,
            last_stable: None,
            log_start: None,
            diverging: None,
            preferred: None,
            tells_high_watermark: false,
            records: Vec::new(),
            in_files: false,
            is_throttled: false,
            is_held: false,
            bytes_max: 0,
        }
    }

    /// Something that nobody is to wait for, beside records.
    fn must_be_told(&self) -> bool {
        self.error != ErrorCode::None
            || self.diverging.is_some()
            || self.preferred.is_some()
            || self.tells_high_watermark
    }

    fn fail(&mut self, reader: Reader, code: ErrorCode) {
        if let Some(source) = &self.source {
            source.metrics().failed_fetch_requests.increment();
        }
        self.error = code;
        self.high_watermark = None;
        self.last_stable = None;
        // A follower that is behind the log's start begins anew there.
        let is_told = reader == Reader::Follower && code == ErrorCode::OffsetOutOfRange;
        self.log_start = self.log_start.filter(|_| is_told);
    }

    /// Takes batches as far as they fit; the very first of an answer always does.
    fn take<R: Into<Records>>(&mut self, batches: Vec<R>, room: &mut Room) {
        for batch in batches.into_iter().map(R::into) {
            let bytes = batch.size_in_bytes();
            if bytes > room.bytes && !room.is_first {
                break;
            }
            room.on_read(self, bytes);
            self.records.push(batch);
        }
    }
}

fn session_request(request: &FetchRequest, version: i16) -> SessionRequest {
    let by_name = version < TOPIC_ID_MIN;
    let key = |name: &str, id: protocol::model::Uuid| {
        if by_name {
            TopicKey::Name(name.into())
        } else {
            TopicKey::Id(id.as_u128())
        }
    };
    let mut partitions = Vec::new();
    for topic in &request.topics {
        let topic_key = key(topic.topic.as_str(), topic.topic_id);
        for partition in &topic.partitions {
            partitions.push((
                PartitionKey {
                    topic: topic_key.clone(),
                    partition: partition.partition,
                },
                PartitionFetch {
                    // A negative offset is out of every range.
                    offset: Offset::new(partition.fetch_offset),
                    bytes_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
                    current_leader_epoch: LeaderEpoch::from_wire(partition.current_leader_epoch),
                    last_fetched_epoch: LeaderEpoch::from_wire(partition.last_fetched_epoch),
                    log_start: Some(partition.log_start_offset)
                        .filter(|it| *it >= 0)
                        .map(Offset::new),
                    known_high_watermark: Some(partition.high_watermark)
                        .filter(|it| (0..i64::MAX).contains(it))
                        .map(Offset::new),
                },
            ));
        }
    }
    let mut forgotten = Vec::new();
    for topic in &request.forgotten_topics_data {
        let topic_key = key(topic.topic.as_str(), topic.topic_id);
        for partition in &topic.partitions {
            forgotten.push(PartitionKey {
                topic: topic_key.clone(),
                partition: *partition,
            });
        }
    }
    SessionRequest {
        session_id: if version >= 7 { request.session_id } else { 0 },
        session_epoch: if version >= 7 {
            request.session_epoch
        } else {
            -1
        },
        by_name,
        partitions,
        forgotten,
    }
}

fn refuse(head: &Head, code: ErrorCode) -> Response {
    let response = FetchResponse::<Records> {
        throttle_time_ms: 0,
        error_code: code,
        session_id: 0,
        topics: Vec::new(),
        node_endpoints: Vec::new(),
    };
    encode(head, response, code, None)
}

fn respond(
    broker: &Broker,
    head: &Head,
    wanted: &Wanted,
    results: Vec<PartitionResult>,
    permit: Option<MemoryPermit>,
) -> Response {
    let news: Vec<PartitionNews> = results.iter().map(PartitionResult::news).collect();
    count_fetched(broker, &results);
    if wanted.follower.is_some() {
        count_replicated(broker, &results);
    }
    let told = broker.fetch_sessions.lock().finish(&wanted.plan, &news);
    let error = results
        .iter()
        .map(|result| result.error)
        .find(|code| *code != ErrorCode::None)
        .unwrap_or(ErrorCode::None);
    let image = broker.metadata.image();
    let mut hints = LeaderHints::new(View {
        image: &image,
        listener: &wanted.listener,
        led: &broker.partitions,
    });
    let mut topics: Vec<FetchTopic<Records>> = Vec::new();
    let parts = wanted.plan.partitions.iter().zip(results).zip(told);
    for (((key, _), result), told) in parts {
        if !told {
            continue;
        }
        let mut partition = result.into_response(key.partition, wanted);
        if head.version >= LEADER_HINT_MIN {
            let id_in = |image: &MetadataImage| match &key.topic {
                TopicKey::Name(name) => image.topic_named(name).map(|topic| topic.topic_id()),
                TopicKey::Id(id) => TopicId::new(protocol::model::Uuid::from_u128(*id)),
            };
            let hint = hints.of(id_in, key.partition, partition.error_code);
            partition.current_leader = hint.map(|(leader, leader_epoch)| LeaderIdAndEpoch {
                leader_id: Some(leader),
                leader_epoch,
            });
        }
        let is_same = topics
            .last()
            .is_some_and(|last| TopicKey::from(&last.topic) == key.topic);
        match topics.last_mut() {
            Some(last) if is_same => last.partitions.push(partition),
            _ => topics.push(FetchTopic {
                topic: match &key.topic {
                    TopicKey::Name(name) => TopicRef::Name(name.clone()),
                    TopicKey::Id(id) => TopicRef::Id(protocol::model::Uuid::from_u128(*id)),
                },
                partitions: vec![partition],
            }),
        }
    }
    let response = FetchResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::None,
        session_id: wanted.plan.session_id,
        topics,
        node_endpoints: hints.brokers().map(node_endpoint).collect(),
    };
    encode(head, response, error, permit)
}

/// Counts what is sent, by the way it takes.
fn count_fetched(broker: &Broker, results: &[PartitionResult]) {
    let (mut all, mut in_memory) = (0, 0);
    for records in results.iter().flat_map(|result| &result.records) {
        all += records.size_in_bytes();
        in_memory += records.bytes_in_memory();
    }
    let counted = &broker.metrics.fetched;
    counted.memory.add(in_memory as u64);
    counted.page_cache.add((all - in_memory) as u64);
}

/// Counts what a follower is given.
fn count_replicated(broker: &Broker, results: &[PartitionResult]) {
    let (mut all, mut throttled) = (0, 0);
    for result in results {
        let bytes: usize = result.records.iter().map(Records::size_in_bytes).sum();
        all += bytes;
        throttled += if result.is_throttled { bytes } else { 0 };
    }
    let counted = &broker.metrics.cluster;
    counted.replication_bytes_out.add(all as u64);
    if throttled > 0 {
        counted.leader_throttled_bytes.add(throttled as u64);
        let throttle = &broker.partitions.throttles().leader;
        throttle.take(monotonic_ms(), throttled);
    }
}

fn node_endpoint((node_id, listener, rack): (BrokerId, &Listener, Option<&str>)) -> NodeEndpoint {
    NodeEndpoint {
        node_id,
        host: listener.host.clone(),
        port: listener.port,
        rack: rack.map(str::to_owned),
    }
}

impl PartitionResult {
    fn news(&self) -> PartitionNews {
        PartitionNews {
            high_watermark: self.high_watermark,
            log_start: self.log_start,
            has_records: !self.records.is_empty(),
            must_tell: self.must_be_told(),
        }
    }

    fn into_response(self, index: i32, wanted: &Wanted) -> FetchPartition<Records> {
        if let (Some(source), Reader::Consumer) = (&self.source, wanted.reader) {
            let bytes: usize = self.records.iter().map(Records::size_in_bytes).sum();
            source.metrics().bytes_out.add(bytes as u64);
        }
        FetchPartition {
            partition_index: index,
            error_code: self.error,
            high_watermark: self.high_watermark,
            last_stable_offset: self.last_stable,
            log_start_offset: self.log_start,
            diverging_epoch: self.diverging,
            current_leader: None,
            aborted_transactions: wanted.read_committed.then(Vec::new),
            preferred_read_replica: self.preferred,
            records: self.records,
        }
    }
}

fn encode(
    head: &Head,
    response: FetchResponse<Records>,
    error: ErrorCode,
    permit: Option<MemoryPermit>,
) -> Response {
    let pieces = match response.encode(head.version, head.correlation_id) {
        Ok(pieces) => pieces,
        Err(failed) => return head.unanswerable(&failed),
    };
    let chunks: Vec<Chunk> = pieces
        .into_iter()
        .map(|piece| match piece {
            Piece::Wire(bytes) | Piece::Records(Records::Memory(bytes)) => Chunk::Bytes(bytes),
            Piece::Records(Records::File(Region { file, offset, len })) => {
                Chunk::File { file, offset, len }
            }
        })
        .collect();
    let bytes = ResponseBytes::from(chunks);
    let bytes = match permit {
        Some(permit) => bytes.holding(permit),
        None => bytes,
    };
    Response { bytes, error }
}
