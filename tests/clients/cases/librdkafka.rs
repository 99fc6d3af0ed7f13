//! librdkafka, which most clients that are neither Java nor Go are built on.

pub(crate) mod client;
mod compaction;
mod groups;
mod records;

use std::time::{Duration, Instant};

use rdkafka::{
    Offset, TopicPartitionList,
    admin::{
        AdminClient, AdminOptions, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
    },
    client::DefaultClientContext,
    consumer::Consumer,
    error::RDKafkaErrorCode,
    metadata::MetadataBroker,
};
use tests_clients::{
    CODECS, Case, Client, Content, NUM_PARTITIONS, Record, Target, assert_same, bulk, edge_cases,
    ends, in_turn,
};

use client::{
    PATIENCE, acknowledged, assign, block_on, config, consume, consume_from, consumer, produce,
    produce_to,
};

pub(crate) const CASES: &[Case] = &[
    Case {
        client: Client::Librdkafka,
        name: "smoke",
        run: smoke,
        smoke: true,
    },
    Case {
        client: Client::Librdkafka,
        name: "edge_cases",
        run: every_shape,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "codecs",
        run: codecs,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "acks",
        run: acks,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "largest_message",
        run: largest_message,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "small_fetches",
        run: small_fetches,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "offsets",
        run: offsets,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "times",
        run: times,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "auto_creation",
        run: auto_creation,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "waiting_fetch",
        run: waiting_fetch,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "admin",
        run: admin,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "group",
        run: groups::group,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "cooperative_group",
        run: groups::cooperative,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "static_members",
        run: groups::static_members,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "consumer_group",
        run: groups::consumer_protocol,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "consumer_group_static",
        run: groups::static_members_of_the_consumer_protocol,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "consumer_group_regex",
        run: groups::regular_expression,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "consumer_group_migration",
        run: groups::migration,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "compaction",
        run: compaction::compaction,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "codec_of_the_topic",
        run: records::codec_of_the_topic,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "keys",
        run: records::keys,
        smoke: false,
    },
    Case {
        client: Client::Librdkafka,
        name: "timestamps",
        run: records::timestamps,
        smoke: false,
    },
];

const IDEMPOTENT: (&str, &str) = ("enable.idempotence", "true");
/// So that a case has batches of many records, whatever the machine's pace.
const LINGER: (&str, &str) = ("linger.ms", "50");

fn smoke(target: &Target) {
    round_trip(
        target,
        &target.topic("rdkafka-smoke"),
        &bulk(100),
        &[IDEMPOTENT],
    );
}

fn every_shape(target: &Target) {
    for settings in [&[][..], &[IDEMPOTENT, LINGER]] {
        round_trip(
            target,
            &target.topic("rdkafka-edge"),
            &edge_cases(),
            settings,
        );
    }
}

/// All into one topic: a consumer must find its way through batches of every codec.
fn codecs(target: &Target) {
    for idempotence in ["true", "false"] {
        let topic = target.topic("rdkafka-codecs");
        let contents = bulk(2000);
        let mut expected = settle(target, &topic);
        for codec in CODECS {
            let sent = in_turn(&contents, ends(&expected));
            let settings = [
                ("enable.idempotence", idempotence),
                ("compression.type", codec),
                LINGER,
            ];
            let reports = produce(target, &topic, &contents, &settings);
            assert_same(&sent, &acknowledged(reports));
            expected.extend(sent);
        }
        assert_same(&expected, &consume(target, &topic, &[]));
    }
}

fn acks(target: &Target) {
    let contents = bulk(500);
    let all = [("acks", "all")];
    round_trip(target, &target.topic("rdkafka-acks"), &contents, &all);
    // Acknowledged before the other replicas have them, and so before they can be read.
    let topic = target.topic("rdkafka-leader-acks");
    let mut expected = settle(target, &topic);
    let sent = in_turn(&contents, ends(&expected));
    let reports = produce(target, &topic, &contents, &[("acks", "1")]);
    assert_same(&sent, &acknowledged(reports));
    expected.extend(sent);
    assert_same(
        &expected,
        &consume_in_the_end(target, &topic, expected.len()),
    );
    // Reported as sent, without offsets, before the broker may have them: they arrive later.
    let topic = target.topic("rdkafka-no-acks");
    let mut expected = settle(target, &topic);
    expected.extend(in_turn(&contents, ends(&expected)));
    acknowledged(produce(
        target,
        &topic,
        &contents,
        &[("acks", "0"), ("compression.type", "lz4")],
    ));
    assert_same(
        &expected,
        &consume_in_the_end(target, &topic, expected.len()),
    );
}

/// Reads a topic in which there will be so many records.
fn consume_in_the_end(target: &Target, topic: &str, count: usize) -> Vec<Record> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let got = consume(target, topic, &[]);
        if got.len() >= count || Instant::now() > deadline {
            return got;
        }
    }
}

/// `message.max.bytes` bounds a batch with its header: one record of that size is taken, one byte
/// more is refused, and what follows is not held up.
fn largest_message(target: &Target) {
    const MESSAGE_MAX_BYTES: usize = 1_048_588;
    /// The batch header, and of the record: its length, attributes, two deltas, the lengths of a null
    /// key and of the value, and the count of headers.
    const OVERHEAD: usize = 61 + 3 + 1 + 1 + 1 + 1 + 3 + 1;
    let of_size = |len: usize| Content {
        key: None,
        value: Some(vec![b'x'; len]),
        headers: vec![],
        ..bulk(1).remove(0)
    };
    let largest = of_size(MESSAGE_MAX_BYTES - OVERHEAD);
    let too_large = of_size(MESSAGE_MAX_BYTES - OVERHEAD + 1);
    let topic = target.topic("rdkafka-largest");
    // The client's own limit out of the way.
    let settings = [
        ("message.max.bytes", "3000000"),
        ("batch.num.messages", "1"),
    ];
    let send = |content: &Content| {
        produce_to(
            target,
            &topic,
            std::slice::from_ref(content),
            &settings,
            |_| 0,
        )
        .remove(0)
    };
    let first = send(&largest).expect("the largest message is taken");
    assert_eq!(send(&too_large), Err(RDKafkaErrorCode::MessageSizeTooLarge));
    let last = send(&largest).expect("the next message is taken");
    assert_eq!((first.offset, last.offset), (0, 1));
    assert_same(
        &[largest.at(0, 0), largest.at(0, 1)],
        &consume(target, &topic, &[]),
    );
    // A batch that is larger than what is asked for comes whole all the same.
    let small = [
        ("fetch.message.max.bytes", "1000"),
        ("fetch.max.bytes", "1000000"),
    ];
    let small = [&small[..], &[("message.max.bytes", "1000000")]].concat();
    assert_same(
        &[largest.at(0, 0), largest.at(0, 1)],
        &consume(target, &topic, &small),
    );
}

/// Limits smaller than a batch: a fetch returns the first batch whole, and no reader gets stuck.
fn small_fetches(target: &Target) {
    let topic = target.topic("rdkafka-small-fetches");
    let contents = bulk(600);
    produce(target, &topic, &contents, &[IDEMPOTENT, LINGER]);
    let limits = [
        ("fetch.message.max.bytes", "100"),
        ("queued.min.messages", "1"),
    ];
    assert_same(
        &in_turn(&contents, [0; 3]),
        &consume(target, &topic, &limits),
    );
}

/// Watermarks, and reading from the middle of a batch, from before the end, and from the end.
fn offsets(target: &Target) {
    let topic = target.topic("rdkafka-offsets");
    let contents = bulk(200);
    let settings = [IDEMPOTENT, LINGER, ("compression.type", "zstd")];
    let expected = acknowledged(produce_to(target, &topic, &contents, &settings, |_| 1));
    let reader = consumer(target, &[]);
    let watermarks = |partition| {
        reader
            .fetch_watermarks(&topic, partition, PATIENCE)
            .unwrap()
    };
    assert_eq!(watermarks(0), (0, 0));
    assert_eq!(watermarks(1), (0, 200));
    let read = |offset| consume_from(target, &topic, &[(1, offset)], &[]);
    for start in [0, 1, 99, 199] {
        assert_same(&expected[start..], &read(Offset::Offset(start as i64)));
    }
    assert_same(&expected[190..], &read(Offset::OffsetTail(10)));
    assert_same(&[], &read(Offset::End));
    // Out of range: the client asks where the log ends and starts there.
    assert_same(&[], &read(Offset::Offset(1000)));
    let earliest = [("auto.offset.reset", "earliest")];
    let out_of_range = consume_from(target, &topic, &[(1, Offset::Offset(1000))], &earliest);
    assert_same(&expected, &out_of_range);
}

/// `offsets_for_times`: the first record that is not older, also where timestamps go back.
fn times(target: &Target) {
    let topic = target.topic("rdkafka-times");
    let base = bulk(1)[0].timestamp;
    let steps = [0, 100, 200, 150, 300, 250, 400];
    let contents: Vec<Content> = (bulk(steps.len()).into_iter().zip(steps))
        .map(|(content, step)| Content {
            timestamp: base + step,
            ..content
        })
        .collect();
    let alone = ("batch.num.messages", "1");
    let written = [
        // One batch of many, and batches of one.
        acknowledged(produce_to(
            target,
            &topic,
            &contents,
            &[IDEMPOTENT, LINGER],
            |_| 0,
        )),
        acknowledged(produce_to(
            target,
            &topic,
            &contents,
            &[IDEMPOTENT, alone],
            |_| 2,
        )),
    ];
    let reader = consumer(target, &[]);
    let offset_for = |partition, time| {
        let mut times = TopicPartitionList::new();
        times
            .add_partition_offset(&topic, partition, Offset::Offset(time))
            .unwrap();
        let found = reader.offsets_for_times(times, PATIENCE).unwrap();
        let found = found.find_partition(&topic, partition).unwrap();
        found.error().unwrap();
        found.offset()
    };
    for (records, partition) in written.iter().zip([0, 2]) {
        for time in (base - 50..base + 400).step_by(25) {
            let first = records.iter().find(|record| record.timestamp >= time);
            let expected = first.map(|record| Offset::Offset(record.offset)).unwrap();
            assert_eq!(
                offset_for(partition, time),
                expected,
                "{partition} at {}",
                time - base
            );
        }
        assert_eq!(offset_for(partition, base + 401), Offset::End);
    }
    assert_eq!(offset_for(1, base), Offset::End);
}

/// A producer's metadata request creates a topic; a consumer's does not.
fn auto_creation(target: &Target) {
    let topic = target.topic("rdkafka-auto");
    let reader = consumer(target, &[]);
    let partitions = || {
        let metadata = reader.fetch_metadata(Some(&topic), PATIENCE).unwrap();
        let metadata = &metadata.topics()[0];
        (
            metadata.partitions().len(),
            metadata.error().map(RDKafkaErrorCode::from),
        )
    };
    assert_eq!(
        partitions(),
        (0, Some(RDKafkaErrorCode::UnknownTopicOrPartition))
    );
    round_trip(target, &topic, &bulk(10), &[]);
    assert_eq!(partitions(), (NUM_PARTITIONS as usize, None));
    let metadata = reader.fetch_metadata(Some(&topic), PATIENCE).unwrap();
    let address = |broker: &MetadataBroker| format!("{}:{}", broker.host(), broker.port());
    let mut brokers: Vec<_> = metadata.brokers().iter().collect();
    brokers.sort_by_key(|broker| broker.id());
    let addresses: Vec<_> = brokers.iter().map(|broker| address(broker)).collect();
    assert_eq!(addresses, target.brokers());
    let ids: Vec<i32> = brokers.iter().map(|broker| broker.id()).collect();
    let sorted = |ids: &[i32]| {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids
    };
    for partition in metadata.topics()[0].partitions() {
        assert!(ids.contains(&partition.leader()));
        assert_eq!(sorted(partition.replicas()), ids);
        assert_eq!(sorted(partition.isr()), ids);
    }
}

/// A fetch that waits at the end is answered when there is something, not when its time is up.
fn waiting_fetch(target: &Target) {
    const WAIT: Duration = Duration::from_secs(30);
    let topic = target.topic("rdkafka-waiting");
    let send = || produce_to(target, &topic, &bulk(1), &[], |_| 0);
    send();
    let wait_ms = WAIT.as_millis().to_string();
    let patient = [
        ("fetch.wait.max.ms", wait_ms.as_str()),
        ("socket.timeout.ms", "60000"),
        // The end is reported when a fetch comes back empty, which is what must not happen here.
        ("enable.partition.eof", "false"),
    ];
    let reader = consumer(target, &patient);
    assign(&reader, &topic, &[(0, Offset::Beginning)]);
    for offset in 0..5 {
        let sent = Instant::now();
        let message = reader
            .poll(PATIENCE)
            .expect("an event")
            .expect("the record");
        assert_eq!(rdkafka::Message::offset(&message), offset);
        assert!(sent.elapsed() < WAIT / 3, "it took {:?}", sent.elapsed());
        // The next fetch is under way by the time there is something for it.
        send();
    }
}

fn admin(target: &Target) {
    let topic = target.topic("rdkafka-admin");
    let admin: AdminClient<DefaultClientContext> = config(target, &[]).create().unwrap();
    let options = AdminOptions::new().request_timeout(Some(PATIENCE));
    let new = NewTopic::new(&topic, 4, TopicReplication::Fixed(-1)).set("retention.ms", "3600000");
    let create = || {
        block_on(admin.create_topics([&new], &options))
            .unwrap()
            .remove(0)
    };
    assert_eq!(create(), Ok(topic.clone()));
    let refused = (topic.clone(), RDKafkaErrorCode::TopicAlreadyExists);
    assert_eq!(create(), Err(refused));

    // The broker that answered may be a moment behind its controller.
    let reader = consumer(target, &[]);
    let partitions = || {
        let metadata = reader.fetch_metadata(Some(&topic), PATIENCE).unwrap();
        metadata.topics()[0].partitions().len()
    };
    let deadline = Instant::now() + PATIENCE;
    while partitions() != 4 {
        assert!(
            Instant::now() < deadline,
            "the topic has {} partitions",
            partitions()
        );
    }

    let resource = [ResourceSpecifier::Topic(&topic)];
    let described = block_on(admin.describe_configs(&resource, &options))
        .unwrap()
        .remove(0)
        .unwrap();
    let retention = described
        .get("retention.ms")
        .expect("every config is described");
    assert_eq!(retention.value.as_deref(), Some("3600000"));
    assert_eq!(retention.source, ConfigSource::DynamicTopic);
    assert_eq!(
        described.get("cleanup.policy").unwrap().source,
        ConfigSource::Default
    );

    let delete = || {
        block_on(admin.delete_topics(&[&topic], &options))
            .unwrap()
            .remove(0)
    };
    assert_eq!(delete(), Ok(topic.clone()));
    let refused = (topic.clone(), RDKafkaErrorCode::UnknownTopicOrPartition);
    assert_eq!(delete(), Err(refused));
}

fn round_trip(target: &Target, topic: &str, contents: &[Content], settings: &[(&str, &str)]) {
    let mut expected = settle(target, topic);
    let sent = in_turn(contents, ends(&expected));
    assert_same(
        &sent,
        &acknowledged(produce(target, topic, contents, settings)),
    );
    expected.extend(sent);
    assert_same(&expected, &consume(target, topic, &[]));
}

/// Makes `topic` one that takes records, by sending the first ones idempotently. A topic that has
/// just been created may refuse a batch and take the next, which would be reordered by a producer
/// that is not idempotent, and lost by one that does not wait for answers.
fn settle(target: &Target, topic: &str) -> Vec<Record> {
    let first = bulk(NUM_PARTITIONS as usize);
    let expected = in_turn(&first, [0; 3]);
    assert_same(
        &expected,
        &acknowledged(produce(target, topic, &first, &[IDEMPOTENT])),
    );
    expected
}
