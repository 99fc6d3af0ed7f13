//! Starts that must not happen: refused with a sentence that says what and where, and nothing touched.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::broker::refused;
use crate::support::directory::{flip_bit, snapshot, with_extension};
use crate::support::{Node, NodeConfig, batch};

const EXIT_FAILURE: i32 = 1;
const EXIT_BAD_CONFIGURATION: i32 = 2;

#[test]
fn a_second_start_on_the_same_directory_is_refused() {
    let mut node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    client.append(&topic, 0, batch(&["before"]));
    for engine in ["uring", "threads", "auto"] {
        let second = node
            .config()
            .clone()
            .set("io.engine", engine)
            .refused(node.data_dir());
        assert_eq!(second.code, Some(EXIT_FAILURE));
        second.names(&[&node.data_dir().display().to_string(), "in use"]);
    }
    client.append(&topic, 0, batch(&["after"]));
    assert_eq!(client.read_all(&topic, 0), [&b"before"[..], b"after"]);
    // Nor once it was killed and is there again.
    node.kill9();
    node.restart();
    assert_eq!(
        node.config().refused(node.data_dir()).code,
        Some(EXIT_FAILURE)
    );
    assert_eq!(node.client().read_all(&topic, 0).len(), 2);
}

#[test]
fn a_bad_configuration_touches_nothing() {
    let temporary = TempDir::new().expect("a temporary directory");
    let data_dir = temporary.path().join("data");
    let file = temporary.path().join("holdfast.yaml");
    let name = file.display().to_string();
    let line = |number: usize| format!("{name}:{number}");
    // The file, the line of the mistake, and words that say what was expected.
    let cases = [
        (
            "log.retention.ms: 5\nnum.partitions: many\n",
            2,
            vec!["num.partitions", "many"],
        ),
        (
            "\n\nnum.partitions: 0\n",
            3,
            vec!["num.partitions", "from 1 to"],
        ),
        (
            "io.engine: fast\n",
            1,
            vec!["io.engine", "auto", "uring", "threads"],
        ),
        (
            "# a comment\nlog.retension.ms: 5\n",
            2,
            vec!["log.retension.ms", "log.retention.ms"],
        ),
        (
            "log:\n  retention:\n    ms: soon\n",
            3,
            vec!["log.retention.ms", "soon"],
        ),
        (
            "advertised.listeners: PLAINTEXT://h:99999\n",
            1,
            vec!["advertised.listeners", "99999"],
        ),
        (
            "cluster.id: somewhere\n",
            1,
            vec!["cluster.id", "22 characters"],
        ),
        (
            "num.partitions: 1\nnum.partitions: 2\n",
            2,
            vec!["num.partitions"],
        ),
        ("num.partitions: [1\n", 1, vec![]),
        ("just words\n", 1, vec!["name: value"]),
    ];
    for (text, number, words) in cases {
        fs::write(&file, text).expect("a temporary file");
        let config = NodeConfig::new().argument("--config").argument(&name);
        let refusal = config.refused(&data_dir);
        assert_eq!(
            refusal.code,
            Some(EXIT_BAD_CONFIGURATION),
            "{text}: {}",
            refusal.stderr
        );
        refusal.names(&words);
        assert!(refusal.stderr.contains(&name), "{text}: {}", refusal.stderr);
        assert!(
            refusal.stderr.contains(&line(number)),
            "{text}: {}",
            refusal.stderr
        );
        assert!(!data_dir.exists(), "{text}");
    }
    // All mistakes at once, of all sources.
    fs::write(&file, "num.partitions: x\nio.engine: y\n").expect("a temporary file");
    let config = NodeConfig::new()
        .argument("--config")
        .argument(&name)
        .set("journal.files", "z");
    let mut command = config.command(&data_dir);
    let refusal = refused(command.env("HOLDFAST_NODE_ID", "none"));
    assert_eq!(refusal.code, Some(EXIT_BAD_CONFIGURATION));
    refusal.names(&[
        &line(1),
        &line(2),
        "HOLDFAST_NODE_ID",
        "--set journal.files",
    ]);
    // A file that is not there, an unknown flag, an unknown setting, a bad filter.
    let absent = temporary.path().join("absent.yaml").display().to_string();
    let cases = [
        (
            NodeConfig::new().argument("--config").argument(&absent),
            &absent[..],
        ),
        (
            NodeConfig::new().argument("--no-such-flag"),
            "--no-such-flag",
        ),
        (
            NodeConfig::new().set("no.such.setting", "1"),
            "no.such.setting",
        ),
        (
            NodeConfig::new().set("log.level", "holdfast=loud"),
            "log.level",
        ),
        (
            NodeConfig::new().set("cluster.id", "not an id"),
            "cluster.id",
        ),
    ];
    for (config, word) in cases {
        let refusal = config.refused(&data_dir);
        assert_eq!(
            refusal.code,
            Some(EXIT_BAD_CONFIGURATION),
            "{word}: {}",
            refusal.stderr
        );
        refusal.names(&[word]);
        assert!(!data_dir.exists(), "{word}");
    }
}

#[test]
fn a_port_in_use_touches_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let temporary = TempDir::new().expect("a temporary directory");
    let data_dir = temporary.path().join("data");
    for (setting, value) in [
        ("listeners", format!("PLAINTEXT://{address}")),
        ("admin.listen", address.clone()),
    ] {
        let refusal = NodeConfig::new().set(setting, &value).refused(&data_dir);
        assert_eq!(refusal.code, Some(EXIT_FAILURE));
        refusal.names(&[&address, "in use"]);
        assert!(!data_dir.exists(), "{setting}");
    }
}

/// A stopped node with some data, whose start is to be refused.
fn stopped() -> Node {
    let mut node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let topic = client.create_topic("t", 2, &[]);
    client.append(&topic, 0, batch(&["a"]));
    assert!(node.stop().success());
    node
}

/// The start is refused with these words and the path, twice, and the directory stays as it is.
#[track_caller]
fn stays_as_it_is(config: &NodeConfig, data_dir: &Path, path: &Path, words: &[&str]) {
    let before = snapshot(data_dir);
    for _ in 0..2 {
        let refusal = config.refused(data_dir);
        assert_eq!(refusal.code, Some(EXIT_FAILURE), "{}", refusal.stderr);
        refusal.names(&[&path.display().to_string()]);
        refusal.names(words);
        assert!(!refusal.stderr.contains("panicked"), "{}", refusal.stderr);
        assert_eq!(snapshot(data_dir), before);
    }
}

#[test]
fn a_directory_of_another_cluster_or_node_is_refused() {
    let node = stopped();
    let dir = node.data_dir();
    let other = node
        .config()
        .clone()
        .set("cluster.id", "AAAAAAAAAAAAAAAAAAAAAQ");
    let advice = "point --data-dir at another directory, or set";
    stays_as_it_is(
        &other,
        dir,
        dir,
        &["belongs to cluster", "AAAAAAAAAAAAAAAAAAAAAQ", advice],
    );
    let other = node.config().clone().set("node.id", "7");
    stays_as_it_is(
        &other,
        dir,
        dir,
        &["belongs to node 1, not to node 7", advice],
    );
}

#[test]
fn a_directory_that_is_none_of_ours_is_refused() {
    let temporary = TempDir::new().expect("a temporary directory");
    let data_dir = temporary.path().join("data");
    fs::create_dir(&data_dir).expect("a temporary directory");
    fs::write(data_dir.join("thesis.txt"), "years of work").expect("a temporary file");
    let config = NodeConfig::new();
    let words = [
        "thesis.txt",
        "point --data-dir at an empty directory",
        "Nothing was changed",
    ];
    stays_as_it_is(&config, &data_dir, &data_dir, &words);
    // Apache Kafka's own.
    fs::remove_file(data_dir.join("thesis.txt")).expect("a temporary file");
    let meta = "version=1\nnode.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAQ\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n";
    fs::write(data_dir.join("meta.properties"), meta).expect("a temporary file");
    fs::create_dir(data_dir.join("t-0")).expect("a temporary directory");
    stays_as_it_is(
        &config,
        &data_dir,
        &data_dir,
        &["meta.properties", "holdfast.format"],
    );
    // Not even a directory.
    let file = temporary.path().join("file");
    fs::write(&file, "x").expect("a temporary file");
    let refusal = config.refused(&file);
    assert_eq!(refusal.code, Some(EXIT_FAILURE));
    refusal.names(&[&file.display().to_string()]);
    assert_eq!(fs::read(&file).expect("it is there"), b"x");
}

#[test]
fn an_unknown_format_or_damaged_description_is_refused() {
    let node = stopped();
    let meta = node.data_dir().join("meta.properties");
    let text = fs::read_to_string(&meta).expect("it is text");
    let cases = [
        (
            text.replace("holdfast.format=3", "holdfast.format=99"),
            vec!["format 99", "formats 2 to 3"],
        ),
        (
            text.replace("node.id=1", "node.id=one"),
            vec!["node.id", "one"],
        ),
        (
            text.replace("directory.id=", "directory.id=?"),
            vec!["directory.id"],
        ),
        (
            text.replace("cluster.id=", "claster.id="),
            vec!["cluster.id is missing"],
        ),
        (String::new(), vec!["holdfast.format is missing"]),
    ];
    for (text, words) in cases {
        fs::write(&meta, text).expect("a file of the test");
        stays_as_it_is(node.config(), node.data_dir(), &meta, &words);
    }
    // Without the file, the directory is one of partitions that belong to nobody.
    fs::remove_file(&meta).expect("a file of the test");
    stays_as_it_is(
        node.config(),
        node.data_dir(),
        node.data_dir(),
        &["no meta.properties"],
    );
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let node = stopped();
    let checkpoint = node.data_dir().join("checkpoint");
    let good = fs::read(&checkpoint).expect("it is there");
    for at in [0, 9, 20, good.len() / 2, good.len() - 1] {
        flip_bit(&checkpoint, at as u64, 3);
        stays_as_it_is(node.config(), node.data_dir(), &checkpoint, &["Restore"]);
        fs::write(&checkpoint, &good).expect("a file of the test");
    }
    for end in [0, 11, good.len() / 2] {
        fs::write(&checkpoint, &good[..end]).expect("a file of the test");
        stays_as_it_is(node.config(), node.data_dir(), &checkpoint, &["Restore"]);
    }
    fs::remove_file(&checkpoint).expect("a file of the test");
    stays_as_it_is(node.config(), node.data_dir(), &checkpoint, &[]);
}

#[test]
fn a_missing_or_unreadable_journal_file_is_refused() {
    let config = NodeConfig::new()
        .set("log.write.behind.ms", "60000")
        .set("journal.files", "3")
        .set("journal.file.bytes", "1048576");
    let mut node = Node::start(config);
    let started = Instant::now();
    while with_extension(&node.data_dir().join("journal"), "journal").len() < 3 {
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "the journal does not grow"
        );
        thread::sleep(Duration::from_millis(5));
    }
    assert!(node.stop().success());
    // From here on the checkpoint knows of three files.
    node.restart();
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    for _ in 0..4 {
        client.append(&topic, 0, batch(&[vec![7; 200_000]]));
    }
    node.kill9();
    let files = with_extension(&node.data_dir().join("journal"), "journal");
    for file in &files {
        let bytes = fs::read(file).expect("a file of the test");
        fs::remove_file(file).expect("a file of the test");
        stays_as_it_is(
            node.config(),
            node.data_dir(),
            &node.data_dir().join("journal"),
            &[],
        );
        // One of which both headers are unreadable is as good as missing.
        fs::write(file, &bytes).expect("a file of the test");
        flip_bit(file, 50, 1);
        flip_bit(file, 4096 + 9, 1);
        stays_as_it_is(node.config(), node.data_dir(), file, &[]);
        fs::write(file, &bytes).expect("a file of the test");
    }
    node.restart();
    assert_eq!(node.client().read_all(&topic, 0).len(), 4);
}

#[test]
fn a_directory_without_its_metadata_is_refused() {
    let node = stopped();
    let metadata = node.data_dir().join("__cluster_metadata-0");
    let log = metadata.join("00000000000000000000.log");
    let bytes = fs::read(&log).expect("it is there");
    fs::remove_file(&log).expect("a file of the test");
    stays_as_it_is_but_for_starting(&node, &metadata);
    let mut damaged = bytes;
    damaged[100] ^= 1;
    fs::write(&log, &damaged).expect("a file of the test");
    stays_as_it_is_but_for_starting(&node, &log);
}

/// That the metadata cannot be read is found once the data directory is open; partitions are not touched.
fn stays_as_it_is_but_for_starting(node: &Node, path: &Path) {
    let topic = node.data_dir().join("t-0");
    let before = snapshot(&topic);
    let refusal = node.config().refused(node.data_dir());
    assert_eq!(refusal.code, Some(EXIT_FAILURE));
    refusal.names(&["metadata", &path.display().to_string()]);
    assert!(!refusal.stderr.contains("panicked"), "{}", refusal.stderr);
    assert_eq!(snapshot(&topic), before);
}
