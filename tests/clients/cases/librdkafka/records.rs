//! What a topic's configuration asks of records: their codec, their keys, their timestamps.

use rdkafka::error::RDKafkaErrorCode;
use tests_clients::{
    CODECS, Content, Record, Target, assert_same, bulk, edge_cases, ends, in_turn,
};

use super::client::{acknowledged, consume, create_topic, produce};

/// A codec as `compression.type` has it.
const CODECS_OF_TOPICS: [&str; 5] = ["uncompressed", "gzip", "snappy", "lz4", "zstd"];
const LINGER: (&str, &str) = ("linger.ms", "50");
const IDEMPOTENT: (&str, &str) = ("enable.idempotence", "true");

/// Produced with every codec to topics of every codec: what comes back is what was sent, in its order.
pub(super) fn codec_of_the_topic(target: &Target) {
    for stored in CODECS_OF_TOPICS {
        let topic = target.topic("rdkafka-stored");
        create_topic(target, &topic, &[("compression.type", stored)]);
        let mut expected: Vec<Record> = Vec::new();
        for (nth, codec) in CODECS.iter().enumerate() {
            // Large and small, so that some are compressed by another thread and some are not.
            let contents = [bulk(600), edge_cases(), bulk(3)].concat();
            let idempotent = if nth % 2 == 0 { "true" } else { "false" };
            let settings = [
                ("enable.idempotence", idempotent),
                ("compression.type", *codec),
                LINGER,
            ];
            let sent = in_turn(&contents, ends(&expected));
            let reports = produce(target, &topic, &contents, &settings);
            assert_same(&sent, &acknowledged(reports));
            expected.extend(sent);
        }
        assert_same(&expected, &consume(target, &topic, &[]));
    }
}

/// A compacted topic takes no record without a key.
pub(super) fn keys(target: &Target) {
    let topic = target.topic("rdkafka-compacted");
    create_topic(target, &topic, &[("cleanup.policy", "compact")]);
    for codec in CODECS {
        let settings = [IDEMPOTENT, ("compression.type", codec)];
        let keyless = Content {
            key: None,
            ..bulk(2).remove(1)
        };
        let reports = produce(target, &topic, &[keyless], &settings);
        let refused = Err(RDKafkaErrorCode::InvalidRecord);
        assert_eq!(reports.as_slice(), [refused], "{codec}");
    }
    let keyed: Vec<Content> = bulk(300)
        .into_iter()
        .filter(|content| content.key.is_some())
        .collect();
    let sent = in_turn(&keyed, [0; 3]);
    let reports = produce(target, &topic, &keyed, &[IDEMPOTENT, LINGER]);
    assert_same(&sent, &acknowledged(reports));
    assert_same(&sent, &consume(target, &topic, &[]));
}

/// A timestamp that is too far away from now.
pub(super) fn timestamps(target: &Target) {
    const HOUR_MS: i64 = 3_600_000;
    let topic = target.topic("rdkafka-timestamps");
    let before_max = HOUR_MS.to_string();
    let configs = [("message.timestamp.before.max.ms", before_max.as_str())];
    create_topic(target, &topic, &configs);
    let content = bulk(1).remove(0);
    let at = |away: i64| Content {
        timestamp: content.timestamp + away,
        ..content.clone()
    };
    for codec in CODECS {
        let settings = [("compression.type", codec)];
        for away in [-2 * HOUR_MS, 2 * HOUR_MS] {
            let reports = produce(target, &topic, &[at(away)], &settings);
            let refused = Err(RDKafkaErrorCode::InvalidTimestamp);
            assert_eq!(reports.as_slice(), [refused], "{codec} {away}");
        }
    }
    let good = [at(-HOUR_MS / 2), at(0), at(HOUR_MS / 2)];
    let sent = in_turn(&good, [0; 3]);
    let reports = produce(target, &topic, &good, &[]);
    assert_same(&sent, &acknowledged(reports));
}
