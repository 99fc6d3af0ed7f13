use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::codec::StrBytes;
use crate::messages as codec;
use crate::messages::fetch_response as codec_fetch;
use crate::wire::encode_frame;

fn offset() -> impl Strategy<Value = Option<Offset>> {
    option::of((0i64..).prop_map(Offset::new))
}

fn partition() -> impl Strategy<Value = FetchPartition<Bytes>> {
    let aborted = (0i64.., 0i64..).prop_map(|(id, first)| AbortedTransaction {
        producer_id: ProducerId::new(id),
        first_offset: Offset::new(first),
    });
    let diverging = (0i32.., 0i64..).prop_map(|(epoch, end)| EpochEndOffset {
        epoch: LeaderEpoch::new(epoch),
        end_offset: Offset::new(end),
    });
    let leader = (option::of(0i32..), 0i32..).prop_map(|(id, epoch)| LeaderIdAndEpoch {
        leader_id: id.map(BrokerId::new),
        leader_epoch: LeaderEpoch::new(epoch),
    });
    let head = (any::<i32>(), -1i16..=133, offset(), offset(), offset());
    let tail = (
        option::of(diverging),
        option::of(leader),
        option::of(vec(aborted, 0..4)),
        option::of((0i32..).prop_map(BrokerId::new)),
        vec(vec(any::<u8>(), 0..300).prop_map(Bytes::from), 0..4),
    );
    (head, tail).prop_map(|(head, tail)| FetchPartition {
        partition_index: head.0,
        error_code: ErrorCode::from_code(head.1).unwrap(),
        high_watermark: head.2,
        last_stable_offset: head.3,
        log_start_offset: head.4,
        diverging_epoch: tail.0,
        current_leader: tail.1,
        aborted_transactions: tail.2,
        preferred_read_replica: tail.3,
        records: tail.4,
    })
}

fn response(version: i16) -> impl Strategy<Value = FetchResponse<Bytes>> {
    let topic = ("[a-z]{0,20}", any::<u128>(), vec(partition(), 0..4));
    let node = (
        0i32..,
        "[a-z.]{0,20}",
        any::<u16>(),
        option::of("[a-z]{0,5}"),
    );
    (
        any::<i32>(),
        any::<i32>(),
        vec(topic, 0..4),
        vec(node, 0..3),
    )
        .prop_map(
            move |(throttle_time_ms, session_id, topics, nodes)| FetchResponse {
                throttle_time_ms,
                error_code: ErrorCode::None,
                session_id: if version < 7 { 0 } else { session_id },
                topics: topics
                    .into_iter()
                    .map(|(name, id, partitions)| FetchTopic {
                        topic: if version < 13 {
                            TopicRef::Name(Arc::from(name))
                        } else {
                            TopicRef::Id(Uuid::from_u128(id))
                        },
                        partitions: partitions
                            .into_iter()
                            .map(|mut partition| {
                                if version < 11 {
                                    partition.preferred_read_replica = None;
                                }
                                partition
                            })
                            .collect(),
                    })
                    .collect(),
                node_endpoints: nodes
                    .into_iter()
                    .map(|(id, host, port, rack)| NodeEndpoint {
                        node_id: BrokerId::new(id),
                        host,
                        port,
                        rack,
                    })
                    .collect(),
            },
        )
}

fn partition_as_codec(ours: &FetchPartition<Bytes>) -> codec_fetch::PartitionData {
    let value = |offset: Option<Offset>| offset.map_or(-1, Offset::get);
    let aborted = ours.aborted_transactions.as_ref().map(|transactions| {
        let transactions = transactions.iter().map(|transaction| {
            codec_fetch::AbortedTransaction::default()
                .with_producer_id(transaction.producer_id.get().into())
                .with_first_offset(transaction.first_offset.get())
        });
        transactions.collect()
    });
    let mut theirs = codec_fetch::PartitionData::default()
        .with_partition_index(ours.partition_index)
        .with_error_code(ours.error_code.code())
        .with_high_watermark(value(ours.high_watermark))
        .with_last_stable_offset(value(ours.last_stable_offset))
        .with_log_start_offset(value(ours.log_start_offset))
        .with_aborted_transactions(aborted)
        .with_preferred_read_replica(ours.preferred_read_replica.map_or(-1, BrokerId::get).into())
        .with_records(Some(Bytes::from(ours.records.concat())));
    if let Some(diverging) = ours.diverging_epoch {
        theirs.diverging_epoch = codec_fetch::EpochEndOffset::default()
            .with_epoch(diverging.epoch.get())
            .with_end_offset(diverging.end_offset.get());
    }
    if let Some(leader) = ours.current_leader {
        theirs.current_leader = codec_fetch::LeaderIdAndEpoch::default()
            .with_leader_id(leader.leader_id.map_or(-1, BrokerId::get).into())
            .with_leader_epoch(leader.leader_epoch.get());
    }
    theirs
}

fn as_codec(ours: &FetchResponse<Bytes>, version: i16) -> codec::FetchResponse {
    let topics = ours.topics.iter().map(|topic| {
        let theirs = codec_fetch::FetchableTopicResponse::default()
            .with_partitions(topic.partitions.iter().map(partition_as_codec).collect());
        match &topic.topic {
            TopicRef::Name(name) => {
                theirs.with_topic(StrBytes::from_string(name.to_string()).into())
            }
            TopicRef::Id(id) => theirs.with_topic_id(*id),
        }
    });
    let nodes = ours
        .node_endpoints
        .iter()
        .filter(|_| version >= 16)
        .map(|node| {
            codec_fetch::NodeEndpoint::default()
                .with_node_id(node.node_id.get().into())
                .with_host(StrBytes::from_string(node.host.clone()))
                .with_port(i32::from(node.port))
                .with_rack(node.rack.clone().map(StrBytes::from_string))
        });
    codec::FetchResponse::default()
        .with_throttle_time_ms(ours.throttle_time_ms)
        .with_error_code(ours.error_code.code())
        .with_session_id(ours.session_id)
        .with_responses(topics.collect())
        .with_node_endpoints(nodes.collect())
}

proptest! {
    #[test]
    fn the_pieces_are_the_codecs_bytes(
        (version, response) in (4i16..=18).prop_flat_map(|v| (Just(v), response(v))),
    ) {
        let body = as_codec(&response, version);
        let expected = encode_frame(ApiKey::Fetch, version, 77, &body).unwrap();
        let given: Vec<Bytes> = response
            .topics
            .iter()
            .flat_map(|topic| &topic.partitions)
            .flat_map(|partition| partition.records.clone())
            .collect();

        let pieces = response.encode(version, 77).unwrap();
        let mut sent = Vec::new();
        let mut records = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Wire(bytes) => sent.extend_from_slice(&bytes),
                Piece::Records(bytes) => {
                    sent.extend_from_slice(&bytes);
                    records.push(bytes);
                }
            }
        }
        prop_assert_eq!(sent, expected.to_vec());
        let places = |records: &[Bytes]| -> Vec<_> {
            records.iter().map(|bytes| bytes.as_ptr()).collect()
        };
        prop_assert_eq!(places(&records), places(&given), "records were copied");
    }
}

#[test]
fn a_topic_is_named_as_the_version_names_it() {
    let response = |topic| FetchResponse::<Bytes> {
        throttle_time_ms: 0,
        error_code: ErrorCode::None,
        session_id: 0,
        topics: vec![FetchTopic {
            topic,
            partitions: Vec::new(),
        }],
        node_endpoints: Vec::new(),
    };
    assert!(response(TopicRef::Id(Uuid::nil())).encode(12, 0).is_err());
    assert!(
        response(TopicRef::Name("name".into()))
            .encode(13, 0)
            .is_err()
    );
    assert!(response(TopicRef::Id(Uuid::nil())).encode(19, 0).is_err());
}
