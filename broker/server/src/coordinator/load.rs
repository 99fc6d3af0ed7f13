//! Reading a coordinator's partition from its first to its last record.

use std::sync::Arc;

use protocol::batch::{batches, records};
use protocol::model::Offset;

use super::RecordFormat;
use crate::partition::{Partition, PartitionRead, Reader};

/// Bytes that are read at a time.
const READ_BYTES: usize = 1 << 20;

/// Replays all that the partition holds. Blocks on the disk.
///
/// Damage is an error, and the coordinator stays away: without what is missing groups would begin where they have been long ago, or skip
/// what they have not read.
pub(super) fn load<C: RecordFormat>(
    partition: &Arc<Partition>,
    mut coordinator: C,
) -> Result<(C, Offset), String> {
    let offsets = partition.offsets();
    // What is in the log when the leadership begins is committed, whether this broker has heard so or not, or will be: nothing of it can be taken back here.
    // Nobody is answered before it is.
    let end = offsets.log_end;
    let mut at = offsets.log_start;
    let mut count = 0u64;
    while at < end {
        let read = partition.read(Reader::Follower, at, READ_BYTES);
        let chunks = match read {
            Ok(PartitionRead::Batches(chunks)) => Ok(chunks),
            Ok(PartitionRead::Files) => partition.read_files(Reader::Follower, at, READ_BYTES),
            Err(code) => Err(code),
        };
        let chunks = chunks.map_err(|code| format!("reading at offset {at}: {}", code.name()))?;
        let from = at;
        for chunk in &chunks {
            for batch in batches(chunk) {
                let (header, bytes) = batch.map_err(|error| format!("offset {at}: {error}"))?;
                if !header.is_control() {
                    count += replay(&mut coordinator, bytes)
                        .map_err(|error| format!("the batch at {}: {error}", header.base_offset))?;
                }
                at = header.end_offset();
            }
        }
        if at <= from {
            return Err(format!("nothing at offset {at}, and the end is {end}"));
        }
    }
    tracing::info!(partition = ?partition, records = count, "loaded a coordinator");
    Ok((coordinator, end))
}

fn replay<C: RecordFormat>(coordinator: &mut C, batch: &[u8]) -> Result<u64, String> {
    let mut count = 0;
    for record in records(batch).map_err(|error| error.to_string())? {
        let record = record.map_err(|error| error.to_string())?;
        let Some(key) = record.key else { continue };
        if let Some(record) = C::decode(key, record.value)? {
            coordinator.load(record);
            count += 1;
        }
    }
    Ok(count)
}
