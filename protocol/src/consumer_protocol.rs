//! What consumers of the classic protocol tell each other through the broker (`ConsumerProtocolSubscription`,
//! `ConsumerProtocolAssignment`), as far as a broker looks at it. Newer versions only add to the end.

use bytes::{BufMut, BytesMut};

use crate::wire::WireError;
use crate::wire::primitive::{Cursor, put_length, put_string};

/// What a consumer says of itself in JoinGroup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerSubscription {
    /// The topics it is subscribed to.
    pub topics: Vec<String>,
    /// The partitions it has, by topic (KIP-429). Since version 1.
    pub owned: Vec<(String, Vec<i32>)>,
    /// Its rack (KIP-881). Since version 3.
    pub rack: Option<String>,
}

const OWNED_MIN: i16 = 1;
const GENERATION_MIN: i16 = 2;
const RACK_MIN: i16 = 3;

fn version(cursor: &mut Cursor<'_>) -> Result<i16, WireError> {
    match cursor.i16()? {
        version if version >= 0 => Ok(version),
        _ => Err(WireError::Malformed("a negative version")),
    }
}

/// The topics a consumer is subscribed to.
pub fn subscribed_topics(metadata: &[u8]) -> Result<Vec<&str>, WireError> {
    let mut cursor = Cursor::new(metadata);
    version(&mut cursor)?;
    topics(&mut cursor)
}

fn topics<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<&'a str>, WireError> {
    let count = cursor.array_length(false, 2)?;
    (0..count).map(|_| cursor.string(false)).collect()
}

/// All that a consumer says of itself.
pub fn subscription(metadata: &[u8]) -> Result<ConsumerSubscription, WireError> {
    let mut cursor = Cursor::new(metadata);
    let version = version(&mut cursor)?;
    let topics = topics(&mut cursor)?;
    let topics = topics.into_iter().map(str::to_owned).collect();
    cursor.nullable_bytes(false)?;
    let owned = match version >= OWNED_MIN {
        true => partitions(&mut cursor)?,
        false => Vec::new(),
    };
    if version >= GENERATION_MIN {
        cursor.i32()?;
    }
    let rack = match version >= RACK_MIN {
        true => cursor.nullable_str(false)?.map(str::to_owned),
        false => None,
    };
    Ok(ConsumerSubscription {
        topics,
        owned,
        rack,
    })
}

/// The least that the partitions of a topic take: two lengths.
const PARTITIONS_BYTES_MIN: usize = 2 + 4;

fn partitions(cursor: &mut Cursor<'_>) -> Result<Vec<(String, Vec<i32>)>, WireError> {
    let count = cursor.array_length(false, PARTITIONS_BYTES_MIN)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let topic = cursor.string(false)?.to_owned();
        let count = cursor.array_length(false, 4)?;
        let partitions: Result<Vec<i32>, WireError> = (0..count).map(|_| cursor.i32()).collect();
        topics.push((topic, partitions?));
    }
    Ok(topics)
}

/// What a consumer is assigned, by topic: as the group's leader has said.
pub fn assignment(bytes: &[u8]) -> Result<Vec<(String, Vec<i32>)>, WireError> {
    let mut cursor = Cursor::new(bytes);
    version(&mut cursor)?;
    partitions(&mut cursor)
}

/// Whether a consumer was told more than its partitions by an assignor of its own; false where that cannot be read.
pub fn has_user_data(assignment: &[u8]) -> bool {
    let mut cursor = Cursor::new(assignment);
    let read = version(&mut cursor).and_then(|_| partitions(&mut cursor));
    let user_data = read.and_then(|_| cursor.nullable_bytes(false));
    user_data.is_ok_and(|data| data.is_some_and(|data| !data.is_empty()))
}

/// Says what a consumer is assigned, by topic, in the version in which it spoke itself: all it has to understand is that.
pub fn encode_assignment(
    metadata: &[u8],
    assigned: &[(&str, Vec<i32>)],
) -> Result<BytesMut, WireError> {
    let mut buf = BytesMut::new();
    buf.put_i16(version(&mut Cursor::new(metadata))?);
    put_length(&mut buf, false, assigned.len())?;
    for (topic, partitions) in assigned {
        put_string(&mut buf, false, topic)?;
        put_length(&mut buf, false, partitions.len())?;
        partitions
            .iter()
            .for_each(|partition| buf.put_i32(*partition));
    }
    // No user data.
    buf.put_i32(-1);
    Ok(buf)
}

#[cfg(test)]
mod tests;
