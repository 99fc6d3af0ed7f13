//! Requests and answers as clients rely on them: order, waiting, sessions, topics that come and go.

use std::time::{Duration, Instant};

use protocol::ErrorCode;
use protocol::batch::{BatchHeader, TimestampType, records};
use protocol::messages::fetch_request::ForgottenTopic;
use protocol::messages::metadata_request::MetadataRequestTopic;
use protocol::messages::{
    ApiVersionsRequest, FetchRequest, FetchResponse, MetadataRequest, MetadataResponse,
    ProduceRequest,
};

use crate::support::topics::{FETCH, PRODUCE, code, topic_name};
use crate::support::{Client, Node, NodeConfig, Outcome, Topic, batch, values_of};

/// Longer than anything takes that is not waited out.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn answers_come_in_the_order_of_the_requests() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    // A fetch that waits holds back what is behind it on its connection, also what is done at once.
    let mut waiting = topic
        .fetch(0, 0)
        .with_max_wait_ms(300)
        .with_min_bytes(1_000_000);
    for round in 0..3 {
        let value = format!("{round}");
        waiting.topics[0].partitions[0].fetch_offset = round;
        client.send(FETCH, &waiting);
        client.send(0, &ApiVersionsRequest::default());
        client.send(PRODUCE, &topic.produce(-1, &[(0, batch(&[&value]))]));
        client.send(9, &MetadataRequest::default());
        client.send(FETCH, &topic.fetch(0, round));
        let started = Instant::now();
        let fetched = client.receive::<FetchRequest>();
        assert!(
            started.elapsed() >= Duration::from_millis(250),
            "it waits for more"
        );
        // The produce behind it was taken, and is seen when the time is over.
        let records = fetched.responses[0].partitions[0]
            .records
            .clone()
            .unwrap_or_default();
        assert_eq!(values_of(&records), [(round, value.clone().into_bytes())]);
        assert_eq!(client.receive::<ApiVersionsRequest>().error_code, 0);
        let produced = client.receive::<ProduceRequest>();
        assert_eq!(
            produced.responses[0].partition_responses[0].base_offset,
            round
        );
        client.receive::<MetadataRequest>();
        client.receive::<FetchRequest>();
    }
}

#[test]
fn many_produce_requests_in_flight_keep_their_order() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 2, &[]);
    const COUNT: i64 = 400;
    // More than `connections.max.in.flight.requests`, so that the broker stops reading in between.
    for n in 0..COUNT {
        let request = topic.produce(-1, &[((n % 2) as i32, batch(&[format!("{n}")]))]);
        client.send(PRODUCE, &request);
    }
    for n in 0..COUNT {
        let answer = client.receive::<ProduceRequest>();
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!((answer.error_code, answer.base_offset), (0, n / 2));
    }
    for partition in 0..2 {
        let expected: Vec<_> = (0..COUNT / 2)
            .map(|n| (2 * n + i64::from(partition)).to_string().into_bytes())
            .collect();
        assert_eq!(client.read_all(&topic, partition), expected);
    }
}

#[test]
fn acks_0_is_not_answered_and_acks_1_is_durable() {
    let mut node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    for n in 0..10 {
        client.send_silent(PRODUCE, &topic.produce(0, &[(0, batch(&[format!("{n}")]))]));
    }
    // The next answer is that of the next request that wants one.
    let answer = client.call(PRODUCE, &topic.produce(1, &[(0, batch(&["10"]))]));
    assert_eq!(answer.responses[0].partition_responses[0].base_offset, 10);
    node.kill9();
    node.restart();
    let mut client = node.client();
    assert_eq!(client.read_all(&topic, 0).len(), 11);
    // An error has no other way to be told than the end of the connection.
    client.send_silent(PRODUCE, &topic.produce(0, &[(9, batch(&["nowhere"]))]));
    assert!(matches!(client.outcome(), Outcome::Closed));
}

#[test]
fn a_waiting_fetch_wakes_when_records_come() {
    let node = Node::start(NodeConfig::new());
    let (mut producer, mut consumer) = (node.client(), node.client());
    let topic = producer.create_topic("t", 2, &[]);
    for n in 0..20 {
        let mut request = topic.fetch(0, n).with_max_wait_ms(30_000).with_min_bytes(1);
        request.topics.push(topic.fetch_topic(1, 0));
        consumer.send(FETCH, &request);
        let started = Instant::now();
        assert_eq!(producer.append(&topic, 0, batch(&["x"])), n);
        let answer = consumer.receive::<FetchRequest>();
        assert!(started.elapsed() < SOON, "after {:?}", started.elapsed());
        let partition = &answer.responses[0].partitions[0];
        let records = partition.records.clone().unwrap_or_default();
        assert_eq!(values_of(&records), [(n, b"x".to_vec())]);
        assert_eq!(partition.high_watermark, n + 1);
    }
    // Too little is waited for, up to the end of the time, and then given.
    let request = topic
        .fetch(0, 0)
        .with_max_wait_ms(200)
        .with_min_bytes(1_000_000);
    let started = Instant::now();
    let answer = consumer.call(FETCH, &request);
    assert!(started.elapsed() >= Duration::from_millis(190));
    let records = answer.responses[0].partitions[0]
        .records
        .clone()
        .unwrap_or_default();
    // What has gone to the segment by then is an answer of its own.
    assert_eq!(values_of(&records)[0], (0, b"x".to_vec()));
    // An error is told at once.
    let request = topic
        .fetch(0, 999)
        .with_max_wait_ms(30_000)
        .with_min_bytes(1);
    let started = Instant::now();
    let answer = consumer.call(FETCH, &request);
    assert_eq!(
        code(answer.responses[0].partitions[0].error_code),
        ErrorCode::OffsetOutOfRange
    );
    assert!(started.elapsed() < SOON);
}

/// A request of a session: nothing but what changed.
fn incremental(session: i32, epoch: i32) -> FetchRequest {
    FetchRequest::default()
        .with_session_id(session)
        .with_session_epoch(epoch)
        .with_max_bytes(1 << 20)
}

/// The partitions that an answer speaks of, with the values in it.
/// Partitions, each with offsets and values.
type Told = Vec<(i32, Vec<(i64, Vec<u8>)>)>;

fn told(answer: &FetchResponse) -> Told {
    let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
    let told = |partition: &protocol::messages::fetch_response::PartitionData| {
        assert_eq!(partition.error_code, 0);
        let values = values_of(&partition.records.clone().unwrap_or_default());
        (partition.partition_index, values)
    };
    partitions.map(told).collect()
}

#[test]
fn fetch_sessions_tell_only_the_news() {
    let node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 3, &[]);
    client.append(&topic, 1, batch(&["a"]));
    let all = (0..3).map(|partition| topic.fetch_topic(partition, 0));
    let first = client.call(FETCH, &incremental(0, 0).with_topics(all.collect()));
    let session = first.session_id;
    assert_ne!(session, 0);
    let a = vec![(0, b"a".to_vec())];
    assert_eq!(
        told(&first),
        [(0, vec![]), (1, a), (2, vec![])],
        "the first tells all"
    );

    // Only the position that changed is sent, and there is no news.
    let request = incremental(session, 1).with_topics(vec![topic.fetch_topic(1, 1)]);
    let answer = client.call(FETCH, &request);
    assert_eq!((answer.session_id, told(&answer)), (session, vec![]));
    // Nothing is sent; news of one partition comes.
    client.append(&topic, 2, batch(&["b"]));
    let answer = client.call(FETCH, &incremental(session, 2));
    assert_eq!(told(&answer), [(2, vec![(0, b"b".to_vec())])]);
    // As the position was not moved, it comes again.
    let answer = client.call(FETCH, &incremental(session, 3));
    assert_eq!(told(&answer), [(2, vec![(0, b"b".to_vec())])]);
    // A partition is forgotten.
    let forgotten = ForgottenTopic::default()
        .with_topic_id(topic.id)
        .with_partitions(vec![2]);
    let request = incremental(session, 4).with_forgotten_topics_data(vec![forgotten]);
    assert_eq!(told(&client.call(FETCH, &request)), []);
    // A session waits for news of what it remembers.
    let mut producer = node.client();
    client.send(
        FETCH,
        &incremental(session, 5)
            .with_max_wait_ms(30_000)
            .with_min_bytes(1),
    );
    let started = Instant::now();
    producer.append(&topic, 2, batch(&["nobody asks"]));
    producer.append(&topic, 1, batch(&["c"]));
    let answer = client.receive::<FetchRequest>();
    assert!(started.elapsed() < SOON);
    assert_eq!(told(&answer), [(1, vec![(1, b"c".to_vec())])]);
    // Out of turn, and unknown.
    let answer = client.call(FETCH, &incremental(session, 17));
    assert_eq!(code(answer.error_code), ErrorCode::InvalidFetchSessionEpoch);
    let answer = client.call(FETCH, &incremental(session.wrapping_add(1), 1));
    assert_eq!(code(answer.error_code), ErrorCode::FetchSessionIdNotFound);
    // The end of a session.
    let answer = client.call(FETCH, &incremental(session, -1));
    assert_eq!((answer.error_code, answer.session_id), (0, 0));
    let answer = client.call(FETCH, &incremental(session, 6));
    assert_eq!(code(answer.error_code), ErrorCode::FetchSessionIdNotFound);
}

fn metadata_of(client: &mut Client, name: &str, may_create: bool) -> MetadataResponse {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(name)));
    let request = MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(may_create);
    client.call(12, &request)
}

#[test]
fn topics_are_made_when_asked_for_where_that_is_on() {
    let mut node = Node::start(NodeConfig::new().set("num.partitions", "4"));
    let mut client = node.client();
    let answer = metadata_of(&mut client, "not-this-way", false);
    assert_eq!(
        code(answer.topics[0].error_code),
        ErrorCode::UnknownTopicOrPartition
    );
    let answer = metadata_of(&mut client, "made", true);
    assert_eq!(
        (
            answer.topics[0].error_code,
            answer.topics[0].partitions.len()
        ),
        (0, 4)
    );
    let topic = Topic {
        name: "made".to_owned(),
        id: answer.topics[0].topic_id,
    };
    client.append(&topic, 3, batch(&["x"]));
    let answer = metadata_of(&mut client, "no such/name", true);
    assert_eq!(
        code(answer.topics[0].error_code),
        ErrorCode::InvalidTopicException
    );

    node.kill9();
    node.set("auto.create.topics.enable", "false");
    node.restart();
    let mut client = node.client();
    let answer = metadata_of(&mut client, "other", true);
    assert_eq!(
        code(answer.topics[0].error_code),
        ErrorCode::UnknownTopicOrPartition
    );
    assert_eq!(
        metadata_of(&mut client, "made", true).topics[0].topic_id,
        topic.id
    );
    assert_eq!(client.read_all(&topic, 3), [b"x"]);
    // The port is not the one before; what is advertised follows.
    let broker = &metadata_of(&mut client, "made", false).brokers[0];
    assert_eq!(broker.port, i32::from(node.kafka().port()));
}

#[test]
fn deletion_ends_what_is_under_way_and_a_topic_made_again_is_empty() {
    let mut node = Node::start(NodeConfig::new());
    let mut admin = node.client();
    let other = admin.create_topic("other", 1, &[]);
    for round in 0..5 {
        let topic = admin.create_topic("t", 2, &[]);
        let (mut producer, mut consumer) = (node.client(), node.client());
        producer.append(&topic, 0, batch(&[format!("round {round}")]));
        let waiting = topic.fetch(1, 0).with_max_wait_ms(30_000).with_min_bytes(1);
        consumer.send(FETCH, &waiting);
        for _ in 0..20 {
            producer.send(PRODUCE, &topic.produce(-1, &[(0, batch(&["x"]))]));
        }
        let started = Instant::now();
        admin.delete_topic(&topic);
        let answer = consumer.receive::<FetchRequest>();
        assert!(started.elapsed() < SOON, "the fetch is not waited out");
        let gone = [
            ErrorCode::UnknownTopicId,
            ErrorCode::UnknownTopicOrPartition,
        ];
        let fetched = code(answer.responses[0].partitions[0].error_code);
        assert!(gone.contains(&fetched), "{fetched:?}");
        let mut is_gone = false;
        for _ in 0..20 {
            let answer = producer.receive::<ProduceRequest>();
            let produced = code(answer.responses[0].partition_responses[0].error_code);
            assert!(
                produced == ErrorCode::None || gone.contains(&produced),
                "{produced:?}"
            );
            assert!(!is_gone || produced != ErrorCode::None, "it came back");
            is_gone = produced != ErrorCode::None;
        }
        assert!(gone.contains(&producer.refused(&topic, 0, batch(&["late"]))));
        assert_eq!(admin.append(&other, 0, batch(&["here"])), round);
        if round % 2 == 1 {
            node.kill9();
            node.restart();
            admin = node.client();
        }
        let again = admin.create_topic("t", 2, &[]);
        assert_ne!(again.id, topic.id);
        assert!(admin.read_all(&again, 0).is_empty());
        admin.append(&again, 0, batch(&["of the new one"]));
        assert!(gone.contains(&admin.refused(&topic, 0, batch(&["of the old one"]))));
        assert_eq!(admin.read_all(&again, 0), [b"of the new one"]);
        admin.delete_topic(&again);
    }
    assert!(node.stop().success());
    node.restart();
    assert_eq!(node.client().read_all(&other, 0).len(), 5);
    let left: Vec<_> = std::fs::read_dir(node.data_dir())
        .expect("a directory of the test")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.starts_with("t-") && !name.ends_with("-delete"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn log_append_time_is_the_brokers() {
    let mut node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let configs = [("message.timestamp.type", "LogAppendTime")];
    let topic = client.create_topic("t", 1, &configs);
    let before = now_ms();
    let answers = client.produce(&topic, &[(0, batch(&["a", "b"]))]);
    let stamp = answers[0].log_append_time_ms;
    assert!((before..=now_ms()).contains(&stamp), "{stamp}");
    let compressed =
        protocol::batch::compress(&batch(&["c"]), protocol::batch::Compression::Lz4, 1 << 20);
    client.append(&topic, 0, compressed.expect("it compresses"));
    for clean in [false, true] {
        let read = client.fetch(&topic, 0, 0).records.expect("records");
        assert_eq!(
            client.read_all(&topic, 0).len(),
            3,
            "the checksums are right"
        );
        let header = BatchHeader::parse(&read).expect("a batch");
        assert_eq!(header.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(header.max_timestamp, stamp);
        let first = records(&read[..header.size_in_bytes])
            .expect("records")
            .next();
        assert_eq!(
            first.expect("a record").expect("well-formed").timestamp,
            stamp
        );
        assert_eq!(client.offset_of(&topic, 0, stamp), 0);
        match clean {
            true => assert!(node.stop().success()),
            false => node.kill9(),
        }
        node.restart();
        client = node.client();
    }
    let created = client.create_topic("created", 1, &[]);
    let answers = client.produce(&created, &[(0, batch(&["a"]))]);
    assert_eq!(answers[0].log_append_time_ms, -1);
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_millis() as i64
}
