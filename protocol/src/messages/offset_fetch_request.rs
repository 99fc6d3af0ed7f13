//! OffsetFetch request, versions 1-10. The codec ends at 9; in 10 topics have ids and no names (KIP-848).

use bytes::{BufMut, BytesMut};

use crate::messages::{ApiKey, OffsetFetchRequest};
use crate::wire::WireError;
use crate::wire::body::{BodyReader, MessageBody, codec_decode, codec_encode, codec_size};
use crate::wire::primitive::{
    Cursor, put_length, put_no_tagged_fields, put_nullable_string, put_string, put_unsigned_varint,
    take_nullable_text, take_text,
};

pub use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};

/// The first version in which topics have ids.
const TOPIC_IDS_MIN: i16 = 10;
/// A group in that version, without topics.
const GROUP_BYTES_MIN: usize = 1 + 1 + 4 + 1 + 1;
/// A topic in that version, without partitions.
const TOPIC_BYTES_MIN: usize = 16 + 1 + 1;

impl MessageBody for OffsetFetchRequest {
    const API_KEY: ApiKey = ApiKey::OffsetFetch;

    fn decode_from(reader: &mut BodyReader, version: i16) -> Result<Self, WireError> {
        if version != TOPIC_IDS_MIN {
            return codec_decode(Self::API_KEY, reader, version);
        }
        let bytes = reader.rest();
        let mut cursor = Cursor::new(&bytes);
        let count = cursor.array_length(true, GROUP_BYTES_MIN)?;
        let mut groups = Vec::with_capacity(count);
        for _ in 0..count {
            let group_id = take_text(&mut cursor, &bytes, true)?;
            let member_id = take_nullable_text(&mut cursor, &bytes, true)?;
            let member_epoch = cursor.i32()?;
            let topics = match cursor.nullable_array_length(true, TOPIC_BYTES_MIN)? {
                Some(count) => Some(decode_topics(&mut cursor, count)?),
                None => None,
            };
            cursor.skip_tagged_fields()?;
            groups.push(
                OffsetFetchRequestGroup::default()
                    .with_group_id(group_id.into())
                    .with_member_id(member_id)
                    .with_member_epoch(member_epoch)
                    .with_topics(topics),
            );
        }
        let require_stable = cursor.bool()?;
        cursor.skip_tagged_fields()?;
        reader.advance_by(cursor.position());
        Ok(OffsetFetchRequest::default()
            .with_groups(groups)
            .with_require_stable(require_stable))
    }

    fn encode_body(&self, buf: &mut BytesMut, version: i16) -> Result<(), WireError> {
        if version != TOPIC_IDS_MIN {
            return codec_encode(Self::API_KEY, self, buf, version);
        }
        put_length(buf, true, self.groups.len())?;
        for group in &self.groups {
            put_string(buf, true, &group.group_id)?;
            put_nullable_string(buf, true, group.member_id.as_deref())?;
            buf.put_i32(group.member_epoch);
            match &group.topics {
                Some(topics) => encode_topics(buf, topics)?,
                None => put_unsigned_varint(buf, 0)?,
            }
            put_no_tagged_fields(buf)?;
        }
        buf.put_u8(u8::from(self.require_stable));
        put_no_tagged_fields(buf)
    }

    fn body_size(&self, version: i16) -> Result<usize, WireError> {
        if version != TOPIC_IDS_MIN {
            return codec_size(Self::API_KEY, self, version);
        }
        let mut buf = BytesMut::new();
        self.encode_body(&mut buf, version)?;
        Ok(buf.len())
    }
}

fn decode_topics(
    cursor: &mut Cursor<'_>,
    count: usize,
) -> Result<Vec<OffsetFetchRequestTopics>, WireError> {
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let topic_id = cursor.uuid()?;
        let count = cursor.array_length(true, 4)?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            partitions.push(cursor.i32()?);
        }
        cursor.skip_tagged_fields()?;
        topics.push(
            OffsetFetchRequestTopics::default()
                .with_topic_id(topic_id)
                .with_partition_indexes(partitions),
        );
    }
    Ok(topics)
}

fn encode_topics(buf: &mut BytesMut, topics: &[OffsetFetchRequestTopics]) -> Result<(), WireError> {
    put_length(buf, true, topics.len())?;
    for topic in topics {
        buf.put_slice(topic.topic_id.as_bytes());
        put_length(buf, true, topic.partition_indexes.len())?;
        for partition in &topic.partition_indexes {
            buf.put_i32(*partition);
        }
        put_no_tagged_fields(buf)?;
    }
    Ok(())
}
