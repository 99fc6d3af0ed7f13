//! Produce where records are looked at: who waits for that, and what is held meanwhile.

use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, BatchHeader, Compression, NewRecord, compress};
use protocol::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use protocol::messages::incremental_alter_configs_request::{
    AlterConfigsResource, AlterableConfig,
};
use protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::messages::{
    CreatePartitionsRequest, CreatePartitionsResponse, CreateTopicsRequest, CreateTopicsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ProduceRequest,
    ProduceResponse,
};
use protocol::model::{BrokerId, LeaderEpoch, Offset, Uuid};

use super::super::Answer;
use super::super::topics::text;
use super::produced::idempotent;
use crate::partition::{Acks, PartitionRead, PartitionsWait, Reader};
use crate::testing::{TestBroker, decoded, finished};

const VERSION: i16 = 13;
/// A kind of resource.
const TOPIC: i8 = 2;
/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(30);

async fn topic(broker: &mut TestBroker, name: &str, configs: &[(&str, &str)]) -> Uuid {
    let configs = configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(text(*name))
            .with_value(Some(text(*value)))
    });
    let topic = CreatableTopic::default()
        .with_name(text(name).into())
        .with_num_partitions(2)
        .with_replication_factor(1)
        .with_configs(configs.collect());
    let request = CreateTopicsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(10_000);
    let response: CreateTopicsResponse = broker.ask(7, &request).await;
    assert_eq!(response.topics[0].error_code, 0, "{response:?}");
    response.topics[0].topic_id
}

fn batch(count: usize, compression: Compression) -> BytesMut {
    let mut builder = BatchBuilder::new();
    for _ in 0..count {
        builder.push(&NewRecord {
            timestamp: crate::clock::wall_clock_ms(),
            key: Some(b"key"),
            value: Some(b"value"),
            ..NewRecord::default()
        });
    }
    compress(&builder.build(), compression, usize::MAX).expect("it compresses")
}

fn request(topic: Uuid, batches: &[(i32, BytesMut)]) -> ProduceRequest {
    let partitions = batches.iter().map(|(index, batch)| {
        PartitionProduceData::default()
            .with_index(*index)
            .with_records(Some(batch.clone().freeze()))
    });
    let topic = TopicProduceData::default()
        .with_topic_id(topic)
        .with_partition_data(partitions.collect());
    ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(10_000)
        .with_topic_data(vec![topic])
}

fn pauses(answer: &Answer) -> bool {
    matches!(answer, Answer::Pausing(_))
}

/// A runtime with one thread to hand work to.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .expect("a runtime")
}

/// Keeps that thread busy, so that what is handed to it does not begin.
struct Busy {
    release: mpsc::Sender<()>,
    thread: tokio::task::JoinHandle<()>,
}

impl Busy {
    fn start() -> Busy {
        let (release, released) = mpsc::channel();
        let thread = tokio::task::spawn_blocking(move || released.recv().expect("a release"));
        Busy { release, thread }
    }

    async fn release(self) {
        self.release.send(()).expect("the thread waits");
        self.thread.await.expect("it ends");
    }
}

#[test]
fn the_connection_pauses_only_where_records_take_time() {
    runtime().block_on(async {
        let mut broker = TestBroker::start(&[]).await;
        let compact = ("cleanup.policy", "compact");
        let plain = topic(&mut broker, "plain", &[]).await;
        let compacted = topic(&mut broker, "compacted", &[compact]).await;
        let both = [compact, ("compression.type", "zstd")];
        let both = topic(&mut broker, "both", &both).await;
        let slow = [
            ("compression.type", "zstd"),
            ("compression.zstd.level", "19"),
        ];
        let slow = topic(&mut broker, "slow", &slow).await;
        let (none, gzip, zstd) = (Compression::None, Compression::Gzip, Compression::Zstd);
        for (topic, count, codec, expected) in [
            (plain, 20_000, gzip, false),
            (both, 1, none, false),
            (both, 1000, none, true),
            (both, 1, gzip, false),
            // Small until it is out of its codec.
            (both, 1000, gzip, true),
            // It has its codec, but does it have keys?
            (both, 1000, zstd, true),
            (slow, 1, none, true),
            (compacted, 1, zstd, false),
            (compacted, 1000, zstd, true),
            (compacted, 10_000, none, false),
            (compacted, 10_001, none, true),
        ] {
            let request = request(topic, &[(0, batch(count, codec))]);
            let busy = Busy::start();
            let answer = broker.begin(VERSION, &request);
            assert_eq!(pauses(&answer), expected, "{count} records in {codec:?}");
            busy.release().await;
            let response: ProduceResponse =
                decoded(&finished(answer).await, super::ApiKey::Produce, VERSION);
            let answer = &response.responses[0].partition_responses[0];
            assert_eq!(answer.error_code, 0, "{answer:?}");
        }
    });
}

#[test]
fn what_a_broken_connection_left_to_a_thread_is_held_until_that_ends() {
    runtime().block_on(async {
        let mut broker = TestBroker::start(&[]).await;
        let topic = topic(&mut broker, "t", &[("compression.type", "zstd")]).await;
        let busy = Busy::start();
        let batches = [
            (0, batch(1000, Compression::None)),
            (1, batch(5, Compression::Zstd)),
        ];
        let Answer::Pausing(mut paused) = broker.begin(VERSION, &request(topic, &batches)) else {
            panic!("nothing was handed over");
        };
        let polled = paused
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Pending));
        let memory = broker.broker.record_workers.memory().clone();
        drop(paused);
        assert!(
            memory.available() < memory.capacity(),
            "it is still worked on"
        );
        busy.release().await;
        let all = tokio::time::timeout(PATIENCE, memory.acquire(memory.capacity())).await;
        drop(all.expect("the memory comes back"));
        // Neither that partition nor the one behind it has anything of the request.
        for index in [0, 1] {
            let partition = broker.partition(topic, index).expect("a partition");
            assert_eq!(partition.offsets().log_end.get(), 0);
        }

        let answer = broker.begin(VERSION, &request(topic, &batches));
        let response: ProduceResponse =
            decoded(&finished(answer).await, super::ApiKey::Produce, VERSION);
        for answer in &response.responses[0].partition_responses {
            assert_eq!((answer.error_code, answer.base_offset), (0, 0));
        }
        // What is in the tail is held, and no more than that.
        let held = memory.capacity() - memory.available();
        assert!((1..1000 * 20).contains(&held), "{held} bytes");
    });
}

#[tokio::test]
async fn a_codec_counts_for_the_batches_that_come_after_it_was_set() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = topic(&mut broker, "t", &[]).await;
    let (mut stored, codecs) = (Vec::new(), ["producer", "zstd", "gzip", "uncompressed"]);
    for codec in codecs {
        let config = AlterableConfig::default()
            .with_name(text("compression.type"))
            .with_value(Some(text(codec)));
        let resource = AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("t"))
            .with_configs(vec![config]);
        let change = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
        let changed: IncrementalAlterConfigsResponse = broker.ask(1, &change).await;
        assert_eq!(changed.responses[0].error_code, 0, "{changed:?}");

        let request = request(topic, &[(0, batch(1000, Compression::Lz4))]);
        let produced: ProduceResponse = broker.ask(VERSION, &request).await;
        let answer = &produced.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, 0, "{answer:?}");
        let partition = broker.partition(topic, 0).expect("a partition");
        let read = partition.read(Reader::Consumer, Offset::new(answer.base_offset), 1);
        let Ok(PartitionRead::Batches(batches)) = read else {
            panic!("it is not in memory: {read:?}");
        };
        let header = BatchHeader::parse(&batches[0]).expect("a batch");
        stored.push(header.compression());
    }
    let expected = [
        Compression::Lz4,
        Compression::Zstd,
        Compression::Gzip,
        Compression::None,
    ];
    assert_eq!(stored, expected);
}

/// More than all the memory there is for it: one at a time, and none waits for another for ever.
#[tokio::test]
async fn batches_pass_that_take_more_memory_than_there_is() {
    let settings = [
        ("queued.max.request.bytes", "1048576"),
        ("socket.request.max.bytes", "1048576"),
        ("log.write.behind.ms", "10"),
    ];
    let mut broker = TestBroker::start(&settings).await;
    let topic = topic(&mut broker, "t", &[("compression.type", "lz4")]).await;
    let large = batch(15_000, Compression::Gzip);
    let mut answers = Vec::new();
    for _ in 0..12 {
        let batches = [(0, large.clone()), (1, large.clone())];
        let answer = broker.begin(VERSION, &request(topic, &batches));
        answers.push(tokio::spawn(finished(answer)));
    }
    for answer in answers {
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let response = answer.expect("none waits for ever").expect("it ends");
        let response: ProduceResponse = decoded(&response, super::ApiKey::Produce, VERSION);
        for answer in &response.responses[0].partition_responses {
            assert_eq!(answer.error_code, 0, "{answer:?}");
        }
    }
}

/// The error of each batch, sent one after the other.
async fn codes(broker: &mut TestBroker, topic: Uuid, sequences: &[i32]) -> Vec<ErrorCode> {
    let mut codes = Vec::new();
    for sequence in sequences {
        let batch = idempotent(7, 0, *sequence, &[crate::clock::wall_clock_ms()]);
        let response: ProduceResponse = broker.ask(VERSION, &request(topic, &[(2, batch)])).await;
        let code = response.responses[0].partition_responses[0].error_code;
        codes.push(ErrorCode::from_code(code).expect("a known code"));
    }
    codes
}

#[tokio::test]
async fn what_was_under_way_behind_a_refused_batch_comes_again_in_order() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = topic(&mut broker, "ordered", &[]).await;
    let missing = ErrorCode::UnknownTopicOrPartition;
    assert_eq!(codes(&mut broker, topic, &[0]).await, [missing]);
    let grown = CreatePartitionsTopic::default()
        .with_name(text("ordered").into())
        .with_count(3)
        .with_assignments(None);
    let grown = CreatePartitionsRequest::default()
        .with_topics(vec![grown])
        .with_timeout_ms(10_000);
    let grown: CreatePartitionsResponse = broker.ask(3, &grown).await;
    assert_eq!(grown.results[0].error_code, 0);
    // The partition is there now, but it does not have what comes first.
    assert_eq!(codes(&mut broker, topic, &[1, 2]).await, [missing, missing]);
    let none = ErrorCode::None;
    assert_eq!(codes(&mut broker, topic, &[0, 1]).await, [none, none]);
    let gap = ErrorCode::OutOfOrderSequenceNumber;
    assert_eq!(codes(&mut broker, topic, &[9, 2]).await, [gap, none]);
}

#[tokio::test]
async fn what_is_under_way_behind_what_another_leader_does_not_answer_comes_again() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = topic(&mut broker, "handed-over", &[]).await;
    let answered = async |broker: &mut TestBroker, sequence| {
        let now_ms = crate::clock::wall_clock_ms();
        let request = request(topic, &[(0, idempotent(7, 0, sequence, &[now_ms]))]);
        let request = request.with_timeout_ms(200);
        let response: ProduceResponse = broker.ask(VERSION, &request).await;
        let code = response.responses[0].partition_responses[0].error_code;
        ErrorCode::from_code(code).expect("a known code")
    };
    let unknown = ErrorCode::UnknownProducerId;
    assert_eq!(answered(&mut broker, 1).await, unknown);
    assert_eq!(answered(&mut broker, 0).await, ErrorCode::None);
    let gap = ErrorCode::OutOfOrderSequenceNumber;
    assert_eq!(answered(&mut broker, 2).await, gap);
    let led = super::produced::partition(&broker, topic, 0);
    led.lead_with(LeaderEpoch::new(1), BrokerId::new(9));
    let elsewhere = ErrorCode::NotLeaderOrFollower;
    assert_eq!(answered(&mut broker, 2).await, elsewhere);
    // It is in order, and waits for the other.
    assert_eq!(answered(&mut broker, 1).await, ErrorCode::RequestTimedOut);
}

/// What a producer is answered that waits for so little that nobody can have answered but this broker.
async fn acknowledged(broker: &mut TestBroker, topic: Uuid, acks: i16) -> i16 {
    let request = request(topic, &[(0, batch(1, Compression::None))]);
    let request = request.with_acks(acks).with_timeout_ms(200);
    let response: ProduceResponse = broker.ask(VERSION, &request).await;
    response.responses[0].partition_responses[0].error_code
}

#[tokio::test]
async fn a_topic_says_what_its_producers_get_at_least() {
    let mut broker = TestBroker::start(&[]).await;
    let (none, late, few) = (0, 7, 19);
    for (configs, of_one) in [
        (&[][..], late),
        (&[("acks.floor", "all")], late),
        (&[("acks.floor", "1")], none),
        (&[("acks.floor", "0")], none),
    ] {
        let name = format!("t{}", configs.first().map_or("", |(_, value)| value));
        let topic = topic(&mut broker, &name, configs).await;
        let led = super::produced::partition(&broker, topic, 0);
        // Another broker is in the ISR, and says nothing.
        led.lead_with(LeaderEpoch::new(1), BrokerId::new(9));
        assert_eq!(acknowledged(&mut broker, topic, -1).await, late);
        assert_eq!(acknowledged(&mut broker, topic, 1).await, of_one, "{name}");
        // It is behind all the same.
        assert_eq!(led.offsets().high_watermark, Offset::new(0));
        led.require(LeaderEpoch::new(2), 3);
        let refused = if of_one == none { none } else { few };
        assert_eq!(acknowledged(&mut broker, topic, -1).await, few);
        assert_eq!(acknowledged(&mut broker, topic, 1).await, refused, "{name}");
    }
}

#[tokio::test]
async fn who_waits_for_this_disk_alone_is_told_whatever_leadership_begins_meanwhile() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = topic(&mut broker, "alone", &[("acks.floor", "1")]).await;
    let led = super::produced::partition(&broker, topic, 0);
    let mut leader_epoch = 0;
    for _ in 0..200 {
        let appended = batch(1, Compression::None);
        let header = BatchHeader::parse(&appended).expect("well-formed");
        let appended = led.append(Acks::Leader, appended, &header, 0, None);
        let end = appended.expect("it is appended").end;
        let wait = PartitionsWait::new(1);
        led.when_acknowledged(Acks::Leader, end, &wait, 0);
        // One of them begins between the log's being durable and the partition's hearing of it.
        while led.log().offsets().durable_end < end {
            leader_epoch += 1;
            led.lead_on(LeaderEpoch::new(leader_epoch));
        }
        let told = tokio::time::timeout(PATIENCE, wait.all()).await;
        assert_eq!((told, wait.codes()), (Ok(()), vec![ErrorCode::None]));
    }
}
