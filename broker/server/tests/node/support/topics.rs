//! Topics, and what one does with them.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::delete_topics_request::DeleteTopicState;
use protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::messages::fetch_response::PartitionData;
use protocol::messages::init_producer_id_response::InitProducerIdResponse;
use protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::metadata_response::MetadataResponsePartition;
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, InitProducerIdRequest,
    ListOffsetsRequest, MetadataRequest, ProduceRequest, TopicName,
};
use protocol::model::Uuid;

use super::{Client, values_of};

pub(crate) const PRODUCE: i16 = 13;
pub(crate) const FETCH: i16 = 18;
const NO_SESSION: i32 = -1;
const FETCH_BYTES: i32 = 4 << 20;

/// A topic as it is addressed.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) id: Uuid,
}

/// A name for the wire.
pub(crate) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

impl Topic {
    /// A produce request of one batch per partition.
    pub(crate) fn produce(&self, acks: i16, batches: &[(i32, BytesMut)]) -> ProduceRequest {
        let partitions = batches.iter().map(|(partition, batch)| {
            PartitionProduceData::default()
                .with_index(*partition)
                .with_records(Some(batch.clone().freeze()))
        });
        let topic = TopicProduceData::default()
            .with_topic_id(self.id)
            .with_partition_data(partitions.collect());
        ProduceRequest::default()
            .with_acks(acks)
            .with_timeout_ms(30_000)
            .with_topic_data(vec![topic])
    }

    /// A fetch of one partition outside of a session.
    pub(crate) fn fetch(&self, partition: i32, offset: i64) -> FetchRequest {
        let topic = self.fetch_topic(partition, offset);
        FetchRequest::default()
            .with_max_bytes(FETCH_BYTES)
            .with_session_epoch(NO_SESSION)
            .with_topics(vec![topic])
    }

    pub(crate) fn fetch_topic(&self, partition: i32, offset: i64) -> FetchTopic {
        let partition = FetchPartition::default()
            .with_partition(partition)
            .with_current_leader_epoch(-1)
            .with_fetch_offset(offset)
            .with_partition_max_bytes(FETCH_BYTES);
        FetchTopic::default()
            .with_topic_id(self.id)
            .with_partitions(vec![partition])
    }
}

impl Client {
    #[track_caller]
    pub(crate) fn create_topic(
        &mut self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Topic {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*name).to_owned()))
                .with_value(Some(StrBytes::from_string((*value).to_owned())))
        });
        let topic = CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(partitions)
            .with_replication_factor(-1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(30_000);
        let answer = self.call(7, &request);
        assert_eq!(
            answer.topics[0].error_code, 0,
            "{:?}",
            answer.topics[0].error_message
        );
        Topic {
            name: name.to_owned(),
            id: answer.topics[0].topic_id,
        }
    }

    /// What the metadata says of a topic's partitions, by number.
    #[track_caller]
    pub(crate) fn partitions(&mut self, topic: &Topic) -> Vec<MetadataResponsePartition> {
        let wanted = MetadataRequestTopic::default()
            .with_topic_id(topic.id)
            .with_name(None);
        let request = MetadataRequest::default().with_topics(Some(vec![wanted]));
        let mut answer = self.call(13, &request);
        let mut partitions = answer.topics.remove(0).partitions;
        partitions.sort_by_key(|partition| partition.partition_index);
        partitions
    }

    #[track_caller]
    pub(crate) fn delete_topic(&mut self, topic: &Topic) {
        let state = DeleteTopicState::default().with_name(Some(topic_name(&topic.name)));
        let request = DeleteTopicsRequest::default()
            .with_topics(vec![state])
            .with_timeout_ms(30_000);
        let answer = self.call(6, &request);
        assert_eq!(answer.responses[0].error_code, 0);
    }

    /// The answers to a produce with acks=all, in the order of the partitions sent.
    #[track_caller]
    pub(crate) fn produce(
        &mut self,
        topic: &Topic,
        batches: &[(i32, BytesMut)],
    ) -> Vec<PartitionProduceResponse> {
        let answer = self.call(PRODUCE, &topic.produce(-1, batches));
        let topic = answer
            .responses
            .into_iter()
            .next()
            .expect("the topic asked for");
        topic.partition_responses
    }

    /// The offset of an acknowledged batch.
    #[track_caller]
    pub(crate) fn append(&mut self, topic: &Topic, partition: i32, batch: BytesMut) -> i64 {
        let answers = self.produce(topic, &[(partition, batch)]);
        assert_eq!(
            code(answers[0].error_code),
            ErrorCode::None,
            "{:?}",
            answers[0].error_message
        );
        answers[0].base_offset
    }

    /// Why a batch is refused.
    #[track_caller]
    pub(crate) fn refused(&mut self, topic: &Topic, partition: i32, batch: BytesMut) -> ErrorCode {
        code(self.produce(topic, &[(partition, batch)])[0].error_code)
    }

    /// What is at an offset, without waiting.
    #[track_caller]
    pub(crate) fn fetch(&mut self, topic: &Topic, partition: i32, offset: i64) -> PartitionData {
        let answer = self.call(FETCH, &topic.fetch(partition, offset));
        assert_eq!(answer.error_code, 0);
        let topic = answer
            .responses
            .into_iter()
            .next()
            .expect("the topic asked for");
        topic
            .partitions
            .into_iter()
            .next()
            .expect("the partition asked for")
    }

    /// Everything from an offset on, up to the end or the first error.
    #[track_caller]
    pub(crate) fn read_from(
        &mut self,
        topic: &Topic,
        partition: i32,
        mut offset: i64,
    ) -> (Vec<(i64, Vec<u8>)>, ErrorCode) {
        let mut all = Vec::new();
        loop {
            let answer = self.fetch(topic, partition, offset);
            let code = code(answer.error_code);
            let values = values_of(&answer.records.unwrap_or_default());
            let values: Vec<_> = values.into_iter().filter(|(at, _)| *at >= offset).collect();
            match values.last() {
                Some((last, _)) if code == ErrorCode::None => offset = last + 1,
                _ => return (all, code),
            }
            all.extend(values);
        }
    }

    /// All values of a partition, which must have no holes and no errors.
    #[track_caller]
    pub(crate) fn read_all(&mut self, topic: &Topic, partition: i32) -> Vec<Vec<u8>> {
        let (values, code) = self.read_from(topic, partition, 0);
        assert_eq!(code, ErrorCode::None);
        assert!(
            values
                .iter()
                .map(|(offset, _)| *offset)
                .eq(0..values.len() as i64)
        );
        values.into_iter().map(|(_, value)| value).collect()
    }

    /// The offset for a timestamp, or -1 for the end and -2 for the start.
    #[track_caller]
    pub(crate) fn offset_of(&mut self, topic: &Topic, partition: i32, timestamp: i64) -> i64 {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(topic_name(&topic.name))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic]);
        let answer = self.call(9, &request);
        let partition = &answer.topics[0].partitions[0];
        assert_eq!(code(partition.error_code), ErrorCode::None);
        partition.offset
    }

    #[track_caller]
    pub(crate) fn init_producer_id(&mut self) -> i64 {
        let answer = self.try_init_producer_id(None);
        assert_eq!(code(answer.error_code), ErrorCode::None);
        assert_eq!(answer.producer_epoch, 0);
        answer.producer_id.0
    }

    #[track_caller]
    pub(crate) fn try_init_producer_id(
        &mut self,
        transactional_id: Option<&str>,
    ) -> InitProducerIdResponse {
        let transactional_id = transactional_id.map(|id| StrBytes::from_string(id.to_owned()));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(transactional_id.map(Into::into))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1);
        self.call(5, &request)
    }
}

/// A code that must be one.
#[track_caller]
pub(crate) fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).expect("a code of Kafka's")
}

/// Bytes to change a field of a batch by, at its place in the header.
pub(crate) fn patched(batch: &BytesMut, at: usize, field: &[u8]) -> BytesMut {
    let mut batch = batch.clone();
    batch[at..at + field.len()].copy_from_slice(field);
    batch
}

/// The same with the checksum made anew.
pub(crate) fn patched_and_summed(batch: &BytesMut, at: usize, field: &[u8]) -> BytesMut {
    const CRC: usize = 17;
    const ATTRIBUTES: usize = 21;
    let batch = patched(batch, at, field);
    let crc = crc32c::crc32c(&batch[ATTRIBUTES..]);
    patched(&batch, CRC, &crc.to_be_bytes())
}
