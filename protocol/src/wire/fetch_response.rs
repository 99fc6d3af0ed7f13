//! Fetch responses, versions 4-18, as pieces: what this module writes, with the records of the
//! partitions in between as they were given.
//!
//! The records may be bytes in memory or a region of a file: `R` only says how long it is. So a
//! fetch copies no record, whether it is written with a vectored write or with sendfile.

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::FRAME_SIZE_BYTES;
use super::primitive::{put_length, put_string, put_unsigned_varint};
use super::produce::TopicRef;
use super::response::put_response_header;
use super::versions::supported;
use super::{WireError, response};
use crate::ErrorCode;
use crate::messages::ApiKey;
use crate::model::{BrokerId, LeaderEpoch, Offset, ProducerId};

/// The first version with `log_start_offset`.
const LOG_START_OFFSET_MIN: i16 = 5;
/// The first version with fetch sessions (KIP-227).
const SESSION_MIN: i16 = 7;
/// The first version with the preferred read replica (KIP-392).
const READ_REPLICA_MIN: i16 = 11;
/// The first version with compact lengths, tagged fields, and the diverging epoch (KIP-595).
const FLEXIBLE_MIN: i16 = 12;
/// The first version that names topics by id (KIP-516).
const TOPIC_ID_MIN: i16 = 13;
/// The first version that tells where leaders are (KIP-951).
const NODE_ENDPOINTS_MIN: i16 = 16;

/// Records that can be sent.
pub trait RecordBytes {
    /// The number of bytes they are.
    fn size_in_bytes(&self) -> usize;
}

impl RecordBytes for Bytes {
    fn size_in_bytes(&self) -> usize {
        self.len()
    }
}

/// A part of a response, to be sent after the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<R> {
    /// Bytes of the protocol.
    Wire(Bytes),
    /// Records, as they were given.
    Records(R),
}

/// A fetch response.
#[derive(Clone, Debug)]
pub struct FetchResponse<R> {
    /// How long the request was throttled.
    pub throttle_time_ms: i32,
    /// What went wrong with the request as a whole. Since version 7.
    pub error_code: ErrorCode,
    /// The fetch session; 0: none. Since version 7.
    pub session_id: i32,
    /// The topics.
    pub topics: Vec<FetchTopic<R>>,
    /// Where the leaders are that partitions tell of. Since version 16.
    pub node_endpoints: Vec<NodeEndpoint>,
}

/// What was fetched of one topic.
#[derive(Clone, Debug)]
pub struct FetchTopic<R> {
    /// Which topic, as the request named it.
    pub topic: TopicRef,
    /// Its partitions.
    pub partitions: Vec<FetchPartition<R>>,
}

/// What was fetched of one partition.
#[derive(Clone, Debug)]
pub struct FetchPartition<R> {
    /// The partition's number, as the request had it.
    pub partition_index: i32,
    /// What went wrong.
    pub error_code: ErrorCode,
    /// The high watermark.
    pub high_watermark: Option<Offset>,
    /// The last stable offset.
    pub last_stable_offset: Option<Offset>,
    /// The log start offset. Since version 5.
    pub log_start_offset: Option<Offset>,
    /// Where the follower's log goes another way than the leader's. Since version 12.
    pub diverging_epoch: Option<EpochEndOffset>,
    /// The leader, for a client that believes in another one. Since version 12.
    pub current_leader: Option<LeaderIdAndEpoch>,
    /// The aborted transactions among the records, by first offset; none for `read_uncommitted`.
    pub aborted_transactions: Option<Vec<AbortedTransaction>>,
    /// The replica to fetch from next time. Since version 11.
    pub preferred_read_replica: Option<BrokerId>,
    /// The records, in order. Without any, their length is 0, never null: as in Kafka.
    pub records: Vec<R>,
}

/// The end of an epoch in the leader's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The greatest epoch not above the follower's that the leader has.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: Offset,
}

/// A partition's leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    /// The broker; none if it is not known, or there is none.
    pub leader_id: Option<BrokerId>,
    /// Its epoch.
    pub leader_epoch: LeaderEpoch,
}

/// A transaction whose records `read_committed` must skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// The producer.
    pub producer_id: ProducerId,
    /// The first offset of the transaction.
    pub first_offset: Offset,
}

/// Where a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEndpoint {
    /// The broker.
    pub node_id: BrokerId,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its rack.
    pub rack: Option<String>,
}

impl<R> FetchPartition<R> {
    /// The answer for a partition of which nothing can be fetched.
    pub fn error(partition_index: i32, error_code: ErrorCode) -> FetchPartition<R> {
        FetchPartition {
            partition_index,
            error_code,
            high_watermark: None,
            last_stable_offset: None,
            log_start_offset: None,
            diverging_epoch: None,
            current_leader: None,
            aborted_transactions: None,
            preferred_read_replica: None,
            records: Vec::new(),
        }
    }
}

impl<R: RecordBytes> FetchResponse<R> {
    /// The response as it goes to the socket, size and header included.
    pub fn encode(self, version: i16, correlation_id: i32) -> Result<Vec<Piece<R>>, WireError> {
        let api = ApiKey::Fetch;
        if !supported(api).contains(version) {
            return Err(WireError::UnknownVersion { api, version });
        }
        let mut encoder = Encoder::new(version);
        encoder.wire.put_bytes(0, FRAME_SIZE_BYTES);
        put_response_header(&mut encoder.wire, api, version, correlation_id)?;
        encoder.response(self)?;
        encoder.finish()
    }
}

/// Everything but the records, and where they belong.
struct Encoder<R> {
    version: i16,
    flexible: bool,
    wire: BytesMut,
    /// Records, each with the length of `wire` before it.
    records: Vec<(usize, R)>,
    record_bytes: usize,
}

impl<R: RecordBytes> Encoder<R> {
    fn new(version: i16) -> Encoder<R> {
        Encoder {
            version,
            flexible: version >= FLEXIBLE_MIN,
            wire: BytesMut::with_capacity(256),
            records: Vec::new(),
            record_bytes: 0,
        }
    }

    fn response(&mut self, response: FetchResponse<R>) -> Result<(), WireError> {
        self.wire.put_i32(response.throttle_time_ms);
        if self.version >= SESSION_MIN {
            self.wire.put_i16(response.error_code.code());
            self.wire.put_i32(response.session_id);
        }
        self.length(response.topics.len())?;
        for topic in response.topics {
            self.topic(topic)?;
        }
        if self.version >= NODE_ENDPOINTS_MIN && !response.node_endpoints.is_empty() {
            put_unsigned_varint(&mut self.wire, 1)?;
            let field = node_endpoints(&response.node_endpoints)?;
            self.tagged_field(0, &field)
        } else {
            self.no_tagged_fields();
            Ok(())
        }
    }

    fn topic(&mut self, topic: FetchTopic<R>) -> Result<(), WireError> {
        match &topic.topic {
            TopicRef::Name(name) if self.version < TOPIC_ID_MIN => {
                put_string(&mut self.wire, self.flexible, name)?;
            }
            TopicRef::Id(id) if self.version >= TOPIC_ID_MIN => {
                self.wire.put_slice(id.as_bytes());
            }
            TopicRef::Name(_) => return Err(WireError::Malformed("a topic needs an id")),
            TopicRef::Id(_) => return Err(WireError::Malformed("a topic needs a name")),
        }
        self.length(topic.partitions.len())?;
        for partition in topic.partitions {
            self.partition(partition)?;
        }
        self.no_tagged_fields();
        Ok(())
    }

    fn partition(&mut self, partition: FetchPartition<R>) -> Result<(), WireError> {
        self.wire.put_i32(partition.partition_index);
        self.wire.put_i16(partition.error_code.code());
        self.wire.put_i64(offset_or_none(partition.high_watermark));
        self.wire
            .put_i64(offset_or_none(partition.last_stable_offset));
        if self.version >= LOG_START_OFFSET_MIN {
            self.wire
                .put_i64(offset_or_none(partition.log_start_offset));
        }
        self.aborted_transactions(partition.aborted_transactions.as_deref())?;
        if self.version >= READ_REPLICA_MIN {
            self.wire
                .put_i32(partition.preferred_read_replica.map_or(-1, BrokerId::get));
        }
        self.records(partition.records)?;
        if self.flexible {
            self.partition_tagged_fields(partition.diverging_epoch, partition.current_leader)?;
        }
        Ok(())
    }

    fn aborted_transactions(
        &mut self,
        transactions: Option<&[AbortedTransaction]>,
    ) -> Result<(), WireError> {
        let Some(transactions) = transactions else {
            if self.flexible {
                self.wire.put_u8(0);
            } else {
                self.wire.put_i32(-1);
            }
            return Ok(());
        };
        self.length(transactions.len())?;
        for transaction in transactions {
            self.wire.put_i64(transaction.producer_id.get());
            self.wire.put_i64(transaction.first_offset.get());
            self.no_tagged_fields();
        }
        Ok(())
    }

    fn records(&mut self, records: Vec<R>) -> Result<(), WireError> {
        let size = records.iter().map(RecordBytes::size_in_bytes).sum();
        self.length(size)?;
        self.record_bytes += size;
        let at = self.wire.len();
        self.records
            .extend(records.into_iter().map(|records| (at, records)));
        Ok(())
    }

    fn partition_tagged_fields(
        &mut self,
        diverging_epoch: Option<EpochEndOffset>,
        current_leader: Option<LeaderIdAndEpoch>,
    ) -> Result<(), WireError> {
        let count = usize::from(diverging_epoch.is_some()) + usize::from(current_leader.is_some());
        put_unsigned_varint(&mut self.wire, count)?;
        if let Some(diverging) = diverging_epoch {
            let mut field = BytesMut::with_capacity(13);
            field.put_i32(diverging.epoch.get());
            field.put_i64(diverging.end_offset.get());
            field.put_u8(0);
            self.tagged_field(0, &field)?;
        }
        if let Some(leader) = current_leader {
            let mut field = BytesMut::with_capacity(9);
            field.put_i32(leader.leader_id.map_or(-1, BrokerId::get));
            field.put_i32(leader.leader_epoch.get());
            field.put_u8(0);
            self.tagged_field(1, &field)?;
        }
        Ok(())
    }

    fn tagged_field(&mut self, tag: usize, field: &[u8]) -> Result<(), WireError> {
        put_unsigned_varint(&mut self.wire, tag)?;
        put_unsigned_varint(&mut self.wire, field.len())?;
        self.wire.put_slice(field);
        Ok(())
    }

    fn no_tagged_fields(&mut self) {
        if self.flexible {
            self.wire.put_u8(0);
        }
    }

    fn length(&mut self, length: usize) -> Result<(), WireError> {
        put_length(&mut self.wire, self.flexible, length)
    }

    fn finish(mut self) -> Result<Vec<Piece<R>>, WireError> {
        let size = self.wire.len() + self.record_bytes;
        response::finish(&mut self.wire, size)?;
        let wire = self.wire.freeze();
        let mut pieces = Vec::with_capacity(2 * self.records.len() + 1);
        let mut sent = 0;
        for (at, records) in self.records {
            if at > sent {
                pieces.push(Piece::Wire(wire.slice(sent..at)));
                sent = at;
            }
            pieces.push(Piece::Records(records));
        }
        if sent < wire.len() {
            pieces.push(Piece::Wire(wire.slice(sent..)));
        }
        Ok(pieces)
    }
}

fn node_endpoints(endpoints: &[NodeEndpoint]) -> Result<BytesMut, WireError> {
    let mut field = BytesMut::new();
    put_length(&mut field, true, endpoints.len())?;
    for endpoint in endpoints {
        field.put_i32(endpoint.node_id.get());
        put_string(&mut field, true, &endpoint.host)?;
        field.put_i32(i32::from(endpoint.port));
        match &endpoint.rack {
            Some(rack) => put_string(&mut field, true, rack)?,
            None => field.put_u8(0),
        }
        field.put_u8(0);
    }
    Ok(field)
}

fn offset_or_none(offset: Option<Offset>) -> i64 {
    offset.map_or(-1, Offset::get)
}

#[cfg(test)]
mod tests;
