//! A group of the consumer protocol (KIP-848): `ConsumerGroupMetadata`, `ConsumerGroupMemberMetadata`,
//! `ConsumerGroupTargetAssignmentMetadata`, `ConsumerGroupTargetAssignmentMember`, `ConsumerGroupCurrentMemberAssignment` and
//! `ConsumerGroupRegularExpression`. All values have one version, which is flexible.

use bytes::{BufMut, Bytes, BytesMut};

use super::version;
use crate::model::Uuid;
use crate::wire::WireError;
use crate::wire::primitive::{
    Cursor, put_bytes, put_length, put_no_tagged_fields, put_nullable_string, put_string,
    put_tagged_field,
};

const VERSION: i16 = 0;
/// Every optional field there is has this tag, in its own structure.
const TAG: u32 = 0;

/// A group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerGroupValue {
    /// Counts what changes in members, subscriptions and topics.
    pub epoch: i32,
    /// A hash of the topics that members are subscribed to; 0: not known.
    pub metadata_hash: i64,
}

/// A member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerMemberValue {
    /// `group.instance.id` of a static member.
    pub instance_id: Option<String>,
    /// Its rack.
    pub rack_id: Option<String>,
    /// What the client calls itself.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// The topics it is subscribed to by name.
    pub subscribed_topic_names: Vec<String>,
    /// The regular expression it is subscribed to.
    pub subscribed_topic_regex: Option<String>,
    /// How long it may take to give partitions up.
    pub rebalance_timeout_ms: i32,
    /// The assignor it prefers.
    pub server_assignor: Option<String>,
    /// Of a member that speaks the classic protocol.
    pub classic: Option<ClassicMemberMetadata>,
}

/// What only members of the classic protocol have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicMemberMetadata {
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// The assignors it offers, the best first.
    pub protocols: Vec<ClassicProtocol>,
}

/// An assignor that a member of the classic protocol offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassicProtocol {
    /// Its name.
    pub name: String,
    /// What the member says of itself.
    pub metadata: Bytes,
}

/// The target assignment as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetEpochValue {
    /// The epoch of the group that it was computed for.
    pub epoch: i32,
    /// When, in milliseconds since the epoch; 0: not known. Since Kafka 4.3 (KIP-1263).
    pub timestamp_ms: i64,
}

/// Partitions of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicPartitions {
    /// The topic.
    pub topic_id: Uuid,
    /// Its partitions.
    pub partitions: Vec<i32>,
    /// The epoch in which the member got each of them, where that is known (KIP-1251). Not in a target.
    pub assignment_epochs: Option<Vec<i32>>,
}

/// What a member has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentAssignmentValue {
    /// The epoch its heartbeats are to have.
    pub member_epoch: i32,
    /// The epoch they had before, in case it has not heard of the new one.
    pub previous_member_epoch: i32,
    /// Kafka's `MemberState`: 0 stable, 1 unrevoked partitions, 2 unreleased partitions.
    pub state: i8,
    /// What it may read.
    pub assigned: Vec<TopicPartitions>,
    /// What it is to give up and has not yet.
    pub pending_revocation: Vec<TopicPartitions>,
}

/// What a regular expression stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegularExpressionValue {
    /// Names of topics.
    pub topics: Vec<String>,
    /// The version of the metadata in which they were found.
    pub version: i64,
    /// When, in milliseconds since the epoch.
    pub timestamp_ms: i64,
}

fn begin() -> BytesMut {
    let mut buf = BytesMut::new();
    buf.put_i16(VERSION);
    buf
}

fn read(bytes: &[u8]) -> Result<Cursor<'_>, WireError> {
    let mut cursor = Cursor::new(bytes);
    version(&mut cursor, VERSION)?;
    Ok(cursor)
}

/// A number in a tagged field, or no tagged field where it has its default.
fn put_tagged_number(buf: &mut BytesMut, number: i64) -> Result<(), WireError> {
    match number {
        0 => put_no_tagged_fields(buf),
        number => put_tagged_field(buf, 0, &number.to_be_bytes()),
    }
}

fn tagged_number(cursor: &mut Cursor<'_>) -> Result<i64, WireError> {
    let mut number = 0;
    cursor.tagged_fields(|tag, mut field| {
        if tag == TAG {
            number = field.i64()?;
        }
        Ok(())
    })?;
    Ok(number)
}

fn put_strings(buf: &mut BytesMut, strings: &[String]) -> Result<(), WireError> {
    put_length(buf, true, strings.len())?;
    strings.iter().try_for_each(|it| put_string(buf, true, it))
}

fn strings(cursor: &mut Cursor<'_>) -> Result<Vec<String>, WireError> {
    let count = cursor.array_length(true, 1)?;
    (0..count)
        .map(|_| Ok(cursor.string(true)?.to_owned()))
        .collect()
}

fn put_numbers(buf: &mut BytesMut, numbers: &[i32]) -> Result<(), WireError> {
    put_length(buf, true, numbers.len())?;
    numbers.iter().for_each(|number| buf.put_i32(*number));
    Ok(())
}

fn numbers(cursor: &mut Cursor<'_>) -> Result<Vec<i32>, WireError> {
    let count = cursor.array_length(true, 4)?;
    (0..count).map(|_| cursor.i32()).collect()
}

impl ConsumerGroupValue {
    pub(super) fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = begin();
        buf.put_i32(self.epoch);
        put_tagged_number(&mut buf, self.metadata_hash)?;
        Ok(buf)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<ConsumerGroupValue, WireError> {
        let mut cursor = read(bytes)?;
        Ok(ConsumerGroupValue {
            epoch: cursor.i32()?,
            metadata_hash: tagged_number(&mut cursor)?,
        })
    }
}

impl TargetEpochValue {
    pub(super) fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = begin();
        buf.put_i32(self.epoch);
        put_tagged_number(&mut buf, self.timestamp_ms)?;
        Ok(buf)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<TargetEpochValue, WireError> {
        let mut cursor = read(bytes)?;
        Ok(TargetEpochValue {
            epoch: cursor.i32()?,
            timestamp_ms: tagged_number(&mut cursor)?,
        })
    }
}

impl ConsumerMemberValue {
    pub(super) fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = begin();
        put_nullable_string(&mut buf, true, self.instance_id.as_deref())?;
        put_nullable_string(&mut buf, true, self.rack_id.as_deref())?;
        put_string(&mut buf, true, &self.client_id)?;
        put_string(&mut buf, true, &self.client_host)?;
        put_strings(&mut buf, &self.subscribed_topic_names)?;
        put_nullable_string(&mut buf, true, self.subscribed_topic_regex.as_deref())?;
        buf.put_i32(self.rebalance_timeout_ms);
        put_nullable_string(&mut buf, true, self.server_assignor.as_deref())?;
        match &self.classic {
            Some(classic) => put_tagged_field(&mut buf, 0, &classic.encode()?)?,
            None => put_no_tagged_fields(&mut buf)?,
        }
        Ok(buf)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<ConsumerMemberValue, WireError> {
        let mut cursor = read(bytes)?;
        let cursor = &mut cursor;
        let optional = |cursor: &mut Cursor<'_>| -> Result<Option<String>, WireError> {
            Ok(cursor.nullable_str(true)?.map(str::to_owned))
        };
        let mut value = ConsumerMemberValue {
            instance_id: optional(cursor)?,
            rack_id: optional(cursor)?,
            client_id: cursor.string(true)?.to_owned(),
            client_host: cursor.string(true)?.to_owned(),
            subscribed_topic_names: strings(cursor)?,
            subscribed_topic_regex: optional(cursor)?,
            rebalance_timeout_ms: cursor.i32()?,
            server_assignor: optional(cursor)?,
            classic: None,
        };
        cursor.tagged_fields(|tag, mut field| {
            if tag == TAG {
                value.classic = ClassicMemberMetadata::decode(&mut field)?;
            }
            Ok(())
        })?;
        Ok(value)
    }
}

impl ClassicMemberMetadata {
    fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = BytesMut::new();
        // A structure that may be null begins with whether it is.
        buf.put_i8(1);
        buf.put_i32(self.session_timeout_ms);
        put_length(&mut buf, true, self.protocols.len())?;
        for protocol in &self.protocols {
            put_string(&mut buf, true, &protocol.name)?;
            put_bytes(&mut buf, true, &protocol.metadata)?;
            put_no_tagged_fields(&mut buf)?;
        }
        put_no_tagged_fields(&mut buf)?;
        Ok(buf)
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Option<ClassicMemberMetadata>, WireError> {
        if cursor.i8()? < 0 {
            return Ok(None);
        }
        let session_timeout_ms = cursor.i32()?;
        let count = cursor.array_length(true, 3)?;
        let mut protocols = Vec::with_capacity(count);
        for _ in 0..count {
            protocols.push(ClassicProtocol {
                name: cursor.string(true)?.to_owned(),
                metadata: cursor.bytes(true)?,
            });
            cursor.skip_tagged_fields()?;
        }
        cursor.skip_tagged_fields()?;
        Ok(Some(ClassicMemberMetadata {
            session_timeout_ms,
            protocols,
        }))
    }
}

/// The least that partitions of a topic take.
const TOPIC_PARTITIONS_BYTES_MIN: usize = 16 + 1 + 1;

fn put_topics(buf: &mut BytesMut, topics: &[TopicPartitions]) -> Result<(), WireError> {
    put_length(buf, true, topics.len())?;
    for topic in topics {
        buf.put_slice(topic.topic_id.as_bytes());
        put_numbers(buf, &topic.partitions)?;
        match &topic.assignment_epochs {
            Some(epochs) => {
                let mut field = BytesMut::new();
                put_numbers(&mut field, epochs)?;
                put_tagged_field(buf, 0, &field)?;
            }
            None => put_no_tagged_fields(buf)?,
        }
    }
    Ok(())
}

fn topics(cursor: &mut Cursor<'_>) -> Result<Vec<TopicPartitions>, WireError> {
    let count = cursor.array_length(true, TOPIC_PARTITIONS_BYTES_MIN)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let mut topic = TopicPartitions {
            topic_id: cursor.uuid()?,
            partitions: numbers(cursor)?,
            assignment_epochs: None,
        };
        cursor.tagged_fields(|tag, mut field| {
            if tag == TAG {
                topic.assignment_epochs = Some(numbers(&mut field)?);
            }
            Ok(())
        })?;
        topics.push(topic);
    }
    Ok(topics)
}

pub(super) fn encode_target(target: &[TopicPartitions]) -> Result<BytesMut, WireError> {
    let mut buf = begin();
    put_topics(&mut buf, target)?;
    put_no_tagged_fields(&mut buf)?;
    Ok(buf)
}

pub(super) fn decode_target(bytes: &[u8]) -> Result<Vec<TopicPartitions>, WireError> {
    let mut cursor = read(bytes)?;
    let target = topics(&mut cursor)?;
    cursor.skip_tagged_fields()?;
    Ok(target)
}

impl CurrentAssignmentValue {
    pub(super) fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = begin();
        buf.put_i32(self.member_epoch);
        buf.put_i32(self.previous_member_epoch);
        buf.put_i8(self.state);
        put_topics(&mut buf, &self.assigned)?;
        put_topics(&mut buf, &self.pending_revocation)?;
        put_no_tagged_fields(&mut buf)?;
        Ok(buf)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<CurrentAssignmentValue, WireError> {
        let mut cursor = read(bytes)?;
        let value = CurrentAssignmentValue {
            member_epoch: cursor.i32()?,
            previous_member_epoch: cursor.i32()?,
            state: cursor.i8()?,
            assigned: topics(&mut cursor)?,
            pending_revocation: topics(&mut cursor)?,
        };
        cursor.skip_tagged_fields()?;
        Ok(value)
    }
}

impl RegularExpressionValue {
    pub(super) fn encode(&self) -> Result<BytesMut, WireError> {
        let mut buf = begin();
        put_strings(&mut buf, &self.topics)?;
        buf.put_i64(self.version);
        buf.put_i64(self.timestamp_ms);
        put_no_tagged_fields(&mut buf)?;
        Ok(buf)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<RegularExpressionValue, WireError> {
        let mut cursor = read(bytes)?;
        let value = RegularExpressionValue {
            topics: strings(&mut cursor)?,
            version: cursor.i64()?,
            timestamp_ms: cursor.i64()?,
        };
        cursor.skip_tagged_fields()?;
        Ok(value)
    }
}
