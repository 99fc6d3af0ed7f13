use super::*;

fn message(name: &str, value: &str) -> String {
    validate_topic_config(name, value).expect_err("no value of it")
}

/// As Apache Kafka 4.3.1's `LogConfig.validate` words them.
#[test]
fn messages_are_kafkas() {
    for (name, value, expected) in [
        ("retention.ms", "abc", "Not a number of type LONG"),
        ("retention.ms", "-2", "Value must be at least -1"),
        ("segment.bytes", "1", "Value must be at least 1048576"),
        ("segment.bytes", "99999999999", "Not a number of type INT"),
        ("segment.bytes", "", "Not a number of type INT"),
        (
            "cleanup.policy",
            "foo",
            "String must be one of: compact, delete",
        ),
        (
            "compression.type",
            "foo",
            "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
        ),
        (
            "preallocate",
            "maybe",
            "Expected value to be either true or false",
        ),
        (
            "min.cleanable.dirty.ratio",
            "x",
            "Not a number of type DOUBLE",
        ),
        (
            "compression.gzip.level",
            "0",
            "Value must be between 1 and 9 or equal to -1",
        ),
        (
            "compression.lz4.level",
            "18",
            "Value must be no more than 17",
        ),
        (
            "message.timestamp.type",
            "x",
            "String must be one of: CreateTime, LogAppendTime",
        ),
    ] {
        let expected = format!("Invalid value {value} for configuration {name}: {expected}");
        assert_eq!(message(name, value), expected);
    }
    assert_eq!(
        message("min.cleanable.dirty.ratio", "2"),
        "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"
    );
    assert_eq!(
        message("cleanup.policy", "delete,"),
        "Configuration 'cleanup.policy' values must not be empty."
    );
    assert_eq!(
        message("leader.replication.throttled.replicas", "1:2,*"),
        "Invalid value [1:2, *] for configuration leader.replication.throttled.replicas: \
         leader.replication.throttled.replicas must be the literal '*' or a list of replicas in \
         the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    assert_eq!(message("nope", "1"), "Unknown topic config name: nope");
}

#[test]
fn what_kafka_takes_is_taken() {
    for (name, value) in [
        ("retention.ms", " 5 "),
        ("retention.ms", "-1"),
        ("retention.bytes", "-9"),
        ("cleanup.policy", ""),
        ("cleanup.policy", "delete,delete"),
        ("cleanup.policy", "compact, delete"),
        ("compression.type", " gzip "),
        ("preallocate", "TRUE"),
        ("compression.gzip.level", "-1"),
        ("leader.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "1:2,1:2"),
        ("leader.replication.throttled.replicas", ""),
        ("remote.storage.enable", "false"),
        ("durability", "fsync"),
    ] {
        assert_eq!(validate_topic_config(name, value), Ok(()), "{name}={value}");
    }
}

#[test]
fn what_is_not_there_yet_is_refused() {
    assert!(message("remote.storage.enable", "true").contains("Tiered Storage functionality"));
    assert!(message("durability", "memory").ends_with("String must be one of: fsync, os"));
}

#[test]
fn a_list_keeps_the_first_of_entries_that_are_twice() {
    let cleanup = &topic_definition("cleanup.policy")
        .expect("in the table")
        .definition;
    let value = parse(cleanup, "delete, compact,delete").expect("valid");
    assert_eq!(value.to_string(), "delete,compact");
}

#[test]
fn multiples_are_checked() {
    let error = load_flags(&[("journal.file.bytes", "268435457")]).expect_err("not a multiple");
    assert!(
        error.contains("a multiple of 4096, found \"268435457\""),
        "{error}"
    );
}

#[test]
fn fractions_are_written_as_java_writes_them() {
    for (value, text) in [
        (0.0, "0.0"),
        (0.5, "0.5"),
        (-0.001, "-0.001"),
        (0.0001, "1.0E-4"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (-1.25e10, "-1.25E10"),
        (f64::MAX, "1.7976931348623157E308"),
    ] {
        assert_eq!(Value::Double(value).to_string(), text);
    }
}

#[test]
fn a_level_may_be_by_module() {
    load_flags(&[("log.level", "warn,broker::net=debug")]).expect("valid");
    for level in ["", "a=b=c"] {
        assert!(load_flags(&[("log.level", level)]).is_err(), "{level}");
    }
}
