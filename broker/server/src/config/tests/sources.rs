use std::path::PathBuf;

use super::*;

fn value(config: &Config, name: &str) -> Option<String> {
    config.settings.get(name).text()
}

#[test]
fn nothing_given_is_a_safe_node() {
    let config = Config::load(&Sources::default()).expect("defaults are valid");
    let broker = &config.broker;
    assert_eq!(broker.node_id, 1);
    assert_eq!(broker.data_dirs, [PathBuf::from("./data")]);
    assert_eq!(broker.metadata_dir, PathBuf::from("./data"));
    assert_eq!(
        broker.network.listeners[0].to_string(),
        "PLAINTEXT://127.0.0.1:9092"
    );
    assert_eq!(
        broker.network.advertised_listeners,
        broker.network.listeners
    );
    assert_eq!(broker.admin_listen, Some(("127.0.0.1".to_owned(), 9644)));
    assert!(!broker.journal.unsafe_no_sync);
    assert!(config.warnings.is_empty());
    assert_eq!(
        TopicConfig::resolve(&Default::default(), &config.settings).retention_ms,
        Some(604_800_000)
    );
}

#[test]
fn a_later_source_counts_more() {
    let yaml = "num.partitions: 2\nmessage.max.bytes: 2000\nlog.level: warn\nbroker.rack: a\n";
    let environment = [
        ("HOLDFAST_NUM_PARTITIONS", "3"),
        ("HOLDFAST_MESSAGE_MAX_BYTES", "3000"),
        ("HOLDFAST_LOG_LEVEL", "error"),
    ];
    let flags = [
        ("num.partitions", "4"),
        ("log.level", "debug"),
        ("num.partitions", "5"),
    ];
    let config = load(yaml, &environment, &flags).expect("valid");
    assert_eq!(config.broker.topics.partitions_default, 5);
    assert_eq!(value(&config, "message.max.bytes").as_deref(), Some("3000"));
    assert_eq!(config.broker.rack.as_deref(), Some("a"));
    assert_eq!(config.broker.logging.level, "debug");
    let origin = |name: &str| config.settings.get(name).origin.to_string();
    assert_eq!(origin("num.partitions"), "--set num.partitions");
    assert_eq!(origin("message.max.bytes"), "HOLDFAST_MESSAGE_MAX_BYTES");
    assert!(
        origin("broker.rack").ends_with(":4"),
        "{}",
        origin("broker.rack")
    );
    assert_eq!(origin("node.id"), "default");
}

#[test]
fn names_may_be_nested_and_lists_yamls() {
    let yaml = "\
log:
  retention.ms: 1000
  roll:
    ms: 2000
listeners:
  - PLAINTEXT://127.0.0.1:1
  - SSL://127.0.0.1:2
listener.security.protocol.map: [ 'PLAINTEXT:PLAINTEXT', 'SSL:PLAINTEXT' ]
auto.create.topics.enable: false
compression.type:
";
    let config = load(yaml, &[], &[]).expect("valid");
    assert_eq!(value(&config, "log.retention.ms").as_deref(), Some("1000"));
    assert_eq!(value(&config, "log.roll.ms").as_deref(), Some("2000"));
    assert_eq!(config.broker.network.listeners.len(), 2);
    assert!(!config.broker.topics.auto_create);
    assert!(config.settings.get("compression.type").is_default());
}

#[test]
fn a_file_without_settings_is_none() {
    for yaml in ["", "# nothing\n", "---\n", "{}\n"] {
        load(yaml, &[], &[]).expect("no settings");
    }
}

#[test]
fn a_mistake_names_file_line_setting_and_what_was_expected() {
    assert_eq!(
        error_of("node.id: 1\n\nlog.retention.ms: soon\n"),
        "the configuration is not valid\n  node.yaml:3: log.retention.ms: expected a whole number \
         (LONG) of at least 1, or -1, found \"soon\""
    );
    let nested = error_of("log:\n  segment:\n    bytes: 1\n");
    assert!(nested.contains("node.yaml:3: log.segment.bytes: expected a whole number (INT) of at least 1048576, found \"1\""), "{nested}");
}

#[test]
fn all_mistakes_of_all_sources_come_at_once() {
    let error = load(
        "num.partitions: 0\nio.engine: magic\n",
        &[("HOLDFAST_MIN_INSYNC_REPLICAS", "none")],
        &[("log.format", "xml")],
    )
    .expect_err("mistakes");
    let lines: Vec<&str> = error.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "  node.yaml:1: num.partitions: expected a whole number (INT) from 1 to 100000, found \"0\"",
            "  node.yaml:2: io.engine: expected one of auto, uring, threads, found \"magic\"",
            "  HOLDFAST_MIN_INSYNC_REPLICAS: min.insync.replicas: expected a whole number (INT) of \
             at least 1, found \"none\"",
            "  --set log.format: log.format: expected one of text, json, found \"xml\"",
        ]
    );
}

#[test]
fn an_unknown_name_is_an_error_with_a_suggestion() {
    let error = error_of("a: 1\nlog.retentoin.ms: 1\nretention.ms: 5\n");
    assert!(error.contains("node.yaml:1: a: no such setting"), "{error}");
    assert!(
        error.contains(
            "node.yaml:2: log.retentoin.ms: no such setting; did you mean log.retention.ms?"
        ),
        "{error}"
    );
    assert!(
        error.contains(
            "node.yaml:3: retention.ms: a topic's setting; the broker's is log.retention.ms"
        ),
        "{error}"
    );
    let environment = [("HOLDFAST_NUM_PARTITION", "3")];
    let error = load("", &environment, &[]).expect_err("unknown");
    assert!(
        error.contains(
            "HOLDFAST_NUM_PARTITION: no such setting; did you mean HOLDFAST_NUM_PARTITIONS?"
        ),
        "{error}"
    );
    assert!(load_flags(&[("nope.nope", "1")]).is_err());
}

#[test]
fn other_variables_do_not_count() {
    let environment = [
        ("PATH", "/bin"),
        ("HOLDFAST_CONFIG", "x.yaml"),
        ("HOLDFAST_SERVICE_HOST", "10.0.0.1"),
        ("HOLDFAST_SERVICE_PORT", "9092"),
        ("HOLDFAST_SERVICE_PORT_KAFKA", "9092"),
        ("HOLDFAST_PORT", "tcp://10.0.0.1:9092"),
        ("HOLDFAST_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
        ("HOLDFAST_PORT_9092_TCP_ADDR", "10.0.0.1"),
        ("HOLDFAST_HEADLESS_PORT_9644_TCP_PROTO", "tcp"),
    ];
    load("", &environment, &[]).expect("none of them is a setting");
}

#[test]
fn a_setting_twice_in_the_file_is_a_mistake() {
    let error = error_of("log.retention.ms: 1\nlog:\n  retention.ms: 2\n");
    assert!(
        error.contains("node.yaml:3: log.retention.ms: given twice, first at node.yaml:1"),
        "{error}"
    );
    let error = error_of("node.id: 1\nnode.id: 2\n");
    assert!(error.contains("node.yaml:2:"), "{error}");
}

#[test]
fn what_is_no_configuration_is_refused() {
    for (yaml, expected) in [
        ("- a\n- b\n", "node.yaml:1: expected `name: value` lines"),
        ("just text\n", "node.yaml:1: expected `name: value` lines"),
        ("node.id: [1\n", "node.yaml:"),
        ("a: b: c\n", "node.yaml:1:"),
        (
            "listeners:\n - [a]\n",
            "node.yaml:2: listeners: expected a list of plain values",
        ),
    ] {
        let error = error_of(yaml);
        assert!(error.contains(expected), "{yaml:?}: {error}");
    }
    let sources = Sources {
        file: Some("/nonexistent/node.yaml".into()),
        ..Sources::default()
    };
    let error = Config::load(&sources).expect_err("no file").to_string();
    assert!(
        error.starts_with("cannot read the configuration file /nonexistent/node.yaml: "),
        "{error}"
    );
    assert!(
        error_of(&"#".repeat(2 << 20)).contains("larger than"),
        "bounded"
    );
}

#[test]
fn kafkas_other_settings_are_accepted_with_a_warning() {
    let yaml = "process.roles: broker,controller\nnum.io.threads: 8\nlistener.name.internal.ssl.key.password: secret\n";
    let config = load(yaml, &[("HOLDFAST_NUM_NETWORK_THREADS", "4")], &[]).expect("known names");
    assert_eq!(config.warnings.len(), 4, "{:?}", config.warnings);
    assert!(
        config
            .warnings
            .iter()
            .any(|w| w == "HOLDFAST_NUM_NETWORK_THREADS: num.network.threads has no effect here")
    );
    let error = error_of("num.io.threads: many\n");
    assert!(
        error.contains(
            "num.io.threads: expected a whole number (INT) of at least 1, found \"many\""
        ),
        "{error}"
    );
}

#[test]
fn what_would_leave_the_broker_open_or_at_risk_is_not_taken_lightly() {
    let error = error_of(
        "authorizer.class.name: org.apache.kafka.metadata.authorizer.StandardAuthorizer\n",
    );
    assert!(
        error.contains("expected nothing (this version has no authorizer"),
        "{error}"
    );
    let config = load_flags(&[("journal.unsafe.no.sync", "true")]).expect("valid");
    assert!(config.broker.journal.unsafe_no_sync);
    assert!(config.warnings[0].contains("ACKNOWLEDGED RECORDS ARE NOT ON DISK"));
}

#[test]
fn settings_that_contradict_each_other_are_mistakes() {
    let error = load_flags(&[("journal.file.bytes", "1048576")]).expect_err("initial is larger");
    assert!(error.contains("--set journal.file.bytes: journal.file.bytes: journal.initial.file.bytes is 16777216, expected at most 1048576"), "{error}");
    let small = [
        ("journal.file.bytes", "1048576"),
        ("journal.initial.file.bytes", "1048576"),
        ("journal.commit.bytes.max", "524288"),
    ];
    load_flags(&small).expect("fits");
    let error = load_flags(&[("queued.max.request.bytes", "1048576")]).expect_err("too small");
    assert!(
        error.contains("a request of the largest size has to fit"),
        "{error}"
    );
    for dirs in ["/a,/b,/a/", "/a,/b/../b,/a/b", "/a/b,/a"] {
        let error = load_flags(&[("log.dirs", dirs)]).expect_err(dirs);
        let words = "log.dirs: expected directories apart from each other, found /a";
        assert!(error.contains(words), "{error}");
    }
    let error = load_flags(&[("log.dirs", "/a,/b"), ("metadata.log.dir", "/b/m")]);
    let error = error.expect_err("inside another");
    assert!(error.contains("found /b and /b/m"), "{error}");
    let error = load_flags(&[("log.dirs.lost", "AAAAAAAAAAAAAAAAAAAAAQ,x")]).expect_err("no id");
    assert!(
        error.contains("expected ids of data directories, found \"x\""),
        "{error}"
    );
    let error = load_flags(&[("log.dirs", "/a,,/b")]).expect_err("no name");
    assert!(error.contains("found an empty name"), "{error}");
}

#[test]
fn the_metadata_is_in_the_first_directory_unless_it_is_said_where() {
    for (metadata, expected) in [(None, "/a"), (Some("/b"), "/b"), (Some("/c"), "/c")] {
        let mut flags = vec![("log.dirs", "/a,/b")];
        flags.extend(metadata.map(|dir| ("metadata.log.dir", dir)));
        let broker = load_flags(&flags).expect("valid").broker;
        assert_eq!(broker.data_dirs, ["/a", "/b"].map(PathBuf::from));
        assert_eq!(broker.metadata_dir, PathBuf::from(expected));
    }
}

#[test]
fn log_dirs_counts_more_than_log_dir() {
    let config = load_flags(&[("log.dir", "/a")]).expect("valid");
    assert_eq!(config.broker.data_dirs, [PathBuf::from("/a")]);
    let config = load_flags(&[("log.dir", "/a"), ("log.dirs", "/b")]).expect("valid");
    assert_eq!(config.broker.data_dirs, [PathBuf::from("/b")]);
}
