//! Appending: sequence check, offsets, leader epoch, the tail, the journal's queue.

use std::any::Any;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use protocol::batch::{BatchHeader, set_base_offset, set_partition_leader_epoch};
use protocol::model::{LeaderEpoch, Offset};

use super::producers::{ProducerBatch, ProducerError, SequenceCheck};
use super::tail::{BATCH_MEMORY, BatchBytes, TailBatch};
use super::{Durability, Log, Pending, State};
use crate::journal::{DurableListener, Entry, EntryKind, JournalFault};

/// Something to keep for as long as the batch's bytes are in memory, such as the permit that bounds them.
pub type Hold = Arc<dyn Any + Send + Sync>;

/// Where a batch is in the log. Not durable yet, unless [`super::LogOffsets::durable_end`] has reached `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of its first record.
    pub base: Offset,
    /// The offset after its last record: the batch may be acknowledged when that is committed.
    pub end: Offset,
    /// The log's start, for the answer.
    pub log_start: Offset,
    /// It was there before: a retry.
    pub duplicate: Option<ProducerBatch>,
}

/// Why a batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Its sequence says so.
    #[error(transparent)]
    Producer(#[from] ProducerError),
    /// It would not fit a journal file.
    #[error("batch of {size} bytes, the journal takes {max}")]
    TooLarge {
        /// Its bytes.
        size: usize,
        /// The most.
        max: usize,
    },
    /// The data directory is offline.
    #[error(transparent)]
    Offline(#[from] JournalFault),
}

/// Why a leader's batch was not appended.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The log ends elsewhere.
    #[error("a batch for offset {found}, the log ends at {end}")]
    OutOfPlace {
        /// Where the batch is.
        found: Offset,
        /// Where the log ends.
        end: Offset,
    },
    /// The batch has no epoch, or an older one than what is there.
    #[error("a batch of epoch {found:?} behind {latest:?}")]
    Epoch {
        /// The batch's.
        found: Option<LeaderEpoch>,
        /// The log's last.
        latest: Option<LeaderEpoch>,
    },
    /// It does not fit, or the directory is offline.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Bytes with what must live as long as they do.
struct Held {
    bytes: Bytes,
    _hold: Hold,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Log {
    /// Appends a batch as the leader of `epoch`. The batch has been validated; `header` is its header.
    ///
    /// Done means: it has its offsets, can be read by nobody yet, and is queued for the journal, or for its segment. Writes base offset and epoch into the
    /// batch in place; copies nothing.
    pub fn append(
        self: &Arc<Self>,
        mut batch: BytesMut,
        header: &BatchHeader,
        epoch: LeaderEpoch,
        now_ms: i64,
        hold: Option<Hold>,
    ) -> Result<Appended, AppendError> {
        let max = self.environment.journal.entry_bytes_max();
        if batch.len() > max {
            return Err(AppendError::TooLarge {
                size: batch.len(),
                max,
            });
        }
        let mut state = self.state();
        if state.dropped {
            let error = Arc::new(super::open::deleted());
            return Err(JournalFault {
                what: "appending",
                error,
            }
            .into());
        }
        assert!(
            state
                .leader_epochs
                .latest()
                .is_none_or(|latest| latest <= epoch),
            "leader epoch decreases"
        );
        if let Some(producer) = &header.producer {
            let check = state.producers.check(producer, header.last_sequence())?;
            if let SequenceCheck::Duplicate(first) = check {
                return Ok(Appended {
                    base: first.base_offset,
                    end: first.last_offset.plus(1),
                    log_start: state.offsets.start,
                    duplicate: Some(first),
                });
            }
        }
        let base = state.offsets.end;
        set_base_offset(&mut batch, base);
        set_partition_leader_epoch(&mut batch, epoch);
        let header = BatchHeader {
            base_offset: base,
            partition_leader_epoch: Some(epoch),
            ..*header
        };
        let end = header.end_offset();
        let log_start = state.offsets.start;
        self.push(
            &mut state,
            header,
            epoch,
            held(batch.freeze(), hold),
            now_ms,
        )?;
        Ok(Appended {
            base,
            end,
            log_start,
            duplicate: None,
        })
    }

    /// Appends a batch that the leader has given its place, as one of its followers; `batch` is the whole of it, with its checksum verified, and `header` its
    /// header. What the leader has taken is not asked again.
    ///
    /// Done means the same as for [`Log::append`]. Copies nothing.
    pub fn append_replica(
        self: &Arc<Self>,
        batch: Bytes,
        header: &BatchHeader,
        now_ms: i64,
        hold: Option<Hold>,
    ) -> Result<Offset, ReplicaError> {
        let max = self.environment.journal.entry_bytes_max();
        if batch.len() > max {
            let size = batch.len();
            return Err(AppendError::TooLarge { size, max }.into());
        }
        let mut state = self.state();
        if state.dropped {
            let error = Arc::new(super::open::deleted());
            let what = "appending";
            return Err(AppendError::Offline(JournalFault { what, error }).into());
        }
        let end = state.offsets.end;
        if header.base_offset != end {
            let found = header.base_offset;
            return Err(ReplicaError::OutOfPlace { found, end });
        }
        let latest = state.leader_epochs.latest();
        let epoch = match header.partition_leader_epoch {
            Some(epoch) if latest.is_none_or(|latest| latest <= epoch) => epoch,
            found => return Err(ReplicaError::Epoch { found, latest }),
        };
        self.push(&mut state, *header, epoch, held(batch, hold), now_ms)?;
        Ok(header.end_offset())
    }

    /// Takes a batch that has its place.
    fn push(
        self: &Arc<Self>,
        state: &mut State,
        header: BatchHeader,
        epoch: LeaderEpoch,
        bytes: Bytes,
        now_ms: i64,
    ) -> Result<(), AppendError> {
        let (base, end) = (header.base_offset, header.end_offset());
        let bypasses = self.bypasses(state, bytes.len());
        let position = match bypasses {
            false => {
                let entry = Entry {
                    kind: EntryKind::Append,
                    log_id: self.id,
                    leader_epoch: Some(epoch),
                    offset: base,
                    end,
                    payload: bytes.clone(),
                };
                let listener: Arc<dyn DurableListener> = Arc::clone(self) as _;
                let position = self.environment.journal.push(entry, listener)?;
                state.pending.push_back(Pending {
                    position,
                    end,
                    is_stored: false,
                });
                position
            }
            true => self.environment.journal.position_if_online()?,
        };
        state.leader_epochs.on_append(epoch, base);
        state.producers.on_append(&header, now_ms);
        self.environment.tails.add(bytes.len() + BATCH_MEMORY);
        state.oldest_tail_ms.get_or_insert(now_ms);
        state.tail.push(TailBatch {
            header,
            position,
            appended_ms: now_ms,
            bytes: BatchBytes::Memory(bytes),
        });
        self.list(state);
        if bypasses && self.durability == Durability::Fsync {
            self.on_bypassing(state, base, header.size_in_bytes);
        }
        state.offsets.end = end;
        state.check();
        Ok(())
    }
}

/// Bytes that keep what must live as long as they do.
fn held(bytes: Bytes, hold: Option<Hold>) -> Bytes {
    match hold {
        Some(hold) => Bytes::from_owner(Held { bytes, _hold: hold }),
        None => bytes,
    }
}
