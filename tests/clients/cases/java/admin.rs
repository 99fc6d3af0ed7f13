//! Administration with the tools of Apache Kafka: what they print is compared, and that what they
//! change is so afterwards. Brokers are shared with other cases, so nothing is changed that these
//! would notice, and what is changed for a whole broker is changed back.

use std::process::Command;

use serde_json::Value;
use tests_clients::{Backend, Record, Target, run, run_to_failure, run_with_input};

use super::{admin, consume, create, tool};

/// The `node.id` of the first broker, whichever it is.
const NODE: &str = "1";

/// What Kafka's broker says of its settings, which the broker's own tables are compared with.
const KAFKAS_SETTINGS: &str =
    include_str!("../../../../broker/server/src/config/tests/kafka-4.3.1/broker.tsv");

/// Creates, grows, describes in pages, and deletes.
pub(super) fn topics(target: &Target) {
    let topic = target.topic("java-admin-topics");
    let topics = |args: &[&str]| -> Command {
        let mut tool = admin(target, "topics");
        tool.args(["--topic", &topic]).args(args);
        tool
    };
    let settings = ["retention.ms=1000000", "cleanup.policy=compact,delete"];
    let mut creation = topics(&["--create", "--partitions", "2"]);
    for setting in settings {
        creation.args(["--config", setting]);
    }
    let created = run(&creation);
    assert!(
        created.contains(&format!("Created topic {topic}.")),
        "{created}"
    );
    let refusal = run_to_failure(&topics(&["--create"]));
    assert!(
        refusal.contains(&format!("Topic '{topic}' already exists.")),
        "{refusal}"
    );
    run(&topics(&["--create", "--if-not-exists"]));

    run(&topics(&["--alter", "--partitions", "4"]));
    let refusal = run_to_failure(&topics(&["--alter", "--partitions", "1"]));
    let reason =
        format!("The topic {topic} currently has 4 partition(s); 1 would not be an increase.");
    assert!(refusal.contains(&reason), "{refusal}");

    let pages = ["--describe", "--partition-size-limit-per-response", "3"];
    let description = run(&topics(&pages));
    let (head, partitions) = description.split_once('\n').expect("lines");
    let replicas = target.replicas();
    let counts = format!("\tPartitionCount: 4\tReplicationFactor: {replicas}\tConfigs: ");
    assert!(head.contains(&counts), "{head}");
    assert!(
        settings.iter().all(|setting| head.contains(setting)),
        "{head}"
    );
    let every_broker: Vec<String> = (1..=target.replicas()).map(|id| id.to_string()).collect();
    for (partition, line) in partitions.lines().enumerate() {
        let fields: Vec<(&str, &str)> = line
            .trim_start()
            .split('\t')
            .map(|field| field.split_once(": ").expect("a name and a value"))
            .collect();
        let brokers = |at: usize, name: &str| {
            assert_eq!(fields[at].0, name, "{line}");
            let mut ids: Vec<&str> = fields[at].1.split(',').collect();
            ids.sort_unstable();
            ids
        };
        let partition = partition.to_string();
        assert_eq!(
            fields[..2],
            [("Topic", &*topic), ("Partition", &*partition)]
        );
        assert!(
            every_broker.iter().any(|id| brokers(2, "Leader") == [id]),
            "{line}"
        );
        assert_eq!(brokers(3, "Replicas"), every_broker, "{line}");
        assert_eq!(brokers(4, "Isr"), every_broker, "{line}");
        assert_eq!(fields[5..], [("Elr", ""), ("LastKnownElr", "")], "{line}");
    }
    assert_eq!(partitions.lines().count(), 4, "{partitions}");
    let overrides = run(&topics(&["--describe", "--topics-with-overrides"]));
    assert_eq!(overrides.trim_end(), head);

    run(&topics(&["--delete"]));
    let refusal = run_to_failure(&topics(&["--describe"]));
    assert!(
        refusal.contains(&format!("Topic '{topic}' does not exist")),
        "{refusal}"
    );
    run(&topics(&["--delete", "--if-exists"]));
}

/// Sets, unsets and describes the settings of a topic.
pub(super) fn topic_configs(target: &Target) {
    let topic = create(target, "java-admin-configs", 1);
    let configs = Configs {
        target,
        entity: &["--entity-type", "topics", "--entity-name", &topic],
    };
    let completed = format!("Completed updating config for topic {topic}.");
    let added = "segment.bytes=2000000,cleanup.policy=[compact,delete],\
                 leader.replication.throttled.replicas=[0:1,1:1]";
    assert!(configs.alter("--add-config", added).contains(&completed));
    let heading = format!("Dynamic configs for topic {topic} are:");
    let policy = "cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:\
                  cleanup.policy=compact,delete, DEFAULT_CONFIG:log.cleanup.policy=delete}";
    let replicas = "leader.replication.throttled.replicas=0:1,1:1 sensitive=false synonyms={\
                    DYNAMIC_TOPIC_CONFIG:leader.replication.throttled.replicas=0:1,1:1}";
    let segment = "segment.bytes=2000000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:\
                   segment.bytes=2000000, DEFAULT_CONFIG:log.segment.bytes=1073741824}";
    assert_eq!(configs.describe(), [&heading, policy, replicas, segment]);
    assert!(
        configs
            .alter("--delete-config", "segment.bytes,cleanup.policy")
            .contains(&completed)
    );
    assert_eq!(configs.describe(), [&heading, replicas]);
    for (setting, reason) in [
        (
            "retention.ms=x",
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        ("nope=1", "Unknown topic config name: nope"),
    ] {
        let refusal = configs.refused("--add-config", setting);
        assert!(refusal.contains(reason), "{refusal}");
    }
    let none = Configs {
        target,
        entity: &["--entity-type", "topics", "--entity-name", "no-such-topic"],
    };
    let refusal = none.refused("--add-config", "retention.ms=1");
    assert!(
        refusal.contains("The topic 'no-such-topic' does not exist."),
        "{refusal}"
    );
}

/// Sets, unsets and describes the settings of one broker and of all, which topics follow.
pub(super) fn broker_configs(target: &Target) {
    let topic = create(target, "java-admin-brokers", 1);
    let all = Configs {
        target,
        entity: &["--entity-type", "brokers", "--entity-default"],
    };
    let ids: Vec<String> = (1..=target.replicas()).map(|id| id.to_string()).collect();
    let entities: Vec<[&str; 4]> = ids
        .iter()
        .map(|id| ["--entity-type", "brokers", "--entity-name", id])
        .collect();
    // Any of them may be asked of a topic, and answers with its own settings.
    let each: Vec<Configs<'_>> = entities
        .iter()
        .map(|entity| Configs { target, entity })
        .collect();
    let one = &each[0];
    let altered = all.alter(
        "--add-config",
        "log.retention.ms=700000000,num.io.threads=10",
    );
    assert!(altered.contains("Completed updating default config for brokers in the cluster."));
    for (id, broker) in ids.iter().zip(&each) {
        let altered = broker.alter("--add-config", "log.retention.ms=600000000");
        assert!(altered.contains(&format!("Completed updating config for broker {id}.")));
    }

    let synonyms = "{DYNAMIC_BROKER_CONFIG:log.retention.ms=600000000, \
                    DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=700000000, \
                    DEFAULT_CONFIG:log.retention.hours=168}";
    let told = format!("log.retention.ms=600000000 sensitive=false synonyms={synonyms}");
    assert_has(&one.describe(), &told);
    for default in [
        "log.retention.ms=700000000 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:\
         log.retention.ms=700000000}",
        "num.io.threads=10 sensitive=false synonyms={DYNAMIC_DEFAULT_BROKER_CONFIG:\
         num.io.threads=10}",
    ] {
        assert_has(&all.describe(), default);
    }
    let follower = Configs {
        target,
        entity: &["--all", "--entity-type", "topics", "--entity-name", &topic],
    };
    let told = format!("retention.ms=600000000 sensitive=false synonyms={synonyms}");
    assert_has(&follower.describe(), &told);

    all.alter("--delete-config", "log.retention.ms,num.io.threads");
    for broker in &each {
        broker.alter("--delete-config", "log.retention.ms");
    }
    assert_has(
        &follower.describe(),
        "retention.ms=604800000 sensitive=false synonyms={}",
    );
    for (configs, setting, reason) in [
        (
            one,
            "num.partitions=5",
            "Cannot update these configs dynamically: [num.partitions]",
        ),
        (
            &all,
            "log.segment.bytes=1",
            "Invalid value 1 for configuration log.segment.bytes: Value must be at least 1048576",
        ),
        (
            &all,
            "sasl.jaas.config=x",
            "Cannot update these configs at default cluster level, broker id must be specified: [sasl.jaas.config]",
        ),
    ] {
        let refusal = configs.refused("--add-config", setting);
        assert!(refusal.contains(reason), "{refusal}");
    }
}

/// Every setting of Kafka's broker is described, with its default.
pub(super) fn all_broker_configs(target: &Target) {
    let all = Configs {
        target,
        entity: &["--all", "--entity-type", "brokers", "--entity-name", NODE],
    };
    let described = all.describe();
    for row in KAFKAS_SETTINGS
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let mut columns = row.split('\t');
        let (name, default) = (
            columns.next().expect("a name"),
            columns.nth(1).expect("a default"),
        );
        let line = described
            .iter()
            .find(|line| line.starts_with(&format!("{name}=")));
        let line = line.unwrap_or_else(|| panic!("{name} is not described"));
        let expected = format!("DEFAULT_CONFIG:{name}={default}");
        let is_told = default == "-" || line.contains(&expected);
        // Of Kafka itself, that says whether the table is right; Holdfast compares its own with it. Kafka tells no default of
        // what cannot be without a value.
        let has_default = line.contains("DEFAULT_CONFIG:");
        assert!(
            is_told || target.backend != Backend::Apache || !has_default,
            "{line}"
        );
    }
}

/// Levels of the broker's log, set and taken away again.
pub(super) fn broker_loggers(target: &Target) {
    let loggers = Configs {
        target,
        entity: &["--entity-type", "broker-loggers", "--entity-name", NODE],
    };
    let described = loggers.describe();
    let names = described
        .iter()
        .filter_map(|line| Some(line.split_once('=')?.0))
        .filter(|name| !name.contains(' '));
    let mut names: Vec<&str> = names.filter(|name| *name != "root").collect();
    names.sort_unstable();
    let logger = names.first().expect("something logs");
    let level = || {
        let start = format!("{logger}=");
        let described = loggers.describe();
        let line = described.iter().find(|line| line.starts_with(&start));
        line.expect("it is described").clone()
    };
    let before = level();
    loggers.alter("--add-config", &format!("{logger}=TRACE"));
    assert_eq!(
        level(),
        format!("{logger}=TRACE sensitive=false synonyms={{}}")
    );
    loggers.alter("--delete-config", logger);
    assert_eq!(level(), before);
    let refusal = loggers.refused("--add-config", "no.such.logger=DEBUG");
    assert!(
        refusal.contains("Invalid broker logger(s): no.such.logger"),
        "{refusal}"
    );
    let refusal = loggers.refused("--add-config", &format!("{logger}=LOUD"));
    assert!(refusal.contains("LOUD"), "{refusal}");
}

/// Subscriptions of client metrics are kept and listed.
pub(super) fn client_metrics(target: &Target) {
    let name = target.topic("java-admin-metrics");
    let metrics = Configs {
        target,
        entity: &["--entity-type", "client-metrics", "--entity-name", &name],
    };
    metrics.alter(
        "--add-config",
        "interval.ms=1000,metrics=[org.apache.kafka.,x]",
    );
    let expected = [
        format!("Dynamic configs for client-metric {name} are:"),
        "interval.ms=1000 sensitive=false synonyms={DYNAMIC_CLIENT_METRICS_CONFIG:interval.ms=1000}".to_owned(),
        "metrics=org.apache.kafka.,x sensitive=false synonyms={DYNAMIC_CLIENT_METRICS_CONFIG:metrics=org.apache.kafka.,x}".to_owned(),
    ];
    assert_eq!(metrics.describe(), expected);
    let list = || run(admin(target, "client-metrics").arg("--list"));
    assert!(list().lines().any(|line| line == name));
    metrics.alter("--delete-config", "interval.ms,metrics");
    assert!(!list().lines().any(|line| line == name));
}

/// Directories, with the sizes of partitions.
pub(super) fn log_dirs(target: &Target) {
    const COUNT: usize = 200;
    let topic = create(target, "java-admin-log-dirs", 2);
    let count = COUNT.to_string();
    run(tool(target, "verifiable-producer", &topic).args(["--max-messages", &count]));
    let described = run(admin(target, "log-dirs").args(["--describe", "--topic-list", &topic]));
    let json = described.lines().last().expect("JSON in the last line");
    let described: Value = serde_json::from_str(json).expect("JSON");
    let brokers = described["brokers"].as_array().expect("brokers");
    let mut ids: Vec<_> = brokers.iter().map(|it| it["broker"].as_u64()).collect();
    ids.sort_unstable();
    let expected: Vec<_> = (1..=target.replicas()).map(|id| Some(id as u64)).collect();
    assert_eq!(ids, expected, "{described}");
    for broker in brokers {
        log_dir(broker, &topic, COUNT);
    }
}

/// That a broker has both partitions, with so many records, in its only directory.
fn log_dir(described: &Value, topic: &str, count: usize) {
    let [directory] = described["logDirs"]
        .as_array()
        .expect("directories")
        .as_slice()
    else {
        panic!("one directory: {described}");
    };
    assert!(directory["error"].is_null(), "{described}");
    assert!(
        directory["logDir"]
            .as_str()
            .is_some_and(|path| path.starts_with('/'))
    );
    let partitions = directory["partitions"].as_array().expect("partitions");
    let mut sizes: Vec<(&str, u64)> = partitions
        .iter()
        .map(|partition| {
            assert_eq!(
                (&partition["offsetLag"], &partition["isFuture"]),
                (&0.into(), &false.into())
            );
            let name = partition["partition"].as_str().expect("a name");
            (name, partition["size"].as_u64().expect("a size"))
        })
        .collect();
    sizes.sort_unstable();
    let names: Vec<&str> = sizes.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, [format!("{topic}-0"), format!("{topic}-1")]);
    let total: u64 = sizes.iter().map(|(_, size)| size).sum();
    // Values are numbers of up to three digits; a batch has 61 bytes before its records.
    assert!(
        (count as u64 * 7..count as u64 * 80).contains(&total),
        "{sizes:?}"
    );
}

/// The start, the end, the newest record, and records by their time.
pub(super) fn get_offsets(target: &Target) {
    const COUNT: usize = 40;
    let topic = create(target, "java-admin-offsets", 2);
    for half in [0..COUNT / 2, COUNT / 2..COUNT] {
        let input: String = half.map(|value| format!("key:{value}\n")).collect();
        let mut producer = tool(target, "console-producer", &topic);
        for property in ["parse.key=true", "key.separator=:"] {
            producer.args(["--reader-property", property]);
        }
        run_with_input(&producer, input.as_bytes());
    }
    let of =
        |time: &str| run(admin(target, "get-offsets").args(["--topic", &topic, "--time", time]));
    let latest = of("latest");
    let full = (0..2)
        .find(|partition| latest.contains(&format!("{topic}:{partition}:{COUNT}\n")))
        .expect("one key is in one partition");
    let records: Vec<Record> = consume(target, &topic, full, "earliest", COUNT);
    let line = |partition: i32, offset: usize| format!("{topic}:{partition}:{offset}\n");
    // Of an empty partition there is no newest record, and none at or after any time.
    let ends = |at: usize| -> String {
        (0..2)
            .map(|partition| line(partition, if partition == full { at } else { 0 }))
            .collect()
    };
    let first_since = |time: i64| records.iter().position(|record| record.timestamp >= time);
    let newest = records
        .iter()
        .map(|record| record.timestamp)
        .max()
        .expect("records");
    let of_full = |at: Option<usize>| at.map_or(String::new(), |at| line(full, at));
    for (time, expected) in [
        ("latest", ends(COUNT)),
        ("-1", ends(COUNT)),
        ("earliest", ends(0)),
        ("earliest-local", ends(0)),
        ("latest-tiered", String::new()),
        ("max-timestamp", of_full(first_since(newest))),
    ] {
        assert_eq!(of(time), expected, "{time}");
    }
    for time in [1, records[COUNT / 2].timestamp, newest, newest + 1] {
        assert_eq!(of(&time.to_string()), of_full(first_since(time)), "{time}");
    }
}

/// The start of a partition is moved forward, to an offset and to the end.
pub(super) fn delete_records(target: &Target) {
    let topic = create(target, "java-admin-delete-records", 1);
    run_with_input(
        &tool(target, "console-producer", &topic),
        b"1\n2\n3\n4\n5\n",
    );
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("offsets.json");
    let delete = |offset: i64| {
        let offsets = format!(
            r#"{{"partitions":[{{"topic":"{topic}","partition":0,"offset":{offset}}}],"version":1}}"#
        );
        std::fs::write(&path, offsets).expect("the file is written");
        let mut tool = admin(target, "delete-records");
        tool.arg("--offset-json-file").arg(&path);
        run(&tool)
    };
    let start = || {
        let earliest = ["--topic", &topic, "--time", "earliest"];
        run(admin(target, "get-offsets").args(earliest))
    };
    for (offset, low_watermark) in [(2, 2), (1, 2), (-1, 5)] {
        let deleted = delete(offset);
        let line = format!("partition: {topic}-0\tlow_watermark: {low_watermark}\n");
        assert!(deleted.contains(&line), "{deleted}");
        assert_eq!(start(), format!("{topic}:0:{low_watermark}\n"));
    }
    let refused = delete(6);
    let reason = format!("partition: {topic}-0\terror: ");
    assert!(
        refused.contains(&reason) && refused.contains("OffsetOutOfRangeException"),
        "{refused}"
    );
}

/// Who writes to a partition.
pub(super) fn producers(target: &Target) {
    let topic = create(target, "java-admin-producers", 1);
    run_with_input(&tool(target, "console-producer", &topic), b"one\ntwo\n");
    let mut describe = admin(target, "transactions");
    describe.args(["describe-producers", "--topic", &topic, "--partition", "0"]);
    let described = run(&describe);
    let rows: Vec<Vec<&str>> = described
        .lines()
        .map(|line| line.split_whitespace().collect())
        .filter(|row: &Vec<&str>| row.first().is_some_and(|id| id.parse::<i64>().is_ok()))
        .collect();
    let [row] = rows.as_slice() else {
        panic!("one producer: {described}");
    };
    // Its epoch, the coordinator's, its last sequence, when, and where its transaction begins.
    let [
        _,
        epoch,
        coordinator_epoch,
        sequence,
        timestamp,
        transaction,
    ] = row[..]
    else {
        panic!("six columns: {described}");
    };
    assert_eq!([epoch, coordinator_epoch, transaction], ["0", "-1", "None"]);
    // One batch or two: 0 and 1, or both in one.
    assert_eq!(sequence, "1");
    assert!(
        timestamp
            .parse::<i64>()
            .is_ok_and(|timestamp| timestamp > 0),
        "{described}"
    );
}

/// `kafka-configs` for one entity.
struct Configs<'a> {
    target: &'a Target,
    entity: &'a [&'a str],
}

impl Configs<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut tool = admin(self.target, "configs");
        tool.args(self.entity).args(args);
        tool
    }

    #[track_caller]
    fn alter(&self, how: &str, what: &str) -> String {
        run(&self.command(&["--alter", how, what]))
    }

    #[track_caller]
    fn refused(&self, how: &str, what: &str) -> String {
        run_to_failure(&self.command(&["--alter", how, what]))
    }

    /// Lines without their indentation. Kafka has had `min.insync.replicas` set for all brokers since KIP-966.
    #[track_caller]
    fn describe(&self) -> Vec<String> {
        let described = run(&self.command(&["--describe"]));
        let lines = described.lines().map(|line| line.trim().to_owned());
        lines
            .filter(|line| !line.starts_with("min.insync.replicas=") || self.entity[0] == "--all")
            .collect()
    }
}

#[track_caller]
fn assert_has(lines: &[String], expected: &str) {
    assert!(
        lines.iter().any(|line| line == expected),
        "{expected} is not in\n{}",
        lines.join("\n")
    );
}
