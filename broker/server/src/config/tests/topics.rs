use std::collections::BTreeMap;

use protocol::batch::Codec;

use super::*;

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn topic(own: &[(&str, &str)], broker: &[(&str, &str)]) -> TopicConfig {
    let settings = load_flags(broker).expect("valid").settings;
    TopicConfig::resolve(&overrides(own), &settings)
}

#[test]
fn without_settings_a_topic_is_as_kafkas() {
    let config = topic(&[], &[]);
    assert_eq!(config.max_message_bytes, 1_048_588);
    assert_eq!(config.segment_bytes, 1 << 30);
    assert_eq!(config.segment_ms, 7 * 24 * 3_600_000);
    assert_eq!(config.retention_bytes, None);
    assert_eq!(
        config.cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: false
        }
    );
    assert_eq!(config.codec, None);
    assert_eq!(config.timestamp_type, TimestampType::CreateTime);
    assert_eq!(config.timestamp_before_max_ms, i64::MAX);
    assert_eq!((config.flush_messages, config.flush_ms), (None, None));
    assert!(!config.unclean_leader_election);
}

#[test]
fn a_codec_comes_with_its_level() {
    let codec = |own: &[(&str, &str)]| {
        let broker = [
            ("compression.type", "zstd"),
            ("compression.gzip.level", "2"),
        ];
        topic(own, &broker).codec
    };
    assert_eq!(codec(&[]), Some(Codec::Zstd { level: 3 }));
    let level = ("compression.zstd.level", "-7");
    assert_eq!(codec(&[level]), Some(Codec::Zstd { level: -7 }));
    let gzip = ("compression.type", "gzip");
    assert_eq!(codec(&[gzip]), Some(Codec::Gzip { level: Some(2) }));
    let default = ("compression.gzip.level", "-1");
    assert_eq!(codec(&[gzip, default]), Some(Codec::Gzip { level: None }));
    for (name, expected) in [
        ("producer", None),
        ("uncompressed", Some(Codec::None)),
        ("snappy", Some(Codec::Snappy)),
        ("lz4", Some(Codec::Lz4)),
    ] {
        assert_eq!(codec(&[("compression.type", name)]), expected);
    }
}

#[test]
fn the_topics_own_setting_counts_more_than_the_brokers() {
    let broker = [
        ("log.segment.bytes", "2000000"),
        ("message.max.bytes", "5000"),
    ];
    let config = topic(&[("segment.bytes", "3000000")], &broker);
    assert_eq!(config.segment_bytes, 3_000_000);
    assert_eq!(config.max_message_bytes, 5000);
    let both = topic(&[("cleanup.policy", "compact,delete")], &[]);
    assert_eq!(
        both.cleanup_policy,
        CleanupPolicy {
            delete: true,
            compact: true
        }
    );
}

#[test]
fn of_the_brokers_settings_the_finer_unit_counts() {
    assert_eq!(
        topic(&[], &[("log.retention.hours", "2")]).retention_ms,
        Some(7_200_000)
    );
    let minutes = [("log.retention.hours", "2"), ("log.retention.minutes", "3")];
    assert_eq!(topic(&[], &minutes).retention_ms, Some(180_000));
    let millis = [("log.retention.minutes", "3"), ("log.retention.ms", "5")];
    assert_eq!(topic(&[], &millis).retention_ms, Some(5));
    assert_eq!(
        topic(&[], &[("log.retention.hours", "-1")]).retention_ms,
        None
    );
    assert_eq!(topic(&[], &[("log.roll.hours", "1")]).segment_ms, 3_600_000);
    assert_eq!(
        topic(&[], &[("log.flush.scheduler.interval.ms", "9")]).flush_ms,
        Some(9)
    );
}

#[test]
fn an_override_that_is_no_value_does_not_count() {
    assert_eq!(
        topic(&[("segment.bytes", "1"), ("nope", "x")], &[]).segment_bytes,
        1 << 30
    );
}

#[test]
fn settings_are_checked_together_too() {
    let check = |own: &[(&str, &str)], broker: &[(&str, &str)]| {
        validate_topic_configs(
            &overrides(own),
            &load_flags(broker).expect("valid").settings,
        )
    };
    assert_eq!(
        check(&[("retention.ms", "1"), ("segment.bytes", "1048576")], &[]),
        Ok(())
    );
    assert!(check(&[("retention.ms", "1"), ("segment.bytes", "1")], &[]).is_err());
    let conflict = Err(
        "conflict topic config setting min.compaction.lag.ms (10) > \
                        max.compaction.lag.ms (5)"
            .to_owned(),
    );
    let both = [
        ("min.compaction.lag.ms", "10"),
        ("max.compaction.lag.ms", "5"),
    ];
    assert_eq!(check(&both, &[]), conflict);
    let broker = [("log.cleaner.max.compaction.lag.ms", "5")];
    assert_eq!(check(&[("min.compaction.lag.ms", "10")], &broker), conflict);
}

#[test]
fn throttled_replicas_are_named_by_partition_and_broker() {
    use protocol::model::{BrokerId, PartitionIndex};

    let (leaders, followers) = (
        "leader.replication.throttled.replicas",
        "follower.replication.throttled.replicas",
    );
    let has = |replicas: &ThrottledReplicas| -> Vec<(i32, i32)> {
        let all = (0..3).flat_map(|partition| (1..4).map(move |broker| (partition, broker)));
        all.filter(|(partition, broker)| {
            replicas.has(PartitionIndex::new(*partition), BrokerId::new(*broker))
        })
        .collect()
    };
    let config = topic(&[(leaders, "0:1,2:3, 1:2"), (followers, "*")], &[]);
    assert_eq!(has(&config.leader_throttled), [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(has(&config.follower_throttled).len(), 9);
    // A number that no partition has stands for nothing.
    let config = topic(&[(leaders, "99999999999:1,1:1")], &[]);
    assert_eq!(has(&config.leader_throttled), [(1, 1)]);
    assert_eq!(has(&config.follower_throttled), []);
}
