//! The small files beside the segments, byte by byte as Kafka writes them.

use protocol::model::LeaderEpoch;

use super::{fill, log_path, small_segments};
use crate::fixture::{ROOT, append_at, node};
use crate::log::Producers;

fn side_file(node: &crate::fixture::Node, name: &str) -> String {
    let path = std::path::Path::new(ROOT).join("a-0").join(name);
    String::from_utf8(node.read(&path)).expect("text")
}

#[test]
fn partition_metadata_names_the_topic() {
    let node = node();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 1);
    let id = running.log("a").partition().topic_id;
    assert_eq!(
        side_file(&node, "partition.metadata"),
        format!("version: 0\ntopic_id: {id}\n")
    );
    assert_eq!(id.to_string().len(), 22, "base64, as Kafka prints it: {id}");
}

#[test]
fn leader_epochs_are_kept_in_kafkas_text() {
    let node = node();
    let mut running = node.start();
    let log = running.create("a");
    for epoch in [0, 0, 3, 3, 7] {
        append_at(&log, 0, epoch, &[b"v", b"w"]).expect("it is appended");
    }
    running.commit();
    running.dir.checkpoint(None).expect("a checkpoint");
    assert_eq!(
        side_file(&node, "leader-epoch-checkpoint"),
        "0\n3\n0 0\n3 4\n7 8\n"
    );
    let running = node.crash(running);
    let log = running.log("a");
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch::new(7)));
    let end = |epoch| {
        log.end_of_epoch(LeaderEpoch::new(epoch))
            .map(|(_, end)| end.get())
    };
    assert_eq!(
        (end(0), end(1), end(3), end(7), end(9)),
        (Some(4), Some(4), Some(8), Some(10), Some(10))
    );
}

#[test]
fn a_rolled_segment_has_a_snapshot_of_the_producers() {
    let node = small_segments();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 9);
    assert!(!node.image().contains_key(&log_path("a", 0, "snapshot")));
    let bytes = node.read(&log_path("a", 4, "snapshot"));
    assert_eq!(Producers::from_snapshot(&bytes), Some(Producers::default()));
}

#[test]
fn temporary_files_of_a_crash_are_removed() {
    let node = node();
    let mut running = node.start();
    running.create("a");
    fill(&mut running, "a", 3);
    let path = std::path::Path::new(ROOT).join("a-0/leader-epoch-checkpoint.tmp");
    let options = crate::io::OpenOptions {
        create: true,
        ..Default::default()
    };
    drop(node.disk.io().open(&path, options).expect("it opens"));
    let running = {
        drop(running);
        node.disk.kill();
        node.start()
    };
    assert_eq!(crate::fixture::values(&running.log("a")).len(), 3);
    assert!(!node.image().contains_key(&path));
}
