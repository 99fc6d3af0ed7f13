//! A client's batch on its way into a partition: first what its header says, then, where the topic
//! asks for it, what its records say.
//!
//! Kafka's `LogValidator` looks at every record of every batch. Here records are looked at only
//! where an answer or the bytes in the log depend on them:
//!
//! | a topic with | has looked into | in order to |
//! |---|---|---|
//! | `compression.type` | batches of other codecs | compress them anew |
//! | `cleanup.policy` with `compact` | all batches | refuse records without a key |
//! | `message.timestamp.before.max.ms` | all batches | refuse records that are too old |
//! | timestamps of producers | batches whose greatest timestamp is out of range, or less than that of the first record | refuse those records, or correct the batch |
//!
//! A batch that was looked into leaves with the right offsets and the right greatest timestamp,
//! whatever it came with.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{
    BatchError, BatchHeader, Codec, Compression, HEADER_BYTES, Inspection, RecordFault,
    RecordRules, TimestampType as BatchTimestamps, Unpacked, check_produce_version,
    set_max_timestamp, validate_for_append,
};
use storage::data_dir::SpaceState;
use storage::log::Hold;

use super::{Partition, RecordRefusal, Refusal};
use crate::config::{TimestampType, TopicConfig};
use crate::panics;

/// Records that take more room out of their codec are refused, unless the topic's batches may be
/// even larger. Kafka has no limit.
const DECOMPRESSED_BYTES_MAX: usize = 64 << 20;
/// A batch of this size, out of its codec and in it, is looked at and compressed where it arrived:
/// handing it over takes as long, some 60 microseconds.
const BYTES_HERE_MAX: usize = 4 << 10;
/// Beyond this level, Zstandard takes a millisecond for that.
const ZSTD_LEVEL_QUICK_MAX: i32 = 9;
/// Where no codec is involved, so many records are looked at where they arrived: it takes some
/// hundred microseconds, not much more than the checksum of a large batch.
const RECORDS_HERE_MAX: i32 = 10_000;
/// The room that compressed records are tried in first, for each of their bytes; and how much more
/// it is in the next attempt.
const ROOM_EXPANSION: usize = 8;
const ROOM_GROWTH: usize = 4;
const ROOM_BYTES_MIN: usize = 64 << 10;
/// What is allocated for a byte of room at most: the records in a buffer that grew, once more with
/// other offsets, and the longest that a codec makes of them.
const MEMORY_PER_ROOM: usize = 5;
const NO_TIMESTAMP: i64 = -1;

/// A client's batch whose header has passed.
#[derive(Debug)]
pub struct Incoming {
    pub(super) partition: Arc<Partition>,
    pub(super) batch: BytesMut,
    pub(super) header: BatchHeader,
    pub(super) config: Arc<TopicConfig>,
    /// What must stay as long as the bytes do.
    pub(super) hold: Option<Hold>,
    arrived_ms: i64,
    records_are_due: bool,
    pub(super) is_anew: bool,
}

/// How far looking into a batch came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looked {
    /// To the end; the batch may be appended.
    Done,
    /// Not far enough: it takes more room than it was given. Nothing has changed.
    NeedsRoom,
}

impl Partition {
    /// Checks what a producer sent, as far as the header tells. Its records are not decoded. Refuses it while the disk of the partition
    /// has too little space: clients try it again, and there may be space by then.
    ///
    /// Of a batch whose records are refused all the same, `refused_max` are listed.
    pub fn receive(
        self: &Arc<Self>,
        batch: BytesMut,
        version: i16,
        now_ms: i64,
        hold: Option<Hold>,
        refused_max: usize,
    ) -> Result<Incoming, Refusal> {
        let config = self.config.load_full();
        let header = validate_for_append(&batch, config.max_message_bytes)?;
        check_produce_version(&header, version)?;
        check_space(self.data_dir().space_state())?;
        if header.is_transactional() {
            // Until transactions are supported, and not retriable: Kafka's code for a producer that has no such transaction.
            return Err(Refusal::new(
                ErrorCode::InvalidTxnState,
                "transactions are not supported by this broker",
            ));
        }
        if header.timestamp_type() == BatchTimestamps::LogAppendTime {
            return Err(append_time_from_a_client(&header, refused_max));
        }
        let records_are_due = asks_for_records(&config, &header, now_ms);
        Ok(Incoming {
            partition: Arc::clone(self),
            batch,
            header,
            config,
            hold,
            arrived_ms: now_ms,
            records_are_due,
            is_anew: false,
        })
    }
}

fn check_space(state: SpaceState) -> Result<(), Refusal> {
    let message = match state {
        SpaceState::Enough => return Ok(()),
        SpaceState::Low => "Too little space is left on the disk",
        SpaceState::Full => "The disk is full",
    };
    Err(Refusal::new(ErrorCode::KafkaStorageError, message))
}

impl Incoming {
    /// Whether its records have to be looked at before it can be appended.
    pub fn records_are_due(&self) -> bool {
        self.records_are_due
    }

    /// The room to look at the records where the batch arrived, `None` if that takes too long.
    pub fn room_here(&self) -> Option<usize> {
        let is_small = self.batch.len() <= BYTES_HERE_MAX;
        if is_small && is_quick(self.codec()) {
            return Some(BYTES_HERE_MAX);
        }
        let is_plain = self.header.compression() == Compression::None;
        let only_looked_at = is_plain && !is_to_be_compressed(&self.config, &self.header);
        (only_looked_at && self.header.record_count <= RECORDS_HERE_MAX).then_some(0)
    }

    /// The room to try first.
    pub fn first_room(&self) -> usize {
        let section = self.batch.len() - HEADER_BYTES;
        match self.header.compression() {
            Compression::None => section,
            _ => (section.saturating_mul(ROOM_EXPANSION))
                .clamp(ROOM_BYTES_MIN, self.room_max().max(ROOM_BYTES_MIN)),
        }
    }

    /// The room to try after that.
    pub fn next_room(&self, room: usize) -> usize {
        room.saturating_mul(ROOM_GROWTH).min(self.room_max())
    }

    /// The most memory that [`look`](Self::look) takes beyond the batch.
    pub fn memory_for(room: usize) -> usize {
        room.saturating_mul(MEMORY_PER_ROOM)
    }

    /// Looks at every record, and compresses them anew if need be, within `room` bytes of records
    /// out of their codec. Takes its time. With no room at all, nothing is allocated.
    pub fn look(&mut self, room: usize, refused_max: usize) -> Result<Looked, Refusal> {
        let Some((batch, max_timestamp)) = self.looked_into(room, refused_max)? else {
            return Ok(Looked::NeedsRoom);
        };
        if let Some(batch) = batch {
            self.batch = batch;
            self.is_anew = true;
        }
        if self.is_stamped_by_producer() && self.header.max_timestamp != max_timestamp {
            set_max_timestamp(&mut self.batch, max_timestamp);
        }
        self.header = BatchHeader::parse(&self.batch)?;
        self.records_are_due = false;
        Ok(Looked::Done)
    }

    /// The batch compressed anew, if it has to be, and its greatest timestamp. `None` without room.
    fn looked_into(
        &self,
        room: usize,
        refused_max: usize,
    ) -> Result<Option<(Option<BytesMut>, i64)>, Refusal> {
        let room = room.min(self.room_max());
        let rules = self.rules(refused_max);
        // The codecs and the reader of records are decoders of what a client sent.
        let looked = panics::contained(|| {
            let unpacked = Unpacked::new(&self.batch, room)?;
            let inspection = unpacked.inspect(&rules)?;
            Ok((unpacked, inspection))
        });
        let (mut unpacked, inspection) = match looked {
            Some(Ok(looked)) => looked,
            Some(Err(BatchError::DecompressedTooLarge { .. })) if room < self.room_max() => {
                return Ok(None);
            }
            Some(Err(error)) => return Err(error.into()),
            None => return Err(ErrorCode::InvalidRecord.into()),
        };
        if inspection.refused_count > 0 {
            return Err(self.refusal(&inspection, &rules));
        }
        if inspection.is_numbered && !is_to_be_compressed(&self.config, &self.header) {
            return Ok(Some((None, inspection.max_timestamp)));
        }
        if room == 0 {
            return Ok(None);
        }
        if !inspection.is_numbered {
            unpacked.number();
        }
        let batch = unpacked.pack(self.codec(), self.config.max_message_bytes)?;
        Ok(Some((Some(batch), inspection.max_timestamp)))
    }

    /// Whether its bytes are no longer those that came, and how many there are.
    pub fn anew(&self) -> Option<usize> {
        self.is_anew.then_some(self.batch.len())
    }

    /// Replaces what is held as long as its bytes are there.
    pub fn hold(&mut self, hold: Hold) {
        self.hold = Some(hold);
    }

    /// What it is compressed with if that is done anew.
    fn codec(&self) -> Codec {
        self.config.codec.unwrap_or_else(|| {
            let own = Codec::with_default_level(self.header.compression());
            own.expect("its header has passed")
        })
    }

    /// No records take more room, or their batch is too large.
    fn room_max(&self) -> usize {
        let batch_bytes_max = self.config.max_message_bytes;
        match self.config.codec {
            Some(Codec::None) => batch_bytes_max.saturating_sub(HEADER_BYTES),
            _ => DECOMPRESSED_BYTES_MAX.max(batch_bytes_max),
        }
    }

    fn is_stamped_by_producer(&self) -> bool {
        self.config.timestamp_type == TimestampType::CreateTime
    }

    fn rules(&self, refused_max: usize) -> RecordRules {
        RecordRules {
            key: self.config.cleanup_policy.compact,
            timestamps: self
                .is_stamped_by_producer()
                .then(|| timestamps(&self.config, self.arrived_ms)),
            refused_max,
        }
    }

    /// Kafka's `LogValidator.processRecordErrors`: one timestamp out of range decides about the
    /// code of all.
    fn refusal(&self, inspection: &Inspection, rules: &RecordRules) -> Refusal {
        let message = |fault| match fault {
            RecordFault::NoKey => format!(
                "Compacted topic cannot accept message without key in topic partition {}-{}",
                self.partition.topic, self.partition.id.partition
            ),
            RecordFault::Timestamp(timestamp) => {
                let range = rules.timestamps.clone().unwrap_or(i64::MIN..=i64::MAX);
                format!(
                    "Timestamp {timestamp} is out of range. It should be within [{}, {}]",
                    range.start(),
                    range.end()
                )
            }
        };
        let records = inspection.refused.iter().map(|refused| RecordRefusal {
            index: refused.index,
            message: message(refused.fault),
        });
        let code = match inspection.has_refused_timestamp {
            true => ErrorCode::InvalidTimestamp,
            false => ErrorCode::InvalidRecord,
        };
        refusal_of_records(code, inspection.refused_count, records.collect())
    }
}

/// Whether a topic asks something of the records of a batch that its header cannot answer.
fn asks_for_records(config: &TopicConfig, header: &BatchHeader, now_ms: i64) -> bool {
    let is_suspect = || {
        let is_in_range = timestamps(config, now_ms).contains(&header.max_timestamp);
        // Some clients leave the greatest timestamp at -1 or 0, and the log is searched by it.
        (header.max_timestamp != NO_TIMESTAMP && !is_in_range)
            || header.max_timestamp < header.base_timestamp
    };
    let has_oldest = config.timestamp_before_max_ms < i64::MAX;
    let asks_for_timestamps =
        config.timestamp_type == TimestampType::CreateTime && (has_oldest || is_suspect());
    config.cleanup_policy.compact || is_to_be_compressed(config, header) || asks_for_timestamps
}

fn is_to_be_compressed(config: &TopicConfig, header: &BatchHeader) -> bool {
    config
        .codec
        .is_some_and(|codec| codec.compression() != header.compression())
}

/// Whether a small batch is compressed within a tenth of a millisecond.
fn is_quick(codec: Codec) -> bool {
    !matches!(codec, Codec::Zstd { level } if level > ZSTD_LEVEL_QUICK_MAX)
}

/// The timestamps that producers may give.
fn timestamps(config: &TopicConfig, now_ms: i64) -> RangeInclusive<i64> {
    let oldest = now_ms.saturating_sub(config.timestamp_before_max_ms);
    let newest = now_ms.saturating_add(config.timestamp_after_max_ms);
    oldest..=newest
}

/// Only a broker says that the timestamps are its own. Kafka lets it pass, and takes the flag away, if
/// the topic has producers' timestamps and this one is in range.
fn append_time_from_a_client(header: &BatchHeader, refused_max: usize) -> Refusal {
    let refused = (0..header.record_count).take(refused_max);
    let records = refused.map(|index| RecordRefusal {
        index,
        message: "Producer should not set timestamp type to LogAppendTime".into(),
    });
    let count = u32::try_from(header.record_count).unwrap_or_default();
    refusal_of_records(ErrorCode::InvalidTimestamp, count, records.collect())
}

fn refusal_of_records(code: ErrorCode, count: u32, records: Vec<RecordRefusal>) -> Refusal {
    let first = records
        .first()
        .map(|first| format!(", the first at {}: {}", first.index, first.message));
    let message = format!(
        "{count} records of the batch are invalid{}",
        first.unwrap_or_default()
    );
    Refusal {
        records,
        ..Refusal::new(code, message)
    }
}
