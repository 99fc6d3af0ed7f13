//! OffsetCommit request, versions 2-10. The codec ends at 9; in 10 topics have ids and no names (KIP-848).

use bytes::{BufMut, BytesMut};

use crate::messages::{ApiKey, OffsetCommitRequest};
use crate::wire::WireError;
use crate::wire::body::{BodyReader, MessageBody, codec_decode, codec_encode, codec_size};
use crate::wire::primitive::{
    Cursor, put_length, put_no_tagged_fields, put_nullable_string, put_string, take_nullable_text,
    take_text,
};

pub use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};

/// The first version in which topics have ids.
const TOPIC_IDS_MIN: i16 = 10;
/// A partition in that version, without metadata.
const PARTITION_BYTES_MIN: usize = 4 + 8 + 4 + 1 + 1;
/// A topic in that version, without partitions.
const TOPIC_BYTES_MIN: usize = 16 + 1 + 1;

impl MessageBody for OffsetCommitRequest {
    const API_KEY: ApiKey = ApiKey::OffsetCommit;

    fn decode_from(reader: &mut BodyReader, version: i16) -> Result<Self, WireError> {
        if version != TOPIC_IDS_MIN {
            return codec_decode(Self::API_KEY, reader, version);
        }
        let bytes = reader.rest();
        let mut cursor = Cursor::new(&bytes);
        let group_id = take_text(&mut cursor, &bytes, true)?;
        let generation_id_or_member_epoch = cursor.i32()?;
        let member_id = take_text(&mut cursor, &bytes, true)?;
        let group_instance_id = take_nullable_text(&mut cursor, &bytes, true)?;
        let count = cursor.array_length(true, TOPIC_BYTES_MIN)?;
        let mut topics = Vec::with_capacity(count);
        for _ in 0..count {
            let topic_id = cursor.uuid()?;
            let count = cursor.array_length(true, PARTITION_BYTES_MIN)?;
            let mut partitions = Vec::with_capacity(count);
            for _ in 0..count {
                partitions.push(
                    OffsetCommitRequestPartition::default()
                        .with_partition_index(cursor.i32()?)
                        .with_committed_offset(cursor.i64()?)
                        .with_committed_leader_epoch(cursor.i32()?)
                        .with_committed_metadata(take_nullable_text(&mut cursor, &bytes, true)?),
                );
                cursor.skip_tagged_fields()?;
            }
            cursor.skip_tagged_fields()?;
            topics.push(
                OffsetCommitRequestTopic::default()
                    .with_topic_id(topic_id)
                    .with_partitions(partitions),
            );
        }
        cursor.skip_tagged_fields()?;
        reader.advance_by(cursor.position());
        Ok(OffsetCommitRequest::default()
            .with_group_id(group_id.into())
            .with_generation_id_or_member_epoch(generation_id_or_member_epoch)
            .with_member_id(member_id)
            .with_group_instance_id(group_instance_id)
            .with_topics(topics))
    }

    fn encode_body(&self, buf: &mut BytesMut, version: i16) -> Result<(), WireError> {
        if version != TOPIC_IDS_MIN {
            return codec_encode(Self::API_KEY, self, buf, version);
        }
        put_string(buf, true, &self.group_id)?;
        buf.put_i32(self.generation_id_or_member_epoch);
        put_string(buf, true, &self.member_id)?;
        put_nullable_string(buf, true, self.group_instance_id.as_deref())?;
        put_length(buf, true, self.topics.len())?;
        for topic in &self.topics {
            buf.put_slice(topic.topic_id.as_bytes());
            put_length(buf, true, topic.partitions.len())?;
            for partition in &topic.partitions {
                buf.put_i32(partition.partition_index);
                buf.put_i64(partition.committed_offset);
                buf.put_i32(partition.committed_leader_epoch);
                put_nullable_string(buf, true, partition.committed_metadata.as_deref())?;
                put_no_tagged_fields(buf)?;
            }
            put_no_tagged_fields(buf)?;
        }
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
