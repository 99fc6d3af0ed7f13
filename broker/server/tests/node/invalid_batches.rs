//! Batches that a broker must not take: refused one by one, with Kafka's code, while others in the same request are taken.

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, Compression, compress};
use protocol::codec::StrBytes;
use protocol::messages::ProduceRequest;

use crate::support::batches::fill;
use crate::support::topics::{PRODUCE, code, patched, patched_and_summed};
use crate::support::{Node, NodeConfig, batch, idempotent};

/// Where the fields of a batch are.
mod at {
    pub(super) const BASE_OFFSET: usize = 0;
    pub(super) const LENGTH: usize = 8;
    pub(super) const MAGIC: usize = 16;
    pub(super) const ATTRIBUTES: usize = 21;
    pub(super) const LAST_OFFSET_DELTA: usize = 23;
    pub(super) const RECORD_COUNT: usize = 57;
}

/// Each with the code that Kafka's `LogValidator`, `UnifiedLog` or `ProduceRequest` has for it.
fn invalid() -> Vec<(&'static str, BytesMut, ErrorCode)> {
    let good = batch(&["one", "two", "three"]);
    let crc = {
        let mut bad = good.clone();
        *bad.last_mut().expect("records") ^= 1;
        bad
    };
    let twice = {
        let mut twice = good.clone();
        twice.extend_from_slice(&good);
        twice
    };
    let unknown_codec = patched_and_summed(&good, at::ATTRIBUTES, &5_i16.to_be_bytes());
    let no_records = {
        let none = patched(&good, at::RECORD_COUNT, &0_i32.to_be_bytes());
        patched_and_summed(&none, at::LAST_OFFSET_DELTA, &(-1_i32).to_be_bytes())
    };
    vec![
        ("a bad checksum", crc, ErrorCode::CorruptMessage),
        (
            "magic 0",
            patched(&good, at::MAGIC, &[0]),
            ErrorCode::InvalidRecord,
        ),
        (
            "magic 1",
            patched(&good, at::MAGIC, &[1]),
            ErrorCode::InvalidRecord,
        ),
        (
            "magic 3",
            patched(&good, at::MAGIC, &[3]),
            ErrorCode::CorruptMessage,
        ),
        (
            "a count that is not the last offset delta and one",
            patched_and_summed(&good, at::RECORD_COUNT, &2_i32.to_be_bytes()),
            ErrorCode::InvalidRecord,
        ),
        ("no records", no_records, ErrorCode::InvalidRecord),
        (
            "a batch too large",
            batch(&[vec![7; 2 << 20]]),
            ErrorCode::MessageTooLarge,
        ),
        ("two batches", twice, ErrorCode::InvalidRecord),
        ("nothing at all", BytesMut::new(), ErrorCode::InvalidRecord),
        (
            "half a batch",
            BytesMut::from(&good[..good.len() / 2]),
            ErrorCode::InvalidRecord,
        ),
        (
            "a header cut short",
            BytesMut::from(&good[..40]),
            ErrorCode::InvalidRecord,
        ),
        (
            "a length of -1",
            patched(&good, at::LENGTH, &(-1_i32).to_be_bytes()),
            ErrorCode::CorruptMessage,
        ),
        (
            "a base offset that is not 0",
            patched(&good, at::BASE_OFFSET, &5_i64.to_be_bytes()),
            ErrorCode::InvalidRecord,
        ),
        (
            "a control batch",
            fill(BatchBuilder::new().control(), &["x"]),
            ErrorCode::InvalidRecord,
        ),
        (
            "a transactional batch",
            fill(BatchBuilder::new().transactional(), &["x"]),
            ErrorCode::InvalidTxnState,
        ),
        (
            "an unknown codec",
            unknown_codec,
            ErrorCode::UnsupportedCompressionType,
        ),
    ]
}

#[test]
fn each_is_refused_with_its_code_and_its_neighbours_are_taken() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 3, &[]);
    let invalid = invalid();
    for (next, (what, bad, expected)) in (0..).zip(&invalid) {
        let good = batch(&[what]);
        let answers = client.produce(
            &topic,
            &[(0, good.clone()), (1, bad.clone()), (2, good.clone())],
        );
        assert_eq!(
            code(answers[1].error_code),
            *expected,
            "{what}: {:?}",
            answers[1]
        );
        assert_eq!(answers[1].base_offset, -1, "{what}");
        for neighbour in [&answers[0], &answers[2]] {
            assert_eq!(neighbour.error_code, 0, "{what}: {neighbour:?}");
            assert_eq!(neighbour.base_offset, next, "{what}");
        }
    }
    // Alone in a request, each is refused as well.
    for (what, bad, expected) in &invalid {
        assert_eq!(client.refused(&topic, 1, bad.clone()), *expected, "{what}");
    }
    assert_eq!(client.read_all(&topic, 1).len(), 0);
    for partition in [0, 2] {
        let values = client.read_all(&topic, partition);
        assert!(
            values
                .iter()
                .zip(&invalid)
                .all(|(value, case)| value == case.0.as_bytes())
        );
        assert_eq!(values.len(), invalid.len());
    }
    // A partition and a topic that are not there, next to one that is.
    let answers = client.produce(
        &topic,
        &[(9, batch(&["x"])), (0, batch(&["y"])), (-1, batch(&["z"]))],
    );
    let codes: Vec<_> = answers
        .iter()
        .map(|answer| code(answer.error_code))
        .collect();
    let unknown = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(codes, [unknown, ErrorCode::None, unknown]);
}

#[test]
fn zstandard_is_refused_before_version_7_and_all_codecs_pass_through() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    let plain = batch(&["one", "two"]);
    let codecs = [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    for codec in codecs {
        let compressed = compress(&plain, codec, 1 << 20).expect("it compresses");
        let offset = client.append(&topic, 0, compressed.clone());
        let read = client.fetch(&topic, 0, offset).records.expect("records");
        // The broker writes offset and leader epoch, and nothing else.
        assert_eq!(read[16..], compressed[16..], "{codec:?}");
    }
    let zstd = compress(&plain, Compression::Zstd, 1 << 20).expect("it compresses");
    let mut request = topic.produce(-1, &[(0, zstd)]);
    request.topic_data[0].name = crate::support::topics::topic_name("t");
    request.topic_data[0].topic_id = protocol::model::Uuid::nil();
    let answer = client.call(6, &request);
    let refused = code(answer.responses[0].partition_responses[0].error_code);
    assert_eq!(refused, ErrorCode::UnsupportedCompressionType);
}

#[test]
fn sequences_and_epochs_that_do_not_follow_are_refused() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 2, &[]);
    let id = client.init_producer_id();
    assert_eq!(
        client.append(&topic, 0, idempotent(id, 1, 0, &["a", "b"])),
        0
    );
    let ahead = idempotent(id, 1, 3, &["d"]);
    let old_epoch = idempotent(id, 0, 2, &["c"]);
    let new_epoch = idempotent(id, 2, 2, &["c"]);
    let cases = [
        (ahead, ErrorCode::OutOfOrderSequenceNumber),
        (old_epoch, ErrorCode::InvalidProducerEpoch),
        (new_epoch, ErrorCode::OutOfOrderSequenceNumber),
        (
            idempotent(id + 1000, 0, 5, &["x"]),
            ErrorCode::UnknownProducerId,
        ),
        (idempotent(id, 1, -1, &["x"]), ErrorCode::InvalidRecord),
    ];
    for (next, (bad, expected)) in (0..).zip(cases) {
        let answers = client.produce(&topic, &[(0, bad), (1, batch(&["neighbour"]))]);
        assert_eq!(code(answers[0].error_code), expected);
        assert_eq!((answers[1].error_code, answers[1].base_offset), (0, next));
    }
    assert_eq!(client.read_all(&topic, 0), [b"a", b"b"]);
}

#[test]
fn transactions_are_refused_for_good() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    let answer = client.try_init_producer_id(Some("orders"));
    let refused = code(answer.error_code);
    assert_eq!(refused, ErrorCode::TransactionalIdAuthorizationFailed);
    assert!(!refused.is_retriable());
    assert_eq!((answer.producer_id.0, answer.producer_epoch), (-1, -1));
    assert_eq!(
        code(client.try_init_producer_id(Some("")).error_code),
        ErrorCode::InvalidRequest
    );

    let request = topic.produce(-1, &[(0, batch(&["x"]))]);
    let request: ProduceRequest =
        request.with_transactional_id(Some(StrBytes::from_static_str("orders").into()));
    let answer = client.call(PRODUCE, &request);
    let refused = code(answer.responses[0].partition_responses[0].error_code);
    assert_eq!(refused, ErrorCode::TransactionalIdAuthorizationFailed);
    assert!(client.read_all(&topic, 0).is_empty());
}

#[test]
fn acks_that_do_not_exist_are_refused() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    for acks in [-2, 2, i16::MAX] {
        let answer = client.call(PRODUCE, &topic.produce(acks, &[(0, batch(&["x"]))]));
        let refused = code(answer.responses[0].partition_responses[0].error_code);
        assert_eq!(refused, ErrorCode::InvalidRequiredAcks);
    }
    assert!(client.read_all(&topic, 0).is_empty());
}
