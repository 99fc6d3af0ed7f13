//! Reading a partition back, all of it.

use protocol::{ErrorCode, model::Offset};

use crate::history::ReadBack;
use client::{ClientError, Connection, OffsetSpec, Topic};

const FETCH_BYTES_MAX: i32 = 8 << 20;
/// Nothing is written, so that deletion comes to an end.
const TRIES_MAX: u32 = 20;

/// Reads a partition from its start to its end. Nobody may write to it; should its oldest records be deleted meanwhile, it
/// is read again.
pub fn read_back(
    connection: &mut Connection,
    topic: &Topic,
    partition: i32,
) -> Result<ReadBack, ClientError> {
    let mut tries = 1;
    loop {
        match read_once(connection, topic, partition) {
            Err(ClientError::Refused {
                code: ErrorCode::OffsetOutOfRange,
                ..
            }) if tries < TRIES_MAX => tries += 1,
            read => return read,
        }
    }
}

fn read_once(
    connection: &mut Connection,
    topic: &Topic,
    partition: i32,
) -> Result<ReadBack, ClientError> {
    let log_start_offset = connection.list_offset(topic, partition, OffsetSpec::Earliest)?;
    let end_offset = connection.list_offset(topic, partition, OffsetSpec::Latest)?;
    let mut read = ReadBack {
        log_start_offset,
        end_offset,
        batches: Vec::new(),
    };
    let mut next: Offset = log_start_offset;
    while next < end_offset {
        let fetched = connection.fetch(topic, partition, next, FETCH_BYTES_MAX)?;
        let found = read
            .push_fetched(&fetched.records)
            .map_err(|error| ClientError::Io {
                doing: "read the batches of a fetch",
                source: std::io::Error::other(error),
            })?;
        // A broker that answers with nothing, or with what was there before, leaves a gap, which
        // the history will name.
        if !found || read.next_offset() <= next {
            break;
        }
        next = read.next_offset();
    }
    Ok(read)
}
