use bytes::{BufMut, Bytes};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::codec::{Decodable, Encodable, StrBytes};
use crate::messages as codec;
use crate::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::wire::decode_body;

fn request() -> impl Strategy<Value = codec::ProduceRequest> {
    let partition = (any::<i32>(), option::of(vec(any::<u8>(), 0..400)));
    let topic = ("[a-z]{0,20}", any::<u128>(), vec(partition, 0..5));
    let id = option::of("[a-z]{0,10}");
    (id, any::<i16>(), any::<i32>(), vec(topic, 0..5)).prop_map(|(id, acks, timeout, topics)| {
        let topics = topics.into_iter().map(|(name, id, partitions)| {
            let partitions = partitions.into_iter().map(|(index, records)| {
                PartitionProduceData::default()
                    .with_index(index)
                    .with_records(records.map(Bytes::from))
            });
            TopicProduceData::default()
                .with_name(StrBytes::from_string(name).into())
                .with_topic_id(Uuid::from_u128(id))
                .with_partition_data(partitions.collect())
        });
        codec::ProduceRequest::default()
            .with_transactional_id(id.map(|id| StrBytes::from_string(id).into()))
            .with_acks(acks)
            .with_timeout_ms(timeout)
            .with_topic_data(topics.collect())
    })
}

/// What a version does not carry, the codec refuses to write.
fn at_version(mut request: codec::ProduceRequest, version: i16) -> codec::ProduceRequest {
    for topic in &mut request.topic_data {
        if version >= 13 {
            topic.name = Default::default();
        } else {
            topic.topic_id = Uuid::nil();
        }
    }
    request
}

fn as_codec(ours: ProduceRequest) -> codec::ProduceRequest {
    let topics = ours.topics.into_iter().map(|topic| {
        let data = match topic.topic {
            TopicRef::Name(name) => TopicProduceData::default()
                .with_name(StrBytes::from_string(name.to_string()).into()),
            TopicRef::Id(id) => TopicProduceData::default().with_topic_id(id),
        };
        let partitions = topic.partitions.into_iter().map(|partition| {
            PartitionProduceData::default()
                .with_index(partition.partition_index)
                .with_records(partition.records.map(BytesMut::freeze))
        });
        data.with_partition_data(partitions.collect())
    });
    let id = ours
        .transactional_id
        .map(|id| StrBytes::from_string(id.to_string()).into());
    codec::ProduceRequest::default()
        .with_transactional_id(id)
        .with_acks(ours.acks)
        .with_timeout_ms(ours.timeout_ms)
        .with_topic_data(topics.collect())
}

proptest! {
    #[test]
    fn decoded_as_the_codec_does(request in request(), version in 3i16..=13) {
        let request = at_version(request, version);
        let mut body = BytesMut::new();
        request.encode(&mut body, version).unwrap();
        let theirs = codec::ProduceRequest::decode(&mut body.clone().freeze(), version).unwrap();
        prop_assert_eq!(&theirs, &request);
        let ours = ProduceRequest::decode(body, version).unwrap();
        prop_assert_eq!(as_codec(ours), request);
    }

    #[test]
    fn cut_requests_are_refused(
        request in request(),
        version in 3i16..=13,
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = BytesMut::new();
        at_version(request, version).encode(&mut body, version).unwrap();
        body.truncate(cut.index(body.len()));
        prop_assert!(ProduceRequest::decode(body, version).is_err());
    }

    #[test]
    fn any_bytes_are_taken_or_refused_as_by_the_codec(
        body in vec(prop_oneof![Just(0u8), Just(1), Just(2), any::<u8>()], 0..80),
        version in 3i16..=13,
    ) {
        let theirs = decode_body::<codec::ProduceRequest>(Bytes::from(body.clone()), version);
        let ours = ProduceRequest::decode(BytesMut::from(&body[..]), version);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
    }
}

#[test]
fn records_are_split_off_in_place() {
    let partition = |index, records: &'static [u8]| {
        PartitionProduceData::default()
            .with_index(index)
            .with_records(Some(Bytes::from_static(records)))
    };
    let topic = TopicProduceData::default()
        .with_partition_data(vec![partition(0, b"first"), partition(1, b"second")]);
    let mut body = BytesMut::new();
    let request = codec::ProduceRequest::default().with_topic_data(vec![topic]);
    request.encode(&mut body, 9).unwrap();
    body.put_u8(0);
    assert!(matches!(
        ProduceRequest::decode(body.clone(), 9),
        Err(WireError::TrailingBytes(1)),
    ));
    body.truncate(body.len() - 1);

    let frame = body.as_ptr_range();
    let mut request = ProduceRequest::decode(body, 9).unwrap();
    let partitions = &mut request.topics[0].partitions;
    for partition in &mut *partitions {
        let records = partition.records.as_mut().unwrap();
        assert!(frame.contains(&records.as_ptr()), "the records were copied");
        records[0] = b'!';
    }
    assert_eq!(partitions[0].records.as_deref(), Some(&b"!irst"[..]));
    assert_eq!(partitions[1].records.as_deref(), Some(&b"!econd"[..]));
}
