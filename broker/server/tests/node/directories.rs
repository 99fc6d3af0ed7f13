//! Several data directories: where partitions go, and what becomes of them when a directory fails, is missing or is a wrong one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use protocol::ErrorCode;
use protocol::messages::metadata_response::MetadataResponsePartition;

use crate::support::directory::{flip_bit, snapshot};
use crate::support::http::Scrape;
use crate::support::topics::{PRODUCE, code};
use crate::support::{Client, Node, NodeConfig, Topic, batch};

const EXIT_FAILURE: i32 = 1;

/// A small, quick node with that many directories.
fn config(directories: usize) -> NodeConfig {
    NodeConfig::new()
        .directories(directories)
        .set("log.write.behind.ms", "20")
}

/// A topic of four partitions, with a record in each.
fn four_partitions(client: &mut Client, name: &str) -> Topic {
    let topic = client.create_topic(name, 4, &[]);
    for partition in 0..4 {
        client.append(&topic, partition, batch(&[&value(&topic, partition)]));
    }
    topic
}

fn value(topic: &Topic, partition: i32) -> String {
    format!("{}-{partition}", topic.name)
}

/// Which partitions of a topic have their files in a directory.
fn partitions_in(directory: &Path, topic: &Topic) -> Vec<i32> {
    let is_there = |partition: &i32| {
        directory
            .join(format!("{}-{partition}", topic.name))
            .exists()
    };
    (0..8).filter(is_there).collect()
}

#[track_caller]
fn assert_served(client: &mut Client, topic: &Topic, partitions: &[i32]) {
    let states = client.partitions(topic);
    for partition in partitions {
        let state = &states[*partition as usize];
        assert_eq!((state.error_code, state.leader_id.0), (0, 1), "{state:?}");
        assert!(state.offline_replicas.is_empty());
        let values = client.read_all(topic, *partition);
        assert_eq!(values[0], value(topic, *partition).as_bytes());
        client.append(topic, *partition, batch(&["more"]));
        assert_eq!(client.read_all(topic, *partition).len(), values.len() + 1);
    }
}

/// As Kafka shows a partition whose directory is offline.
#[track_caller]
fn assert_offline(client: &mut Client, topic: &Topic, partitions: &[i32]) {
    let states: Vec<MetadataResponsePartition> = client.partitions(topic);
    for partition in partitions {
        let state = &states[*partition as usize];
        assert_eq!(code(state.error_code), ErrorCode::LeaderNotAvailable);
        assert_eq!(state.leader_id.0, -1);
        assert_eq!(state.replica_nodes, [1]);
        assert_eq!(state.isr_nodes, [1]);
        assert_eq!(state.offline_replicas, [1]);
        let refused = client.refused(topic, *partition, batch(&["lost?"]));
        assert_eq!(refused, ErrorCode::KafkaStorageError);
        let fetched = client.fetch(topic, *partition, 0);
        assert_eq!(code(fetched.error_code), ErrorCode::KafkaStorageError);
    }
}

/// A stopped node of two directories, a topic in both, and where its partitions are.
fn two_directories() -> (Node, Topic, BTreeMap<usize, Vec<i32>>) {
    let mut node = Node::start(config(2));
    let topic = four_partitions(&mut node.client(), "t");
    assert!(node.stop().success());
    let places = BTreeMap::from([0, 1].map(|number| {
        let partitions = partitions_in(&node.directory(number), &topic);
        (number, partitions)
    }));
    assert!(places.values().all(|partitions| partitions.len() == 2));
    (node, topic, places)
}

fn move_away(directory: &Path) -> PathBuf {
    let away = directory.with_extension("away");
    fs::rename(directory, &away).expect("it is there");
    away
}

/// A topic that was made while a directory failed.
struct Late {
    topic: Topic,
    /// Its partitions that have a record.
    acknowledged: Vec<i32>,
}

/// Makes a directory fail: files that are open go on, such as the journal's, but a new topic's cannot be made, nor can a checkpoint.
fn fail_directory(client: &mut Client, directory: &Path) -> Late {
    // It has files once it has records.
    let topic = client.create_topic("late", 2, &[]);
    move_away(directory);
    fs::write(directory, "no directory").expect("a temporary file");
    let mut acknowledged = Vec::new();
    for partition in 0..2 {
        let request = topic.produce(-1, &[(partition, batch(&[&value(&topic, partition)]))]);
        // The broker may have ended by now.
        let Ok(answer) = client.try_call(PRODUCE, &request) else {
            continue;
        };
        if answer.responses[0].partition_responses[0].error_code == 0 {
            acknowledged.push(partition);
        }
    }
    Late {
        topic,
        acknowledged,
    }
}

fn mend_directory(directory: &Path) {
    fs::remove_file(directory).expect("a temporary file");
    move_back(directory);
}

fn move_back(directory: &Path) {
    fs::rename(directory.with_extension("away"), directory).expect("it was moved away");
}

#[test]
fn a_new_partition_goes_to_the_directory_with_the_fewest_and_stays_there() {
    let mut node = Node::start(config(1));
    let alone = four_partitions(&mut node.client(), "alone");
    node.stop();
    node.set_directories(3);
    node.restart();
    let mut client = node.client();
    let many = client.create_topic("many", 8, &[]);
    for partition in 0..8 {
        client.append(&many, partition, batch(&[&value(&many, partition)]));
    }
    node.stop();
    let count = |number: usize, topic| partitions_in(&node.directory(number), topic).len();
    let counts = [0, 1, 2].map(|number| (count(number, &alone), count(number, &many)));
    assert_eq!(counts, [(4, 0), (0, 4), (0, 4)]);
    let metas: Vec<String> = (0..3)
        .map(|number| fs::read_to_string(node.directory(number).join("meta.properties")))
        .collect::<Result<_, _>>()
        .expect("each is formatted");
    let line = |meta: &str, key: &str| {
        let mut lines = meta.lines().map(str::to_owned);
        lines
            .find(|line| line.starts_with(key))
            .expect("it is there")
    };
    assert!(
        metas
            .iter()
            .all(|meta| line(meta, "cluster.id") == line(&metas[0], "cluster.id"))
    );
    assert_ne!(
        line(&metas[1], "directory.id"),
        line(&metas[2], "directory.id")
    );
    for _ in 0..2 {
        node.restart();
        let mut client = node.client();
        assert_served(&mut client, &alone, &[0, 1, 2, 3]);
        assert_served(&mut client, &many, &[0, 1, 2, 3, 4, 5, 6, 7]);
        node.kill9();
    }
}

#[test]
fn a_directory_that_cannot_be_read_costs_its_own_partitions() {
    let (mut node, topic, places) = two_directories();
    let checkpoint = node.directory(1).join("checkpoint");
    for (file, at) in [
        (checkpoint.clone(), 9),
        (node.directory(1).join("meta.properties"), 12),
    ] {
        flip_bit(&file, at, 6);
        node.restart();
        let mut client = node.client();
        assert_served(&mut client, &topic, &places[&0]);
        assert_offline(&mut client, &topic, &places[&1]);
        let path = node.directory(1).display().to_string();
        let scrape = Scrape::of(node.admin());
        let offline = "kafka_log_logmanager_offlinelogdirectorycount";
        assert_eq!(scrape.value(offline), 1.0);
        let labelled =
            format!("kafka_log_logmanager_logdirectoryoffline{{logDirectory=\"{path}\"}}");
        assert_eq!(scrape.value(&labelled), 1.0);
        let leaderless = "kafka_controller_kafkacontroller_offlinepartitionscount";
        assert_eq!(scrape.value(leaderless), 2.0);
        let said = node.log();
        assert!(
            said.contains("data directory is offline") && said.contains(&path),
            "{said}"
        );
        // What is made now is made where it can be.
        let another = four_partitions(&mut client, "another");
        assert_served(&mut client, &another, &[0, 1, 2, 3]);
        client.delete_topic(&another);
        assert!(node.stop().success());
        flip_bit(&file, at, 6);
    }
    node.restart();
    assert_served(&mut node.client(), &topic, &[0, 1, 2, 3]);
}

#[test]
fn a_directory_that_is_not_mounted_is_not_taken_for_a_new_one() {
    let (mut node, topic, places) = two_directories();
    let directory = node.directory(1);
    let away = move_away(&directory);
    let before = snapshot(&away);
    for is_there in [true, false] {
        if is_there {
            fs::create_dir(&directory).expect("a place to mount it");
        }
        for _ in 0..2 {
            node.restart();
            let mut client = node.client();
            assert_offline(&mut client, &topic, &places[&1]);
            assert_served(&mut client, &topic, &places[&0]);
            client.create_topic(&format!("new-{is_there}-{}", node.log_mark()), 2, &[]);
            assert!(
                node.log().contains("if it is to be mounted here")
                    || node.log().contains("mount it")
            );
            node.kill9();
            let made = fs::read_dir(&directory).map_or(0, Iterator::count);
            assert_eq!(made, 0, "nothing is put where it may be hidden");
        }
        if is_there {
            fs::remove_dir(&directory).expect("it is empty");
        }
    }
    assert_eq!(snapshot(&away), before);
    move_back(&directory);
    node.restart();
    assert_served(&mut node.client(), &topic, &[0, 1, 2, 3]);
}

#[test]
fn a_lost_directory_is_replaced_once_its_topics_are_given_up() {
    let (mut node, topic, places) = two_directories();
    let client_of = |node: &mut Node| {
        node.restart();
        node.client()
    };
    fs::remove_dir_all(node.directory(1)).expect("it is there");
    fs::create_dir(node.directory(1)).expect("a new disk");
    let mut client = client_of(&mut node);
    assert_offline(&mut client, &topic, &places[&1]);
    client.delete_topic(&topic);
    node.stop();
    let mut client = client_of(&mut node);
    let next = four_partitions(&mut client, "next");
    node.stop();
    for number in [0, 1] {
        assert_eq!(partitions_in(&node.directory(number), &next).len(), 2);
        assert!(partitions_in(&node.directory(number), &topic).is_empty());
    }
}

/// The only directory for partitions is lost: no topic can be deleted without a broker, and no broker starts without a directory.
#[test]
fn a_lost_directory_can_be_given_up_by_its_id() {
    let mut node = Node::prepare(config(1));
    let own = node.directory(0).with_file_name("metadata");
    node.set("metadata.log.dir", &own.display().to_string());
    node.restart();
    let topic = four_partitions(&mut node.client(), "t");
    node.stop();
    let meta = fs::read_to_string(node.directory(0).join("meta.properties"));
    let meta = meta.expect("it is formatted");
    let id = meta
        .lines()
        .find_map(|line| line.strip_prefix("directory.id="));
    let id = id.expect("it has an id");
    fs::remove_dir_all(node.directory(0)).expect("it is there");
    let refusal = node.config().refused(node.data_dir());
    refusal.names(&[id, "log.dirs.lost", "no data directory can be used"]);
    assert!(!node.directory(0).exists());

    node.set("log.dirs.lost", id);
    node.restart();
    let mut client = node.client();
    assert_offline(&mut client, &topic, &[0, 1, 2, 3]);
    let next = four_partitions(&mut client, "next");
    client.delete_topic(&topic);
    node.kill9();
    node.restart();
    assert_served(&mut node.client(), &next, &[0, 1, 2, 3]);
}

#[test]
fn a_topic_that_was_deleted_meanwhile_is_deleted_when_its_directory_is_back() {
    let (mut node, topic, places) = two_directories();
    node.restart();
    let kept = four_partitions(&mut node.client(), "kept");
    node.stop();
    move_away(&node.directory(1));
    node.restart();
    let mut client = node.client();
    client.delete_topic(&topic);
    let again = four_partitions(&mut client, "t");
    assert_ne!(again.id, topic.id);
    node.stop();
    move_back(&node.directory(1));
    assert_eq!(partitions_in(&node.directory(1), &topic), places[&1]);
    node.restart();
    let mut client = node.client();
    assert_served(&mut client, &kept, &[0, 1, 2, 3]);
    assert_served(&mut client, &again, &[0, 1, 2, 3]);
    node.stop();
    assert!(partitions_in(&node.directory(1), &topic).is_empty());
}

#[test]
fn a_directory_that_fails_while_it_is_used_costs_its_own_partitions() {
    let (mut node, topic, places) = two_directories();
    node.restart();
    let mut client = node.client();
    assert_served(&mut client, &topic, &[0, 1, 2, 3]);
    let directory = node.directory(1);
    let mark = node.log_mark();
    let late = fail_directory(&mut client, &directory);
    node.wait_for_log(mark, |line| line.contains("data directory goes offline"));
    let mut states = client.partitions(&topic);
    while states.iter().all(|partition| partition.error_code == 0) {
        states = client.partitions(&topic);
    }
    assert_offline(&mut client, &topic, &places[&1]);
    assert_served(&mut client, &topic, &places[&0]);
    let states = client.partitions(&late.topic);
    let is_lost = |partition: &i32| states[*partition as usize].error_code != 0;
    let (lost, served): (Vec<i32>, Vec<i32>) = (0..2).partition(is_lost);
    assert_eq!(lost.len(), 1, "there was one in each");
    assert_offline(&mut client, &late.topic, &lost);
    assert_served(&mut client, &late.topic, &served);
    let scrape = Scrape::of(node.admin());
    assert_eq!(
        scrape.value("kafka_log_logmanager_offlinelogdirectorycount"),
        1.0
    );
    assert!(node.runs());
    assert!(node.stop().success(), "the others are stopped cleanly");
    mend_directory(&directory);
    node.restart();
    let mut client = node.client();
    assert_served(&mut client, &topic, &[0, 1, 2, 3]);
    assert_served(&mut client, &late.topic, &late.acknowledged);
}

#[test]
fn without_the_directory_of_the_metadata_there_is_no_broker() {
    let (mut node, topic, _) = two_directories();
    node.restart();
    let mut client = node.client();
    assert_served(&mut client, &topic, &[0, 1, 2, 3]);
    let directory = node.directory(0);
    let late = fail_directory(&mut client, &directory);
    let status = node.ended();
    assert_eq!(status.code(), Some(EXIT_FAILURE));
    let said = node.log();
    assert!(
        said.contains("the data directory with the metadata"),
        "{said}"
    );
    assert!(said.contains("went offline"), "{said}");
    mend_directory(&directory);
    node.restart();
    let mut client = node.client();
    assert_served(&mut client, &topic, &[0, 1, 2, 3]);
    assert_served(&mut client, &late.topic, &late.acknowledged);
}

#[test]
fn a_start_without_the_metadata_is_refused() {
    let (mut node, topic, _) = two_directories();
    let (first, second) = (node.directory(0), node.directory(1));
    let refused = |node: &Node, words: &[&str]| {
        let before = snapshot(&second);
        let refusal = node.config().refused(&first);
        assert_eq!(refusal.code, Some(EXIT_FAILURE), "{}", refusal.stderr);
        refusal.names(words);
        assert!(!refusal.stderr.contains("panicked"), "{}", refusal.stderr);
        assert_eq!(snapshot(&second), before);
    };
    let paths = [first.display().to_string(), second.display().to_string()];
    let words = [
        &paths[0],
        &paths[1],
        "metadata.log.dir",
        "Nothing was changed",
    ];

    // Not mounted, or gone.
    let _ = move_away(&first);
    refused(&node, &words);
    assert!(!first.exists());
    fs::create_dir(&first).expect("a place to mount it");
    refused(&node, &words);
    assert!(fs::read_dir(&first).expect("it is there").next().is_none());
    fs::remove_dir(&first).expect("it is empty");
    move_back(&first);

    let meta = first.join("meta.properties");
    flip_bit(&meta, 12, 6);
    refused(&node, &[&meta.display().to_string()]);
    flip_bit(&meta, 12, 6);

    // The metadata is elsewhere: the directories are opened to find that out.
    let elsewhere = node.config().clone().set("metadata.log.dir", &paths[1]);
    let refusal = elsewhere.refused(&first);
    assert_eq!(refusal.code, Some(EXIT_FAILURE));
    refusal.names(&[&paths[1], "no metadata log", "metadata.log.dir"]);

    node.restart();
    assert_served(&mut node.client(), &topic, &[0, 1, 2, 3]);
}

#[test]
fn a_wrong_directory_is_refused() {
    let (mut node, topic, _) = two_directories();
    let (first, second) = (node.directory(0), node.directory(1));
    let mut others = Node::start(config(1));
    others.stop();
    let _ = move_away(&second);
    let copy = |from: &Path| {
        let output = std::process::Command::new("cp")
            .arg("-r")
            .args([from, &second])
            .status();
        assert!(output.expect("cp").success());
    };
    copy(&first);
    let refusal = node.config().refused(&first);
    refusal.names(&["have the same directory.id", &second.display().to_string()]);
    fs::remove_dir_all(&second).expect("a copy");

    copy(others.data_dir());
    let refusal = node.config().refused(&first);
    refusal.names(&["belongs to cluster", &second.display().to_string()]);
    fs::remove_dir_all(&second).expect("a copy");
    move_back(&second);

    // Empty but for something else, while nothing is missing: a mistake, and no new disk.
    let third = node.directory(2);
    fs::create_dir(&third).expect("a directory");
    fs::write(third.join("thesis.txt"), "years of work").expect("a file");
    node.set_directories(3);
    let refusal = node.config().refused(&first);
    refusal.names(&["thesis.txt", "no Holdfast data directory"]);
    fs::remove_file(third.join("thesis.txt")).expect("a file");

    node.restart();
    assert_served(&mut node.client(), &topic, &[0, 1, 2, 3]);
}

#[test]
fn the_metadata_may_have_a_directory_of_its_own() {
    let mut node = Node::prepare(config(2));
    let own = node.directory(0).with_file_name("metadata");
    node.set("metadata.log.dir", &own.display().to_string());
    node.restart();
    let topic = four_partitions(&mut node.client(), "t");
    node.stop();
    assert!(own.join("__cluster_metadata-0").exists());
    assert!(partitions_in(&own, &topic).is_empty());
    for number in [0, 1] {
        assert_eq!(partitions_in(&node.directory(number), &topic).len(), 2);
        assert!(!node.directory(number).join("__cluster_metadata-0").exists());
    }
    node.restart();
    let mut client = node.client();
    assert_served(&mut client, &topic, &[0, 1, 2, 3]);

    // When the last directory for partitions fails there is nothing left to serve.
    let last = node.directory(0);
    let late = client.create_topic("later", 2, &[]);
    fail_directory(&mut client, &node.directory(1));
    move_away(&last);
    fs::write(&last, "no directory").expect("a temporary file");
    for partition in 0..2 {
        let request = late.produce(-1, &[(partition, batch(&["x"]))]);
        let _ = client.try_call(PRODUCE, &request);
    }
    let status = node.ended();
    assert_eq!(status.code(), Some(EXIT_FAILURE));
    assert!(node.log().contains("the last data directory went offline"));
}
