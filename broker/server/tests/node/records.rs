//! What a topic's configuration asks of the records themselves: their codec, their keys, their
//! timestamps. What is expected here is what Apache Kafka 4.3.1 answers and stores.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{
    BatchBuilder, BatchHeader, BatchProducer, Codec, Compression, NewRecord, TimestampType,
    Unpacked, compress, records_in, set_max_timestamp_and_log_append_time, verify_crc,
};
use protocol::messages::ProduceRequest;
use protocol::messages::produce_response::PartitionProduceResponse;
use protocol::model::{ProducerEpoch, ProducerId, Sequence};

use crate::support::http::Scrape;
use crate::support::topics::{PRODUCE, code, patched_and_summed};
use crate::support::{Client, Node, NodeConfig, Outcome, Random, Topic};

const NO_LIMIT: usize = 1 << 30;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const RECORD_COUNT_AT: usize = 57;
const MAX_TIMESTAMP_AT: usize = 35;

const CONVERSIONS: &str = "kafka_server_brokertopicmetrics_producemessageconversions_total";

const CODECS: [(&str, Compression); 5] = [
    ("uncompressed", Compression::None),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// A record that a test made: its timestamp and its key.
type Made = (i64, Option<&'static str>);

/// A batch of records with the same value.
fn made(records: &[Made]) -> BytesMut {
    fill(BatchBuilder::new(), records)
}

fn fill(mut builder: BatchBuilder, records: &[Made]) -> BytesMut {
    for (timestamp, key) in records {
        builder.push(&NewRecord {
            timestamp: *timestamp,
            key: key.map(str::as_bytes),
            value: Some(b"value"),
            headers: &[("a", Some(b"1")), ("a", None)],
        });
    }
    builder.build()
}

/// The answer to one batch.
#[track_caller]
fn produced(client: &mut Client, topic: &Topic, batch: BytesMut) -> PartitionProduceResponse {
    client.produce(topic, &[(0, batch)]).remove(0)
}

/// The batch that was stored at an offset, alone.
#[track_caller]
fn stored(client: &mut Client, topic: &Topic, offset: i64) -> (BatchHeader, BytesMut) {
    let records = client.fetch(topic, 0, offset).records.expect("records");
    let header = BatchHeader::parse(&records).expect("a batch");
    let batch = BytesMut::from(&records[..header.size_in_bytes]);
    assert!(verify_crc(&batch));
    assert_eq!(header.base_offset.get(), offset);
    (header, batch)
}

/// Timestamps, keys, values and headers of a batch, and offsets from its first one.
#[track_caller]
fn contents(batch: &[u8]) -> Vec<String> {
    let mut scratch = Vec::new();
    let records = records_in(batch, NO_LIMIT, &mut scratch).expect("readable records");
    let base = BatchHeader::parse(batch).expect("a batch").base_offset;
    records
        .map(|record| {
            let record = record.expect("a well-formed record");
            let offset = record.offset.get() - base.get();
            let headers: Vec<_> = record.headers.collect();
            format!(
                "{offset} {} {:?} {:?} {headers:?}",
                record.timestamp, record.key, record.value
            )
        })
        .collect()
}

/// The indexes that the answer lists.
fn listed(answer: &PartitionProduceResponse) -> Vec<i32> {
    answer
        .record_errors
        .iter()
        .map(|it| it.batch_index)
        .collect()
}

#[test]
fn a_batch_is_stored_in_the_codec_of_its_topic() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let now = now_ms();
    for (name, target) in CODECS {
        let topic = client.create_topic(name, 1, &[("compression.type", name)]);
        let id = client.init_producer_id();
        for (nth, (_, source)) in (0..).zip(CODECS) {
            let producer = BatchProducer {
                id: ProducerId::new(id),
                epoch: ProducerEpoch::new(0),
                base_sequence: Some(Sequence::new(3 * nth)),
            };
            let records = [(now, Some("a")), (now + 7, None), (now + 3, Some(""))];
            let plain = fill(BatchBuilder::new().producer(producer), &records);
            let sent = compress(&plain, source, NO_LIMIT).unwrap();
            let offset = client.append(&topic, 0, sent.clone());
            assert_eq!(offset, i64::from(3 * nth));
            let (header, batch) = stored(&mut client, &topic, offset);
            assert_eq!(header.compression(), target, "{source:?}");
            assert_eq!(header.producer, Some(producer));
            assert_eq!(header.max_timestamp, now + 7);
            assert_eq!((header.record_count, header.last_offset_delta), (3, 2));
            assert_eq!(
                contents(&batch),
                contents(&plain),
                "{source:?} to {target:?}"
            );
            if source == target {
                assert_eq!(batch[17..], sent[17..], "it stays as it came");
            }
            // Sent again, it is known for what it is.
            assert_eq!(client.append(&topic, 0, sent), offset);
        }
        // Of four codecs, three records each, sent twice.
        let converted = format!("{CONVERSIONS}{{topic=\"{name}\"}}");
        assert_eq!(Scrape::of(node.admin()).value(&converted), 24.0);
    }
}

#[test]
fn a_batch_may_be_stored_with_the_brokers_time() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let configs = [
        ("compression.type", "lz4"),
        ("message.timestamp.type", "LogAppendTime"),
    ];
    let topic = client.create_topic("t", 1, &configs);
    let id = client.init_producer_id();
    let producer = BatchProducer {
        id: ProducerId::new(id),
        epoch: ProducerEpoch::new(0),
        base_sequence: Some(Sequence::new(0)),
    };
    // What a producer says of the time does not matter.
    let records = [(5, Some("a")), (now_ms() + 9 * DAY_MS, Some("b"))];
    let sent = fill(BatchBuilder::new().producer(producer), &records);
    let sent = compress(&sent, Compression::Zstd, NO_LIMIT).unwrap();
    let before = now_ms();
    let answer = produced(&mut client, &topic, sent.clone());
    let time = answer.log_append_time_ms;
    assert!(before <= time && time <= now_ms(), "{answer:?}");
    let (header, batch) = stored(&mut client, &topic, 0);
    assert_eq!(header.compression(), Compression::Lz4);
    assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
    assert_eq!((header.base_timestamp, header.max_timestamp), (5, time));
    let stamp = format!(" {time} ");
    assert!(
        contents(&batch)
            .iter()
            .all(|record| record.contains(&stamp))
    );
    // A retry is answered with the time that is in the log.
    let again = produced(&mut client, &topic, sent);
    assert_eq!((again.base_offset, again.log_append_time_ms), (0, time));
}

#[test]
fn records_without_a_key_are_refused_by_a_compacted_topic_and_listed() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let now = now_ms();
    for policy in ["compact", "compact,delete"] {
        let topic = client.create_topic(
            policy.split(',').next_back().unwrap(),
            2,
            &[("cleanup.policy", policy)],
        );
        let good = made(&[(now, Some("a")), (now, Some(""))]);
        let bad = made(&[(now, Some("a")), (now, None), (now, Some("c")), (now, None)]);
        for (_, codec) in CODECS {
            let bad = compress(&bad, codec, NO_LIMIT).unwrap();
            let good = compress(&good, codec, NO_LIMIT).unwrap();
            let answers = client.produce(&topic, &[(0, bad), (1, good)]);
            assert_eq!(code(answers[0].error_code), ErrorCode::InvalidRecord);
            assert_eq!(answers[0].base_offset, -1);
            assert_eq!(listed(&answers[0]), [1, 3]);
            for error in &answers[0].record_errors {
                let message = error.batch_index_error_message.as_ref().unwrap();
                assert!(message.contains("message without key"), "{message:?}");
                assert!(
                    message.ends_with(&format!("{}-0", topic.name)),
                    "{message:?}"
                );
            }
            assert!(answers[0].error_message.is_some());
            assert_eq!(code(answers[1].error_code), ErrorCode::None, "{codec:?}");
            assert_eq!(listed(&answers[1]), [] as [i32; 0]);
        }
        assert_eq!(client.read_all(&topic, 0).len(), 0);
        assert_eq!(client.read_all(&topic, 1).len(), 2 * CODECS.len());
    }
    // Without keys, but not compacted.
    let topic = client.create_topic("t", 1, &[]);
    client.append(&topic, 0, made(&[(now, None)]));
}

#[test]
fn an_answer_lists_no_more_than_a_thousand_records() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 3, &[("cleanup.policy", "compact")]);
    // A few bytes of what could be many.
    let many = made(&vec![(now_ms(), None); 100_000]);
    let many = compress(&many, Compression::Zstd, NO_LIMIT).unwrap();
    let few = made(&[(now_ms(), None); 400]);
    let answers = client.produce(&topic, &[(0, few.clone()), (1, many), (2, few)]);
    for answer in &answers {
        assert_eq!(code(answer.error_code), ErrorCode::InvalidRecord);
        assert!(answer.error_message.is_some());
    }
    let counts: Vec<usize> = answers.iter().map(|it| it.record_errors.len()).collect();
    assert_eq!(counts, [400, 600, 0]);
    let message = answers[1].error_message.as_ref().unwrap();
    assert!(message.contains("100000 records"), "{message:?}");
}

#[test]
fn old_versions_of_the_request_learn_the_code() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[("cleanup.policy", "compact")]);
    for version in [3, 7, 8, 9, 12] {
        let mut request = topic.produce(-1, &[(0, made(&[(now_ms(), None)]))]);
        request.topic_data[0].name = crate::support::topics::topic_name("t");
        request.topic_data[0].topic_id = protocol::model::Uuid::nil();
        let answer = client.call(version, &request);
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(code(answer.error_code), ErrorCode::InvalidRecord);
        let expected: &[i32] = if version >= 8 { &[0] } else { &[] };
        assert_eq!(listed(answer), expected, "version {version}");
    }
}

#[test]
fn timestamps_out_of_range_are_refused_and_listed() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let now = now_ms();
    let topic = client.create_topic("after", 1, &[]);
    let ahead = made(&[
        (now, None),
        (now + 2 * HOUR_MS, None),
        (now - 999 * DAY_MS, None),
    ]);
    let before_max = DAY_MS.to_string();
    let configs = [
        ("message.timestamp.before.max.ms", before_max.as_str()),
        ("message.timestamp.after.max.ms", "60000"),
        ("cleanup.policy", "compact"),
    ];
    let bounded = client.create_topic("both", 1, &configs);
    let out = made(&[
        (now, Some("in range")),
        (now - 2 * DAY_MS, Some("too old")),
        (now, None),
        (now + HOUR_MS, Some("too new")),
        (now + HOUR_MS, None),
        (-1, Some("without")),
    ]);
    for (_, codec) in CODECS {
        let answer = produced(
            &mut client,
            &topic,
            compress(&ahead, codec, NO_LIMIT).unwrap(),
        );
        assert_eq!(code(answer.error_code), ErrorCode::InvalidTimestamp);
        assert_eq!(listed(&answer), [1], "{codec:?}");
        let message = answer.record_errors[0].batch_index_error_message.as_ref();
        let stamp = (now + 2 * HOUR_MS).to_string();
        assert!(message.unwrap().contains(&stamp), "{message:?}");

        let answer = produced(
            &mut client,
            &bounded,
            compress(&out, codec, NO_LIMIT).unwrap(),
        );
        // One timestamp decides about the code; each record is listed for the first it lacks.
        assert_eq!(code(answer.error_code), ErrorCode::InvalidTimestamp);
        assert_eq!(listed(&answer), [1, 2, 3, 4], "{codec:?}");
    }
    for topic in [topic, bounded] {
        assert_eq!(client.read_all(&topic, 0).len(), 0);
        let good = [
            (now, Some("a")),
            (now - DAY_MS / 2, Some("b")),
            (-1, Some("c")),
        ];
        client.append(&topic, 0, made(&good));
    }
}

/// Sarama before 1.46 leaves the greatest timestamp of its batches at -1.
#[test]
fn a_wrong_greatest_timestamp_is_made_right_before_the_log_is_searched_by_it() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    let now = now_ms();
    let wrong = [-1, 0, now - 1, now + 9 * DAY_MS, i64::MAX, i64::MIN];
    for (nth, (wrong, (_, codec))) in wrong
        .into_iter()
        .zip(CODECS.into_iter().cycle())
        .enumerate()
    {
        let stamp = now + 10 * i64::try_from(nth).unwrap();
        let good = made(&[(stamp, None), (stamp + 2, None), (stamp + 1, None)]);
        let good = compress(&good, codec, NO_LIMIT).unwrap();
        let sent = patched_and_summed(&good, MAX_TIMESTAMP_AT, &wrong.to_be_bytes());
        let offset = client.append(&topic, 0, sent);
        let (header, batch) = stored(&mut client, &topic, offset);
        assert_eq!(header.max_timestamp, stamp + 2, "instead of {wrong}");
        assert_eq!(batch[17..], good[17..]);
        assert_eq!(client.offset_of(&topic, 0, stamp + 1), offset + 1);
        assert_eq!(client.offset_of(&topic, 0, stamp + 3), -1);
    }
    // Not one of them has a timestamp, and none is made up.
    let offset = client.append(&topic, 0, made(&[(-1, None), (-1, None)]));
    let (header, _) = stored(&mut client, &topic, offset);
    assert_eq!(header.max_timestamp, -1);
}

#[test]
fn only_a_broker_says_that_the_time_is_its_own() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    for kind in ["CreateTime", "LogAppendTime"] {
        let topic = client.create_topic(kind, 1, &[("message.timestamp.type", kind)]);
        let mut batch = made(&[(now_ms(), None), (now_ms(), None)]);
        set_max_timestamp_and_log_append_time(&mut batch, now_ms());
        let answer = produced(&mut client, &topic, batch);
        assert_eq!(code(answer.error_code), ErrorCode::InvalidTimestamp);
        assert_eq!(listed(&answer), [0, 1]);
    }
}

#[test]
fn offsets_that_do_not_count_up_are_made_right_where_records_are_looked_at() {
    /// The offset delta of the second record, behind the first of twelve bytes.
    const SECOND_OFFSET_AT: usize = 61 + 12 + 3;
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let mut builder = BatchBuilder::new();
    for key in [b"a", b"b", b"c"] {
        let key = Some(&key[..]);
        let value = Some(&b"1234"[..]);
        let timestamp = now_ms();
        builder.push(&NewRecord {
            timestamp,
            key,
            value,
            headers: &[],
        });
    }
    let good = builder.build();
    assert_eq!(good[SECOND_OFFSET_AT], 2, "a zigzag 1");
    let wrong = patched_and_summed(&good, SECOND_OFFSET_AT, &[0]);
    let configs = [
        ("compression.type", "zstd"),
        ("compression.type", "uncompressed"),
        ("cleanup.policy", "compact"),
    ];
    for (nth, config) in configs.into_iter().enumerate() {
        let topic = client.create_topic(&format!("t{nth}"), 1, &[config]);
        for (_, codec) in CODECS {
            let is_looked_at = config.0 == "cleanup.policy"
                || CODECS
                    .iter()
                    .any(|(name, target)| *name == config.1 && *target != codec);
            if !is_looked_at {
                continue;
            }
            let sent = Unpacked::new(&wrong, NO_LIMIT).unwrap();
            let sent = sent.pack(Codec::with_default_level(codec).unwrap(), NO_LIMIT);
            let offset = client.append(&topic, 0, sent.unwrap());
            let (_, batch) = stored(&mut client, &topic, offset);
            assert_eq!(contents(&batch), contents(&good), "{config:?} {codec:?}");
        }
    }
}

#[test]
fn records_that_are_none_are_refused_where_they_are_looked_at() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let now = now_ms();
    let good = made(&[(now, Some("a")), (now, Some("b")), (now, Some("c"))]);
    let cut = {
        let mut cut = good.clone();
        cut.truncate(good.len() - 5);
        let length = i32::try_from(cut.len() - 12).unwrap();
        patched_and_summed(&cut, 8, &length.to_be_bytes())
    };
    let fewer = {
        let fewer = patched_and_summed(&good, RECORD_COUNT_AT, &4_i32.to_be_bytes());
        patched_and_summed(&fewer, 23, &3_i32.to_be_bytes())
    };
    let more = {
        let more = patched_and_summed(&good, RECORD_COUNT_AT, &2_i32.to_be_bytes());
        patched_and_summed(&more, 23, &1_i32.to_be_bytes())
    };
    let all = |inner: &BytesMut| {
        CODECS.map(|(_, codec)| {
            let inner = Unpacked::new(inner, NO_LIMIT).unwrap();
            let codec = Codec::with_default_level(codec).unwrap();
            inner.pack(codec, NO_LIMIT).unwrap()
        })
    };
    let mut bad = [all(&cut), all(&fewer), all(&more)].concat();
    for (_, codec) in CODECS {
        // Bytes that the codec cannot read.
        if codec != Compression::None {
            let mut junk = compress(&good, codec, NO_LIMIT).unwrap();
            junk[61..].fill(0x55);
            bad.push(patched_and_summed(&junk, 61, &[0x55]));
        }
    }
    for (name, setting) in [
        ("zstd", ("compression.type", "zstd")),
        ("compacted", ("cleanup.policy", "compact")),
        ("bounded", ("message.timestamp.before.max.ms", "3600000")),
    ] {
        let topic = client.create_topic(name, 1, &[setting]);
        for bad in &bad {
            let codec = BatchHeader::parse(bad).unwrap().compression();
            if name == "zstd" && codec == Compression::Zstd {
                continue;
            }
            let answer = produced(&mut client, &topic, bad.clone());
            let refused = code(answer.error_code);
            assert_eq!(
                refused,
                ErrorCode::InvalidRecord,
                "{name} {codec:?} {answer:?}"
            );
            assert_eq!(listed(&answer), [] as [i32; 0]);
        }
        assert_eq!(client.append(&topic, 0, good.clone()), 0);
    }
}

/// A batch of `count` records of a kilobyte that compress well.
fn large(count: usize) -> BytesMut {
    let value = vec![b'x'; 1000];
    let mut builder = BatchBuilder::new();
    for _ in 0..count {
        builder.push(&NewRecord {
            timestamp: now_ms(),
            value: Some(&value),
            ..NewRecord::default()
        });
    }
    builder.build()
}

#[test]
fn what_becomes_too_large_is_refused() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[("compression.type", "uncompressed")]);
    for (_, codec) in CODECS {
        let fits = compress(&large(1000), codec, NO_LIMIT).unwrap();
        let offset = client.append(&topic, 0, fits);
        let (header, _) = stored(&mut client, &topic, offset);
        assert!(header.size_in_bytes > 1_000_000, "{header:?}");
        let too_large = compress(&large(1100), codec, NO_LIMIT).unwrap();
        let refused = client.refused(&topic, 0, too_large);
        assert_eq!(refused, ErrorCode::MessageTooLarge, "{codec:?}");
    }
    // Of several megabytes with one codec, some hundred kilobytes with the other.
    let configs = [
        ("compression.type", "gzip"),
        ("max.message.bytes", "100000"),
    ];
    let topic = client.create_topic("small", 1, &configs);
    let mut random = Random::new(7);
    let noise = random.bytes(70_000);
    let mut builder = BatchBuilder::new();
    for _ in 0..60 {
        builder.push(&NewRecord {
            timestamp: now_ms(),
            value: Some(&noise),
            ..NewRecord::default()
        });
    }
    // Zstandard finds what repeats after 70 kB, and gzip does not.
    let zstd = compress(&builder.build(), Compression::Zstd, NO_LIMIT).unwrap();
    assert!(zstd.len() < 100_000, "{}", zstd.len());
    assert_eq!(client.refused(&topic, 0, zstd), ErrorCode::MessageTooLarge);

    let configs = [
        ("max.message.bytes", "20000000"),
        ("segment.bytes", "1048576"),
    ];
    let topic = client.create_topic("segment", 1, &configs);
    let refused = client.refused(&topic, 0, large(1100));
    assert_eq!(refused, ErrorCode::RecordListTooLarge);
}

/// A batch of 600 MiB of zeros.
fn bomb(codec: Compression) -> BytesMut {
    let zeros = vec![0; 1 << 20];
    let mut builder = BatchBuilder::new();
    builder.push(&NewRecord {
        timestamp: now_ms(),
        key: Some(b"k"),
        value: Some(&zeros),
        ..NewRecord::default()
    });
    let one = compress(&builder.build(), codec, NO_LIMIT).unwrap();
    // Streams of these codecs may follow one another.
    let mut bomb = BytesMut::from(&one[..61]);
    (0..600).for_each(|_| bomb.extend_from_slice(&one[61..]));
    let length = i32::try_from(bomb.len() - 12).unwrap();
    patched_and_summed(&bomb, 8, &length.to_be_bytes())
}

#[test]
fn a_decompression_bomb_is_refused_in_bounded_memory() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    // A bomb of Snappy weighs a twentieth of what it becomes.
    let large = ("max.message.bytes", "50000000");
    let recompressed = [("compression.type", "lz4"), large];
    let recompressed = client.create_topic("lz4", 1, &recompressed);
    let compacted = [("cleanup.policy", "compact"), large];
    let compacted = client.create_topic("compacted", 1, &compacted);
    let bombs = [Compression::Gzip, Compression::Snappy, Compression::Zstd].map(bomb);
    assert!(bombs.iter().all(|bomb| bomb.len() < 60_000_000));
    let mut others: Vec<Client> = (0..8).map(|_| node.client()).collect();
    for topic in [&recompressed, &compacted] {
        for (client, bomb) in others.iter_mut().zip(bombs.iter().cycle()) {
            client.send(PRODUCE, &topic.produce(-1, &[(0, bomb.clone())]));
        }
        for client in &mut others {
            let answer = client.receive::<ProduceRequest>();
            let refused = &answer.responses[0].partition_responses[0];
            assert_eq!(code(refused.error_code), ErrorCode::MessageTooLarge);
        }
    }
    let peak = node.peak_resident_bytes();
    assert!(peak < 600 << 20, "{} MiB were resident", peak >> 20);
    client.append(&recompressed, 0, made(&[(now_ms(), Some("a"))]));
    client.append(&compacted, 0, made(&[(now_ms(), Some("a"))]));
}

/// Large batches are compressed by other threads, and small ones behind them must not overtake.
#[test]
fn the_order_of_a_connection_holds_whatever_takes_time() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let configs = [
        ("compression.type", "gzip"),
        ("compression.gzip.level", "9"),
    ];
    let topic = client.create_topic("t", 1, &configs);
    let id = client.init_producer_id();
    let mut random = Random::new(3);
    let mut sequence = 0;
    let mut first_offsets = Vec::new();
    for nth in 0..40 {
        // Every other one has the codec already.
        let (count, bytes, codec) = match nth % 2 {
            0 => (300, 2000, Compression::None),
            _ => (1, 10, Compression::Gzip),
        };
        let producer = BatchProducer {
            id: ProducerId::new(id),
            epoch: ProducerEpoch::new(0),
            base_sequence: Some(Sequence::new(sequence)),
        };
        let mut builder = BatchBuilder::new().producer(producer);
        for _ in 0..count {
            let value = random.bytes(bytes);
            builder.push(&NewRecord {
                timestamp: now_ms(),
                value: Some(&value),
                ..NewRecord::default()
            });
        }
        let batch = compress(&builder.build(), codec, NO_LIMIT).unwrap();
        // Also where none is awaited.
        let acks = if nth % 5 == 4 { 0 } else { -1 };
        let request = topic.produce(acks, &[(0, batch)]);
        match acks {
            0 => _ = client.send_silent(PRODUCE, &request),
            _ => {
                client.send(PRODUCE, &request);
                first_offsets.push(sequence);
            }
        }
        sequence += count;
    }
    for offset in first_offsets {
        let answer = client.receive::<ProduceRequest>();
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(code(answer.error_code), ErrorCode::None, "{answer:?}");
        assert_eq!(answer.base_offset, i64::from(offset));
    }
    assert_eq!(client.append(&topic, 0, large(1)), i64::from(sequence));
}

/// A producer that goes away does not take along what it sent without asking for an answer.
#[test]
fn what_was_sent_before_the_end_is_appended() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[("compression.type", "gzip")]);
    let mut gone = node.client();
    for _ in 0..5 {
        gone.send_silent(PRODUCE, &topic.produce(0, &[(0, large(300))]));
    }
    gone.finish_sending();
    assert!(matches!(gone.outcome(), Outcome::Closed));
    assert_eq!(client.append(&topic, 0, large(1)), 1500);
}
